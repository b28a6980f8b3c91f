"""ONNX operations that arrange numbers: shapes, parts, order."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from convitro.errors import ShapeError
from convitro.sources.onnx.node import Node, computes


def whole(values: Tensor | Sequence[int] | None) -> list[int]:
    """Whole numbers of a value or an attribute as a list."""
    return [] if values is None else values.tolist() if isinstance(values, Tensor) else list(values)


@computes("Constant", served=lambda node: isinstance(node.get("value"), Tensor))
def constant(node: Node) -> Tensor:
    """Constant, where it is a tensor."""
    return torch.as_tensor(node.get("value"))


@computes("ConstantOfShape")
def constant_of_shape(node: Node, shape: Tensor) -> Tensor:
    """One number seen through that shape: it takes no memory before it is computed with."""
    value = node.get("value")
    number = torch.zeros(()) if value is None else value.reshape(())
    return number.expand(whole(shape))


@computes("Identity")
def identity(node: Node, input: Tensor) -> Tensor:
    """Identity: the same tensor, not a copy."""
    return input


@computes("Shape")
def shape(node: Node, input: Tensor) -> Tensor:
    """Shape: of all axes, or since opset 15 of those from `start` to `end`."""
    return torch.tensor(input.shape[node.get("start", 0) : node.get("end", input.ndim)], dtype=torch.int64)


@computes("Size")
def size(node: Node, input: Tensor) -> Tensor:
    """Size: how many numbers there are."""
    return torch.tensor(input.numel())


@computes("Reshape")
def reshape(node: Node, input: Tensor, shape: Tensor | None = None) -> Tensor:
    """0 keeps a size, unless the node says that it means 0; -1 is what remains.

    Models saved for one picture say so here. With a batch that cannot be, and the batch is meant.
    """
    wanted = whole(node.get("shape") if shape is None else shape)
    if not node.get("allowzero", 0):
        wanted = [input.shape[axis] if extent == 0 else extent for axis, extent in enumerate(wanted)]
    if wanted[:1] == [1] and -1 not in wanted and input.ndim > 1 and math.prod(wanted) != input.numel():
        wanted[0] = input.shape[0]
    return input.reshape(wanted)


@computes("Flatten")
def flatten(node: Node, input: Tensor) -> Tensor:
    """Flatten: a matrix, whose rows are all axes before `axis`, whatever the rank."""
    axis = node.get("axis", 1)
    if axis == 1 and input.ndim > 1:
        return torch.flatten(input, 1)
    axis = axis + input.ndim if axis < 0 else axis
    return input.reshape(
        math.prod(input.shape[:axis]), -1 if input.numel() else math.prod(input.shape[axis:])
    )


@computes("Transpose")
def transpose(node: Node, input: Tensor) -> Tensor:
    """Transpose: the axes in reverse unless the node has an order."""
    return input.permute(node.get("perm") or list(range(input.ndim))[::-1])


@computes("Squeeze")
def squeeze(node: Node, input: Tensor, axes: Tensor | None = None) -> Tensor:
    """Squeeze: the axes of size 1, or those named, since opset 13 by a value; a named one must be 1."""
    over = whole(node.get("axes") if axes is None else axes)
    if not over:
        return input.squeeze()
    if any(input.shape[axis] != 1 for axis in over):
        raise ShapeError(f"Squeeze {node.name!r}: axes {over} of {tuple(input.shape)} are not all 1.")
    return input.squeeze([axis % input.ndim for axis in over])


@computes("Unsqueeze")
def unsqueeze(node: Node, input: Tensor, axes: Tensor | None = None) -> Tensor:
    """Unsqueeze: the axes, a value since opset 13, are counted in the result."""
    over = whole(node.get("axes") if axes is None else axes)
    ndim = input.ndim + len(over)
    for axis in sorted(axis + ndim if axis < 0 else axis for axis in over):
        input = input.unsqueeze(axis)
    return input


@computes("Concat")
def concat(node: Node, *values: Tensor) -> Tensor:
    """Concat: before opset 4 along the channels unless the node said otherwise."""
    return torch.cat(values, dim=node.get("axis", 1))


@computes("Split")
def split(node: Node, input: Tensor, sizes: Tensor | None = None) -> tuple[Tensor, ...]:
    """Into parts of given sizes, or into equal ones of which the last may be smaller."""
    axis, parts = node.get("axis", 0), len(node.outputs)
    given = whole(node.get("split") if sizes is None else sizes)
    found = input.split(given or max(math.ceil(input.shape[axis] / parts), 1), dim=axis)
    return found[0] if parts == 1 else found


@computes("Slice")
def cut(
    node: Node,
    input: Tensor,
    starts: Tensor | None = None,
    ends: Tensor | None = None,
    axes: Tensor | None = None,
    steps: Tensor | None = None,
) -> Tensor:
    """As Python cuts lists; backwards by the places of what is kept."""
    begin = whole(node.get("starts") if starts is None else starts)
    stop = whole(node.get("ends") if ends is None else ends)
    along = whole(node.get("axes") if axes is None else axes) or list(range(len(begin)))
    step = whole(steps) or [1] * len(begin)
    for first, last, axis, stride in zip(begin, stop, along, step, strict=True):
        size = input.shape[axis]
        if stride > 0:
            index = [slice(None)] * (axis % input.ndim) + [slice(first, last, stride)]
            input = input[tuple(index)]
        else:
            places = range(*slice(first, last if last >= -size else None, stride).indices(size))
            input = input.index_select(axis, torch.tensor(list(places), dtype=torch.int64))
    return input


@computes("Pad")
def pad(
    node: Node,
    input: Tensor,
    pads: Tensor | None = None,
    filling: Tensor | None = None,
    axes: Tensor | None = None,
) -> Tensor:
    """Torch's own padding where it has that mode; otherwise by the places that are repeated."""
    amounts = whole((node.get("pads") or node.get("paddings")) if pads is None else pads)
    along = whole(axes) or list(range(input.ndim))
    number = node.get("value", 0.0) if filling is None else filling.item()
    mode, half = node.get("mode", "constant"), len(along)
    sides = dict.fromkeys(range(input.ndim), (0, 0))
    sides |= {a % input.ndim: (amounts[i], amounts[half + i]) for i, a in enumerate(along)}
    if mode == "constant":
        flat = [side for axis in reversed(range(input.ndim)) for side in sides[axis]]
        while len(flat) > 2 and flat[-2:] == [0, 0]:
            flat = flat[:-2]
        return F.pad(input, flat, value=number)
    for axis, (before, behind) in sides.items():
        if before or behind:
            input = input.index_select(axis, border_places(mode, input.shape[axis], before, behind))
    return input


