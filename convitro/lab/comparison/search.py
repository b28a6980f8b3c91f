"""The search for a learning rate: which trainings it still needs, and what they say. It runs nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
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
    """

    cells: tuple[Cell, ...]
    chosen: float | None = None
    at_edge: bool = False


def search(design: Design, arm: str, regime: str, outcome: Callable[[Cell], Outcome | None]) -> Search:
    """The search as far as its trainings go.

    Args:
        outcome: what came of a training; None while it is not done.

    Example:
        >>> design = Design.of(arms="max", learning_rates=(0.1, 1.0), extensions=1, search_seeds=1)
        >>> found = search(design, "max", "drop-in", lambda cell: {"validation_loss": cell.learning_rate})
        >>> found.chosen, found.at_edge, len(found.cells)
        (0.01, True, 3)
    """
    rates = list(design.learning_rates)
    for extension in range(design.extensions + 1):
        cells = tuple(
            Cell(arm, regime, rate, seed, final=False) for rate in rates for seed in design.search_seeds
        )
        outcomes = {cell: outcome(cell) for cell in cells}
        if any(found is None for found in outcomes.values()):
            return Search(cells)
        scores = {
            rate: _score([outcomes[cell] for cell in cells if cell.learning_rate == rate]) for rate in rates
        }
        best = min(rates, key=lambda rate: (scores[rate], rate))
        at_edge = best in (rates[0], rates[-1])
        if not at_edge or extension == design.extensions:
            break
        rates = _extended(rates, best)
    return Search(cells, best, at_edge)


def finals(design: Design, arm: str, regime: str, rate: float) -> tuple[Cell, ...]:
    """The trainings that are compared."""
    return tuple(Cell(arm, regime, rate, seed, final=True) for seed in design.seeds)


def _score(outcomes: list[Outcome | None]) -> float:
    """The mean loss on held-out pictures; infinite where a training diverged."""
    losses = [None if outcome is None else outcome["validation_loss"] for outcome in outcomes]
    numbers = [math.inf if loss is None else float(loss) for loss in losses]
    return sum(numbers) / len(numbers) if all(map(math.isfinite, numbers)) else math.inf


def _extended(rates: list[float], best: float) -> list[float]:
    """One rate more beyond the edge where the best lies; on both sides of a single one."""
    down = rates[1] / rates[0] if len(rates) > 1 else ALONE
    up = rates[-1] / rates[-2] if len(rates) > 1 else ALONE
    lower = [_rounded(rates[0] / down)] if best == rates[0] else []
    upper = [_rounded(rates[-1] * up)] if best == rates[-1] else []
    return [*lower, *rates, *upper]


def _rounded(rate: float) -> float:
    """Three digits, so that a rate reads well and is the same on every machine."""
    return float(f"{rate:.3g}")
