"""The gradients of an operator on one shape of input: a kernel for the input's, one for the weight's."""

from __future__ import annotations

import ctypes
from dataclasses import replace
from functools import cached_property
from math import ceil

import torch
from torch import Tensor

from convitro.engine.cpu.call import Call, scratch
from convitro.engine.cpu.convolver import DTYPES
from convitro.engine.cpu.isa import Isa
from convitro.engine.cpu.layer import accumulation, channels_last, input_sizes, side_by_side, sliding_of
from convitro.engine.cpu.packed import packed
from convitro.engine.cpu.weights import WeightView
from convitro.engine.fold.forward import FoldRequest, Packing, by_filter, compiled, fold_of, where_saved
from convitro.engine.fold.input_kernel import POINTERS as INPUT_POINTERS
from convitro.engine.fold.input_kernel import input_program
from convitro.engine.fold.layout import backward_sizes
from convitro.engine.fold.weight_kernel import POINTERS as WEIGHT_POINTERS
from convitro.engine.fold.weight_kernel import weight_program


class FoldBackward:
    """The backward pass of a request, each kernel made when it is first asked for.

    Args:
        request: the forward pass, which saved what is needed.
        isa: the vectors to use.
        team: how many threads share the work.
    """

    def __init__(self, request: FoldRequest, isa: Isa, team: int) -> None:
        self.request, self._isa, self._team = request, isa, team
        block, input = request.block, request.input
        self._dtype = accumulation(input.element)
        images, _, height, width = input.shape
        self._sliding = sliding_of(block, images, height, width)
        self.fold = fold_of(replace(request, saves=True), isa)
        self._lanes = isa.lanes(8 * DTYPES[self._dtype].itemsize)
        self._strides = input_sizes(input.strides)
        size_bytes = DTYPES[self._dtype].itemsize
        self._sizes = backward_sizes(self._sliding, self.fold, self._lanes, size_bytes, team)

    def __call__(
        self,
        gradient: Tensor,
        input: Tensor,
        weight: Tensor,
        saved: list[Tensor],
        needs: tuple[bool, bool],
        parameter: Tensor | None = None,
    ) -> tuple[Tensor | None, Tensor | None]:
        """The gradients of input and weight in the dtype of the accumulation, None where not asked for.

        Args:
            gradient: of the result.
            input, weight: as in the forward pass.
            saved: the result, then what the forward pass saved.
            needs: which are asked for.
            parameter: of the aggregation, if it is learned.
        """
        if parameter is not None:
            shape = (self._sliding.groups, self._sizes["filters_padded"])
            parameter = by_filter(parameter, len(weight), shape, DTYPES[self._dtype])
        tensors = [gradient.to(DTYPES[self._dtype]), *saved]
        above = [side_by_side(tensor) for tensor in tensors]
        of_input = self._of_input(input, weight, above, parameter) if needs[0] else None
        of_weight = self._of_weight(input, weight, above, parameter) if needs[1] else None
        return of_input, of_weight

    def _of_input(
        self, input: Tensor, weight: Tensor, above: list[Tensor], parameter: Tensor | None
    ) -> Tensor:
        strides = channels_last(input.shape)
        result = torch.empty_strided(input.shape, strides, dtype=DTYPES[self._dtype]).zero_()
        self._run(self._input_call, (input, weight, parameter), above, result)
        return result

    def _of_weight(
        self, input: Tensor, weight: Tensor, above: list[Tensor], parameter: Tensor | None
    ) -> Tensor:
        result = torch.empty(weight.shape, dtype=DTYPES[self._dtype])
        self._run(self._weight_call, (input, weight, parameter), above, result)
        return result

    def _run(
        self,
        prepared: tuple[Call, Packing],
        tensors: tuple[Tensor, Tensor, Tensor | None],
        above: list[Tensor],
        to: Tensor,
    ) -> None:
        (call, pack), (input, weight, parameter), (gradient, result, *more) = prepared, tensors, above
        extras, winners = where_saved(self.fold, more)
        weights = packed(weight, pack.word, pack, trained=weight.requires_grad)
        addresses = [tensor.data_ptr() for tensor in (input, weights, gradient, result)]
        memory = scratch(self._sizes["scratch_bytes"] * self._team)
        last = 0 if parameter is None else parameter.data_ptr()
        call(*addresses, ctypes.addressof(extras), winners, to.data_ptr(), memory, last)

    @cached_property
    def _input_call(self) -> tuple[Call, Packing]:
        fold, isa, sliding = self.fold, self._isa, self._sliding
        program = compiled(fold, "input", lambda: input_program(fold, isa), isa)
        rows, columns = (range(size) for size in fold.kernel)
        sides = {"channels": sliding.filters, "filters": sliding.channels}
        return self._prepared(program, len(INPUT_POINTERS), self._view.turned(rows, columns), sides)

    @cached_property
    def _weight_call(self) -> tuple[Call, Packing]:
        fold, isa, sliding = self.fold, self._isa, self._sliding
        program = compiled(fold, "weight", lambda: weight_program(fold, isa), isa)
        sides = {"channels": sliding.channels, "filters": sliding.filters}
        return self._prepared(program, len(WEIGHT_POINTERS), self._view, sides)

    @property
    def _view(self) -> WeightView:
        form = self.request.weight
        return WeightView.of(form.shape, form.strides, self._sliding.groups)

    def _prepared(
        self, program: object, pointers: int, view: WeightView, sides: dict[str, int]
    ) -> tuple[Call, Packing]:
        """The call, and what packs the weight with `filters` in the lanes."""
        blocks = ceil(sides["filters"] / self._lanes)
        packing = (
            sides
            | view.sizes()
            | {
                "groups": self._sliding.groups,
                "filter_blocks": blocks,
                "weights_in_block": sides["channels"] * self._sliding.taps * self._lanes,
            }
        )
        pack = Packing(self.request.weight.element, self._dtype, self._lanes, packing, self._isa, self._team)
        call = Call(program, pointers, self._sizes | self._strides, self._team)  # type: ignore[arg-type]
        return call, pack
