"""The strongest patches of every filter of a layer: the result of `top_patches`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from convitro.anatomy.indexing import checked_index
from convitro.anatomy.observe import batch_for
from convitro.anatomy.projections.backtrack import Backtracker, channels_last, in_order
from convitro.anatomy.projections.deconvolution import Asked, project
from convitro.anatomy.projections.projection import Projection
from convitro.anatomy.receptive.field import Box
from convitro.anatomy.receptive.network import receptive_field
from convitro.anatomy.tables import Table, Tabled, by, json_numbers, number
from convitro.errors import ArgumentError
from convitro.plots import Sheet, patch_sheet
from convitro.plots.words import counted
from convitro.progress import track

SHOWN_FILTERS, LISTED_FILTERS, FILTERS_IN_A_PAGE = 12, 32, 4
CLOSE = 1e-3
NUMBERS_AT_ONCE = 3 * 2**14  # of images: all values of a run are kept for its way back


@dataclass(frozen=True, eq=False, repr=False)
class TopPatches(Tabled):
    """For each of some filters the pieces of images that made it most active.

    Only numbers are kept. Images are read from the data again, and projections computed, when they are asked
    for; both are then kept.

    Args:
        model: what ran.
        layer: whose filters.
        filters: (F,) which of them.
        values: (F, K) their activations, the strongest first; K is k, or less for fewer images.
        images: (F, K) which image of the data, counted from 0; -1 where there is none.
        positions: (F, K, 2) which pixel (y, x) of the filter's map.
        image_sizes: (F, K, 2) rows and columns of that image.
        seen: how many images there were.
        method: how projections are made, see `deconvnet`.
        read: gives images by their numbers, as the model takes them.

    Source: Zeiler and Fergus 2013 (arXiv 1311.2901), figure 2.
    """

    model: nn.Module
    layer: str
    filters: tuple[int, ...]
    values: Float[Tensor, "F K"]
    images: Int[Tensor, "F K"]
    positions: Int[Tensor, "F K 2"]
    image_sizes: Int[Tensor, "F K 2"]
    seen: int
    method: str
    read: Callable[[Iterable[int]], Mapping[int, Tensor]]
    _kept: dict[Any, Any] = field(default_factory=dict)

    def region(self, filter: int, rank: int = 0) -> Box:
        """Which pixels of the image the unit can see at all: its receptive field.

        Raises:
            ArgumentError: the filter was not among those asked for, or has no such rank.
        """
        row, rank = self._place(filter, rank)
        y, x = self.positions[row, rank].tolist()
        return self._fields(tuple(self._image(row, rank).shape)).region(self.layer, y, x)

    def patch(self, filter: int, rank: int = 0) -> Float[Tensor, "C H W"]:
        """The piece of the image that the unit can see.

        Args:
            filter: one of `filters`.
            rank: 0 for the strongest.

        Raises:
            ArgumentError: there is no such filter or rank, or the data no longer have the image.
        """
        top, left, bottom, right = self.region(filter, rank)
        row, rank = self._place(filter, rank)
        image = in_order(self._image(row, rank), channels_last(self.model))
        return image[:, top:bottom, left:right]

    def projection(self, filter: int, rank: int = 0) -> Projection:
        """What came back from the unit to the whole image, see `deconvnet`.

        Raises:
            ArgumentError: there is no such filter or rank, or the data now give another image.
        """
        row, rank = self._place(filter, rank)
        self._project([(row, rank)])
        found: Projection = self._kept[row, rank]
        return found

    def plot(
        self, filters: Sequence[int] | None = None, *, projections: bool = True, most: int = SHOWN_FILTERS
    ) -> Sheet:
        """The patches of each filter, beside them what came back from each.

        Args:
            filters: which of them; None for the first.
            projections: whether these are computed and shown.
            most: how many filters are shown at most; a note says how many are not.

        Raises:
            ArgumentError: one of the filters was not asked for.
        """
        wanted = list(self.filters if filters is None else filters)
        rows = [self._row(filter) for filter in wanted[:most]]
        places = [(row, rank) for row in rows for rank in self._ranks(row)]
        self._read(places)
        if projections:
            self._project(places)
        shown = {}
        for row in rows:
            filter = self.filters[row]
            ranks = self._ranks(row)
            patches = [self.patch(filter, rank) for rank in ranks]
            pieces = [self._piece(row, rank) for rank in ranks] if projections else []
            value = number(round(float(self.values[row, 0]), 4)) if ranks else "never active"
            shown[f"filter {filter}: {value}"] = (patches, pieces)
        title = f"{self.layer}: the strongest patches among {self.seen:,} images"
        return patch_sheet(shown, title, self.method, hidden=len(wanted) - len(rows))

    def to_dict(self) -> dict[str, Any]:
        """All numbers as JSON types; pictures are tensors, not JSON."""
        return {
            "layer": self.layer,
            "images_seen": self.seen,
            "filters": [
                {
                    "filter": filter,
                    "values": json_numbers(self.values[row, : len(self._ranks(row))]),
                    "images": self.images[row, : len(self._ranks(row))].tolist(),
                    "positions": self.positions[row, : len(self._ranks(row))].tolist(),
                }
                for row, filter in enumerate(self.filters)
            ],
        }

    def table(self) -> Table:
        """The strongest unit of each filter, and how strong the last one is."""
        rows = []
        for row, filter in enumerate(self.filters[:LISTED_FILTERS]):
            ranks = self._ranks(row)
            if ranks:
                values = (number(float(self.values[row, 0])), number(float(self.values[row, ranks[-1]])))
                place = by(self.positions[row, 0].tolist(), always=True).replace("x", ", ")
                rows.append((str(filter), *values, str(int(self.images[row, 0])), place))
            else:
                rows.append((str(filter), "never active", "", "", ""))
        rest = len(self.filters) - len(rows)
        count = self.values.shape[1]
        columns = ("filter", "strongest", "weakest kept", "strongest in image", "at y, x")
        filters = counted(len(self.filters), "filter")
        title = f"{self.layer}: the {count} strongest patches of {filters}, {self.seen:,} images"
        notes = (f"… {rest} more filters",) if rest else ()
        return Table(title, columns, tuple(rows), notes, numeric=(1, 2, 3, 4))

    def _repr_html_(self) -> str:
        return self.plot(most=FILTERS_IN_A_PAGE)._repr_html_() + self.table().html()  # it has to be quick

    def _row(self, filter: int) -> int:
        if filter not in self.filters:
            shown = ", ".join(map(str, self.filters[:8])) + (" …" if len(self.filters) > 8 else "")
            raise ArgumentError(
                f"{self.layer}: this filter was not asked for.", expected=shown, received=f"filter={filter!r}"
            )
        return self.filters.index(filter)

    def _ranks(self, row: int) -> list[int]:
        """The places of a filter that a patch fills: a unit that is not active has seen nothing."""
        used = (self.images[row] >= 0) & (self.values[row] != 0)
        return used.nonzero().flatten().tolist()

    def _place(self, filter: int, rank: int) -> tuple[int, int]:
        row = self._row(filter)
        count = int((self.images[row] >= 0).sum())
        return row, checked_index(rank, count, "rank", f"{self.layer}, filter {filter}")

    def _image(self, row: int, rank: int) -> Tensor:
        self._read([(row, rank)])
        image: Tensor = self._kept["image", int(self.images[row, rank])]
        return image

    def _read(self, places: Sequence[tuple[int, int]]) -> None:
        """Read the images of these places that have not been read yet."""
        numbers = {int(self.images[row, rank]) for row, rank in places}
        missing = {index for index in numbers if ("image", index) not in self._kept}
        if missing:
            for index, image in self.read(missing).items():
                self._kept["image", index] = image.detach().clone()

    def _fields(self, size: tuple[int, ...]) -> Any:
        key = ("fields", *size)
        if key not in self._kept:
            layout = "NHWC" if channels_last(self.model) else "NCHW"
            self._kept[key] = receptive_field(self.model, size, layout=layout, mode="same")
        return self._kept[key]

    def _piece(self, row: int, rank: int) -> Tensor:
        """What came back within the receptive field."""
        seen: Projection = self._kept[row, rank]
        top, left, bottom, right = self.region(self.filters[row], rank)
        return seen.image[:, top:bottom, left:right]

    def _project(self, places: Sequence[tuple[int, int]]) -> None:
        """Compute the projections of these places that are missing, several small images in one run."""
        missing = [place for place in dict.fromkeys(places) if place not in self._kept]
        if not missing:
            return
        self._read(missing)
        tracker = Backtracker(self.model, self.layer, self.method)
        with tracker.prepared():
            runs = list(self._runs(missing))
            for run in track(runs, f"projections of {self.layer}", len(missing), len):
                images = [self._image(row, rank) for row, rank in run]
                maps = tracker.maps(torch.stack(images).to(tracker.device))
                assert maps is not None
                asked = [
                    Asked(at, self.filters[row], [tuple(self.positions[row, rank].tolist())], image)
                    for at, ((row, rank), image) in enumerate(zip(run, images, strict=True))
                ]
                for (row, rank), seen in zip(run, project(tracker, maps, asked), strict=True):
                    self._check_value(seen.value, row, rank)
                    self._kept[row, rank] = seen

    def _runs(self, places: Sequence[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
        """The places in the order of their images, cut so that one run has few numbers to keep.

        Where a model looks at the whole batch, each image runs alone, as it would have alone.
        """
        alone = any(module.training for module in self.model.modules()) or batch_for(self.model, 0) > 0
        ordered = sorted(places, key=lambda place: (int(self.images[place]), place))
        for size, same in groupby(ordered, lambda place: tuple(self._image(*place).shape)):
            most = 1 if alone else max(1, NUMBERS_AT_ONCE // math.prod(size))
            waiting = list(same)
            yield from (waiting[first : first + most] for first in range(0, len(waiting), most))

    def _check_value(self, value: float, row: int, rank: int) -> None:
        """Raise if the unit is not what it was: the data or the model have changed.

        Raises:
            ArgumentError: the activation is another one.
        """
        before = float(self.values[row, rank])
        if not math.isclose(value, before, rel_tol=CLOSE, abs_tol=CLOSE):
            raise ArgumentError(
                f"top_patches: image {int(self.images[row, rank])} is not what it was.",
                expected=f"an activation of {number(before)}, as when it was found",
                received=number(value),
                hint="random crops, or a model in training mode, make every reading another",
            )
