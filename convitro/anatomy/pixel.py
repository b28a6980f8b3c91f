"""The arithmetic behind one pixel of a convolution's output, as numbers and as text."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from convitro import functional
from convitro.aggregation import Aggregation, operator
from convitro.anatomy.arithmetic import added, combined, reduced, shortened, wrapped
from convitro.anatomy.convolution import Convolution
from convitro.anatomy.indexing import checked_index
from convitro.anatomy.tables import json_numbers, number

SHOWN_CHANNELS, SHOWN_PRODUCTS, SHOWN_TERMS = 4, 9, 8


@dataclass(frozen=True, eq=False, repr=False)
class PixelTrace:
    """Every number that one output pixel is made of, in float64.

    Rounding apart, `output` is `layer.output[image, filter, y, x]`. Pixels outside the image count as 0 in
    sums of products; with any other window or combine they take no part. `inside` says which these are.

    Args:
        layer, filter, y, x, image: where the pixel is.
        channels: the input channels that the filter sees.
        patch: what it sees of them.
        kernel: its weights.
        inside: which positions of the window lie inside the image.
        products: each pixel combined with its weight; 0 where it takes no part.
        partials: the window of each channel reduced: the pixel of each partial map.
        aggregated: the partials combined; a tuple of all of them where they are kept apart ("none").
        bias: what is added.
        output: aggregated plus bias.
        aggregation, window, combine: how.

    Example:
        >>> from convitro.anatomy import dissect
        >>> conv = torch.nn.Conv2d(3, 1, 2)
        >>> ones = torch.nn.utils.vector_to_parameters(torch.tensor([1.0] * 12 + [0.0]), conv.parameters())
        >>> image = torch.tensor([1.0, 100.0, 10000.0]).view(1, 3, 1, 1).expand(1, 3, 3, 3)
        >>> print(dissect(conv, image)["conv2d"].pixel(0, 0, 0))
        conv2d, filter 0, pixel y=0 x=0
          channel 0: 1*1 + 1*1 + 1*1 + 1*1 = 4
          channel 1: 100*1 + 100*1 + 100*1 + 100*1 = 400
          channel 2: 10000*1 + 10000*1 + 10000*1 + 10000*1 = 40000
        sum of the channels + bias:
          4 + 400 + 40000 + 0 = 40404
    """

    layer: str
    filter: int
    y: int
    x: int
    image: int
    channels: range
    patch: Float[Tensor, "C KH KW"]
    kernel: Float[Tensor, "C KH KW"]
    inside: Bool[Tensor, "KH KW"]
    products: Float[Tensor, "C KH KW"]
    partials: Float[Tensor, " C"]
    aggregated: float | tuple[float, ...]
    bias: float
    output: float | tuple[float, ...]
    aggregation: Aggregation
    window: Aggregation
    combine: str

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON types; numbers that JSON lacks become "NaN", "Infinity" and "-Infinity"."""
        numbers = {
            name: json_numbers(getattr(self, name))
            for name in ("patch", "kernel", "products", "partials", "aggregated", "bias", "output")
        }
        return {
            "layer": self.layer,
            "filter": self.filter,
            "y": self.y,
            "x": self.x,
            "image": self.image,
            "channels": list(self.channels),
            "inside": self.inside.tolist(),
            **numbers,
            "aggregation": self.aggregation.spec,
            "window": self.window.spec,
            "combine": self.combine,
        }

    def __str__(self) -> str:
        where = f", image {self.image}" if self.image else ""
        lines = [wrapped(f"{self.layer}, filter {self.filter}, pixel y={self.y} x={self.x}{where}", "")]
        outside = int((~self.inside).sum())
        if outside:
            role = "count as 0" if self._zeros_count else "take no part"
            lines.append(
                f"  {outside} of {self.inside.numel()} pixels of the window are outside the image and {role}"
            )
        lines += [wrapped(line, "  ") for line in self._channel_lines()]
        terms = [number(partial) for partial in self.partials.tolist()]
        if isinstance(self.output, tuple):
            lines.append(f"every channel + bias {number(self.bias)}, kept apart:")
            lines.append(wrapped(", ".join(shortened(list(map(number, self.output)), SHOWN_TERMS)), "  "))
        else:
            lines.append(f"{self.aggregation} of the channels + bias:")
            whole = added([reduced(self.aggregation, terms, SHOWN_TERMS), number(self.bias)])
            lines.append(wrapped(f"{whole} = {number(self.output)}", "  "))
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"

    @property
    def _zeros_count(self) -> bool:
        return operator(self.aggregation, self.window, self.combine).multiplies_and_adds

    def _channel_lines(self) -> list[str]:
        """One line for each channel, or for some of many."""
        positions = range(len(self.channels))
        if len(positions) <= SHOWN_CHANNELS:
            return [self._channel_line(position) for position in positions]
        lines = [
            self._channel_line(position) for position in (*positions[: SHOWN_CHANNELS - 1], positions[-1])
        ]
        lines.insert(-1, f"… {len(positions) - SHOWN_CHANNELS} more channels …")
        return lines

    def _channel_line(self, position: int) -> str:
        pixels, weights = self.patch[position][self.inside], self.kernel[position][self.inside]
        terms = [combined(self.combine, x, w) for x, w in zip(pixels.tolist(), weights.tolist(), strict=True)]
        text = reduced(self.window, terms, SHOWN_PRODUCTS) if terms else "nothing inside the image"
        return f"channel {self.channels[position]}: {text} = {number(float(self.partials[position]))}"


