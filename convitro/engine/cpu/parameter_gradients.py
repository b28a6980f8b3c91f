"""The gradients of a block's weight and bias, prepared for one shape of input."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

import convitro.engine.cpu.jit as jit
from convitro.engine.cpu.blocking import Sliding
from convitro.engine.cpu.call import Call, scratch
from convitro.engine.cpu.choice import depthwise_reasons, impossible
from convitro.engine.cpu.convolver import DTYPES
from convitro.engine.cpu.gradient_source import GradientSource
from convitro.engine.cpu.isa import Isa
from convitro.engine.cpu.layer import Form, accumulation, input_sizes, layout_of
from convitro.engine.cpu.memory import maker
from convitro.engine.cpu.source import TensorSource
from convitro.engine.cpu.weight_gradient import POINTERS, WeightGradient, weight_gradient
from convitro.engine.cpu.weight_gradient_cut import Shape, best_cut, best_tile, winograd_pays
from convitro.engine.cpu.weight_gradient_layout import weight_gradient_sizes


class Wanted(NamedTuple):
    """Which of the two gradients are asked for."""

    weight: bool
    bias: bool


@dataclass(frozen=True)
class ParameterRequest:
    """What is to be computed.

    Attributes:
        sliding: the forward pass.
        input, weight: what is known of the tensors.
        source: packs the gradient of the convolution's output.
        wanted: which gradients.
        algorithm: "auto", or "direct", "depthwise" or "winograd" where it can compute this at all.
    """

    sliding: Sliding
    input: Form
    weight: Form
    source: GradientSource
    wanted: Wanted
    algorithm: str = "auto"

    @property
    def winograd(self) -> bool:
        """Whether the weight's gradient is summed in the domain of Winograd's transforms."""
        if not self.wanted.weight or self.algorithm == "direct" or impossible("winograd", self.sliding):
            return False
        if self.sliding.kernel != (3, 3):  # smaller and larger ones are direct sums here
            return False
        return self.algorithm == "winograd" or winograd_pays(self.sliding)


class ParameterGradients:
    """The kernel of a request with all its numbers.

    Args:
        request: what to compute.
        strides: sizes of the output's gradient, "gradient_height", _width, _image, _row and _column.
        isa: the vectors to use.
        team: how many threads share the work.
    """

    def __init__(self, request: ParameterRequest, strides: dict[str, int], isa: Isa, team: int) -> None:
        self._arguments = (replace(request, algorithm="direct"), strides, isa, team)
        self.request, self._winograd = request, request.winograd
        self._direct: ParameterGradients | None = None
        strides_of_weight, element = dense_strides(request.weight), DTYPES[request.weight.element]
        self._weight = (
            maker(request.weight.shape, strides_of_weight, element) if request.wanted.weight else None
        )
        self._bias = maker(request.weight.shape[:1], (1,), element) if request.wanted.bias else None
        dtype, sliding = accumulation(request.input.element), request.sliding
        size_bytes, winograd = DTYPES[dtype].itemsize, request.winograd
        depthwise, lanes = not depthwise_reasons(sliding) and not winograd, isa.lanes(8 * size_bytes)
        tile = best_tile(sliding, isa, lanes, depthwise=depthwise, winograd=winograd)
        shape = Shape(sliding, tile, lanes, size_bytes, depthwise, strides_of_weight, winograd)
        cut = best_cut(shape, team)
        if not request.wanted.weight:
            cut = replace(cut, channel_chunks=1)  # a bias has no channels
        sizes, tables = weight_gradient_sizes(shape, cut, team)
        sizes |= input_sizes(request.input.strides) | strides
        weight, bias = (request.weight.element if wanted else None for wanted in request.wanted)
        kernel = WeightGradient(
            dtype,
            TensorSource(request.input.element, layout_of(request.input), clean=False),
            replace(request.source, tensor="gradient", prefix="dz_", clean=False),
            tile,
            depthwise,
            weight,
            bias,
            winograd,
        )
        compiled = jit.compiled(repr(kernel), lambda: weight_gradient(kernel, isa), isa)
        self._calls = [
            Call(compiled, len(POINTERS) + winograd, sizes | {"phase": phase}, team, tables)
            for phase in range(2 if cut.splits > 1 else 1)
        ]
        self._memory_bytes = sizes["memory_bytes"]

    def __call__(self, input: Tensor, addresses: Sequence[int]) -> tuple[Tensor | None, Tensor | None]:
        """Both gradients, None for what is not wanted.

        Args:
            input: of the block.
            addresses: of the output's gradient, what was saved, and the switches, as the source reads them.
        """
        of_weight = None if self._weight is None else self._weight()
        of_bias = None if self._bias is None else self._bias()
        places = (
            input.data_ptr(),
            *addresses,
            0 if of_weight is None else of_weight.data_ptr(),
            0 if of_bias is None else of_bias.data_ptr(),
            scratch(self._memory_bytes),
        )
        if not self._winograd:
            for call in self._calls:
                call.run(*places)
            return of_weight, of_bias
        flag = ctypes.c_int64(0)
        for call in self._calls:
            call.run(*places, ctypes.addressof(flag))
        return (of_weight, of_bias) if flag.value == 0 else self._directly(input, addresses)

    def _directly(self, input: Tensor, addresses: Sequence[int]) -> tuple[Tensor | None, Tensor | None]:
        """For numbers that Winograd's algorithm would spread, infinities above all."""
        if self._direct is None:
            self._direct = ParameterGradients(*self._arguments)
        return self._direct(input, addresses)


def dense_strides(form: Form) -> tuple[int, ...]:
    """Those of a tensor without gaps whose axes lie in the same order: what torch.empty_like makes."""
    given = torch.empty_strided(form.shape, form.strides, dtype=torch.uint8, device="meta")
    return torch.empty_like(given).stride()
