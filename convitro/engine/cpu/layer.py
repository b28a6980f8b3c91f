"""A layer's forward pass on one shape of input: which kernels, with which sizes, and one call for it."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import NamedTuple

import torch
from torch import Tensor

from convitro.engine.cpu.blocking import Sliding
from convitro.engine.cpu.choice import chosen
from convitro.engine.cpu.convolver import DTYPES, NAMES, Convolver, Request
from convitro.engine.cpu.finish import Epilogue
from convitro.engine.cpu.isa import Isa
from convitro.engine.cpu.mathematics import ACTIVATIONS
from convitro.engine.cpu.memory import maker
from convitro.engine.cpu.packed import packed
from convitro.engine.cpu.source import TensorSource
from convitro.engine.cpu.weights import WeightView
from convitro.geometry import BlockProblem

STREAMED_BYTES = 12 * 2**20
"""Larger outputs do not stay in the caches until the next layer reads them: writing around them is faster."""


class Form(NamedTuple):
    """What is known of a tensor without its values."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    element: str

    @classmethod
    def of(cls, tensor: Tensor) -> Form:
        """That of a tensor."""
        return cls(tuple(tensor.shape), tensor.stride(), NAMES[tensor.dtype])


class Saves(NamedTuple):
    """What a forward pass stores besides its output: the switches, and the numbers before the activation."""

    switches: bool = False
    before: bool = False


def accumulation(element: str) -> str:
    """The dtype that a layer of this dtype is computed in."""
    return "float64" if element == "float64" else "float32"


class Keeps(NamedTuple):
    """What backward needs of a block's own numbers besides its input and weight."""

    switches: bool
    before: bool
    output: bool


def keeps(block: BlockProblem) -> Keeps:
    """With relu a switch says also that its winner was not positive: one byte in place of the pooled output.

    Without pooling the output tells as much, and costs nothing where the next layer keeps it as its input.
    """
    closes, saved = block.pools and block.activation == "relu", ACTIVATIONS[block.activation].saves
    return Keeps(block.pools, saved == "input", saved == "output" and not closes)


def sliding_of(block: BlockProblem, images: int, height: int, width: int) -> Sliding:
    """The forward pass as windows that slide."""
    conv = block.conv
    rows, columns = conv.output_size(height, width)
    return Sliding(
        images=images,
        height=height,
        width=width,
        channels=conv.channels_per_filter,
        filters=conv.out_channels // conv.groups,
        groups=conv.groups,
        kernel=conv.kernel_size,
        stride=conv.stride,
        dilation=conv.dilation,
        top=conv.padding[0],
        left=conv.padding[2],
        rows=rows,
        columns=columns,
        pool=block.pool,
        pool_stride=block.pool_stride,
    )


def layout_of(form: Form) -> str:
    """How the packing reads a tensor (N, C, H, W), see `source.TensorSource`."""
    channels, (_, channel, _, column) = form.shape[1], form.strides
    if channel == 1 or channels == 1:
        return "channels"
    return "planar" if column == 1 else "strided"


def input_sizes(strides: Sequence[int], prefix: str = "input") -> dict[str, int]:
    """The strides of a tensor (N, C, H, W) by the names that kernels use."""
    names = ("image", "channel", "row", "column")
    return {f"{prefix}_{name}": stride for name, stride in zip(names, strides, strict=True)}


def channels_last(shape: Sequence[int]) -> tuple[int, int, int, int]:
    """The strides of a tensor (N, C, H, W) whose channels lie side by side."""
    _, channels, rows, columns = shape
    return rows * columns * channels, 1, columns * channels, channels


def side_by_side(tensor: Tensor) -> Tensor:
    """A tensor (N, C, H, W) with its channels side by side, itself if they are."""
    strides = channels_last(tensor.shape)
    sizes = zip(tensor.shape, tensor.stride(), strides, strict=True)
    if all(size == 1 or have == want for size, have, want in sizes):
        return tensor
    return torch.empty_strided(tensor.shape, strides, dtype=tensor.dtype).copy_(tensor)


