"""The search for a learning rate: which trainings it still needs, and what they say. It runs nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from convitro.lab.comparison.design import Design

ALONE = math.sqrt(10)
"""The step of a grid that begins with a single rate."""

Outcome = Mapping[str, Any]


@dataclass(frozen=True)
class Cell:
    """One training of a comparison.

    Attributes:
        arm, regime, learning_rate, seed: which one.
        final: it is among those that are compared; else it searches, and never sees the test pictures.
    """

    arm: str
    regime: str
    learning_rate: float
    seed: int
    final: bool

    def to_dict(self) -> dict[str, Any]:
        """Strict JSON."""
        return {
            "arm": self.arm,
            "regime": self.regime,
            "learning_rate": self.learning_rate,
            "seed": self.seed,
            "purpose": "final" if self.final else "search",
        }

    def __str__(self) -> str:
        purpose = "final" if self.final else "search"
        return f"{self.arm}, {self.regime}, rate {self.learning_rate:g}, seed {self.seed} ({purpose})"


@dataclass(frozen=True)
class Search:
    """How far the search of one arm under one regime is.

    Attributes:
        cells: all trainings that it asked for so far, those that are done among them.
        chosen: the rate; None while trainings are missing.
        at_edge: the best rate lies at the edge of the grid, which may not grow any more.
        trains: whether any rate trains (see `trains`); where none does, the chosen one may be an accident.
    """

    cells: tuple[Cell, ...]
    chosen: float | None = None
    at_edge: bool = False
    trains: bool = True


def search(design: Design, arm: str, regime: str, outcome: Callable[[Cell], Outcome | None]) -> Search:
    """The search as far as its trainings go.

    Chosen is the rate with the lowest mean loss on held-out pictures, among those that train. Where it lies
    at an edge, the grid grows there. Where no rate trains, the losses differ by chance alone and say nothing
    about a side: the grid grows at both ends.

    Args:
        outcome: what came of a training; None while it is not done.

    Example:
        >>> design = Design.of(arms="max", learning_rates=(0.1, 1.0), extensions=1, search_seeds=1)
        >>> def outcome(cell):
        ...     return {"validation_loss": cell.learning_rate, "failed": False}
        >>> found = search(design, "max", "drop-in", outcome)
        >>> found.chosen, found.at_edge, len(found.cells)
        (0.01, True, 3)
        >>> found = search(design, "max", "drop-in", lambda cell: {**outcome(cell), "failed": True})
        >>> found.trains, [cell.learning_rate for cell in found.cells]
        (False, [0.01, 0.1, 1.0, 10.0])
    """
    rates = list(design.learning_rates)
    for extension in range(design.extensions + 1):
        cells = tuple(
            Cell(arm, regime, rate, seed, final=False) for rate in rates for seed in design.search_seeds
        )
        outcomes: dict[float, list[Outcome]] = {rate: [] for rate in rates}
        for cell in cells:
            if (found := outcome(cell)) is None:
                return Search(cells)
            outcomes[cell.learning_rate].append(found)
        training = [rate for rate in rates if trains(outcomes[rate])]
        best = min(training or rates, key=lambda rate: (_score(outcomes[rate]), rate))
        down, up = (not training or best == edge for edge in (rates[0], rates[-1]))
        if not (down or up) or extension == design.extensions:
            break
        rates = _extended(rates, down=down, up=up)
    return Search(cells, best, bool(training) and (down or up), bool(training))


def trains(outcomes: Iterable[Outcome]) -> bool:
    """Whether a learning rate trains: at least one of its trainings did not fail.

    What failing is, `convitro.lab.comparison.cell.failure` says: the loss became infinite or NaN, or in no
    epoch was the accuracy on held-out pictures more than three standard errors above the share of the most
    frequent class. A final training fails in the same sense, so a report and a search mean the same by it.

    Args:
        outcomes: what came of the trainings with this rate.
    """
    return not all(outcome["failed"] for outcome in outcomes)


def finals(design: Design, arm: str, regime: str, rate: float) -> tuple[Cell, ...]:
    """The trainings that are compared."""
    return tuple(Cell(arm, regime, rate, seed, final=True) for seed in design.seeds)


def _score(outcomes: list[Outcome]) -> float:
    """The mean loss on held-out pictures; infinite where a training diverged."""
    losses = [outcome["validation_loss"] for outcome in outcomes]
    numbers = [math.inf if loss is None else float(loss) for loss in losses]
    return sum(numbers) / len(numbers) if all(map(math.isfinite, numbers)) else math.inf


def _extended(rates: list[float], *, down: bool, up: bool) -> list[float]:
    """One rate more at the ends that are asked for, by the step that the grid has there."""
    first = rates[1] / rates[0] if len(rates) > 1 else ALONE
    last = rates[-1] / rates[-2] if len(rates) > 1 else ALONE
    lower = [_rounded(rates[0] / first)] if down else []
    upper = [_rounded(rates[-1] * last)] if up else []
    return [*lower, *rates, *upper]


def _rounded(rate: float) -> float:
    """Three digits, so that a rate reads well and is the same on every machine."""
    return float(f"{rate:.3g}")