def border_places(mode: str, size: int, before: int, behind: int) -> Tensor:
    """Which cell stands at each place of a padded axis."""
    places = torch.arange(-before, size + behind)
    if mode == "edge":
        return places.clamp(0, size - 1)
    if mode == "wrap":
        return places % size
    period = max(2 * (size - 1), 1)
    places = places % period
    return torch.minimum(places, period - places) if size > 1 else places * 0


@computes("Expand")
def expand(node: Node, input: Tensor, shape: Tensor) -> Tensor:
    """Expand, since opset 8: both shapes spread, so an axis may also stay as large as it was."""
    return input.expand(torch.broadcast_shapes(input.shape, tuple(whole(shape))))


@computes("Tile")
def tile(node: Node, input: Tensor, repeats: Tensor) -> Tensor:
    """Tile: so many times along each axis."""
    return input.repeat(whole(repeats))


@computes("Range")
def span(node: Node, start: Tensor, limit: Tensor, delta: Tensor) -> Tensor:
    """Range, since opset 11: up to the limit, without it."""
    return torch.arange(start.item(), limit.item(), delta.item(), dtype=start.dtype)


@computes("Gather", weights={0: "table"})
def gather(node: Node, data: Tensor, places: Tensor) -> Tensor:
    """Gather: the slices at those places; since opset 11 negative ones count from the end."""
    axis = node.get("axis", 0) % max(data.ndim, 1)
    wrapped = torch.where(places < 0, places + data.shape[axis], places).long()
    taken = data.index_select(axis, wrapped.reshape(-1))
    return taken.reshape((*data.shape[:axis], *places.shape, *data.shape[axis + 1 :]))


@computes("GatherElements")
def gather_elements(node: Node, data: Tensor, places: Tensor) -> Tensor:
    """GatherElements, since opset 11: one number for each place; negative ones count from the end."""
    axis = node.get("axis", 0)
    return data.gather(axis, torch.where(places < 0, places + data.shape[axis], places).long())


@computes("DepthToSpace")
def depth_to_space(node: Node, input: Tensor) -> Tensor:
    """DepthToSpace: the block stands first among the channels, or last in mode CRD (since opset 11)."""
    n, channels, height, width = input.shape
    block = node.get("blocksize")
    each = channels // block**2
    if node.get("mode", "DCR") == "CRD":
        return F.pixel_shuffle(input, block)
    parts = input.reshape(n, block, block, each, height, width).permute(0, 3, 4, 1, 5, 2)
    return parts.reshape(n, each, height * block, width * block)


@computes("SpaceToDepth")
def space_to_depth(node: Node, input: Tensor) -> Tensor:
    """SpaceToDepth: the block stands first among the channels, or last in mode CRD (since opset 28)."""
    n, channels, height, width = input.shape
    block = node.get("blocksize")
    if node.get("mode", "DCR") == "CRD":
        return F.pixel_unshuffle(input, block)
    parts = input.reshape(n, channels, height // block, block, width // block, block)
    return parts.permute(0, 3, 5, 1, 2, 4).reshape(n, channels * block**2, height // block, width // block)


@computes("Trilu")
def triangle(node: Node, input: Tensor, diagonal: Tensor | None = None) -> Tensor:
    """Trilu, since opset 14: the upper triangle unless the node says otherwise; of each matrix of a batch."""
    function = torch.triu if node.get("upper", 1) else torch.tril
    return function(input, diagonal=0 if diagonal is None else int(diagonal))


@computes("NonZero")
def nonzero(node: Node, input: Tensor) -> Tensor:
    """NonZero, since opset 9: a row for each axis; a single number counts as having one."""
    return input.reshape(-1 if input.ndim == 0 else input.shape).nonzero().T
