"""Medians over the seeds of what was measured beside the accuracy, for the grids of a report."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from convitro.lab.comparison.result import Comparison

Measures = Mapping[str, Any]


def layers_of(comparison: Comparison) -> tuple[str, ...]:
    """The names of the convolutions, in the order in which they run."""
    for cell in comparison.content["cells"]:
        if layers := (cell.get("measures") or {}).get("layers"):
            return tuple(layer["name"] for layer in layers)
    return ()


def layer_medians(
    comparison: Comparison, arm: str, regime: str, take: Callable[[Measures], Any], before: bool = False
) -> list[float | None]:
    """One number for each layer: the median over the seeds of what `take` finds; None where it finds none.

    Args:
        take: from a layer's measures to a number.
        before: of the first weights instead of the trained ones.
    """
    found = [measures["layers"] for measures in measured(comparison, arm, regime, before)]
    names = layers_of(comparison)
    columns = [
        [take(layer) for layers in found for layer in layers if layer["name"] == name] for name in names
    ]
    return [median(column) for column in columns]


def network_median(
    comparison: Comparison, arm: str, regime: str, take: Callable[[Measures], Any]
) -> float | None:
    """The median over the seeds of a number of the whole network."""
    return median(take(measures) for measures in measured(comparison, arm, regime))


def measured(comparison: Comparison, arm: str, regime: str, before: bool = False) -> list[Measures]:
    """The measures of every seed that has some."""
    key = "random_measures" if before else "measures"
    return [cell[key] for cell in comparison.cells(arm, regime) if cell.get(key)]


def median(values: Iterable[Any]) -> float | None:
    """The median of those that are finite numbers; None for none."""
    numbers = [float(value) for value in values if value is not None]
    numbers = [value for value in numbers if math.isfinite(value)]
    return statistics.median(numbers) if numbers else None


def relative_gradient(layer: Measures) -> float | None:
    """The gradient's norm as a share of the weights'."""
    norm = float(layer["weight_norm"])
    return float(layer["weight_gradient"]) / norm if norm > 0 else None


def accuracy_at(kind: str, index: int) -> Callable[[Measures], Any]:
    """Takes the accuracy under the index-th level of a noise."""
    return lambda measures: measures["accuracy"][kind][index]["accuracy"]


def noise_levels(comparison: Comparison) -> list[tuple[str, float, int]]:
    """(kind, level, index) of every noise that was tried."""
    for cell in comparison.content["cells"]:
        if accuracy := (cell.get("measures") or {}).get("accuracy"):
            return [
                (kind, entry["level"], index)
                for kind in ("gaussian", "impulse")
                for index, entry in enumerate(accuracy[kind])
            ]
    return []
