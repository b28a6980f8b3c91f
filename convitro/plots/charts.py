"""Numbers along an axis: bars, histograms, curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from convitro.errors import ArgumentError, ShapeError
from convitro.plots.colours import SERIES
from convitro.plots.display import INK, MUTED, Display

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINES = ("-", "--", "-.", ":")
DULL = "#aeb6bf"


@dataclass(frozen=True, eq=False, repr=False)
class Chart(Display):
    """What bars, histograms and curves have in common.

    Args:
        title: the line above.
        x_label, y_label: what the axes count.
        marks: values with a dashed line and a word, such as a threshold: across bars and curves, and upright
            in a histogram.
        notes: lines below.
    """

    in_page: ClassVar[str] = "svg"
    title: str
    x_label: str = field(default="", kw_only=True)
    y_label: str = field(default="", kw_only=True)
    marks: Mapping[str, float] = field(default_factory=dict, kw_only=True)
    notes: tuple[str, ...] = field(default=(), kw_only=True)

    @property
    def whole_figure(self) -> bool:
        return False

    @property
    def size(self) -> tuple[float, float]:
        return 6.4, 3.2 + 0.14 * len(self.notes)

    @property
    def alt(self) -> str:
        marks = "".join(f"; {name} at {value:.4g}" for name, value in self.marks.items())
        return f"{self.title}: {self._told()}{marks}."

    def _told(self) -> str:
        """The chart in words."""
        raise NotImplementedError

    def _dress(self, ax: Axes) -> None:
        """Title, names of the axes, quiet frame."""
        ax.set_title(self.title, fontsize=10.5, weight="bold", loc="left", color=INK, parse_math=False)
        text = "\n".join([self.x_label, *self.notes]) if self.notes else self.x_label
        ax.set_xlabel(text, fontsize=8.5, color=MUTED, parse_math=False)
        ax.set_ylabel(self.y_label, fontsize=8.5, color=MUTED, parse_math=False)
        ax.tick_params(labelsize=8, color=MUTED, labelcolor=MUTED)
        for side in ("top", "right"):
            ax.spines[side].set_visible(False)
        for side in ("left", "bottom"):
            ax.spines[side].set_color("#c9cdd2")

    def _mark(self, ax: Axes, *, upright: bool) -> None:
        for name, value in self.marks.items():
            line = ax.axvline if upright else ax.axhline
            line(value, color=INK, linewidth=0.9, linestyle=(0, (4, 3)))
            place: dict[str, Any] = {"xy": (value, 1), "xytext": (3, -2), "va": "top", "ha": "left"}
            if not upright:
                place = {"xy": (1, value), "xytext": (-2, 2), "va": "bottom", "ha": "right"}
            across = ax.get_xaxis_transform() if upright else ax.get_yaxis_transform()
            ax.annotate(
                name,
                **place,
                xycoords=across,
                textcoords="offset points",
                fontsize=8,
                color=INK,
                parse_math=False,
            )


@dataclass(frozen=True, eq=False, repr=False)
class Bars(Chart):
    """One bar for each value.

    Args:
        values: (K,).
        labels: one for each bar; empty counts them.
        strong: the bars that matter; the others are grey. Empty makes all equal.

    Example:
        >>> print(Bars("activity", torch.tensor([0.5, 0.0]), marks={"dead": 0.01}))
        activity: 2 bars from 0 to 0.5; dead at 0.01.
    """

    values: Tensor
    labels: tuple[str, ...] = ()
    strong: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        check_line(self.values, "Bars")
        if self.labels and len(self.labels) != len(self.values):
            raise ArgumentError(
                "Bars: every bar has one label.",
                expected=f"{len(self.values)} labels",
                received=str(len(self.labels)),
            )

    def _told(self) -> str:
        return f"{len(self.values):,} bars {span(self.values)}"

    def _draw(self, ax: Axes) -> None:
        count = len(self.values)
        colours = [
            SERIES[1 if self.strong else 0] if not self.strong or index in self.strong else DULL
            for index in range(count)
        ]
        ax.bar(
            range(count),
            self.values.detach().cpu().double().numpy(),
            0.8 if count < 100 else 1.0,
            color=colours,
        )
        ax.set_xlim(-0.6, max(count - 0.4, 0.6))
        if self.labels:
            long = sum(map(len, self.labels)) > 70
            ax.set_xticks(
                range(count), self.labels, rotation=60 if long else 0, ha="right" if long else "center"
            )
        self._dress(ax)
        self._mark(ax, upright=False)


@dataclass(frozen=True, eq=False, repr=False)
class Histogram(Chart):
    """How often values occur, as counts between edges.

    Args:
        counts: (B,).
        edges: (B + 1,), ascending.

    Example:
        >>> print(Histogram.of(torch.tensor([0.0, 1.0, 1.0]), "weights", bins=2))
        weights: 3 values from 0 to 1.
    """

    counts: Tensor
    edges: Tensor

    def __post_init__(self) -> None:
        check_line(self.counts, "Histogram")
        if self.edges.shape != (len(self.counts) + 1,):
            raise ShapeError(
                "Histogram: `edges` do not fit `counts`.",
                expected=f"({len(self.counts) + 1},)",
                received=f"{tuple(self.edges.shape)}",
            )

    @classmethod
    def of(cls, values: Tensor, title: str, bins: int = 60, **words: Any) -> Histogram:
        """Count the finite numbers of `values`.

        Args:
            values: of any shape.
            title: the line above.
            bins: how many bars.
            words: `x_label`, `y_label`, `marks` and `notes`.
        """
        flat = values.detach().flatten().double().cpu()
        flat = flat[flat.isfinite()]
        low, high = (float(flat.min()), float(flat.max())) if flat.numel() else (0.0, 1.0)
        if low == high:
            low, high = low - 0.5, high + 0.5
        counts = torch.histc(flat, bins, low, high)
        return cls(title, counts, torch.linspace(low, high, bins + 1, dtype=torch.float64), **words)

    def _told(self) -> str:
        filled = self.counts.nonzero().flatten()
        if not len(filled):
            return "no values"
        first, last = self.edges[filled[0]], self.edges[filled[-1] + 1]
        return f"{int(self.counts.sum()):,} values from {first:.4g} to {last:.4g}"

    def _draw(self, ax: Axes) -> None:
        edges = self.edges.detach().cpu().double().numpy()
        ax.stairs(self.counts.detach().cpu().double().numpy(), edges, fill=True, color=SERIES[0])
        ax.set_xlim(edges[0], edges[-1])
        self._dress(ax)
        self._mark(ax, upright=True)


@dataclass(frozen=True, eq=False, repr=False)
class Curves(Chart):
    """Lines over a common axis; colour and dashes both tell them apart.

    Args:
        lines: name to (x, y), each (K,).

    Example:
        >>> epochs = torch.arange(3)
        >>> print(Curves("loss", {"training": (epochs, torch.tensor([2.0, 1.0, 0.5]))}))
        loss: training from 2 to 0.5.
    """

    lines: Mapping[str, tuple[Tensor, Tensor]]

    def __post_init__(self) -> None:
        for name, (places, values) in self.lines.items():
            check_line(values, "Curves")
            if places.shape != values.shape:
                raise ShapeError(
                    f'Curves: x and y of "{name}" differ.',
                    expected=f"two of {tuple(values.shape)}",
                    received=f"{tuple(places.shape)} and {tuple(values.shape)}",
                )

    def _told(self) -> str:
        ends = (
            f"{name} from {float(y[0]):.4g} to {float(y[-1]):.4g}"
            for name, (_, y) in self.lines.items()
            if len(y)
        )
        return ", ".join(ends) or "no lines"

    def _draw(self, ax: Axes) -> None:
        for index, (name, (x, y)) in enumerate(self.lines.items()):
            ax.plot(
                x.detach().cpu().double().numpy(),
                y.detach().cpu().double().numpy(),
                label=name,
                color=SERIES[index % len(SERIES)],
                linestyle=LINES[index % len(LINES)],
                linewidth=1.6,
            )
        self._dress(ax)
        self._mark(ax, upright=False)
        if len(self.lines) > 1:
            ax.legend(fontsize=8, frameon=False, labelcolor=INK)


def check_line(values: Tensor, caller: str) -> None:
    """Raise unless `values` is one-dimensional."""
    if values.ndim != 1:
        raise ShapeError(
            f"{caller}: values stand in a row.", expected="(K,)", received=f"{tuple(values.shape)}"
        )


def span(values: Tensor | Sequence[float]) -> str:
    """From where to where, in words."""
    numbers = torch.as_tensor(values)
    return (
        f"from {float(numbers.min()):.4g} to {float(numbers.max()):.4g}" if numbers.numel() else "of nothing"
    )
