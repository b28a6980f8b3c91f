"""Where the rows and columns of the image stand in a tensor, through every change of its shape."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from convitro.anatomy.receptive.reach import Reach, Windows
from convitro.anatomy.receptive.windows import grouped, repeated

ROWS, COLUMNS = "rows", "columns"
TAGS = (ROWS, COLUMNS)
FINE = "fine"  # the place inside a group of rows or columns that were split off together
Part = tuple[int, str]
Dim = tuple[Part, ...]


@dataclass(frozen=True, eq=False)
class Layout:
    """The dimensions of a tensor, each a product of parts, and what the parts of the image can see.

    Channels are not told apart: an element is described by its row and its column.

    Args:
        dims: per dimension its parts (length, tag), the slowest first; the tag is "rows" or "columns" for at
            most one part each, FINE, or "" for anything else.
        rows, columns: one reach for every position of the tagged part; of length 1 where no part has the tag.
        loose: why some units may see less than is said here; empty where all is exact.
        mottled: some channels see less than others, so that a part of them may see less than is said.
    """

    dims: tuple[Dim, ...]
    rows: Reach
    columns: Reach
    loose: str = ""
    mottled: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the tensor."""
        return tuple(length_of(dim) for dim in self.dims)

    def reach(self, tag: str) -> Reach:
        """That of the rows or of the columns."""
        return self.rows if tag == ROWS else self.columns

    def dim_of(self, tag: str) -> int | None:
        """The dimension in which a tag stands."""
        return next((at for at, dim in enumerate(self.dims) if any(part[1] == tag for part in dim)), None)

    def with_reach(self, tag: str, reach: Reach, dims: Iterable[Dim]) -> Layout:
        """The same with another reach and other dimensions."""
        rows, columns = (reach, self.columns) if tag == ROWS else (self.rows, reach)
        return replace(self, dims=tuple(dims), rows=rows, columns=columns)

    def parted(self) -> Layout:
        """Some of the channels: they may be those that see less."""
        return self.loosened("channels that see different parts, taken apart again") if self.mottled else self

    def loosened(self, reason: str) -> Layout:
        """The same, with a reason why it may say too much; the first reason stays."""
        return replace(self, loose=self.loose or reason)

    def mixed(self, dims: Iterable[int]) -> Layout:
        """Every element sees what all along these dimensions see."""
        layout = self
        for at in {dim % len(self.dims) for dim in dims}:
            for tag in TAGS:
                if any(part[1] == tag for part in layout.dims[at]):
                    layout = layout.settled(tag)
            plain = ((length_of(layout.dims[at]), ""),)
            layout = replace(layout, dims=(*layout.dims[:at], plain, *layout.dims[at + 1 :]))
        return layout

    def settled(self, tag: str) -> Layout:
        """All rows (or columns) see the same: what all of them see together."""
        dims = tuple(tuple((n, "" if name == tag else name) for n, name in dim) for dim in self.dims)
        return self.with_reach(tag, self.reach(tag).hull(), dims)

    def mapped(self, dim: int, length: int) -> Layout:
        """A dimension has another length and forgets what stood along it; its channels, say."""
        layout = self.mixed([dim])
        at = dim % len(self.dims)
        return replace(layout, dims=(*layout.dims[:at], ((length, ""),), *layout.dims[at + 1 :]))

    def permuted(self, order: Sequence[int]) -> Layout:
        """The dimensions in another order."""
        return replace(self, dims=tuple(self.dims[at] for at in order))

    def without(self, dims: Iterable[int]) -> Layout:
        """Without these dimensions."""
        gone = {dim % len(self.dims) for dim in dims}
        return replace(self, dims=tuple(dim for at, dim in enumerate(self.dims) if at not in gone))

    def inserted(self, at: int, length: int = 1) -> Layout:
        """With a new dimension before the one at `at`."""
        return replace(self, dims=(*self.dims[:at], ((length, ""),), *self.dims[at:]))

    def through(self, dim: int, windows: Windows, length: int) -> Layout:
        """What is seen behind windows that move along a dimension."""
        at = dim % len(self.dims)
        layout = self.fused(at)
        tag = layout.dims[at][0][1]
        dims = (*layout.dims[:at], ((length, tag),), *layout.dims[at + 1 :])
        if tag not in TAGS:
            return layout.gaps_found(at, windows, length) or replace(layout, dims=dims)
        return layout.with_reach(tag, layout.reach(tag).through(windows, length), dims)

    def gaps_found(self, at: int, windows: Windows, length: int) -> Layout | None:
        """What is seen behind windows over positions that all see the same, if some windows are empty."""
        tag = {-2: ROWS, -1: COLUMNS}.get(at - len(self.dims))
        if tag is None or self.dim_of(tag) is not None:
            return None
        reach = self.reach(tag).through(repeated(length_of(self.dims[at])), length_of(self.dims[at]))
        reach = reach.through(windows, length)
        dims = (*self.dims[:at], ((length, tag),), *self.dims[at + 1 :])
        return self.with_reach(tag, reach, dims) if reach.has_gaps else None

    def fused(self, at: int) -> Layout:
        """The same with one part in a dimension."""
        parts = coalesced(self.dims[at])
        tagged = [part for part in parts if part[1] in TAGS]
        if not tagged:
            return replace(self, dims=(*self.dims[:at], ((length_of(parts), ""),), *self.dims[at + 1 :]))
        layout, tag = self, tagged[0][1]
        if len(tagged) > 1 or parts[0][1] != tag:
            return self.mixed([at]).loosened("windows over an axis that holds more than rows or columns")
        if len(parts) > 1:
            times = length_of(parts[1:])
            if any(part[1] == FINE for part in parts):
                layout = layout.loosened("rows or columns that were taken apart and put together again")
            reach = self.reach(tag).through(repeated(times), length_of(parts))
            dims = (*self.dims[:at], ((length_of(parts), tag),), *self.dims[at + 1 :])
            return layout.with_reach(tag, reach, dims)
        return replace(layout, dims=(*self.dims[:at], parts, *self.dims[at + 1 :]))

    def expanded(self, shape: Sequence[int]) -> Layout:
        """Broadcast to a shape, which has all dimensions of this one at its end."""
        dims: list[Dim] = [((1, ""),)] * (len(shape) - len(self.dims)) + list(self.dims)
        layout = replace(self, dims=tuple(dims))
        for at, length in enumerate(shape):
            if length_of(layout.dims[at]) == 1 != length:
                layout = layout.mapped(at, length)
        return layout

    def reshaped(self, shape: Sequence[int]) -> Layout:
        """The same elements in another shape; rows and columns are followed into it."""
        layout = self
        parts = list(coalesced(part for dim in self.dims for part in dim if part[0] > 1))
        dims: list[Dim] = []
        for length in shape:
            taken: list[Part] = []
            while length_of(taken) < length:
                size, tag = parts.pop(0)
                room = length // length_of(taken)
                if size <= room and room % size == 0:
                    taken.append((size, tag))
                elif size % room == 0:
                    if tag in TAGS:
                        windows = grouped(size // room)
                        reach = layout.reach(tag).through(windows, room)
                        layout = replace(layout.with_reach(tag, reach, layout.dims), mottled=True)
                    taken.append((room, tag))
                    parts.insert(0, (size // room, FINE if tag in (*TAGS, FINE) else ""))
                else:
                    return whole([self], shape, "a change of shape across rows and columns")
            dims.append(coalesced(taken) or ((1, ""),))
        return replace(layout, dims=tuple(dims))

    def joined(self, other: Layout) -> Layout:
        """What sees both, element by element; the shapes are the same."""
        one, two = self, other
        if one is two:
            return one
        if any(layout.rows.has_gaps or layout.columns.has_gaps for layout in (one, two)):
            one = one.loosened("sums of branches of which one is only padding here and there")
        one = one.loosened(two.loose)
        for tag in TAGS:
            places = one.dim_of(tag), two.dim_of(tag)
            if None not in places and (places[0] != places[1] or not alike(one, two, places[0] or 0)):
                two = two.settled(tag)
                one = one.loosened("sums of branches in which rows or columns stand elsewhere")
        dims: list[Dim] = []
        for at, (ours, theirs) in enumerate(zip(one.dims, two.dims, strict=True)):
            if has_tags(ours) and has_tags(theirs) and coalesced(ours) != coalesced(theirs):
                one, two = one.mixed([at]), two.mixed([at])
                one = one.loosened("sums of branches in which rows or columns stand elsewhere")
                dims.append(one.dims[at])
            else:
                dims.append(theirs if has_tags(theirs) else ours)
        rows, columns = one.rows.joined(two.rows), one.columns.joined(two.columns)
        return Layout(tuple(dims), rows, columns, one.loose, one.mottled or two.mottled)


def whole(layouts: Sequence[Layout], shape: Sequence[int], loose: str = "") -> Layout:
    """A tensor of which every element sees all that these see."""
    rows, columns = layouts[0].rows.hull(), layouts[0].columns.hull()
    for layout in layouts[1:]:
        rows, columns = rows.joined(layout.rows.hull()), columns.joined(layout.columns.hull())
        loose = loose or layout.loose
    mottled = any(layout.mottled for layout in layouts)
    return Layout(tuple(((n, ""),) for n in shape), rows, columns, loose or layouts[0].loose, mottled)


def united(layouts: Sequence[Layout], shape: Sequence[int]) -> Layout:
    """What sees all of these, element by element after broadcasting to `shape`."""
    first, *rest = (layout.expanded(shape) for layout in layouts)
    for layout in rest:
        first = first.joined(layout)
    return first


def of_image(shape: Sequence[int], rows: int, columns: int) -> Layout:
    """The image itself, with its rows and columns in these dimensions."""
    tags = {rows: ROWS, columns: COLUMNS}
    dims = tuple(((n, tags.get(at, "")),) for at, n in enumerate(shape))
    return Layout(dims, Reach.of_image(shape[rows]), Reach.of_image(shape[columns]))


def length_of(parts: Iterable[Part]) -> int:
    """How many positions parts have together."""
    return math.prod(part[0] for part in parts)


def has_tags(dim: Dim) -> bool:
    """Whether rows or columns stand here."""
    return any(tag in TAGS for _, tag in dim)


def alike(one: Layout, two: Layout, at: int) -> bool:
    """Whether both have the same parts in a dimension."""
    return coalesced(one.dims[at]) == coalesced(two.dims[at])


def coalesced(parts: Iterable[Part]) -> Dim:
    """Neighbours without a tag as one part, and no part of length 1 without a tag."""
    found: list[Part] = []
    for tag, group in groupby((part for part in parts if part != (1, "")), key=lambda part: part[1]):
        items = list(group)
        found += [(length_of(items), tag)] if tag in ("", FINE) else items
    return tuple(found)
