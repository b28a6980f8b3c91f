"""The gradient of a block's input: convolutions of the output's gradient with turned weights.

With a stride the pixels of the input fall into classes that meet different taps of the kernel: each class is
a convolution of its own, with stride 1, whose results are written with gaps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import ceil, gcd, prod

from torch import Tensor

from convitro.engine.cpu.blocking import Sliding
from convitro.engine.cpu.convolver import DTYPES, Convolver, Request
from convitro.engine.cpu.finish import Epilogue
from convitro.engine.cpu.gradient_source import GradientSource
from convitro.engine.cpu.isa import Isa
from convitro.engine.cpu.layer import Form, accumulation, channels_last, input_sizes
from convitro.engine.cpu.memory import maker
from convitro.engine.cpu.packed import packed
from convitro.engine.cpu.weights import WeightView
from convitro.geometry import BlockProblem, ConvProblem


@dataclass(frozen=True)
class Phase:
    """Along one axis: the input pixels first, first + stride … and the taps that reach them.

    Attributes:
        first: the first pixel.
        count: how many pixels there are.
        taps: the weights' indices, in the order in which the gradient's pixels meet them.
        dilation: how far these pixels are apart.
        before: how many pixels before the gradient's first one the window of the first input pixel begins.
    """

    first: int
    count: int
    taps: range
    dilation: int
    before: int


def phases(size: int, kernel: int, stride: int, dilation: int, padding: int) -> Iterator[Phase]:
    """The classes of pixels of one axis of the input; those that no tap reaches are left out.

    Output y meets input i at tap u where y * stride + u * dilation = i + padding.
    """
    for first in range(min(stride, size)):
        taps = [tap for tap in range(kernel) if (first + padding - tap * dilation) % stride == 0]
        if taps:
            last = (first + padding - taps[-1] * dilation) // stride
            step = stride // gcd(stride, dilation)
            yield Phase(
                first,
                ceil((size - first) / stride),
                range(taps[-1], taps[0] - 1, -step),
                dilation // gcd(stride, dilation),
                -last,
            )


class InputGradient:
    """The gradient of the input of a block, prepared for one shape.

    Args:
        block: the forward pass.
        forms: of input and weight.
        source: packs the gradient of the convolution's output.
        algorithm: maps the `Sliding` of a phase to "direct", "depthwise" or "winograd".
        sizes: strides of what the source reads.
        isa, team: the vectors to use, and how many threads.
    """

    def __init__(
        self,
        block: BlockProblem,
        forms: tuple[Form, Form],
        source: GradientSource,
        algorithm: Callable[[Sliding], str],
        sizes: dict[str, int],
        isa: Isa,
        team: int,
    ) -> None:
        input, weight = forms
        conv = block.conv
        self.shape, self.strides = input.shape, channels_last(input.shape)
        self.dtype = DTYPES[input.element]
        self._empty = maker(self.shape, self.strides, self.dtype)
        self._parts: list[tuple[int, Convolver]] = []
        view = WeightView.of(weight.shape, weight.strides, conv.groups)
        axes = [
            list(phases(size, k, s, d, p))
            for size, k, s, d, p in zip(
                input.shape[2:], conv.kernel_size, conv.stride, conv.dilation, conv.padding[::2], strict=True
            )
        ]
        for down, across in product(*axes):
            sliding = _sliding(conv, input, down, across)
            request = Request(
                sliding=sliding,
                source=source,
                weight=view.turned(down.taps, across.taps),
                weight_element=weight.element,
                dtype=accumulation(input.element),
                algorithm=algorithm(sliding),
                epilogue=Epilogue(element=input.element),
            )
            image, channel, row, column = self.strides
            gaps = (image, channel, row * conv.stride[0], column * conv.stride[1])
            strides = sizes | input_sizes(gaps, "output")
            offset = (down.first * row + across.first * column) * self.dtype.itemsize
            self._parts.append((offset, Convolver(request, strides, isa, team)))
        self._complete = len(self._parts) == prod(map(min, conv.stride, input.shape[2:]))

    def __call__(self, weight: Tensor, addresses: Sequence[int]) -> Tensor:
        """The gradient; addresses of the output's gradient, of what was saved, and of the switches."""
        result = self._empty()
        if not self._complete:
            result.zero_()
        gradient, pooled, switches = addresses
        for offset, convolver in self._parts:
            place = result.data_ptr() + offset
            weights = packed(weight, convolver.packing, convolver.pack, trained=weight.requires_grad)
            if not convolver.convolve(gradient, weights, 0, place, (pooled, switches)):
                direct = convolver.direct
                weights = packed(weight, direct.packing, direct.pack)
                direct.convolve(gradient, weights, 0, place, (pooled, switches))
        return result


def _sliding(conv: ConvProblem, input: Form, down: Phase, across: Phase) -> Sliding:
    """One class of input pixels as windows over the gradient."""
    height, width = conv.output_size(*input.shape[2:])
    return Sliding(
        images=input.shape[0],
        height=height,
        width=width,
        channels=conv.out_channels // conv.groups,
        filters=conv.channels_per_filter,
        groups=conv.groups,
        kernel=(len(down.taps), len(across.taps)),
        stride=(1, 1),
        dilation=(down.dilation, across.dilation),
        top=down.before,
        left=across.before,
        rows=down.count,
        columns=across.count,
    )
