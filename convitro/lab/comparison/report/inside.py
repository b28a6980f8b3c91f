"""What was measured inside the networks, as parts of a report: gradients, filters, noise, cost."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch

from convitro.lab.comparison.report.blocks import NOTHING, Block, Grid, Item, Part, Picture, Words
from convitro.lab.comparison.report.measured import (
    accuracy_at,
    layer_medians,
    layers_of,
    median,
    network_median,
    noise_levels,
    relative_gradient,
)
from convitro.lab.comparison.result import Comparison
from convitro.plots import Block as SheetBlock
from convitro.plots import Scale, Sheet, Tile

FILTERS_SHOWN = 24
NOISES = {"gaussian": "{:g}", "impulse": "{:.0%}"}
NOW_AND_BEFORE = "After the training; small: before the first step"


@dataclass(frozen=True)
class Measure:
    """A number of each layer that a report shows.

    Attributes:
        title, text: what it is.
        take: from a layer's measures to the number.
        heat: how coloured it is beside the reference's in the same layer.
    """

    title: str
    text: str
    take: Callable[[Any], Any]
    heat: Callable[[float, float], float]


def orders_apart(value: float, reference: float) -> float:
    """Orange for smaller, blue for larger; full at a factor of 100."""
    return math.log10(value / reference) / 2 if value > 0 and reference > 0 else 0.0


def share_above(value: float, reference: float) -> float:
    """Orange for a larger share, blue for a smaller one."""
    return 1.5 * (reference - value)


MEASURED = (
    Measure(
        "Gradient of the weights",
        "Norm of the gradient over norm of the weights. Layers whose numbers differ by orders of magnitude "
        "learn at different speeds. Orange: smaller than the reference's in the same layer, blue: larger.",
        relative_gradient,
        orders_apart,
    ),
    Measure(
        "Weights without any gradient",
        "Share of the weights whose gradient is exactly 0 on these pictures: a weight whose map never wins a "
        "maximum learns nothing. Orange: more of them than in the reference, blue: fewer.",
        lambda layer: layer["zero_weight_gradients"],
        share_above,
    ),
    Measure(
        "Maps without any gradient",
        "Share of the values of the maps whose gradient is exactly 0: those that ReLU or pooling let nothing "
        "through to. Colours as before.",
        lambda layer: layer["zero_map_gradients"],
        share_above,
    ),
)


def inside_parts(comparison: Comparison) -> Iterator[Part]:
    """What the trained networks are like."""
    if not layers_of(comparison):
        return
    words = (
        "Measured on a fixed batch of test pictures, medians over the seeds: networks as they are after the "
        "training, and, small, as they were before the first step."
    )
    yield Part("Inside the networks", (Words(words),))
    for measure in MEASURED:
        yield Part(measure.title, (Words(measure.text), layer_grid(comparison, measure)), under=True)
    yield from cancellation_parts(comparison)
    yield from filter_parts(comparison)


def layer_grid(comparison: Comparison, measure: Measure) -> Grid:
    """Arms by the layers of every regime."""
    layers, rows = layers_of(comparison), {arm: [Item(arm)] for arm in comparison.arms}
    for regime in comparison.regimes:
        reference = layer_medians(comparison, comparison.reference, regime, measure.take)
        for arm, items in rows.items():
            after = layer_medians(comparison, arm, regime, measure.take)
            before = layer_medians(comparison, arm, regime, measure.take, before=True)
            for new, old, own in zip(after, before, reference, strict=True):
                heat = 0.0 if new is None or own is None else measure.heat(new, own)
                items.append(Item(short(new), short(old), heat))
    groups = tuple((regime, len(layers)) for regime in comparison.regimes)
    columns = ("arm", *layers * len(comparison.regimes))
    return Grid(NOW_AND_BEFORE, columns, tuple(map(tuple, rows.values())), groups, stacked=True)


def cancellation_parts(comparison: Comparison) -> Iterator[Part]:
    """Cancellation against that of random weights on the same input, where signs cancel out."""
    rows = []
    for regime in comparison.regimes:
        for arm in comparison.arms:
            found = layer_medians(comparison, arm, regime, lambda layer: layer["cancellation"])
            random = layer_medians(comparison, arm, regime, lambda layer: layer["random_cancellation"])
            if any(value is not None for value in found):
                items = [
                    Item(
                        short(value),
                        short(base),
                        0.0 if value is None or base is None else 4 * (base - value),
                    )
                    for value, base in zip(found, random, strict=True)
                ]
                rows.append((Item(arm, regime), *items))
    if rows:
        text = (
            "How much of what the channels bring is lost in their sum, mean over the filters: 0 where all "
            "agree, 1 where nothing is left. Only sums and means have it. Small: what random weights would "
            "lose on the same input. Orange: more than that."
        )
        grid = Grid("After the training; small: random weights", ("arm", *layers_of(comparison)), tuple(rows))
        yield Part("Cancellation", (Words(text), grid), under=True)


def filter_parts(comparison: Comparison) -> Iterator[Part]:
    """The first layer's filters of the first seed."""
    sheets = [sheet for regime in comparison.regimes if (sheet := filter_sheet(comparison, regime))]
    if sheets:
        text = (
            "The first layer after the training, first seed: blue below 0, orange above, each arm on a scale "
            "of its own. Of filters with several channels the mean is shown."
        )
        blocks: list[Block] = [Words(text), *map(Picture, sheets)]
        yield Part("First filters", tuple(blocks), under=True)


