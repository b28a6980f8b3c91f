"""`ReceptiveField` of one layer and `ReceptiveFields` of a network: what `receptive_field` returns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from convitro.anatomy.receptive.layout import COLUMNS, ROWS, Layout
from convitro.anatomy.receptive.reach import Law, Reach
from convitro.anatomy.tables import Table, Tabled, by
from convitro.errors import ArgumentError, UnknownLayerError, UnsupportedError, closest

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Pair = tuple[int, int]


class Box(NamedTuple):
    """A rectangle of pixels: rows top to bottom - 1, columns left to right - 1, as slices count.

    Example:
        >>> Box(0, 2, 3, 6).size
        (3, 4)
    """

    top: int
    left: int
    bottom: int
    right: int

    @property
    def size(self) -> Pair:
        """(rows, columns)."""
        return self.bottom - self.top, self.right - self.left

    @property
    def slices(self) -> tuple[slice, slice]:
        """`image[..., *box.slices]` is what stands in the box, if it does not reach over the border."""
        return slice(self.top, self.bottom), slice(self.left, self.right)


@dataclass(frozen=True, repr=False)
class ReceptiveField:
    """What the units of one layer can see of the image. All pairs are (rows, columns), in pixels.

    `size`, `stride` and `start` say how it would be without borders, as the literature does: unit (y, x) sees
    `size` pixels from `start + (y, x) * stride`. `region` says what it is at every place of this image.

    Args:
        name: the layer.
        kind: its class, or the function that was called.
        map_size: units of the layer, (rows, columns).
        image_size: pixels of the image, (rows, columns).
        size: pixels that a unit sees; the most, where units differ.
        stride: how far the field moves from one unit to the next; on average, if it moves unevenly (a float,
            after upsampling); None where there is no rule.
        start: the first pixel that unit (0, 0) sees, negative where it sees padding first; None if it sees
            none.
        whole: every unit sees the whole image, whatever its size.
        loose: why some units may see less than is said here (a function that is not known, say); empty where
            the boxes are exact.
    """

    name: str
    kind: str
    map_size: Pair
    image_size: Pair
    size: Pair
    stride: tuple[float | None, float | None]
    start: tuple[int | None, int | None]
    whole: bool
    loose: str
    _reaches: tuple[Reach, Reach] = field(compare=False)
    _turned: bool = False

    @classmethod
    def of(cls, name: str, kind: str, layout: Layout, image_size: Pair) -> ReceptiveField:
        """The field of a layer whose output has this layout; units are counted as its dimensions stand."""
        layout = layout.single(ROWS).single(COLUMNS)
        found = [layout.place_of(ROWS), layout.place_of(COLUMNS)]
        spare = spare_dims(found, len(layout.dims))
        lengths = [
            layout.shape[other] if at is None else layout.dims[at[0]][at[1]][0]
            for at, other in zip(found, spare, strict=True)
        ]
        places = [at or (other, 0) for at, other in zip(found, spare, strict=True)]
        turned = places[0] > places[1]
        rows, columns = layout.rows, layout.columns
        laws = rows.law, columns.law
        return cls(
            name=name,
            kind=kind,
            map_size=(lengths[turned], lengths[not turned]),
            image_size=image_size,
            size=(longest(rows), longest(columns)),
            stride=(stride_of(laws[0]), stride_of(laws[1])),
            start=(first(rows), first(columns)),
            whole=all(law is not None and law.whole for law in laws),
            loose=layout.loose,
            _reaches=(rows, columns),
            _turned=turned,
        )

    @property
    def center(self) -> tuple[float | None, float | None]:
        """The middle of what unit (0, 0) sees; 0.5 is the border between the first two pixels."""
        rows, columns = (
            None if start is None else start + (size - 1) / 2
            for start, size in zip(self.start, self.size, strict=True)
        )
        return rows, columns

    @property
    def exact(self) -> bool:
        """No box is larger than it has to be."""
        return not self.loose

    @property
    def even(self) -> bool:
        """One rule for all units: the same size and the same step everywhere."""
        return all(reach.law is not None and reach.law.even for reach in self._reaches)

    def region(self, y: int, x: int, *, clipped: bool = True) -> Box:
        """The smallest box with every pixel that unit (y, x) can see.

        Args:
            y, x: row and column of the unit.
            clipped: only pixels of the image, every border taken into account; otherwise as if there were
                none.

        Returns:
            The box, (0, 0, 0, 0) if the unit sees only padding.

        Raises:
            ArgumentError: there is no such unit.
            UnsupportedError: not clipped, in a network whose units follow no rule.
        """
        if not (0 <= y < self.map_size[0] and 0 <= x < self.map_size[1]):
            raise ArgumentError(
                f"receptive_field: `{self.name}` has no unit ({y}, {x}).",
                expected=f"0 to {self.map_size[0] - 1}, 0 to {self.map_size[1] - 1}",
            )
        places = (x, y) if self._turned else (y, x)
        (top, bottom), (left, right) = (
            self._interval(reach, place, clipped=clipped)
            for reach, place in zip(self._reaches, places, strict=True)
        )
        return Box(0, 0, 0, 0) if bottom < top or right < left else Box(top, left, bottom + 1, right + 1)

    def _interval(self, reach: Reach, place: int, *, clipped: bool) -> Pair:
        place = place if len(reach) > 1 else 0
        if clipped:
            return int(reach.low[place]), int(reach.high[place])
        if reach.law is None:
            raise UnsupportedError(
                f"receptive_field: the units of `{self.name}` follow no rule beyond the image.",
                expected="branches that move equally far from unit to unit, and no maps put end to end",
                hint="ask with clipped=True",
            )
        low, high = reach.law.of(place)
        return low, high

    def to_dict(self) -> dict[str, Any]:
        """All numbers as JSON types."""
        pairs = ("map_size", "image_size", "size", "stride", "start", "center")
        return {
            "name": self.name,
            "kind": self.kind,
            **{name: list(getattr(self, name)) for name in pairs},
            "even": self.even,
            "whole": self.whole,
            "exact": self.exact,
            "loose": self.loose,
        }

    def __str__(self) -> str:
        if self.whole:
            return f"{self.name}: the whole image"
        return f"{self.name}: size {short(self.size)}, stride {short(self.stride)}, start {short(self.start)}"

    __repr__ = __str__


def spare_dims(found: Sequence[Pair | None], rank: int) -> Pair:
    """Where rows and columns would stand that stand nowhere: in the last two dimensions, beside the other."""
    rows, columns = found
    return (
        rank - 1 if columns is not None and columns[0] == rank - 2 else rank - 2,
        rank - 2 if rows is not None and rows[0] == rank - 1 else rank - 1,
    )


def longest(reach: Reach) -> int:
    """How many pixels a unit sees at most: by the law, or, where there is none, inside the image."""
    return reach.law.size if reach.law is not None else max(0, int((reach.high - reach.low).max()) + 1)


def stride_of(law: Law | None) -> float | None:
    """How far the field moves."""
    return None if law is None else law.stride


def first(reach: Reach) -> int | None:
    """The first pixel that the first unit sees."""
    low, high = (int(reach.low[0]), int(reach.high[0])) if reach.law is None else reach.law.of(0)
    return low if low <= high else None


def short(pair: tuple[float | None, float | None]) -> str:
    """ "3" for equal numbers, "3, 5" for others, "-" for none.

    Example:
        >>> short((3, 3)), short((3, 1)), short((0.5, None))
        ('3', '3, 1', '0.5, -')
    """
    texts = ["-" if value is None else f"{value:g}" for value in pair]
    return texts[0] if texts[0] == texts[1] else ", ".join(texts)


@dataclass(frozen=True, repr=False)
class ReceptiveFields(Tabled, Mapping[str, ReceptiveField]):
    """The receptive fields of a network's convolutions and poolings, by name, in the order in which they ran.

    Args:
        model: name of the model's class.
        image_size: (rows, columns) of the image.
        fields: one per layer.
        warnings: what could not be followed.
    """

    model: str
    image_size: Pair
    fields: tuple[ReceptiveField, ...]
    warnings: tuple[str, ...] = ()

    def __getitem__(self, layer: str) -> ReceptiveField:
        found = next((item for item in self.fields if item.name == layer), None)
        if found is None:
            raise UnknownLayerError(
                f"receptive_field: no layer `{layer}` has run.",
                expected="a convolution or pooling of the network",
                hint=closest(layer, tuple(self)),
            )
        return found

    def __iter__(self) -> Iterator[str]:
        return (item.name for item in self.fields)

    def __len__(self) -> int:
        return len(self.fields)

    def region(self, layer: str, y: int, x: int, *, clipped: bool = True) -> Box:
        """The box of pixels that unit (y, x) of a layer can see, see `ReceptiveField.region`."""
        return self[layer].region(y, x, clipped=clipped)

    def to_dict(self) -> dict[str, Any]:
        """All fields as JSON types."""
        return {
            "model": self.model,
            "image_size": list(self.image_size),
            "layers": [item.to_dict() for item in self.fields],
            "warnings": list(self.warnings),
        }

    def table(self) -> Table:
        """One line for each layer."""
        columns: tuple[str, ...] = ("layer", "kind", "map", "size", "stride", "start", "")
        rows = tuple(line(item) for item in self.fields)
        if not any(row[-1] for row in rows):
            columns, rows = columns[:-1], tuple(row[:-1] for row in rows)
        title = f"receptive fields of {self.model} on an image of {by(self.image_size, always=True)}"
        return Table(title, columns, rows, tuple(self._notes()), (3, 4, 5), (2,))

    def _notes(self) -> list[str]:
        notes = ["size, stride, start: (rows, columns) in pixels, one number where both are equal"]
        if any(not item.even for item in self.fields):
            notes.append("uneven: units differ; their largest size, their average stride")
        reasons = dict.fromkeys(item.loose for item in self.fields if item.loose)
        notes += [f"at most: {reason}" for reason in reasons]
        return [*notes, *self.warnings]

    def plot(self, ax: Axes | None = None) -> Axes:
        """How the fields grow from layer to layer, beside the image; those that see all of it are left out.

        Raises:
            LoadError: matplotlib is not installed.
        """
        from convitro.plots import Curves

        seen = [max(item.size) for item in self.fields if not item.whole]
        line = (torch.arange(len(seen)), torch.tensor(seen, dtype=torch.float64))
        return Curves(
            f"receptive fields of {self.model}",
            {"field": line},
            x_label="convolutions and poolings in order",
            y_label="pixels",
            marks={"image": float(max(self.image_size))},
        ).plot(ax)


def line(item: ReceptiveField) -> tuple[str, ...]:
    """A layer as a row of the table."""
    start = (item.name, item.kind, by(item.map_size, always=True))
    mark = "at most" if item.loose else "" if item.even else "uneven"
    if item.whole:
        return (*start, "all", "", "", mark)
    return (*start, short(item.size), short(item.stride), short(item.start), mark)
