"""What came back from a layer to the image: the result of `deconvnet`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from jaxtyping import Float
from torch import Tensor

from convitro.anatomy.receptive.field import Box
from convitro.anatomy.tables import Table, Tabled, json_numbers, number
from convitro.plots import Sheet, projection_sheet

SOURCES = {
    "deconvnet": "Zeiler and Fergus 2013 (arXiv 1311.2901)",
    "guided": "Springenberg et al. 2015 (arXiv 1412.6806)",
    "gradient": "Simonyan et al. 2013 (arXiv 1312.6034)",
}


@dataclass(frozen=True, eq=False, repr=False)
class Projection(Tabled):
    """What the activity of a filter looks like in the image that caused it.

    Args:
        layer, filter: whose activity.
        method: "deconvnet", "guided" or "gradient".
        units: the pixels (y, x) of the filter's map that the signal started from; None for all of them.
        value: the activation of the unit, or the largest of them.
        input: (C, H, W) the image, channels first whatever order the model takes.
        image: (C, H, W) what came back.
        notes: what was done at layers for which the method has no word.

    Source: `method`, see `deconvnet`.
    """

    layer: str
    filter: int
    method: str
    units: tuple[tuple[int, int], ...] | None
    value: float
    input: Float[Tensor, "C H W"]
    image: Float[Tensor, "C H W"]
    notes: tuple[str, ...] = ()

    @property
    def unit(self) -> tuple[int, int] | None:
        """The pixel of the map that was projected, if it was a single one."""
        return self.units[0] if self.units is not None and len(self.units) == 1 else None

    @cached_property
    def region(self) -> Box:
        """The smallest box around all that is not zero."""
        return box_around(self.image)

    @property
    def source(self) -> str:
        """Where the method was published."""
        return SOURCES[self.method]

    def plot(self) -> Sheet:
        """The image beside its projection, and both once more where something came back."""
        title = f"{self.layer}, filter {self.filter}, {self.started}: {self.method}"
        return projection_sheet(self.input, self.image, *self.region.slices, title, self.notes)

    @property
    def started(self) -> str:
        """Where the signal started, in words."""
        if self.units is None:
            return "the whole map"
        if len(self.units) == 1:
            return "unit y={} x={}".format(*self.units[0])
        return f"the {len(self.units)} strongest units"

    def to_dict(self) -> dict[str, Any]:
        """Everything but the pixels as JSON types."""
        return {
            "layer": self.layer,
            "filter": self.filter,
            "method": self.method,
            "units": None if self.units is None else [list(unit) for unit in self.units],
            "value": json_numbers(self.value),
            "region": list(self.region),
            "range": json_numbers([float(self.image.min()), float(self.image.max())]),
            "notes": list(self.notes),
        }

    def table(self) -> Table:
        """What was done, from where, and what arrived."""
        low, high = float(self.image.min()), float(self.image.max())
        rows = [
            ("after", self.source),
            ("from", self.started),
            ("activation", number(self.value) if self.unit is not None else f"up to {number(self.value)}"),
            ("region", in_words(self.region)),
            ("values", f"{number(low)} to {number(high)}"),
        ]
        return Table(
            f"{self.layer}, filter {self.filter}: projection",
            ("method", self.method),
            tuple(rows),
            self.notes,
        )

    def _repr_html_(self) -> str:
        return self.plot()._repr_html_() + self.table().html()


def box_around(image: Tensor) -> Box:
    """The smallest box around all that is not zero in (C, H, W); an empty one if there is nothing."""
    filled = (image != 0).any(0)
    rows, columns = filled.any(1).nonzero().flatten(), filled.any(0).nonzero().flatten()
    if not len(rows):
        return Box(0, 0, 0, 0)
    return Box(int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1)


def in_words(box: Box) -> str:
    """A box as text: its first and last rows and columns."""
    if not all(box.size):
        return "nothing"
    return f"rows {box.top} to {box.bottom - 1}, columns {box.left} to {box.right - 1}"
