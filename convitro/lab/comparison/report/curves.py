"""How the arms learned: a small panel for each, its seeds as a band, the reference in all of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from convitro.plots import Display
from convitro.plots.colours import SERIES
from convitro.plots.display import INK, MUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ACROSS, PANEL = 4, (1.85, 1.3)
LEFT, RIGHT, TOP, BOTTOM, BETWEEN, ABOVE = 0.42, 0.1, 0.24, 0.36, 0.16, 0.28
EDGE = "#c9cdd2"

Lines = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class CurvePanels(Display):
    """The median over the seeds as a line, lowest and highest as a band; logarithmic, one scale for all.

    Args:
        title: the line above.
        arms: name to curves (seeds, epochs); NaN where there is no number.
        reference: the arm that is drawn, dashed, in every panel.

    Example:
        >>> arms = {"sum": np.array([[2.0, 1.0]]), "max": np.array([[2.0, 1.5]])}
        >>> print(CurvePanels("loss", arms, "sum"))
        loss: sum ends at 1, max ends at 1.5.
    """

    in_page = "svg"
    title: str
    arms: Mapping[str, Lines]
    reference: str

    @property
    def across(self) -> int:
        """Panels beside each other."""
        return max(1, min(ACROSS, len(self.arms)))

    @property
    def down(self) -> int:
        """Rows of panels."""
        return max(1, -(-len(self.arms) // self.across))

    @property
    def size(self) -> tuple[float, float]:
        width = LEFT + RIGHT + self.across * PANEL[0] + (self.across - 1) * BETWEEN
        return width, TOP + BOTTOM + self.down * (PANEL[1] + ABOVE)

    @property
    def alt(self) -> str:
        ends = [f"{name} ends at {median(lines)[-1]:.3g}" for name, lines in self.arms.items() if lines.size]
        return f"{self.title}: {', '.join(ends) or 'no curves'}."

    def _draw(self, ax: Axes) -> None:
        ax.set_axis_off()
        width, height = self.size
        ax.text(
            LEFT / width,
            1 - 0.04 / height,
            self.title,
            transform=ax.transAxes,
            va="top",
            fontsize=10.5,
            weight="bold",
            color=INK,
            parse_math=False,
        )
        for index, name in enumerate(self.arms):
            row, column = divmod(index, self.across)
            left = LEFT + column * (PANEL[0] + BETWEEN)
            top = TOP + row * (PANEL[1] + ABOVE) + ABOVE
            place = (
                left / width,
                1 - (top + PANEL[1]) / height,
                PANEL[0] / width,
                PANEL[1] / height,
            )
            panel = ax.inset_axes(place)
            self._draw_panel(panel, name)
            panel.tick_params(labelleft=column == 0)
            if index + self.across >= len(self.arms):
                panel.set_xlabel("epoch", fontsize=7.5, color=MUTED, labelpad=1)
            else:
                panel.tick_params(labelbottom=False)

    def _draw_panel(self, panel: Axes, name: str) -> None:
        from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

        reference, lines = self.arms.get(self.reference), self.arms[name]
        panel.set_yscale("log")
        panel.set_ylim(*self._limits())
        if reference is not None and reference.size and name != self.reference:
            panel.plot(
                places(reference), median(reference), color=MUTED, linewidth=1.0, linestyle=(0, (3, 2))
            )
        if lines.size:
            low, high = (edge(lines, pick) for pick in (np.nanmin, np.nanmax))
            panel.fill_between(places(lines), low, high, color=SERIES[0], alpha=0.25, linewidth=0)
            panel.plot(places(lines), median(lines), color=SERIES[0], linewidth=1.6)
        shown = name if len(name) <= 28 else name[:27] + "…"
        panel.set_title(shown, fontsize=8, loc="left", pad=3, color=INK, parse_math=False)
        panel.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=9))
        panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        panel.yaxis.set_minor_formatter(NullFormatter())
        panel.grid(axis="y", color=EDGE, linewidth=0.5, alpha=0.7)
        panel.tick_params(which="both", labelsize=7, color=EDGE, labelcolor=MUTED, length=2)
        for side, spine in panel.spines.items():
            spine.set_visible(side in ("left", "bottom"))
            spine.set_color(EDGE)

    def _limits(self) -> tuple[float, float]:
        """From the lowest to the highest of all medians, a little beyond."""
        values = [median(lines) for lines in self.arms.values() if lines.size]
        numbers = np.concatenate(values) if values else np.ones(1)
        numbers = numbers[np.isfinite(numbers) & (numbers > 0)]
        if not numbers.size:
            return 0.1, 10.0
        return float(numbers.min()) * 0.7, min(float(numbers.max()) * 1.4, float(numbers.min()) * 1e4)


def curves(rows: list[list[float | None]]) -> Lines:
    """Curves of different lengths as (seeds, epochs), NaN where one has ended or is no number."""
    longest = max(map(len, rows), default=0)
    table = np.full((len(rows), longest), math.nan)
    for place, row in enumerate(rows):
        table[place, : len(row)] = [math.nan if value is None else float(value) for value in row]
    return table


def places(lines: Lines) -> Lines:
    """Epochs, counted from 1."""
    return np.arange(1.0, lines.shape[1] + 1)


def median(lines: Lines) -> Lines:
    """The median of the seeds that have a number there."""
    return edge(lines, np.nanmedian)


def edge(lines: Lines, pick: object) -> Lines:
    """One number of each epoch, NaN where no seed has one."""
    assert callable(pick)
    found = np.full(lines.shape[1], math.nan)
    there = ~np.isnan(lines).all(0)
    if there.any():
        found[there] = pick(lines[:, there], axis=0)
    return found
