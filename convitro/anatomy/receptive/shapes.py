"""Rules for functions that only move elements: other shapes, orders and parts, tensors side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._pytree import tree_leaves

from convitro.anatomy.receptive.call import Call, Function, Rule, getters, pair, spellings
from convitro.anatomy.receptive.layout import TAGS, Layout, has_tags, united, whole
from convitro.anatomy.receptive.reach import Reach
from convitro.anatomy.receptive.windows import chosen, grouped, padded, repeated, sliced

Index = Any


def reshape(call: Call) -> Layout | None:
    """Another shape for the same elements."""
    layout = call.every()[0]
    if call.kwargs.get("dtype") or (len(call.args) == 2 and isinstance(call.args[1], torch.dtype)):
        return (
            layout if layout.shape == call.shape else whole([layout], call.shape, "bits read as another type")
        )
    first = call.args[0] if call.args else call.kwargs.get("input")
    own = call.of(first)
    return None if own is None else own.reshaped(call.shape)


def permute(call: Call) -> Layout | None:
    """Another order of the dimensions."""
    layout, rank = call.every()[0], len(call.every()[0].dims)
    dims = call.args[1:] or (call.kwargs.get("dims"),)
    order = dims[0] if len(dims) == 1 and not isinstance(dims[0], int) else dims
    return layout.permuted([dim % rank for dim in order])


def transpose(call: Call) -> Layout | None:
    """Two dimensions change places."""
    layout, rank = call.every()[0], len(call.every()[0].dims)
    first, second = [value for value in (*call.args[1:], *call.kwargs.values()) if isinstance(value, int)][:2]
    order = list(range(rank))
    order[first % rank], order[second % rank] = second % rank, first % rank
    return layout.permuted(order)


def movedim(call: Call) -> Layout | None:
    """Dimensions go elsewhere, the others keep their order."""
    layout, rank = call.every()[0], len(call.every()[0].dims)
    arguments = call.bound("input", "source", "destination")
    sources, goals = ([dim % rank for dim in pair(arguments[name], 1)] for name in ("source", "destination"))
    order = [dim for dim in range(rank) if dim not in sources]
    for goal, source in sorted(zip(goals, sources, strict=True)):
        order.insert(goal, source)
    return layout.permuted(order)


def turned(call: Call) -> Layout | None:
    """The last two dimensions (`mT`), or all in reverse (`T`), change places."""
    layout = call.every()[0]
    order = list(range(len(layout.dims)))
    if call.function in getters("T") or call.function in (torch.t, Tensor.t):
        return layout.permuted(order[::-1])
    return layout.permuted([*order[:-2], *order[:-3:-1]])


def unsqueeze(call: Call) -> Layout | None:
    """A new dimension of length 1."""
    layout = call.every()[0]
    return layout.inserted(call.bound("input", "dim")["dim"] % (len(layout.dims) + 1))


def squeeze(call: Call) -> Layout | None:
    """Dimensions of length 1 go."""
    layout = call.every()[0]
    dims = call.bound("input", "dim").get("dim", range(len(layout.dims)))
    every = [dim % len(layout.dims) for dim in ([dims] if isinstance(dims, int) else dims)]
    return layout.without([dim for dim in every if layout.shape[dim] == 1])


def expand(call: Call) -> Layout | None:
    """Broadcast to a shape; `expand_as` reads only the shape of the other."""
    own = call.of(call.args[0])
    return None if own is None else own.expanded(call.shape)


def repeat(call: Call) -> Layout | None:
    """The whole tensor several times along each dimension."""
    layout = call.every()[0].expanded(
        [1] * (len(call.shape) - len(call.every()[0].dims)) + [*call.every()[0].shape]
    )
    for dim, length in enumerate(call.shape):
        old = layout.shape[dim]
        if old != length:
            layout = layout.through(dim, chosen(np.arange(length) % max(1, old)), length)
    return layout


def repeat_interleave(call: Call) -> Layout | None:
    """Every element several times in a row."""
    layout = call.every()[0]
    arguments = call.bound("input", "repeats", "dim")
    if not isinstance(arguments.get("dim"), int) or not isinstance(arguments["repeats"], int):
        return whole([layout], call.shape, "repeat_interleave by numbers of a tensor")
    dim = arguments["dim"]
    return layout.through(dim, repeated(arguments["repeats"]), call.shape[dim])


def flip(call: Call) -> Layout | None:
    """Dimensions read backwards."""
    layout = call.every()[0]
    dims = call.args[1:] if len(call.args) > 2 else call.bound("input", "dims")["dims"]
    for dim in [dims] if isinstance(dims, int) else dims:
        length = layout.shape[dim]
        layout = layout.through(dim, sliced(length - 1, -1), length)
    return layout


def roll(call: Call) -> Layout | None:
    """What leaves at one end comes in at the other."""
    layout = call.every()[0]
    arguments = call.bound("input", "shifts", "dims")
    if arguments.get("dims") is None:
        return whole([layout], call.shape, "roll over all elements")
    shifts, dims = arguments["shifts"], arguments["dims"]
    for shift, dim in [(shifts, dims)] if isinstance(dims, int) else zip(shifts, dims, strict=True):
        length = layout.shape[dim]
        windows = replace(
            chosen((np.arange(length) - shift) % length), sources=np.array([[-shift]]), regular=True
        )
        layout = layout.through(dim, windows, length)
    return layout


def narrow(call: Call) -> Layout | None:
    """Neighbours along one dimension."""
    arguments = call.bound("input", "dim", "start", "length")
    layout, dim = call.every()[0], arguments["dim"]
    layout = part_of(layout, dim)
    start = int(arguments["start"]) % layout.shape[dim] if arguments["start"] else 0
    return layout.through(dim, sliced(start, 1), call.shape[dim])


def select(call: Call) -> Layout | None:
    """One position along a dimension, which goes."""
    arguments = call.bound("input", "dim", "index")
    layout, dim = call.every()[0], arguments["dim"]
    at = arguments["index"] % layout.shape[dim]
    layout = part_of(layout, dim)
    return layout.through(dim, sliced(at, 1), 1).mapped(dim, 1).without([dim])


def divided(call: Call) -> Sequence[Layout | None] | None:
    """Chunks along a dimension, each the neighbour of the one before: split, chunk, unbind."""
    layout = call.every()[0]
    name = getattr(call.function, "__name__", "")
    names = ("input", "dim") if name == "unbind" else ("input", "parts", "dim")
    dim = call.bound(*names).get("dim", 0)
    layout = part_of(layout, dim)
    pieces = [leaf for leaf in tree_leaves(call.result) if isinstance(leaf, Tensor)]
    lengths = [1 if name == "unbind" else piece.shape[dim] for piece in pieces]
    starts = [0, *accumulate(lengths)]
    found = [
        layout.through(dim, sliced(start, 1), length) for start, length in zip(starts, lengths, strict=False)
    ]
    return [piece.mapped(dim, 1).without([dim]) for piece in found] if name == "unbind" else found


def index_select(call: Call) -> Layout | None:
    """Any positions along a dimension."""
    arguments = call.bound("input", "dim", "index")
    layout, dim = call.every()[0], arguments["dim"]
    if call.of(arguments["index"]) is not None or (arguments["index"].is_meta and has_tags(layout.dims[dim])):
        return whole(call.every(), call.shape)
    if not has_tags(layout.dims[dim]):
        return layout.parted().mapped(dim, call.shape[dim])
    return layout.through(dim, chosen(np.array(arguments["index"].tolist(), np.int64)), call.shape[dim])


def getitem(call: Call) -> Layout | None:
    """Slices, single positions, new dimensions; anything else sees all of what it is taken from."""
    source, index = call.args
    layout = call.of(source)
    items = index if isinstance(index, tuple) else (index,)
    if layout is None or not all(item is None or item is ... or type(item) in (int, slice) for item in items):
        return whole(call.every(), call.shape, "positions picked by numbers in tensors")
    return sliced_by(layout, items)


def sliced_by(layout: Layout, items: tuple[Index, ...]) -> Layout:
    """A layout under slices, integers, None and `...`."""
    missing = len(layout.dims) - sum(item is not None and item is not ... for item in items)
    at_dots = next((at for at, item in enumerate(items) if item is ...), len(items))
    items = (*items[:at_dots], *[slice(None)] * missing, *items[at_dots + 1 :])
    at = 0
    for item in items:
        if item is None:
            layout, at = layout.inserted(at), at + 1
        elif isinstance(item, int):
            layout = part_of(layout, at)
            layout = layout.through(at, sliced(item % layout.shape[at], 1), 1).mapped(at, 1).without([at])
        else:
            start, stop, step = item.indices(layout.shape[at])
            if (start, stop, step) != (0, layout.shape[at], 1):
                layout = part_of(layout, at)
                layout = layout.through(at, sliced(start, step), len(range(start, stop, step)))
            at += 1
    return layout


def part_of(layout: Layout, dim: int) -> Layout:
    """A layout of which some positions are taken: of channels, perhaps those that see less."""
    return layout if has_tags(layout.dims[dim]) or layout.shape[dim] == 1 else layout.parted()


def setitem(call: Call) -> Layout | None:
    """Where something else is written, both may be seen; exact if nothing of the image stood there before."""
    target, _, value = call.args
    own, other = call.of(target), call.of(value)
    if other is None:
        return None if own is None else own.loosened("values that were written over")
    seen = whole([other], target.shape, "values that were written into a tensor")
    return seen if own is None else own.joined(seen)


def concatenated(call: Call) -> Layout | None:
    """Tensors side by side; along rows or columns one after the other."""
    arguments = call.bound("tensors", "dim")
    tensors, dim = arguments["tensors"], arguments.get("dim", arguments.get("axis", 0))
    tensors = [tensor for tensor in tensors if tuple(tensor.shape) != (0,)]
    layouts = [layout for layout in map(call.of, tensors) if layout is not None]
    at = dim % len(call.shape)
    if any(has_tags(layout.dims[at]) for layout in layouts):
        if len(layouts) == 1:
            before = sum(
                tensor.shape[at] for tensor in tensors[: [call.of(t) is None for t in tensors].index(False)]
            )
            length = layouts[0].shape[at]
            return layouts[0].through(
                at, padded(length, before, call.shape[at] - length - before, "constant"), call.shape[at]
            )
        return (
            in_a_row(layouts, at, call) if len(layouts) == len(tensors) else whole(layouts, call.shape, "cat")
        )
    joined = united([layout.mapped(at, call.shape[at]) for layout in layouts], call.shape)
    first = layouts[0]
    same = len(layouts) == len(tensors) and all(
        one.rows is first.rows and one.columns is first.columns for one in layouts
    )
    return joined if same else replace(joined, mottled=True)


def in_a_row(layouts: list[Layout], at: int, call: Call) -> Layout:
    """Tensors one after the other along rows or columns; without a law, as they need not fit."""
    layouts = [layout.fused(at) for layout in layouts]
    tags = {layout.dims[at][0][1] for layout in layouts}
    tag = tags.pop()
    if tags or tag not in TAGS:
        return whole(layouts, call.shape, "cat of rows with something else")
    parts = [layout.reach(tag) for layout in layouts]
    low, high = (np.concatenate([getattr(part, name) for part in parts]) for name in ("low", "high"))
    plain = [layout.mapped(at, call.shape[at]) for layout in layouts]
    dims = [*plain[0].dims]
    dims[at] = ((call.shape[at], tag),)
    return united(plain, call.shape).with_reach(tag, Reach(low, high, None), dims)


def stacked(call: Call) -> Layout | None:
    """Tensors side by side along a new dimension."""
    arguments = call.bound("tensors", "dim")
    at = arguments.get("dim", 0) % len(call.shape)
    shape = [*call.shape[:at], 1, *call.shape[at + 1 :]]
    layouts = [layout.inserted(at) for layout in call.every(arguments["tensors"])]
    return replace(united(layouts, shape).mapped(at, call.shape[at]), mottled=True)


def pad(call: Call) -> Layout | None:
    """Borders of zeros, or made of the image itself; negative ones cut off."""
    arguments = call.bound("input", "pad", "mode", "value")
    layout, sides = call.every()[0], arguments["pad"]
    for index in range(len(sides) // 2):
        before, after = int(sides[2 * index]), int(sides[2 * index + 1])
        dim = -1 - index
        if before or after:
            length = layout.shape[dim]
            windows = padded(length, before, after, arguments.get("mode", "constant"))
            layout = layout.through(dim, windows, length + before + after)
    return layout


def shuffled(call: Call) -> Layout | None:
    """Channels become places (pixel_shuffle), or places channels (pixel_unshuffle)."""
    layout = call.every()[0].parted()
    times = int(
        call.args[1] if len(call.args) > 1 else next(v for v in call.kwargs.values() if isinstance(v, int))
    )
    apart = "unshuffle" in getattr(call.function, "__name__", "")
    for dim in (-1, -2):
        layout = layout.through(dim, grouped(times) if apart else repeated(times), call.shape[dim])
    layout = layout.mapped(-3, call.shape[-3])
    return replace(layout, mottled=True) if apart else layout


def unfolded(call: Call) -> Layout | None:
    """`Tensor.unfold`: windows along one dimension, their places in a new last one."""
    arguments = call.bound("input", "dimension", "size", "step")
    layout, dim = call.every()[0], arguments["dimension"] % len(call.every()[0].dims)
    from_each = arguments["size"]
    windows = replace(grouped(from_each), step=arguments["step"])
    layout = layout.through(dim, windows, call.shape[dim]).inserted(len(layout.dims), from_each)
    return replace(layout, mottled=True)


def rules() -> dict[Function, Rule]:
    """The rules of this file by function."""
    found: dict[Function, Rule] = {}
    for names, rule in (
        (
            ["view", "reshape", "view_as", "reshape_as", "flatten", "unflatten", "ravel", "_unsafe_view"],
            reshape,
        ),
        (("permute",), permute),
        (["transpose", "swapaxes", "swapdims"], transpose),
        (["movedim", "moveaxis"], movedim),
        (("t",), turned),
        (("unsqueeze",), unsqueeze),
        (("squeeze",), squeeze),
        (["expand", "expand_as", "broadcast_to"], expand),
        (["repeat", "tile"], repeat),
        (("repeat_interleave",), repeat_interleave),
        (("flip",), flip),
        (("roll",), roll),
        (("narrow",), narrow),
        (("select",), select),
        (["split", "chunk", "unbind", "tensor_split", "split_with_sizes"], divided),
        (("index_select",), index_select),
        (["cat", "concat", "concatenate"], concatenated),
        (("stack",), stacked),
        (("pad", "constant_pad_nd"), pad),
        (["pixel_shuffle", "pixel_unshuffle"], shuffled),
    ):
        found |= dict.fromkeys(spellings(names), rule)
    found |= dict.fromkeys(getters("T", "mT", "H", "mH"), turned)
    found |= {F.pad: pad, Tensor.unfold: unfolded, Tensor.__getitem__: getitem, Tensor.__setitem__: setitem}
    return found
