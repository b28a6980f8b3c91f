"""What a diagnosis found, as an object: a table, a page, JSON and pictures."""

from __future__ import annotations

import html
import importlib.util
import textwrap
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from convitro.anatomy.diagnosis.finding import Finding
from convitro.anatomy.tables import WIDTH, Table, json_numbers
from convitro.plots import Bars
from convitro.plots.words import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LISTED = 3  # findings of one kind in one layer that are told one by one
DRAWN = 6  # findings with pictures in a page
LEGEND = (
    "gain: size of the weights (He's initialisation: 1.4) · spread: standard deviation of the maps · active: "
    "pixels that respond · order: the median filter's distance from random weights · cancels: share of the "
    "channels lost in their sum (in brackets: by chance)"
)
GROUPS: dict[str, tuple[str, ...]] = {
    "dead": ("dead", "almost dead"),
    "noisy": ("noisy",),
    "redundant": ("redundant",),
    "saturated": ("saturated",),
    "cancelled": ("cancelled",),
    "spread": ("outsized", "vanishing", "exploding", "not finite"),
    "fit": ("untrained", "over-fitting", "under-fitting"),
}


@dataclass(frozen=True)
class LayerState:
    """One layer in numbers, whether or not something is wrong with it.

    Args:
        name, filters: which layer, and how many filters it has.
        gain: root mean square of the weights times the square root of their number per filter.
        mean, deviation: of what it passes on, over all filters, pixels and images.
        active: share of its pixels that respond; None without a resting value.
        structure: the median filter's distance from random weights, in standard deviations; None for 1x1.
        cancellation, baseline: means over its filters; None where it was not measured.
    """

    name: str
    filters: int
    gain: float
    mean: float
    deviation: float
    active: float | None
    structure: float | None
    cancellation: float | None
    baseline: float | None


