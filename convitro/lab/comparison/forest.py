"""Differences with their intervals, one row for each arm."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from convitro.plots.charts import Chart
from convitro.plots.colours import SERIES
from convitro.plots.display import INK, MUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LOSS, GAIN, OPEN = SERIES[1], SERIES[0], "#7a828c"
ROW_IN = 0.27
HEAD_IN = 1.15
WIDE = 8.0
"""Points beyond which the axis is logarithmic, so that small differences can be seen beside large ones."""
TICKS = (1, 2, 5, 10, 20, 50, 100)


@dataclass(frozen=True)
class ForestRow:
    """One arm.

    Attributes:
        name: what stands beside it.
        values: one for each seed.
        mean: theirs.
        low, high: ends of the interval; None for none.
        failed: how many of the trainings failed.
    """

    name: str
    values: tuple[float, ...]
    mean: float
    low: float | None
    high: float | None
    failed: int = 0

    @property
    def colour(self) -> str:
        """Orange below 0, blue above, grey where the interval holds 0."""
        if self.low is None or self.high is None or self.low <= 0 <= self.high:
            return OPEN
        return GAIN if self.low > 0 else LOSS


@dataclass(frozen=True, eq=False, repr=False)
class Forest(Chart):
    """Means as diamonds, intervals as lines, seeds as small dots; filled where the interval excludes 0.

    Args:
        rows: from top to bottom; shares, which are drawn as percentage points.

    Example:
        >>> print(Forest("to sum", (ForestRow("max", (-0.02, -0.04), -0.03, -0.04, -0.02),)))
        to sum: max -3.0 (-4.0 … -2.0).
    """

    rows: tuple[ForestRow, ...] = field(default=())

    @property
    def size(self) -> tuple[float, float]:
        return 7.2, HEAD_IN + ROW_IN * max(len(self.rows), 1)

    def _told(self) -> str:
        def number(value: float) -> str:
            return f"{100 * value:.1f}"

        told = [
            f"{row.name} {number(row.mean)}"
            + ("" if row.low is None or row.high is None else f" ({number(row.low)} … {number(row.high)})")
            for row in self.rows
        ]
        return ", ".join(told) or "no arms"

    def _draw(self, ax: Axes) -> None:
        for place, row in enumerate(self.rows):
            self._draw_row(ax, place, row)
        self._stretch(ax)
        ax.axvline(0, color=INK, linewidth=0.9, zorder=1)
        ax.set_ylim(len(self.rows) - 0.4, -0.6)
        ax.set_yticks(range(len(self.rows)), [row.name for row in self.rows])
        ax.grid(axis="x", color="#c9cdd2", linewidth=0.5, alpha=0.7)
        ax.set_axisbelow(True)
        self._dress(ax)
        ax.tick_params(axis="y", length=0, labelsize=8.5, labelcolor=INK)
        ax.spines["left"].set_visible(False)
        for label in ax.get_yticklabels():
            label.set_parse_math(False)

    def _stretch(self, ax: Axes) -> None:
        """A logarithmic axis beyond one point where something lies far away."""
        ends = [100 * end for row in self.rows for end in (*row.values, row.low, row.high) if end is not None]
        low, high = min(ends, default=0.0), max(ends, default=0.0)
        if max(-low, high) > WIDE:  # else small differences could not be seen
            ax.set_xscale("symlog", linthresh=1, linscale=1)
            left, right = min(low * 1.25, -1.2), max(high * 1.25, 1.2)
            marks = [mark for mark in (*(-tick for tick in TICKS), 0, *TICKS) if left <= mark <= right]
            ax.set_xticks(marks, [f"{mark:+d}" if mark else "0" for mark in marks])
            ax.set_xticks([], minor=True)
            ax.set_xlim(left, right)

    def _draw_row(self, ax: Axes, place: int, row: ForestRow) -> None:
        places = [place + 0.27] * len(row.values)
        ax.scatter([100 * value for value in row.values], places, s=8, color=MUTED, alpha=0.5, linewidths=0)
        sure = row.colour != OPEN
        if row.low is not None and row.high is not None:
            ends = [100 * row.low, 100 * row.high]
            ax.plot(ends, [place, place], color=row.colour, linewidth=2.2, solid_capstyle="round")
        ax.plot(
            [100 * row.mean],
            [place],
            marker="D",
            markersize=5,
            color=row.colour,
            markerfacecolor=row.colour if sure else "white",
            markeredgewidth=1.4,
        )
        if row.failed:
            ax.annotate(
                f"{row.failed} failed",
                (1, place),
                xycoords=ax.get_yaxis_transform(),
                xytext=(2, 0),
                textcoords="offset points",
                fontsize=7,
                va="center",
                color=LOSS,
            )