def trace_pixel(layer: Convolution, filter: int, place: tuple[int, int], image: int) -> PixelTrace:
    """Compute one pixel of `layer`'s output in float64, keeping every number on the way.

    Args:
        layer: any recorded convolution.
        filter, image: which filter, and which image of the batch.
        place: (y, x) in the output.

    Raises:
        ArgumentError: one of them is out of range.
    """
    sizes = (layer.filters, *layer.output_size, layer.input.shape[0])
    wanted = zip((filter, *place, image), sizes, ("filter", "y", "x", "image"), strict=True)
    filter, y, x, image = (checked_index(value, size, what, layer.name) for value, size, what in wanted)
    channels = layer.channels_of(filter)
    chosen = operator(layer.aggregation, layer.window, layer.combine)
    kernel = exact(layer.weight[filter])
    patch, inside = read_patch(layer, channels, (y, x), image)
    products = chosen.combine.value(patch, kernel)
    if not chosen.multiplies_and_adds:
        products = products.where(inside, 0.0)
    takes_part = torch.ones_like(inside) if chosen.multiplies_and_adds else inside
    partials = reduce_last(layer.window, products[:, takes_part])
    bias = 0.0 if layer.bias is None else float(layer.bias[filter])
    aggregated: float | tuple[float, ...]
    output: float | tuple[float, ...]
    if layer.aggregation.separate:
        aggregated = tuple(partials.tolist())
        output = tuple(value + bias for value in aggregated)
    else:
        aggregated = float(reduce_last(layer.aggregation, partials[None]))
        output = aggregated + bias
    return PixelTrace(
        layer=layer.name,
        filter=filter,
        y=y,
        x=x,
        image=image,
        channels=channels,
        patch=patch,
        kernel=kernel,
        inside=inside,
        products=products,
        partials=partials,
        aggregated=aggregated,
        bias=bias,
        output=output,
        aggregation=layer.aggregation,
        window=layer.window,
        combine=layer.combine,
    )


def read_patch(
    layer: Convolution, channels: range, place: tuple[int, int], image: int
) -> tuple[Tensor, Tensor]:
    """What a filter sees at `place` (C, KH, KW), padding included, and which of it is inside the image."""
    geometry = layer.problem
    starts = (geometry.padding[0], geometry.padding[2])
    axes = []
    for axis in (0, 1):
        steps = torch.arange(geometry.kernel_size[axis]) * geometry.dilation[axis]
        positions = place[axis] * geometry.stride[axis] - starts[axis] + steps
        axes.append(source_positions(positions, layer.input.shape[2 + axis], geometry.padding_mode))
    (rows, rows_inside), (columns, columns_inside) = axes
    inside = rows_inside[:, None] & columns_inside
    seen = layer.input[image, channels.start : channels.stop]
    return exact(seen[:, rows[:, None], columns]).where(inside, 0.0), inside


def source_positions(positions: Tensor, size: int, padding_mode: str) -> tuple[Tensor, Tensor]:
    """Which row (or column) of the image stands at each position, and whether one does at all.

    Example:
        >>> source_positions(torch.tensor([-2, 0, 5]), 5, "reflect")[0].tolist()
        [2, 0, 3]
    """
    if padding_mode == "circular":
        found = positions % size
    elif padding_mode == "reflect":
        found = size - 1 - (size - 1 - positions.abs()).abs()
    else:
        found = positions.clamp(0, size - 1)
    inside = torch.ones_like(positions, dtype=torch.bool)
    if padding_mode == "zeros":
        inside = (positions >= 0) & (positions < size)
    return found, inside


def reduce_last(aggregation: Aggregation, items: Tensor) -> Tensor:
    """Aggregate the last axis of (K, n) by a convolution with a 1x1 kernel of ones; an empty axis gives 0."""
    if items.shape[1] == 0:
        return items.new_zeros(items.shape[0])
    ones = items.new_ones(1, items.shape[1], 1, 1)
    with torch.autocast("cpu", enabled=False):
        return functional.conv2d(items[:, :, None, None], ones, aggregation=aggregation).flatten()


def exact(tensor: Tensor) -> Tensor:
    """The same numbers in float64, on the CPU."""
    return tensor.detach().cpu().double()
