"""One finding: what is wrong, where, by which number, and what to try."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from convitro.anatomy.diagnosis.records import LayerRecord
from convitro.anatomy.tables import json_numbers
from convitro.plots import Display, kernel_matrix

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NETWORK = "network"  # where a finding that concerns no single layer stands


@dataclass(frozen=True, eq=False, repr=False)
class Finding:
    """Something that a healthy network does not show.

    Args:
        kind: "dead", "almost dead", "noisy", "redundant", "saturated", "cancelled", "outsized", "vanishing",
            "exploding", "not finite", "untrained", "over-fitting" or "under-fitting".
        layer: name of the layer, or "network".
        filter: which of its filters; None where it is the whole layer.
        value: the number that was found, and
        measure: what it is a number of.
        threshold: where a finding begins.
        evidence: what was seen, in words.
        advice: what to try.
        partner: the filter that a redundant one equals.
        pictures: the evidence as pictures, the most telling one first.
    """

    kind: str
    layer: str
    filter: int | None
    value: float
    measure: str
    threshold: float
    evidence: str
    advice: str
    partner: int | None = None
    pictures: tuple[Display, ...] = field(default=())

    @property
    def where(self) -> str:
        """ "conv1, filter 3", or the layer alone."""
        return self.layer if self.filter is None else f"{self.layer}, filter {self.filter}"

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the most telling picture; `.pictures` has all.

        Raises:
            LoadError: matplotlib is not installed.
        """
        return self.pictures[0].plot(ax)

    def to_dict(self) -> dict[str, Any]:
        """All but the pictures as JSON types."""
        found = {
            "kind": self.kind,
            "layer": self.layer,
            "filter": self.filter,
            "value": json_numbers(self.value),
            "measure": self.measure,
            "threshold": json_numbers(self.threshold),
            "evidence": self.evidence,
            "advice": self.advice,
        }
        return found if self.partner is None else {**found, "partner": self.partner}

    def __str__(self) -> str:
        return (
            f"{self.where}: {self.kind}. {self.evidence} "
            f"({self.measure}: {self.value:.3g}, limit {self.threshold:.3g}) Try: {self.advice}"
        )

    __repr__ = __str__


def kernels_of(record: LayerRecord, filters: tuple[int, ...]) -> Display:
    """The kernels of some filters of a layer."""
    layer = record.layer
    return kernel_matrix(
        layer.weight[list(filters)].float().cpu(),
        f"kernels of {record.name}",
        row_labels=[str(index) for index in filters],
        scale="each",
    )