@dataclass(frozen=True, eq=False, repr=False)
class Diagnosis:
    """The findings of `diagnose`, in the order of the layers.

    Args:
        model: name of the model's class.
        images: how many images were seen.
        layers: every layer in numbers.
        findings: what is wrong; empty for a healthy network.
        accuracy, held_out_accuracy: shares of right answers; None without labels.
        notes: what could not be judged, and why.

    Example:
        >>> from convitro import diagnose
        >>> from convitro.datasets import open_dataset
        >>> from convitro.models import small_vgg
        >>> model = small_vgg()
        >>> _ = torch.nn.init.constant_(model.conv2_1.bias[5], -100)
        >>> diagnosis = diagnose(model, open_dataset("details", (3, 32, 32)).sample(16))
        >>> diagnosis.title
        'Sequential: 1 finding in 6 layers over 16 images'
        >>> [(found.where, found.kind) for found in diagnosis.dead]
        [('conv2_1, filter 5', 'dead')]
    """

    model: str
    images: int
    layers: tuple[LayerState, ...]
    findings: tuple[Finding, ...]
    accuracy: float | None = None
    held_out_accuracy: float | None = None
    notes: tuple[str, ...] = ()

    def of(self, *kinds: str) -> tuple[Finding, ...]:
        """The findings of these kinds or groups of kinds; "any" for all."""
        wanted: Collection[str] = {kind for name in kinds for kind in GROUPS.get(name, (name,))}
        return tuple(found for found in self.findings if "any" in kinds or found.kind in wanted)

    @property
    def dead(self) -> tuple[Finding, ...]:
        """Dead and almost dead filters."""
        return self.of("dead")

    @property
    def noisy(self) -> tuple[Finding, ...]:
        """Filters that look like noise."""
        return self.of("noisy")

    @property
    def redundant(self) -> tuple[Finding, ...]:
        """Filters that are near copies of others."""
        return self.of("redundant")

    @property
    def saturated(self) -> tuple[Finding, ...]:
        """Filters whose activation has reached its end."""
        return self.of("saturated")

    @property
    def cancelled(self) -> tuple[Finding, ...]:
        """Filters whose channels cancel more than by chance."""
        return self.of("cancelled")

    @property
    def spread(self) -> tuple[Finding, ...]:
        """Outsized filters; layers whose values vanish, explode or are not finite."""
        return self.of("spread")

    @property
    def fit(self) -> tuple[Finding, ...]:
        """Signs of over-fitting and under-fitting, untrained layers among them."""
        return self.of("fit")

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw how many findings of each kind there are; each finding has pictures of its own.

        Raises:
            LoadError: matplotlib is not installed.
        """
        return self.picture.plot(ax)

    @property
    def picture(self) -> Bars:
        """How many findings of each kind there are, as bars."""
        counts = Counter(found.kind for found in self.findings)
        kinds = [kind for group in GROUPS.values() for kind in group if counts[kind]]
        return Bars(
            self.title,
            torch.tensor([float(counts[kind]) for kind in kinds]),
            tuple(kinds),
            y_label="findings",
        )

    @property
    def title(self) -> str:
        """The outcome in one line."""
        count = len(self.findings)
        outcome = counted(count, "finding") if count else "no findings"
        layers, images = counted(len(self.layers), "layer"), counted(self.images, "image")
        return f"{self.model}: {outcome} in {layers} over {images}"

    def to_dict(self) -> dict[str, Any]:
        """Everything but the pictures as JSON types."""
        return {
            "model": self.model,
            "images": self.images,
            "accuracy": self.accuracy,
            "held_out_accuracy": self.held_out_accuracy,
            "findings": [found.to_dict() for found in self.findings],
            "layers": [
                {
                    name: json_numbers(value) if isinstance(value, float) else value
                    for name, value in vars(state).items()
                }
                for state in self.layers
            ],
            "notes": list(self.notes),
        }

    def table(self) -> Table:
        """Every layer in numbers."""
        columns = ("layer", "filters", "gain", "spread", "active", "order", "cancels")
        rows = [
            (
                state.name,
                str(state.filters),
                f"{state.gain:.2g}",
                f"{state.deviation:.2g}",
                "" if state.active is None else f"{state.active:.0%}",
                "" if state.structure is None else f"{state.structure:.0f}",
                "" if state.cancellation is None else f"{state.cancellation:.2f} ({state.baseline:.2f})",
            )
            for state in self.layers
        ]
        return Table(self.title, columns, tuple(rows), self._notes(), numeric=(1, 2, 3, 4, 5, 6))

    def _notes(self) -> tuple[str, ...]:
        lines = []
        if self.accuracy is not None:
            other = (
                "" if self.held_out_accuracy is None else f", {self.held_out_accuracy:.1%} on held-out images"
            )
            lines.append(f"accuracy: {self.accuracy:.1%}{other}")
        return (*([LEGEND] if self.layers else ()), *lines, *self.notes)

    def __str__(self) -> str:
        parts = [str(self.table())]
        for group in grouped(self.findings):
            lines = textwrap.wrap(heading(group), WIDTH, subsequent_indent="  ")
            for found in group[: shown(group)]:
                lines += indented("" if found.filter is None else f"{found.filter}: ", summed_up(found))
            if len(group) > shown(group):
                lines.append(f"  … and {len(group) - shown(group)} more: {listed(group[shown(group) :])}")
            parts.append("\n".join(lines))
        if self.findings:
            tips = (line for kind, advice in self._advice() for line in indented(f"{kind}: ", advice))
            parts.append("\n".join(["what to try", *tips]))
        return "\n\n".join(parts)

    __repr__ = __str__

    def _advice(self) -> list[tuple[str, str]]:
        """What to try, once for each kind."""
        return list({found.kind: found.advice for found in reversed(self.findings)}.items())[::-1]

    def _repr_html_(self) -> str:
        """The table and the findings; the first ones with their pictures inside."""
        left = DRAWN if importlib.util.find_spec("matplotlib") is not None else 0
        parts = [self.table().html()]
        for group in grouped(self.findings):
            parts.append(f"<h4>{html.escape(heading(group))}</h4>")
            for found in group[: shown(group)]:
                label = "" if found.filter is None else f"filter {found.filter}: "
                parts.append(f"<p>{html.escape(label + summed_up(found))}</p>")
                parts += [f"<div>{picture.html()}</div>" for picture in found.pictures if left > 0]
                left -= 1
            if len(group) > shown(group):
                parts.append(f"<p>… and {len(group) - shown(group)} more</p>")
        if self.findings:
            tips = (f"<li>{html.escape(kind)}: {html.escape(advice)}</li>" for kind, advice in self._advice())
            parts.append(f"<h4>what to try</h4><ul>{''.join(tips)}</ul>")
        return "".join(parts)


def grouped(findings: tuple[Finding, ...]) -> list[list[Finding]]:
    """The findings of each kind in each layer."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    for found in findings:
        groups.setdefault((found.layer, found.kind), []).append(found)
    return list(groups.values())


def heading(group: list[Finding]) -> str:
    """What is found where, such as "conv3: filters 3, 8 are dead"."""
    first = group[0]
    if first.filter is None:
        return f"{first.layer}: {first.kind}"
    if len(group) == 1:
        return f"{first.layer}: filter {first.filter} is {first.kind}"
    return f"{first.layer}: {len(group)} filters are {first.kind}"


def shown(group: list[Finding]) -> int:
    """How many of alike findings are told one by one."""
    return len(group) if len(group) <= LISTED else LISTED - 1


def summed_up(found: Finding) -> str:
    """What was seen, and the number with its limit."""
    return f"{found.evidence} ({found.measure}: {found.value:.3g}, limit {found.threshold:.3g})"


def indented(label: str, text: str) -> list[str]:
    """A paragraph below a heading."""
    return textwrap.wrap(label + text, WIDTH, initial_indent="  ", subsequent_indent="     ")


def listed(group: list[Finding]) -> str:
    """The filters that are not told one by one."""
    numbers = [str(found.filter) for found in group]
    return ", ".join(numbers[:12]) + (" …" if len(numbers) > 12 else "")
