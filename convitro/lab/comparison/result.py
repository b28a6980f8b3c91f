"""What a comparison found: the numbers of every training, statistics, and words for both."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convitro.anatomy.tables import Table
from convitro.errors import ArgumentError, ExperimentError, closest
from convitro.lab.comparison.conclusions import (
    Statement,
    caveats,
    exact,
    regime_statement,
    scale_statement,
)
from convitro.lab.comparison.forest import Forest, ForestRow
from convitro.lab.comparison.statistics import CONFIDENCE, Difference, RegimeStatistics, Standing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SCHEMA = 1
LONG = 18
"""Letters of an arm's name that stand in one line of a table."""
RESULTS = "results.json"
NEEDED = ("design", "chosen", "cells")
ASKED = ("data", "arms", "reference", "regimes", "seeds", "classes")
DERIVED = ("statistics", "conclusions")
COLUMNS = ("arm", "test %", "to {}", "95 % interval", "p", "worst", "failed")


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """Arms compared under equal conditions, finished or under way.

    `str()` is a table for each regime and the conclusions in words; a notebook shows the same; `plot()` draws
    the differences with their intervals.

    Args:
        content: the results as JSON: design, null test, search, chosen learning rates, and one cell for each
            training that is compared.

    Raises:
        ExperimentError: as `from_dict`.

    Source: own; the statistics as `convitro.lab.comparison.statistics.differences`.

    Example:
        >>> design = {"data": "digits", "arms": ["sum", "max"], "reference": "sum", "regimes": ["batchnorm"]}
        >>> design |= {"seeds": [0, 1, 2], "classes": ["0", "1"]}
        >>> cells = [
        ...     {"arm": arm, "regime": "batchnorm", "seed": seed, "test_accuracy": top - seed / slope}
        ...     for arm, top, slope in (("sum", 0.95, 100), ("max", 0.9, 99)) for seed in range(3)
        ... ]
        >>> content = {"schema": 1, "design": design, "chosen": [], "cells": cells}
        >>> print(Comparison.from_dict(content).tables[0])
        batchnorm: test accuracy on digits, mean of 3 seeds
         arm   test %   to sum   95 % interval         p   worst   failed
        ──────────────────────────────────────────────────────────────────
         sum    94.00                                      93.00        0
         max    88.99    -5.01   -5.04 … -4.99   <0.0001   87.98        0
    """

    content: Mapping[str, Any]

    def __post_init__(self) -> None:
        check_content(self.content)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Comparison:
        """From results as JSON, those of `to_dict` among them.

        Raises:
            ExperimentError: something is missing, or of another version.
        """
        return cls({key: value for key, value in content.items() if key not in DERIVED})

    @classmethod
    def read(cls, folder: str | Path) -> Comparison:
        """The results of a comparison's folder, or the file itself.

        Raises:
            ExperimentError: there are none, or they cannot be read.
        """
        path = Path(folder)
        path = path / RESULTS if path.is_dir() else path
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ExperimentError(
                f'compare: "{path}" cannot be read.',
                expected=f'a folder with the "{RESULTS}" of a comparison',
                received=f"{type(error).__name__}: {error}",
            ) from error
        return cls.from_dict(content)

    @property
    def design(self) -> Mapping[str, Any]:
        """What was asked."""
        design: Mapping[str, Any] = self.content["design"]
        return design

    @property
    def arms(self) -> tuple[str, ...]:
        """All arms, in the order of the design."""
        return tuple(self.design["arms"])

    @property
    def regimes(self) -> tuple[str, ...]:
        """All regimes, in the order of the design."""
        return tuple(self.design["regimes"])

    @property
    def reference(self) -> str:
        """The arm that the others are compared with."""
        return str(self.design["reference"])

    @property
    def complete(self) -> bool:
        """Whether every training that was planned is there."""
        return not self.unfinished

    @cached_property
    def unfinished(self) -> tuple[tuple[str, str, int], ...]:
        """(arm, regime, seeds that are finished) where some are missing."""
        planned = len(self.design["seeds"])
        counts = [(arm, regime, len(self.cells(arm, regime))) for regime in self.regimes for arm in self.arms]
        return tuple(entry for entry in counts if entry[2] < planned)

    def cells(self, arm: str, regime: str) -> tuple[Mapping[str, Any], ...]:
        """The trainings of an arm under a regime, by seed."""
        return self._cells.get((arm, regime), ())

    @cached_property
    def _cells(self) -> dict[tuple[str, str], tuple[Mapping[str, Any], ...]]:
        found: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
        for cell in sorted(self.content["cells"], key=lambda cell: cell["seed"]):
            found.setdefault((cell["arm"], cell["regime"]), []).append(cell)
        return {key: tuple(cells) for key, cells in found.items()}

    def chosen(self, arm: str, regime: str) -> Mapping[str, Any] | None:
        """What the search chose: "learning_rate", "at_edge", and "trains"; None while it goes on."""
        found = (one for one in self.content["chosen"] if (one["arm"], one["regime"]) == (arm, regime))
        return next(found, None)

    def tried(self, arm: str, regime: str) -> tuple[float, ...]:
        """The learning rates that the search of an arm has tried so far, in order."""
        found = (
            one for one in self.content.get("search", ()) if (one["arm"], one["regime"]) == (arm, regime)
        )
        return tuple(sorted({one["learning_rate"] for one in found}))

    @cached_property
    def statistics(self) -> dict[str, RegimeStatistics]:
        """Standings and differences, by regime."""
        return {
            regime: RegimeStatistics(
                regime, self.reference, tuple(self._standing(arm, regime) for arm in self.arms)
            )
            for regime in self.regimes
        }

    def _standing(self, arm: str, regime: str) -> Standing:
        cells = self.cells(arm, regime)
        chance = 1 / max(len(self.design["classes"]), 1)  # where a failed training left no number
        accuracies = {cell["seed"]: number(cell["test_accuracy"], chance) for cell in cells}
        return Standing(arm, accuracies, tuple(cell["seed"] for cell in cells if cell.get("failed")))

    def difference(self, arm: str, regime: str) -> Difference | None:
        """An arm minus the reference; None for the reference itself."""
        found = (each for each in self.statistics[regime].differences if each.arm == arm)
        return next(found, None)

    def ranked(self, regime: str) -> tuple[Standing, ...]:
        """The arms of a regime, best first; those without a training last."""
        standings = self.statistics[regime].standings
        return tuple(sorted(standings, key=lambda standing: -standing.mean if standing.accuracies else 2))

    @cached_property
    def conclusions(self) -> tuple[Statement, ...]:
        """What follows, in plain words: for each regime, for the scale, and what is left open."""
        found = [regime_statement(regime) for regime in self.statistics.values()]
        found.append(scale_statement(self.statistics))
        last = caveats(self.design, self.statistics, self.content["chosen"], self.tried)
        if self.unfinished:
            missing = "The comparison is not finished: what stands here may still change."
            last = Statement(last.about, (missing, *last.sentences))
        return tuple(statement for statement in (*found, last) if statement.sentences)

    @cached_property
    def tables(self) -> tuple[Table, ...]:
        """One table for each regime, best arm first."""
        return tuple(self._table(regime) for regime in self.regimes)

    def _table(self, regime: str) -> Table:
        planned = len(self.design["seeds"])
        rows = tuple(self._row(standing, regime) for standing in self.ranked(regime))
        notes: tuple[str, ...] = ()
        if any(len(standing.accuracies) < planned for standing in self.statistics[regime].standings):
            notes = (f"* fewer than {planned} seeds are finished",)
        return Table(
            f"{regime}: test accuracy on {self.design['data']}, mean of {planned} seeds",
            tuple(name.format(self.reference) for name in COLUMNS),
            rows,
            notes,
            numeric=tuple(range(1, len(COLUMNS))),
        )

    def _row(self, standing: Standing, regime: str) -> tuple[str, ...]:
        star = "*" if len(standing.accuracies) < len(self.design["seeds"]) else ""
        name = standing.arm + star
        if len(name) > LONG:
            name = name.replace("(", "(\n ").replace(",", ",\n ")
        if standing.worst is None:
            return (name, *[""] * (len(COLUMNS) - 1))
        worst, failed = f"{100 * standing.worst[1]:.2f}", str(len(standing.failed))
        test = f"{100 * standing.mean:.2f}"
        found = self.difference(standing.arm, regime)
        if found is None or not found.values:
            return (name, test, "", "", "", worst, failed)
        return (name, test, exact(found.mean), interval(found), p_text(found.holm), worst, failed)

    def forest(self, regime: str | None = None) -> Forest:
        """The differences of a regime with their intervals, as a picture.

        Raises:
            ArgumentError: there is no such regime.
        """
        regime = self.regimes[0] if regime is None else regime
        if regime not in self.regimes:
            raise ArgumentError(
                f'compare: there is no regime "{regime}".',
                expected=", ".join(self.regimes),
                hint=closest(regime, self.regimes),
            )
        found = {each.arm: each for each in self.statistics[regime].differences}
        ordered = [found[standing.arm] for standing in self.ranked(regime) if standing.arm in found]
        failed = {standing.arm: len(standing.failed) for standing in self.statistics[regime].standings}
        rows = tuple(
            ForestRow(each.arm, each.values, each.mean, each.low, each.high, failed[each.arm])
            for each in ordered
            if each.values
        )
        title = f"{regime}: test accuracy minus that of {self.reference}"
        words = f"points; lines hold together with {CONFIDENCE:.0%}, dots are seeds"
        return Forest(title, rows, x_label=words)

    def plot(self, regime: str | None = None, ax: Axes | None = None) -> Axes:
        """Draw the differences of a regime with their intervals.

        Args:
            regime: one of `regimes`; the first if None.
            ax: as for every display of `convitro.plots`.

        Raises:
            ArgumentError: there is no such regime.
            LoadError: matplotlib is not installed.
        """
        return self.forest(regime).plot(ax)

    def to_dict(self) -> dict[str, Any]:
        """The results as strict JSON, with the statistics and the conclusions."""
        statistics = {
            regime: [each.to_dict() for each in found.differences]
            for regime, found in self.statistics.items()
        }
        words = [
            {"about": statement.about, "sentences": list(statement.sentences)}
            for statement in self.conclusions
        ]
        return {**self.content, "statistics": statistics, "conclusions": words}

    def __str__(self) -> str:
        lines = [sentence for statement in self.conclusions for sentence in statement.sentences]
        notes = Table("", (), (), tuple(f"- {line}" for line in lines))
        return "\n\n".join([*map(str, self.tables), str(notes).strip()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        lines = tuple(sentence for statement in self.conclusions for sentence in statement.sentences)
        tables = "".join(table.html() for table in self.tables)
        return tables + Table("", (), (), lines).html().partition("</table>")[2]


def check_content(content: Any) -> None:
    """Raise an ExperimentError for what is not the results of a comparison."""
    if not isinstance(content, Mapping) or content.get("schema") != SCHEMA:
        version = content.get("schema") if isinstance(content, Mapping) else type(content).__name__
        raise ExperimentError(
            "compare: these are no results of a comparison.",
            expected=f"schema {SCHEMA}",
            received=str(version),
        )
    parts: list[tuple[str, Mapping[str, Any], tuple[str, ...]]] = [("results", content, NEEDED)]
    parts.append(("design", content.get("design", {}), ASKED))
    for place, values, names in parts:
        if missing := [name for name in names if name not in values]:
            raise ExperimentError(
                f"compare: the {place} of a comparison are not whole.",
                expected=", ".join(names),
                received=f"no {', '.join(missing)}",
            )


def number(value: Any, otherwise: float) -> float:
    """A number of the results; None stands for one that could not be measured."""
    return otherwise if value is None else float(value)


def interval(found: Difference) -> str:
    """ "-4.0 … -2.2", or nothing."""
    if found.low is None or found.high is None:
        return ""
    return f"{exact(found.low)} … {exact(found.high)}"


def p_text(p: float | None) -> str:
    """A probability in four digits."""
    return "" if p is None else "<0.0001" if p < 1e-4 else f"{p:.4f}"
