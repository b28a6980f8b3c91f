"""Several numbers of each of a few things, side by side: groups of horizontal bars."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from convitro.errors import ArgumentError
from convitro.plots.charts import Chart
from convitro.plots.colours import SERIES
from convitro.plots.display import INK, MUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, eq=False, repr=False)
class BarRows(Chart):
    """A group of horizontal bars for each row; every series is drawn as a share of its own largest value.

    Args:
        values: (rows, series), none negative.
        labels: one for each row.
        series: names, one for each series.
        texts: what is written at the end of each bar, (rows, series); empty for nothing.

    Example:
        >>> import torch
        >>> values = torch.tensor([[25.0, 2.0], [18.0, 3.0]])
        >>> print(BarRows("two stacks", values, ("5x5", "two 3x3"), ("parameters", "ms")))
        two stacks: parameters, ms of 5x5, two 3x3.
    """

    values: Tensor
    labels: tuple[str, ...]
    series: tuple[str, ...]
    texts: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self) -> None:
        if self.values.shape != (len(self.labels), len(self.series)):
            raise ArgumentError(
                "BarRows: every row has a label, and every series a name.",
                expected=f"values ({len(self.labels)}, {len(self.series)})",
                received=str(tuple(self.values.shape)),
            )

    @property
    def size(self) -> tuple[float, float]:
        return 7.2, 0.9 + len(self.labels) * (0.25 + 0.2 * len(self.series)) + 0.14 * len(self.notes)

    def _told(self) -> str:
        return f"{', '.join(self.series)} of {', '.join(self.labels)}"

    def _draw(self, ax: Axes) -> None:
        values = self.values.detach().cpu().double()
        shares = (values / values.amax(0).clamp_min(1e-300)).tolist()
        height = 0.8 / len(self.series)
        for at, name in enumerate(self.series):
            places = [row + (at - (len(self.series) - 1) / 2) * height for row in range(len(self.labels))]
            lengths = [share[at] for share in shares]
            ax.barh(places, lengths, 0.88 * height, color=SERIES[at % len(SERIES)], label=name)
            for place, length, texts in zip(places, lengths, self.texts, strict=False):
                ax.annotate(
                    texts[at],
                    (length, place),
                    (3, 0),
                    textcoords="offset points",
                    va="center",
                    fontsize=7.5,
                    color=INK,
                    parse_math=False,
                )
        ax.set_yticks(range(len(self.labels)), self.labels)
        ax.invert_yaxis()
        ax.set_xlim(0, 1.28)
        ax.set_xticks([])
        below = {"bbox_to_anchor": (0, 0), "ncols": len(self.series)}
        ax.legend(loc="upper left", fontsize=8, frameon=False, labelcolor=MUTED, **below)
        self._dress(ax)
        ax.spines["bottom"].set_visible(False)
        ax.tick_params(axis="y", labelsize=9, labelcolor=INK, length=0)
