"""The gradients of a block on one shape of input: a convolution for the input's, a kernel for the parameters'."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

import convitro.engine.cpu.jit as jit
from convitro.engine.cpu.blocking import Sliding
from convitro.engine.cpu.call import Call, scratch
from convitro.engine.cpu.choice import chosen, depthwise_reasons
from convitro.engine.cpu.convolver import DTYPES
from convitro.engine.cpu.gradient_source import GradientSource
from convitro.engine.cpu.input_gradient import InputGradient
from convitro.engine.cpu.isa import Isa
from convitro.engine.cpu.layer import (
    Form,
    accumulation,
    channels_last,
    input_sizes,
    keeps,
    layout_of,
    side_by_side,
    sliding_of,
)
from convitro.engine.cpu.source import TensorSource
from convitro.engine.cpu.weight_gradient import POINTERS, WeightGradient, weight_gradient
from convitro.engine.cpu.weight_gradient_layout import Shape, best_cut, best_tile, weight_gradient_sizes
from convitro.geometry import BlockProblem

Gradients = tuple[Tensor | None, Tensor | None, Tensor | None]
"""Of input, weight and bias; None for those that are not asked for."""


class Needs(NamedTuple):
    """Which gradients are asked for."""

    input: bool
    weight: bool
    bias: bool


class Backward:
    """The backward pass of a block on one shape of input.

    Args:
        block: the forward pass.
        forms: of input and weight, and the dtype of the output's gradient.
        needs: which gradients are asked for.
        algorithm: of the input's gradient, "auto" or one of `choice.ALGORITHMS`.
        isa, team: the vectors to use, and how many threads.
    """

    def __init__(
        self,
        block: BlockProblem,
        forms: tuple[Form, Form, str],
        needs: Needs,
        algorithm: str,
        isa: Isa,
        team: int,
    ) -> None:
        input, weight, element = forms
        images, _, height, width = input.shape
        pooled = (images, block.conv.out_channels, *block.output_size(height, width))
        self._input = self._parameters = None
        if needs.input:
            sizes = _gradient_sizes("input", pooled)
            source = _source(block, input.element, element)
            self._input = InputGradient(
                block, (input, weight), source, _choice(algorithm, input), sizes, isa, team
            )
        if needs.weight or needs.bias:
            self._parameters = ParameterGradients(
                block, forms, needs, _gradient_sizes("gradient", pooled), isa, team
            )

    def __call__(
        self, gradient: Tensor, input: Tensor, weight: Tensor, saved: Sequence[Tensor | None]
    ) -> Gradients:
        """The gradients, from that of the output and what was saved: output, switches, numbers before."""
        output, switches, before = saved
        pooled = side_by_side(output) if output is not None else before
        addresses = [0 if tensor is None else tensor.data_ptr() for tensor in (gradient, pooled, switches)]
        of_input = of_weight = of_bias = None
        if self._input is not None:
            of_input = self._input(weight, addresses)
        if self._parameters is not None:
            of_weight, of_bias = self._parameters(input, weight, addresses)
        return of_input, of_weight, of_bias


class ParameterGradients:
    """The gradients of weight and bias; arguments as for `Backward`, and the strides of the output's gradient."""

    def __init__(
        self,
        block: BlockProblem,
        forms: tuple[Form, Form, str],
        needs: Needs,
        strides: dict[str, int],
        isa: Isa,
        team: int,
    ) -> None:
        input, weight, element = forms
        dtype = accumulation(input.element)
        sliding = sliding_of(block, input.shape[0], *input.shape[2:])
        depthwise, size_bytes = not depthwise_reasons(sliding), DTYPES[dtype].itemsize
        lanes = isa.lanes(8 * size_bytes)
        tile = best_tile(sliding, isa, lanes, depthwise=depthwise)
        self._needs, self._shape, self._strides = needs, weight.shape, dense_strides(weight)
        self._dtype = DTYPES[weight.element]
        shape = Shape(sliding, tile, lanes, size_bytes, depthwise, self._strides)
        cut = best_cut(shape, team)
        sizes, tables = weight_gradient_sizes(shape, cut, team)
        sizes |= input_sizes(input.strides) | strides
        kernel = WeightGradient(
            dtype,
            TensorSource(input.element, layout_of(input), clean=False),
            _source(block, input.element, element, tensor="gradient", prefix="dz_", clean=False),
            tile,
            depthwise,
            weight.element if needs.weight else None,
            weight.element if needs.bias else None,
        )
        compiled = jit.compiled(repr(kernel), lambda: weight_gradient(kernel, isa), isa)
        phases = range(2 if cut.splits > 1 else 1)
        self._calls = [
            Call(compiled, len(POINTERS), sizes | {"phase": phase}, team, tables) for phase in phases
        ]
        self._memory_bytes = sizes["memory_bytes"]

    def __call__(
        self, input: Tensor, weight: Tensor, addresses: Sequence[int]
    ) -> tuple[Tensor | None, Tensor | None]:
        """Both gradients, as far as needed; addresses of the output's gradient, what was saved, and switches."""
        of_weight = of_bias = None
        if self._needs.weight:
            of_weight = torch.empty_strided(self._shape, self._strides, dtype=self._dtype)
        if self._needs.bias:
            of_bias = torch.empty(self._shape[0], dtype=self._dtype)
        results = [0 if tensor is None else tensor.data_ptr() for tensor in (of_weight, of_bias)]
        memory = scratch(self._memory_bytes)
        for call in self._calls:
            call(input.data_ptr(), *addresses, *results, memory)
        return of_weight, of_bias


def dense_strides(form: Form) -> tuple[int, ...]:
    """Those of a tensor without gaps that has its axes in the order of this one: what torch.empty_like makes."""
    return torch.empty_like(
        torch.empty_strided(form.shape, form.strides, dtype=torch.uint8, device="meta")
    ).stride()


def _choice(algorithm: str, input: Form) -> Callable[[Sliding], str]:
    """The algorithm of a convolution that is part of an input's gradient."""
    if algorithm == "direct":
        return lambda sliding: "direct"
    return lambda sliding: chosen(sliding, input.element)


def _gradient_sizes(tensor: str, shape: Sequence[int]) -> dict[str, int]:
    """The sizes of the output's gradient, whose channels lie side by side."""
    image, _, row, column = channels_last(shape)
    return {
        f"{tensor}_height": shape[2],
        f"{tensor}_width": shape[3],
        f"{tensor}_image": image,
        f"{tensor}_row": row,
        f"{tensor}_column": column,
    }


def _source(block: BlockProblem, element: str, gradient: str, **more: Any) -> GradientSource:
    """What packs the gradient of the convolution's output."""
    kept = keeps(block)
    saved = accumulation(element) if kept.before else element if kept.output else None
    return GradientSource(
        gradient, block.activation, block.pool, block.pool_stride, switches=kept.switches, saved=saved, **more
    )
