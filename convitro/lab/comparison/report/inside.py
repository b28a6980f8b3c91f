"""What was measured inside the networks, as parts of a report: gradients, cancellation, filters, noise, cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch

from convitro.lab.comparison.report.blocks import Block, Grid, Item, Part, Picture, Words
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
NOISES = {"gaussian": "Gaussian {:g}", "impulse": "impulse {:.0%}"}
MEASURED = (
    (
        "Gradient of the weights, relative",
        "Norm of the gradient over norm of the weights, after training; small: before the first step. Layers "
        "whose numbers differ by orders of magnitude learn at different speeds.",
        relative_gradient,
    ),
    (
        "Weights without any gradient",
        "Share of the weights whose gradient is exactly 0 on these pictures, after training; small: before "
        "the first step. A weight that never wins a maximum learns nothing.",
        lambda layer: layer["zero_weight_gradients"],
    ),
    (
        "Maps without any gradient",
        "Share of the values of the maps whose gradient is exactly 0: what ReLU and pooling let nothing "
        "through to; small: before the first step.",
        lambda layer: layer["zero_map_gradients"],
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
    for title, text, take in MEASURED:
        grids = [layer_grid(comparison, regime, take) for regime in comparison.regimes]
        yield Part(title, (Words(text), *grids), under=True)
    yield from cancellation_parts(comparison)
    yield from filter_parts(comparison)


def layer_grid(comparison: Comparison, regime: str, take: Callable[[Any], Any]) -> Grid:
    """Arms by layers."""
    rows = []
    for arm in comparison.arms:
        after = layer_medians(comparison, arm, regime, take)
        before = layer_medians(comparison, arm, regime, take, before=True)
        items = [Item(short(new), short(old)) for new, old in zip(after, before, strict=True)]
        rows.append((Item(arm), *items))
    return Grid(regime, ("arm", *layers_of(comparison)), tuple(rows))


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
        grid = Grid("Cancellation", ("arm", *layers_of(comparison)), tuple(rows))
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
    takes: dict[str, Callable[[Any], Any]] = {"clean": lambda found: found["accuracy"]["clean"]}
    takes |= {NOISES[kind].format(level): accuracy_at(kind, index) for kind, level, index in levels}
    takes["one channel less"] = lambda found: found["accuracy"]["dropped"]
    for regime in comparison.regimes:
        grid = robustness_grid(comparison, regime, takes)
        yield Part(f"Robustness: {regime}", (grid,), under=True)


def robustness_grid(comparison: Comparison, regime: str, takes: dict[str, Callable[[Any], Any]]) -> Grid:
    """Arms by noises."""
    base = [network_median(comparison, comparison.reference, regime, take) for take in takes.values()]
    rows = []
    for arm in comparison.arms:
        values = [network_median(comparison, arm, regime, take) for take in takes.values()]
        items = [
            Item("–")
            if value is None
            else Item(
                f"{100 * value:.1f}", heat=0.0 if own is None else max(-1.0, min(1.0, 4 * (value - own)))
            )
            for value, own in zip(values, base, strict=True)
        ]
        rows.append((Item(arm), *items))
    return Grid(f"{regime}: accuracy in %", ("arm", *takes), tuple(rows))


def cost_part(comparison: Comparison) -> Part:
    """Time of a step and memory of the process."""
    rows = []
    for arm in comparison.arms:
        items = [Item(arm)]
        for regime in comparison.regimes:
            step, base = (step_ms(comparison, name, regime) for name in (arm, comparison.reference))
            ratio = f"{step / base:.2f}x" if step is not None and base else ""
            items.append(Item("–" if step is None else f"{step:.2f}", ratio))
        peaks = [
            cell.get("peak_memory_bytes")
            for regime in comparison.regimes
            for cell in comparison.cells(arm, regime)
        ]
        peak = max((value for value in peaks if value is not None), default=None)
        items.append(Item("–" if peak is None else f"{peak / 1e6:,.0f}"))
        rows.append(tuple(items))
    text = (
        "Milliseconds of a training step on one thread, median over epochs and seeds, and small how many times "
        "the reference's; the most memory that the process held, in MB. Trainings that ran beside others "
        "disturb each other: an indication, not a benchmark."
    )
    columns = ("arm", *(f"{regime}, ms" for regime in comparison.regimes), "memory, MB")
    return Part("Time and memory", (Words(text), Grid("Cost of an arm", columns, tuple(rows))))


def step_ms(comparison: Comparison, arm: str, regime: str) -> float | None:
    """The median over the seeds."""
    return median(cell.get("step_ms_median") for cell in comparison.cells(arm, regime))


def short(value: float | None) -> str:
    """Two digits that matter."""
    if value is None:
        return "–"
    return f"{value:.2g}" if value < 0.01 and value != 0 else f"{value:.2f}"
