"""Keras' convolutions and dense layers: their kernels in torch's order, their borders computed."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from convitro.functional import conv2d
from convitro.geometry import same_borders
from convitro.sources.keras.recipe import MAPS, OWN, Call, Recipe, as_tensor

Sides = list[tuple[int, int]]
CONVOLUTIONS: dict[int, Any] = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
TRANSPOSED: dict[int, Any] = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


@dataclass(frozen=True)
class Convolve:
    """A convolution with Keras' padding; uneven borders are an `F.pad` right before it.

    Args:
        stride, dilation: one number per axis.
        padding: "valid", "same" or "causal".
        groups: as in torch.
        aggregation: the spec of another way to combine the channels; "" for torch's own convolution.
    """

    stride: tuple[int, ...]
    padding: str
    dilation: tuple[int, ...]
    groups: int
    aggregation: str = ""

    def __call__(self, maps: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        sides = borders(maps.shape[2:], weight.shape[2:], self.stride, self.dilation, self.padding)
        even = all(before == after for before, after in sides)
        if not even:
            maps = F.pad(maps, flat(sides))
        padding = tuple(before for before, _ in sides) if even else (0,) * len(sides)
        if self.aggregation:
            return conv2d(
                maps,
                weight,
                bias,
                (self.stride[0], self.stride[1]),
                (padding[0], padding[1]),
                (self.dilation[0], self.dilation[1]),
                self.groups,
                aggregation=self.aggregation,
            )
        convolve = CONVOLUTIONS[len(sides)]
        result: Tensor = convolve(maps, weight, bias, self.stride, padding, self.dilation, self.groups)
        return result


def borders(
    sizes: tuple[int, ...],
    window: tuple[int, ...],
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
    padding: str,
) -> Sides:
    """What Keras puts before and after each axis."""
    if padding == "same":
        return same_borders(sizes, window, stride, dilation)
    causal = padding == "causal"
    return [
        ((extent - 1) * spread if causal else 0, 0) for extent, spread in zip(window, dilation, strict=True)
    ]


def flat(sides: Sides) -> list[int]:
    """Borders as `F.pad` wants them: the last axis first."""
    return list(itertools.chain.from_iterable(reversed(sides)))


@dataclass(frozen=True)
class ConvolveTransposed:
    """A transposed convolution, cut or continued to the size that Keras gives it.

    Args:
        stride, dilation: one number per axis.
        padding: "valid" or "same".
        output_padding: one number per axis, or None for Keras' own choice.
    """

    stride: tuple[int, ...]
    padding: str
    dilation: tuple[int, ...]
    output_padding: tuple[int, ...] | None

    def __call__(self, maps: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        cuts, more, ends = [], [], []
        for axis, size in enumerate(maps.shape[2:]):
            before, length = self._window(axis, size, weight.shape[2 + axis])
            natural = (size - 1) * self.stride[axis] + self._reach(axis, weight.shape[2 + axis]) - 2 * before
            cuts.append(before)
            more.append(max(length - natural, 0))
            ends.append(slice(length))
        beyond = [max(extra - step + 1, 0) for extra, step in zip(more, self.stride, strict=True)]
        own = tuple(extra - rest for extra, rest in zip(more, beyond, strict=True))
        result = TRANSPOSED[len(cuts)](
            maps, weight, None if any(beyond) else bias, self.stride, tuple(cuts), own, 1, self.dilation
        )
        if any(beyond):  # pixels that no window reaches hold the bias alone
            result = F.pad(result, flat([(0, rest) for rest in beyond]))
            if bias is not None:
                result = result + bias.reshape(-1, *(1,) * len(cuts))
        where = (..., *ends)
        return result[where] if ends_cut(result, ends) else result

    def _reach(self, axis: int, extent: int) -> int:
        return (extent - 1) * self.dilation[axis] + 1

    def _window(self, axis: int, size: int, extent: int) -> tuple[int, int]:
        """How much is cut before the first pixel, and how long the axis is."""
        step, reach = self.stride[axis], self._reach(axis, extent)
        own = None if self.output_padding is None else self.output_padding[axis]
        if self.padding == "valid":
            return 0, (size - 1) * step + reach + (max(reach, step) - reach if own is None else own)
        total = step + reach - 2 if own is None else reach + reach % 2 - 2 + own
        before = reach - 1 - min(total // 2 + total % 2, reach - 1)
        return before, (size - 1) * step - reach + 2 + total


def ends_cut(result: Tensor, ends: list[slice]) -> bool:
    """Whether an axis is longer than it may be."""
    return any(size > end.stop for size, end in zip(result.shape[2:], ends, strict=True))


@dataclass(frozen=True)
class Multiply:
    """A dense layer, over the last axis."""

    def __call__(self, values: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        return F.linear(values, weight, bias)


def order_of(layer: Any) -> str:
    """A layer that keeps channels last gets maps; where they come first, Keras' own order is that of maps."""
    return OWN if layer.data_format == "channels_first" else MAPS