def output_strides(shape: Sequence[int], input: Sequence[int], weight: Sequence[int]) -> tuple[int, ...]:
    """The strides of an output: channels side by side if those of the input or the weight are, as in PyTorch.

    Args:
        shape: (N, C_out, H, W).
        input, weight: the strides of both.
    """
    both = (input, weight)
    beside = any(channel < column or channel == column == 1 < row for _, channel, row, column in both)
    _, channels, rows, columns = shape
    return channels_last(shape) if beside else (channels * rows * columns, rows * columns, columns, 1)


Results = tuple[Tensor, Tensor | None, Tensor | None]
"""The output, the switches and the numbers before the activation; None for what was not saved."""


class Forward:
    """The forward pass of a block on one shape of input.

    Args:
        block: what is computed; its padding is of the kind "zeros".
        forms: of input and weight, and the dtype of the bias, None without one.
        saves: what is stored besides the output.
        algorithm: "auto", "direct", "depthwise" or "winograd".
        isa, team: the vectors to use, and how many threads.
    """

    def __init__(
        self,
        block: BlockProblem,
        forms: tuple[Form, Form, str | None],
        saves: Saves,
        algorithm: str,
        isa: Isa,
        team: int,
    ) -> None:
        input, weight, bias = forms
        images, _, height, width = input.shape
        self.shape = (images, block.conv.out_channels, *block.output_size(height, width))
        beside, dtype = channels_last(self.shape), DTYPES[accumulation(input.element)]
        strides = output_strides(self.shape, input.strides, weight.strides)
        self._output = maker(self.shape, strides, DTYPES[input.element])
        self._switches = maker(self.shape, beside, torch.uint8) if saves.switches else None
        self._before = maker(self.shape, beside, dtype) if saves.before else None
        sliding = sliding_of(block, images, height, width)
        algorithm = chosen(sliding, input.element) if algorithm == "auto" else algorithm
        layout = layout_of(input)
        request = Request(
            sliding=sliding,
            source=TensorSource(input.element, layout),
            weight=WeightView.of(weight.shape, weight.strides, block.conv.groups),
            weight_element=weight.element,
            dtype=accumulation(input.element),
            algorithm=algorithm,
            epilogue=Epilogue(
                block.activation,
                block.pool,
                block.pool_stride,
                *saves,
                input.element,
                planes=strides != beside and min(self.shape[1], prod(self.shape[2:])) > 1,
                streams=strides == beside and self._streams(sliding, input.element, isa),
            ),
            bias=bias,
        )
        sizes = input_sizes(input.strides) | input_sizes(beside, "output")
        self.convolver = Convolver(request, sizes, isa, team)

    def _streams(self, sliding: Sliding, element: str, isa: Isa) -> bool:
        """Whether the output is too large for the caches, and made of whole vectors."""
        itemsize = DTYPES[element].itemsize
        vectors = element != "bfloat16" and sliding.filters * itemsize % (isa.bits // 8) == 0
        return vectors and prod(self.shape) * itemsize >= STREAMED_BYTES

    def __call__(self, input: Tensor, weight: Tensor, bias: Tensor | None, trained: bool = False) -> Results:
        """The output, and what is saved; of a weight that is being trained nothing is remembered."""
        output, switches, before = self._output(), None, None
        places: tuple[int, ...] = ()
        if self._switches is not None or self._before is not None:
            switches = None if self._switches is None else self._switches()
            before = None if self._before is None else self._before()
            places = (_address(switches), _address(before))
        self._run((input, weight, bias), output, places, trained)
        return output, switches, before

    def output(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The output alone."""
        output = self._output()
        self._run((input, weight, bias), output, (), False)
        return output

    def _run(
        self,
        tensors: tuple[Tensor, Tensor, Tensor | None],
        output: Tensor,
        places: tuple[int, ...],
        trained: bool,
    ) -> None:
        (input, weight, bias), convolver, numbers = tensors, self.convolver, 0
        if bias is not None:
            bias = bias if bias.is_contiguous() else bias.contiguous()
            numbers = bias.data_ptr()
        pack = convolver.pack
        weights = pack(weight) if trained else packed(weight, convolver.packing, pack)
        if not convolver.convolve(input.data_ptr(), weights, numbers, output.data_ptr(), places):
            convolver = convolver.direct
            weights = packed(weight, convolver.packing, convolver.pack)
            convolver.convolve(input.data_ptr(), weights, numbers, output.data_ptr(), places)


def _address(tensor: Tensor | None) -> int:
    return 0 if tensor is None else tensor.data_ptr()