def filter_sheet(comparison: Comparison, regime: str) -> Sheet | None:
    """A row for each arm; None where no filters were kept."""
    rows, labels = [], []
    for arm in comparison.arms:
        kept = next((cell["filters"] for cell in comparison.cells(arm, regime) if cell.get("filters")), None)
        if kept is None:
            continue
        weights = torch.tensor(kept["values"]).reshape(kept["shape"]).mean(1)[:FILTERS_SHOWN]
        scale = Scale.of(weights)
        rows.append(tuple(Tile(scale.colours(kernel)) for kernel in weights))
        labels.append(arm)
    if not rows:
        return None
    title = f"{regime}: filters of the first layer"
    return Sheet(
        (SheetBlock(tuple(rows), row_labels=tuple(labels)),),
        title,
        f"{title}, {len(rows)} arms.",
        largest=0.4,
    )


def robustness_parts(comparison: Comparison) -> Iterator[Part]:
    """Accuracy under noise and without a channel."""
    levels = noise_levels(comparison)
    if not levels:
        return
    text = (
        "Accuracy in % on the same fixed batch, median over the seeds; no network was trained with noise. "
        "Gaussian: noise of so many standard deviations of the pictures. Impulse: so many of the pixels made "
        "as dark or as bright as any. One channel less: one input channel of a layer set to 0, mean over "
        "channels and layers. Coloured by the difference to the reference in that column."
    )
    yield Part("Robustness", (Words(text),))
    takes: list[tuple[str, Callable[[Any], Any]]] = [("clean", lambda found: found["accuracy"]["clean"])]
    takes += [(NOISES[kind].format(level), accuracy_at(kind, index)) for kind, level, index in levels]
    takes.append(("one less", lambda found: found["accuracy"]["dropped"]))
    kinds = [kind for kind, _, _ in levels]
    groups = (
        ("", 1),
        *((f"{kind} noise", kinds.count(kind)) for kind in dict.fromkeys(kinds)),
        ("channels", 1),
    )
    for regime in comparison.regimes:
        grid = robustness_grid(comparison, regime, takes)
        yield Part(f"Robustness: {regime}", (replace(grid, groups=groups),), under=True)


def robustness_grid(
    comparison: Comparison, regime: str, takes: list[tuple[str, Callable[[Any], Any]]]
) -> Grid:
    """Arms by noises."""
    base = [network_median(comparison, comparison.reference, regime, take) for _, take in takes]
    rows = []
    for arm in comparison.arms:
        values = [network_median(comparison, arm, regime, take) for _, take in takes]
        rows.append((Item(arm), *map(robust_item, values, base)))
    return Grid("Accuracy in %", ("arm", *(name for name, _ in takes)), tuple(rows))


def robust_item(value: float | None, reference: float | None) -> Item:
    """An accuracy, coloured by how far it is from the reference's."""
    if value is None:
        return NOTHING
    heat = 0.0 if reference is None else max(-1.0, min(1.0, 4 * (value - reference)))
    return Item(f"{100 * value:.1f}", heat=heat)


def cost_part(comparison: Comparison) -> Part:
    """Time of a step and memory of the process."""
    rows = []
    for arm in comparison.arms:
        items = [Item(arm)]
        for regime in comparison.regimes:
            step, base = (step_ms(comparison, name, regime) for name in (arm, comparison.reference))
            ratio = f"{step / base:.2f}x" if step is not None and base else ""
            items.append(NOTHING if step is None else Item(f"{step:.2f}", ratio))
        peaks = [
            cell.get("peak_memory_bytes")
            for regime in comparison.regimes
            for cell in comparison.cells(arm, regime)
        ]
        peak = max((value for value in peaks if value is not None), default=None)
        items.append(NOTHING if peak is None else Item(f"{peak / 1e6:,.0f}"))
        rows.append(tuple(items))
    text = (
        "Milliseconds of a training step on one thread, median over epochs and seeds, and, small, how many "
        "times the reference's; the most memory that the process held, in MB. Trainings that ran beside "
        "others disturb each other: an indication, not a benchmark."
    )
    columns = ("arm", *(f"{regime}, ms" for regime in comparison.regimes), "memory, MB")
    return Part("Time and memory", (Words(text), Grid("Cost of an arm", columns, tuple(rows))))


def step_ms(comparison: Comparison, arm: str, regime: str) -> float | None:
    """The median over the seeds."""
    return median(cell.get("step_ms_median") for cell in comparison.cells(arm, regime))


def short(value: float | None) -> str:
    """Two digits that matter."""
    if value is None:
        return NOTHING.text
    return f"{value:.2g}" if value < 0.01 and value != 0 else f"{value:.2f}"
