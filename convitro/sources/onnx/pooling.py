"""ONNX pooling. Where torch's own function gives the same windows it is called: dissecting knows that one."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from convitro.errors import UnsupportedError
from convitro.sources.onnx.node import Function, Node, computes
from convitro.sources.onnx.windows import Windows, windows

MAX_POOLS: dict[int, Function] = {3: F.max_pool1d, 4: F.max_pool2d, 5: F.max_pool3d}
AVERAGE_POOLS: dict[int, Function] = {3: F.avg_pool1d, 4: F.avg_pool2d, 5: F.avg_pool3d}


@computes("MaxPool")
def max_pool(node: Node, input: Tensor) -> Tensor | tuple[Tensor, Tensor]:
    """The largest of each window, and where it lies if that is asked for."""
    function, kernel_size = pool_for(node, MAX_POOLS, input)
    at = windows(node, kernel_size, input.shape[2:])
    values = input if input.is_floating_point() else input.double()
    own = torch_windows(at, input.shape[2:])
    padded = values if own is not None else at.pad(values, -math.inf)
    at_padded = own or at.with_borders((0,) * len(kernel_size), ceil_mode=at.ceil_mode)
    arguments = (kernel_size, at_padded.stride, at_padded.begins, at_padded.dilation, at_padded.ceil_mode)
    inside = (..., *(slice(count) for count in at.counts(input.shape[2:])))  # no window outside altogether
    if len(node.outputs) < 2:
        found = function(padded, *arguments)
        return (found if own is not None else found[inside]).to(input.dtype)
    largest, places = (part[inside] for part in function(padded, *arguments, return_indices=True))
    begins = (0,) * len(kernel_size) if own is not None else at.begins
    return largest.to(input.dtype), flat_places(
        places, padded.shape[2:], begins, input, by_column=bool(node.get("storage_order", 0))
    )


def torch_windows(at: Windows, sizes: torch.Size) -> Windows | None:
    """The same windows with equal borders on both sides, if torch can do them.

    What lies in the border never wins. So only the places of the windows matter, and those follow from the
    border before each axis and from their number.
    """
    if any(2 * begin > size for begin, size in zip(at.begins, at.kernel_size, strict=True)):
        return None
    for ceil_mode in (at.ceil_mode, not at.ceil_mode):
        candidate = at.with_borders(at.begins, ceil_mode=ceil_mode)
        if candidate.counts(sizes) == at.counts(sizes):
            return candidate
    return None


def flat_places(
    places: Tensor, padded_sizes: torch.Size, begins: tuple[int, ...], input: Tensor, *, by_column: bool
) -> Tensor:
    """Places within one padded map as places within the whole input, row by row or column by column."""
    coordinates, rest = [], places
    for size, begin in zip(reversed(padded_sizes), reversed(begins), strict=True):
        coordinates.append(rest % size - begin)
        rest = rest.div(size, rounding_mode="floor")
    sizes = list(input.shape[2:])
    if not by_column:
        coordinates, sizes = coordinates[::-1], sizes[::-1]
        strides = [math.prod(sizes[: len(sizes) - 1 - axis]) for axis in range(len(sizes))]
    else:
        coordinates = coordinates[::-1]
        strides = [math.prod(sizes[:axis]) for axis in range(len(sizes))]
    flat = torch.stack([c * stride for c, stride in zip(coordinates, strides, strict=True)]).sum(0)
    maps = torch.arange(input.shape[0] * input.shape[1], device=input.device)
    return flat + maps.reshape(*input.shape[:2], *(1,) * (input.ndim - 2)) * math.prod(input.shape[2:])


@computes("AveragePool")
def average_pool(node: Node, input: Tensor) -> Tensor:
    """The average of each window, with or without the cells of the border."""
    function, kernel_size = pool_for(node, AVERAGE_POOLS, input)
    at = windows(node, kernel_size, input.shape[2:])
    with_border = bool(node.get("count_include_pad", 0))
    own = at.symmetric and all(2 * begin <= size for begin, size in zip(at.begins, kernel_size, strict=True))
    if own and set(at.dilation) == {1}:
        return function(input, kernel_size, at.stride, at.begins, at.ceil_mode, with_border)
    inside = torch.ones_like(input[:1, :1])
    counted = at.pad(inside, 1.0 if with_border else 0.0)
    return window_sums(at.pad(input), at, input.shape[2:]) / window_sums(counted, at, input.shape[2:])


def window_sums(padded: Tensor, at: Windows, sizes: torch.Size) -> Tensor:
    """The sum of each window of an input that has its borders, one axis after the other."""
    for axis, count in enumerate(at.counts(sizes), start=2):
        extent, stride = at.extents[axis - 2], at.stride[axis - 2]
        needed = (count - 1) * stride + extent - padded.shape[axis]
        if needed > 0:
            padded = F.pad(padded, [0, 0] * (padded.ndim - 1 - axis) + [0, needed])
        padded = padded.unfold(axis, extent, stride)[..., :: at.dilation[axis - 2]].sum(-1)
    return padded


@computes("GlobalAveragePool")
def global_average_pool(node: Node, input: Tensor) -> Tensor:
    """GlobalAveragePool: over all axes of space; of pictures as the layer that dissecting knows."""
    if input.ndim == 4:
        return F.adaptive_avg_pool2d(input, 1)
    return input.mean(tuple(range(2, input.ndim)), keepdim=True)


@computes("GlobalMaxPool")
def global_max_pool(node: Node, input: Tensor) -> Tensor:
    """GlobalMaxPool: over all axes of space; of pictures as the layer that dissecting knows."""
    if input.ndim == 4:
        return F.adaptive_max_pool2d(input, 1)
    return input.amax(tuple(range(2, input.ndim)), keepdim=True)


def pool_for(node: Node, functions: dict[int, Function], input: Tensor) -> tuple[Function, tuple[int, ...]]:
    """The function for that many axes, and its windows' sizes."""
    if input.ndim not in functions:
        raise UnsupportedError(
            f"{node.op} {node.name!r}: {input.ndim - 2} axes of space.", expected="1, 2 or 3"
        )
    return functions[input.ndim], tuple(node.get("kernel_shape") or ())
