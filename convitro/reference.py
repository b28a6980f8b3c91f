"""Every operator in plain torch, in blocks of bounded memory, with its exact gradient: the definition.

Nothing here is fast; an engine is right where it agrees with this file. The un-aggregated tensor is never
made: forward folds block after block into a state, backward computes each again and weighs it by its slope.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from convitro.aggregation import Aggregation, Operator
from convitro.aggregation.base import State
from convitro.aggregation.learned import WithTangent
from convitro.geometry import ConvProblem

SCRATCH_BYTES = 64 * 2**20
"""The working memory of one call besides its results; more only where one row of one filter needs more."""
LIVE_TENSORS = 16
"""How many tensors of a block's size are alive at once: maps, states, slopes and what torch itself needs."""
Gradients = tuple[Tensor | None, Tensor | None]
"""The gradients of an input and a weight, None where not asked for."""


@dataclass(frozen=True)
class Block:
    """One piece of the work: ranges of images, groups, filters of a group, and output rows."""

    images: slice
    groups: slice
    filters: slice
    rows: slice

    @property
    def output(self) -> tuple[slice, ...]:
        """Where the block lies in a tensor (N, G, C_out/G, H_out, W_out)."""
        return self.images, self.groups, self.filters, self.rows


class Layer:
    """One operator on one input and weight, cut into blocks. All tensors are seen with their groups apart.

    Shape: input (N, G, C_in/G, H, W), weight (G, C_out/G, C_in/G, KH, KW), result (N, G, C_out/G, H_out,
        W_out).
    """

    def __init__(
        self,
        problem: ConvProblem,
        operator: Operator,
        input: Tensor,
        weight: Tensor,
        parameter: Tensor | None = None,
    ) -> None:
        self.problem, self.operator = problem, operator
        self.input = input.unflatten(1, (problem.groups, problem.channels_per_filter))
        self.weight = weight.unflatten(0, (problem.groups, problem.out_channels // problem.groups))
        self.height, self.width = input.shape[-2:]
        self.output_size = problem.output_size(self.height, self.width)
        self.dtype = accumulation_dtype(input.dtype)
        self.count = torch.tensor(float(problem.channels_per_filter), dtype=self.dtype, device=input.device)
        self.parameter = None
        if parameter is not None:  # (G, C_out/G, 1, 1)
            spread = parameter.to(self.dtype).expand(problem.out_channels)
            self.parameter = spread.reshape(*self.weight.shape[:2], 1, 1)

    def aggregation(self, block: Block, *, tangent: bool = False, axes: int = 4) -> Aggregation:
        """The aggregation of the channels; where its parameter is learned, with that of every filter.

        Args:
            block: whose filters.
            tangent: whether the derivative by the parameter is carried along.
            axes: of the items: 4 for (G, O, rows, columns), 5 if an axis of channels is in between.
        """
        aggregation = self.operator.aggregation
        if self.parameter is None:
            return aggregation
        parameter = self.parameter[block.groups, block.filters]
        parameter = parameter if axes == 4 else parameter.unsqueeze(1)
        return WithTangent(aggregation, parameter) if tangent else aggregation.with_parameter(parameter)

    def result_shape(self) -> tuple[int, ...]:
        """(N, G, C_out/G, H_out, W_out)."""
        return (self.input.shape[0], *self.weight.shape[:2], *self.output_size)

    def blocks(self) -> tuple[list[Block], list[slice]]:
        """The blocks of the output, and the runs of channels that each is folded from."""
        images, groups, filters, rows, columns = self.result_shape()
        channels = self.problem.channels_per_filter
        at_once = 1 if self.operator.aggregation.streams else channels
        room = SCRATCH_BYTES // (LIVE_TENSORS * self.dtype.itemsize * columns * at_once)
        sizes: dict[str, int] = {}
        extents = {"rows": rows, "filters": filters, "channels": channels // at_once}
        extents |= {"groups": groups, "images": images}
        for axis, extent in extents.items():
            sizes[axis] = max(1, min(extent, room))
            room //= sizes[axis]
        axes = [runs(extents[axis], sizes[axis]) for axis in ("images", "groups", "filters", "rows")]
        channel_runs = list(runs(channels, sizes["channels"] * at_once))
        return [Block(*ranges) for ranges in itertools.product(*axes)], channel_runs

    def patches(self, block: Block, channels: slice) -> Tensor:
        """The padded input rows that a block sees. (N, G, C, rows, columns)"""
        return F.pad(self.input[block.images, block.groups, channels], self._margins(block)).to(self.dtype)

    def add_patches(self, target: Tensor, block: Block, channels: slice, gradient: Tensor) -> None:
        """Add the gradient of `patches` to the gradient of the input."""
        margins = [-margin for margin in self._margins(block)]
        target[block.images, block.groups, channels] += F.pad(gradient, margins)

    def _margins(self, block: Block) -> list[int]:
        """How far the padded rows of a block reach beyond the image, as F.pad wants it; negative cuts off."""
        top, _, left, right = self.problem.padding
        first = block.rows.start * self.problem.stride[0] - top
        last = (block.rows.stop - 1) * self.problem.stride[0] - top + self.problem.extent[0]
        return [left, right, -first, last - self.height]

    def kernels(self, block: Block, channels: slice) -> Tensor:
        """The weights of a block. (G, O, C, KH, KW)"""
        return self.weight[block.groups, block.filters, channels].to(self.dtype)

    def taps(self, block: Block) -> Iterator[tuple[int, int, tuple[slice, slice], Tensor]]:
        """Each weight position (u, v), where its pixels lie in `patches`, and which are inside the image."""
        rows, columns = block.rows.stop - block.rows.start, self.output_size[1]
        (sy, sx), (dy, dx) = self.problem.stride, self.problem.dilation
        top, _, left, _ = self.problem.padding
        y = torch.arange(block.rows.start, block.rows.stop, device=self.input.device) * sy - top
        x = torch.arange(columns, device=self.input.device) * sx - left
        for u, v in itertools.product(*map(range, self.problem.kernel_size)):
            across = (y + u * dy >= 0) & (y + u * dy < self.height)
            along = (x + v * dx >= 0) & (x + v * dx < self.width)
            where = (
                slice(u * dy, u * dy + (rows - 1) * sy + 1, sy),
                slice(v * dx, v * dx + (columns - 1) * sx + 1, sx),
            )
            yield u, v, where, across[:, None] & along


def forward(
    problem: ConvProblem,
    operator: Operator,
    input: Tensor,
    weight: Tensor,
    parameter: Tensor | None = None,
    *,
    save: bool = False,
    tangent: bool = False,
) -> list[Tensor]:
    """The layer's result without bias and, for backward, the extra numbers that its slope needs.

    Args:
        problem: the geometry; its padding is of the kind "zeros", whose pixels take no part.
        operator: combine, window and aggregation (any but "none").
        input: (N, C_in, H, W), floating point, any memory format, any device.
        weight: (C_out, C_in/groups, KH, KW).
        parameter: of the aggregation in place of its own: one number, or one for each filter.
        save: whether to return the extra numbers too.
        tangent: whether the last of them is the derivative of the result by the parameter.

    Returns:
        [result, *extra], each (N, C_out, H_out, W_out): float32 for inputs of 16 bits, else the input's
        dtype.

    Accuracy: items are folded one by one, channels in their order, so the relative error of a sum grows at
        most with their number: n * 2^-24 in float32.

    Source: own.
    """
    layer = Layer(problem, operator, input, weight, parameter)
    blocks, channel_runs = layer.blocks()
    results: list[Tensor] = []
    for block in blocks:
        for index, values in enumerate(aggregated(layer, block, channel_runs, save=save, tangent=tangent)):
            if index == len(results):
                results.append(values.new_empty(layer.result_shape()))
            results[index][block.output] = values
    return [result.flatten(1, 2) for result in results]


def backward(
    problem: ConvProblem,
    operator: Operator,
    tensors: tuple[Tensor, Tensor, Tensor],
    saved: Sequence[Tensor],
    needs: tuple[bool, bool],
    parameter: Tensor | None = None,
) -> Gradients:
    """The gradients of `forward`: every partial map is computed again and weighed with its slope.

    Args:
        problem, operator: as for `forward`.
        tensors: gradient of the result (N, C_out, H_out, W_out), input, weight.
        saved: what `forward(..., save=True)` returned, without the derivative by the parameter.
        needs: whether the gradient of the input, and that of the weight, is asked for.
        parameter: as for `forward`.

    Returns:
        Both gradients in the dtype of the accumulation, None where not asked for.

    Source: own; see `Aggregation.slope`.
    """
    output_gradient, input, weight = tensors
    layer = Layer(problem, operator, input, weight, parameter)
    blocks, channel_runs = layer.blocks()
    parts = [tensor.unflatten(1, layer.weight.shape[:2]) for tensor in (output_gradient, *saved)]
    input_gradient = torch.zeros_like(layer.input, dtype=layer.dtype) if needs[0] else None
    weight_gradient = torch.zeros_like(layer.weight, dtype=layer.dtype) if needs[1] else None
    for block in blocks:
        upstream, *results = (part[block.output].to(layer.dtype) for part in parts)
        taken = torch.zeros_like(upstream, dtype=torch.bool)
        for channels in channel_runs:
            gradient = MapGradient(layer, block, channels, needs)
            of_patches, of_kernels = gradient.spread(upstream, tuple(results), taken)
            if input_gradient is not None and of_patches is not None:
                layer.add_patches(input_gradient, block, channels, of_patches)
            if weight_gradient is not None and of_kernels is not None:
                weight_gradient[block.groups, block.filters, channels] += of_kernels
    return (
        None if input_gradient is None else input_gradient.flatten(1, 2),
        None if weight_gradient is None else weight_gradient.flatten(0, 1),
    )


def partial_maps(layer: Layer, block: Block, channels: slice) -> Tensor:
    """What every filter of a block makes of every channel. (N, G, C, O, rows, columns)"""
    patches, kernels = layer.patches(block, channels), layer.kernels(block, channels)
    if layer.operator.multiplies_and_adds:
        return convolved(layer.problem, patches, kernels)
    return Windows(layer, block, patches, kernels).result


def convolved(problem: ConvProblem, patches: Tensor, kernels: Tensor) -> Tensor:
    """The partial maps of a plain convolution, one group per channel. (N, G, C, O, rows, columns)"""
    one_channel_each = kernels.transpose(1, 2).flatten(0, 2).unsqueeze(1)  # (G * C * O, 1, KH, KW)
    maps = F.conv2d(
        patches.flatten(1, 2),
        one_channel_each,
        stride=problem.stride,
        dilation=problem.dilation,
        groups=patches.shape[1] * patches.shape[2],
    )
    return maps.unflatten(1, (*patches.shape[1:3], kernels.shape[1]))


def aggregated(
    layer: Layer, block: Block, channel_runs: list[slice], *, save: bool, tangent: bool = False
) -> tuple[Tensor, ...]:
    """The maps of a block folded over the channels: the result, and the extra numbers if asked for."""
    aggregation = layer.aggregation(block, tangent=tangent)
    maps = (item for channels in channel_runs for item in partial_maps(layer, block, channels).unbind(2))
    if not aggregation.streams and (whole := aggregation.reduce(list(maps))) is not None:
        return (whole,)
    state = fold(aggregation, maps, layer.problem.channels_per_filter)
    result = aggregation.finish(state, layer.count)
    return (result, *aggregation.extra(state, result, layer.count)) if save else (result,)


def fold(aggregation: Aggregation, items: Iterator[Tensor], n: int) -> State:
    """The state after all items."""
    first = next(items)
    state: State = tuple(torch.full_like(first, value) for value in aggregation.init(n))
    for item in itertools.chain([first], items):
        state = aggregation.step(state, item)
    return state


class Windows:
    """The windows of a block, reduced one weight position after the other: any operator at all.

    Shape: products and results (N, G, C, O, rows, columns).
    """

    def __init__(self, layer: Layer, block: Block, patches: Tensor, kernels: Tensor) -> None:
        self.layer, self.block = layer, block
        self.patches = patches.unsqueeze(3)  # (N, G, C, 1, rows, columns)
        self.kernels = kernels.transpose(1, 2)[..., None, None]  # (G, C, O, KH, KW, 1, 1)
        window = layer.operator.window
        self.count = sum(inside.to(layer.dtype) for *_, inside in layer.taps(block))  # (rows, columns)
        state: State | None = None
        for x, w, inside in self.pairs():
            product = layer.operator.combine.value(x, w)
            if state is None:
                numbers = window.init(layer.problem.kernel_size[0] * layer.problem.kernel_size[1])
                state = tuple(torch.full_like(product, number) for number in numbers)
            after = window.step(state, product)
            state = tuple(new.where(inside, old) for new, old in zip(after, state, strict=True))
        assert state is not None
        reduced = window.finish(state, self.count)
        self.saved = (reduced, *window.extra(state, reduced, self.count))
        self.result = reduced.where(self.count > 0, 0.0)  # a window with nothing inside the image

    def pairs(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """For each weight position: its pixels, its weights, and which of the pixels are inside the image."""
        for u, v, (rows, columns), inside in self.layer.taps(self.block):
            yield self.patches[..., rows, columns], self.kernels[:, :, :, u, v], inside


class MapGradient:
    """The gradient of one block of partial maps, passed on to its patches and kernels where `needs` asks."""

    def __init__(self, layer: Layer, block: Block, channels: slice, needs: tuple[bool, bool]) -> None:
        self.layer, self.block, self.needs = layer, block, needs
        self.patches, self.kernels = layer.patches(block, channels), layer.kernels(block, channels)

    def spread(self, upstream: Tensor, results: tuple[Tensor, ...], taken: Tensor) -> Gradients:
        """Weigh `upstream` (N, G, O, rows, columns) by each map's slope; `taken` marks settled outputs.

        Returns:
            The gradients of the patches (N, G, C, rows, columns) and of the kernels (G, O, C, KH, KW).
        """
        if self.layer.operator.multiplies_and_adds:
            maps = convolved(self.layer.problem, self.patches, self.kernels)
            return self._through_convolution(self._of_maps(maps, upstream, results, taken))
        windows = Windows(self.layer, self.block, self.patches, self.kernels)
        return self._through_windows(windows, self._of_maps(windows.result, upstream, results, taken))

    def _of_maps(self, maps: Tensor, upstream: Tensor, results: tuple[Tensor, ...], taken: Tensor) -> Tensor:
        aggregation = self.layer.aggregation(self.block, axes=5)
        slope = aggregation.slope(maps, tuple(part.unsqueeze(2) for part in results), self.layer.count)
        if aggregation.selects:
            slope = torch.stack([first(item, taken) for item in slope.unbind(2)], 2)
        return weighed(upstream.unsqueeze(2).expand_as(maps), slope)

    def _through_convolution(self, gradient: Tensor) -> Gradients:
        problem, groups = self.layer.problem, self.patches.shape[1] * self.patches.shape[2]
        kernels = self.kernels.transpose(1, 2)  # (G, C, O, KH, KW)
        of_patches, of_kernels, _ = torch.ops.aten.convolution_backward(
            gradient.flatten(1, 3).contiguous(),
            self.patches.flatten(1, 2),
            kernels.flatten(0, 2).unsqueeze(1),
            None,
            problem.stride,
            [0, 0],
            problem.dilation,
            False,
            [0, 0],
            groups,
            [*self.needs, False],
        )
        return (
            of_patches.view_as(self.patches) if self.needs[0] else None,
            of_kernels.view_as(kernels).transpose(1, 2) if self.needs[1] else None,
        )

    def _through_windows(self, windows: Windows, gradient: Tensor) -> Gradients:
        operator = self.layer.operator
        of_patches = torch.zeros_like(self.patches) if self.needs[0] else None
        of_kernels = torch.zeros_like(self.kernels) if self.needs[1] else None
        taken = torch.zeros_like(gradient, dtype=torch.bool)
        taps = self.layer.taps(self.block)
        for (u, v, (rows, columns), _), (x, w, inside) in zip(taps, windows.pairs(), strict=True):
            slope = operator.window.slope(operator.combine.value(x, w), windows.saved, windows.count)
            if operator.window.selects:
                slope = first(slope & inside, taken)
            of_product = weighed(gradient, slope).where(inside, 0.0)
            if of_patches is not None:
                of_pixels = weighed(of_product, operator.combine.input_slope(x, w)).sum(3)
                of_patches[..., rows, columns] += of_pixels
            if of_kernels is not None:
                of_weights = weighed(of_product, operator.combine.weight_slope(x, w)).sum((0, 4, 5))
                of_kernels[..., u, v] += of_weights.transpose(1, 2)
        return of_patches, of_kernels


def weighed(gradient: Tensor, slope: Tensor | float) -> Tensor:
    """gradient * slope, where a condition passes the gradient or stops it (also if it is infinite)."""
    if isinstance(slope, Tensor) and slope.dtype == torch.bool:
        return gradient.where(slope, 0.0)
    return gradient * slope


def first(condition: Tensor, taken: Tensor) -> Tensor:
    """Where `condition` holds and did not before; `taken` remembers where it has."""
    new = condition & ~taken
    taken |= new
    return new


def accumulation_dtype(dtype: torch.dtype) -> torch.dtype:
    """float32 for 16-bit numbers, which would lose every small item; otherwise the dtype itself."""
    return torch.float32 if dtype in (torch.float16, torch.bfloat16) else dtype


def runs(length: int, size: int) -> Iterator[slice]:
    """Consecutive slices of at most `size` that cover 0..length; one empty slice for an empty axis."""
    yield from (slice(start, min(start + size, length)) for start in range(0, max(1, length), size))