def with_bias(weight: Tensor, layer: Any) -> dict[str, Tensor]:
    """The weights of a layer by name."""
    return {"weight": weight} | ({"bias": as_tensor(layer.bias)} if layer.use_bias else {})


def outermost_last(kernel: Any) -> Tensor:
    """A kernel (rows, columns, C_in, C_out) as (C_out, C_in, rows, columns), for any number of axes."""
    weight = as_tensor(kernel)
    return weight.permute(weight.ndim - 1, weight.ndim - 2, *range(weight.ndim - 2)).contiguous()


def channelwise(kernel: Any) -> Tensor:
    """A kernel (rows, columns, C, multiplier) as (C * multiplier, 1, rows, columns), for any rank."""
    weight = as_tensor(kernel)
    moved = weight.permute(weight.ndim - 2, weight.ndim - 1, *range(weight.ndim - 2))
    return moved.reshape(-1, 1, *moved.shape[2:]).contiguous()


def convolution(layer: Any, call: Call) -> Recipe:
    """Conv1D, Conv2D, Conv3D, and our Conv2D with its aggregation."""
    aggregation = getattr(layer, "aggregation", None)
    spec = "" if aggregation is None else str(aggregation)
    compute = Convolve(tuple(layer.strides), layer.padding, tuple(layer.dilation_rate), layer.groups, spec)
    weights = with_bias(outermost_last(layer.kernel), layer)
    return Recipe(compute, weights, order_of(layer), activation=layer.activation)


def depthwise(layer: Any, call: Call) -> Recipe:
    """DepthwiseConv1D, DepthwiseConv2D."""
    weight = channelwise(layer.kernel)
    groups = weight.shape[0] // layer.depth_multiplier
    compute = Convolve(tuple(layer.strides), layer.padding, tuple(layer.dilation_rate), groups)
    return Recipe(compute, with_bias(weight, layer), order_of(layer), activation=layer.activation)


def separable(layer: Any, call: Call) -> list[Recipe]:
    """SeparableConv1D, SeparableConv2D: one convolution for each channel, then one of a single pixel."""
    weight = channelwise(layer.depthwise_kernel)
    groups, ones = weight.shape[0] // layer.depth_multiplier, (1,) * layer.rank
    first = Convolve(tuple(layer.strides), layer.padding, tuple(layer.dilation_rate), groups)
    second = Convolve(ones, "valid", ones, 1)
    order = order_of(layer)
    weights = with_bias(outermost_last(layer.pointwise_kernel), layer)
    return [
        Recipe(first, {"weight": weight}, order, suffix="/depthwise"),
        Recipe(second, weights, order, activation=layer.activation, suffix="/pointwise"),
    ]


def transposed(layer: Any, call: Call) -> Recipe:
    """Conv1DTranspose, Conv2DTranspose, Conv3DTranspose; kernels (rows, columns, C_out, C_in)."""
    own = layer.output_padding
    compute = ConvolveTransposed(
        tuple(layer.strides),
        layer.padding,
        tuple(layer.dilation_rate),
        None if own is None else (own,) * layer.rank if isinstance(own, int) else tuple(own),
    )
    weights = with_bias(outermost_last(layer.kernel), layer)
    return Recipe(compute, weights, order_of(layer), activation=layer.activation)


def dense(layer: Any, call: Call) -> Recipe | None:
    """Dense; None where it is quantised."""
    if getattr(layer, "quantization_mode", None) is not None:
        return None
    weights = with_bias(as_tensor(layer.kernel).t().contiguous(), layer)
    return Recipe(Multiply(), weights, OWN, activation=layer.activation)


CONVERTERS = {
    **dict.fromkeys(("layers.Conv1D", "layers.Conv2D", "layers.Conv3D", "convitro.Conv2D"), convolution),
    **dict.fromkeys(("layers.DepthwiseConv1D", "layers.DepthwiseConv2D"), depthwise),
    **dict.fromkeys(("layers.SeparableConv1D", "layers.SeparableConv2D"), separable),
    **dict.fromkeys(
        ("layers.Conv1DTranspose", "layers.Conv2DTranspose", "layers.Conv3DTranspose"), transposed
    ),
    "layers.Dense": dense,
}
