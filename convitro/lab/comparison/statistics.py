"""What seeds say about arms: paired differences to a reference, their intervals and tests. No words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from convitro.errors import ArgumentError, LoadError

CONFIDENCE = 0.95
ROUNDING = 1e-12
"""Accuracies that differ by less are alike."""


@dataclass(frozen=True)
class Standing:
    """How one arm did under one regime.

    Attributes:
        arm: its name.
        accuracies: of the test pictures in 0..1, by seed; trainings that failed are among them.
        failed: the seeds whose training failed.
    """

    arm: str
    accuracies: Mapping[int, float]
    failed: tuple[int, ...] = ()

    @property
    def mean(self) -> float:
        """The mean over the seeds; NaN without any."""
        values = self.accuracies.values()
        return math.fsum(values) / len(values) if values else math.nan

    @property
    def worst(self) -> tuple[int, float] | None:
        """The seed with the lowest accuracy, the first of equals, and that accuracy."""
        return min(self.accuracies.items(), key=lambda entry: (entry[1], entry[0]), default=None)


@dataclass(frozen=True)
class Difference:
    """An arm minus its reference, seed by seed.

    Attributes:
        arm: its name.
        seeds: those that both have.
        values: the difference in test accuracy of each, in -1..1.
        low, high: the interval of the mean, which holds together with those of the whole family; None for
            fewer than two seeds.
        p: of Student's t-test that the mean is 0; None for fewer than two seeds.
        holm: the same, corrected for the whole family.
        wilcoxon: p of the signed-rank test, a check that needs no normal distribution; not corrected.
    """

    arm: str
    seeds: tuple[int, ...]
    values: tuple[float, ...]
    low: float | None
    high: float | None
    p: float | None
    holm: float | None
    wilcoxon: float | None

    @property
    def mean(self) -> float:
        """The mean difference; NaN without a seed."""
        return math.fsum(self.values) / len(self.values) if self.values else math.nan

    @property
    def certain(self) -> bool:
        """The interval lies wholly on one side of 0."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)

    @property
    def largest(self) -> float | None:
        """The largest size of a mean difference that the interval still allows."""
        return None if self.low is None or self.high is None else max(abs(self.low), abs(self.high))

    @property
    def identical(self) -> bool:
        """Every seed reached exactly the accuracy of the reference."""
        return bool(self.values) and all(abs(value) <= ROUNDING for value in self.values)

    def to_dict(self) -> dict[str, Any]:
        """Strict JSON."""
        return {
            "arm": self.arm,
            "seeds": list(self.seeds),
            "values": list(self.values),
            "mean": self.mean if self.values else None,
            "low": self.low,
            "high": self.high,
            "p": self.p,
            "holm": self.holm,
            "wilcoxon": self.wilcoxon,
        }


@dataclass(frozen=True)
class RegimeStatistics:
    """All arms of one regime against one of them.

    Args:
        regime: its name.
        reference: the arm that the others are compared with.
        standings: all arms, in the order of the design.
        confidence: of all intervals together.
    """

    regime: str
    reference: str
    standings: tuple[Standing, ...]
    confidence: float = CONFIDENCE

    @cached_property
    def differences(self) -> tuple[Difference, ...]:
        """Every other arm minus the reference, in the order of the design."""
        accuracies = {standing.arm: standing.accuracies for standing in self.standings}
        reference = accuracies.pop(self.reference, {})
        return differences(accuracies, reference, self.confidence)

    def standing(self, arm: str) -> Standing:
        """That of one arm."""
        return next(standing for standing in self.standings if standing.arm == arm)


def differences(
    arms: Mapping[str, Mapping[int, float]], reference: Mapping[int, float], confidence: float = CONFIDENCE
) -> tuple[Difference, ...]:
    """Compare each arm with the reference on the seeds that both have.

    Tests are corrected by Holm's step-down procedure, the intervals by Bonferroni's: each one holds with
    1 - (1 - confidence) / arms, so that all of them hold together with at least `confidence`, however the
    arms depend on each other. That is wider than the tests need: an arm that Holm tells apart may have an
    interval that touches 0. The regions that fit Holm exactly are no choice, for they say of such an arm
    only on which side of 0 it lies, and nothing about by how much.

    Args:
        arms: test accuracies by seed; the family is all of these, those without a seed as well.
        reference: the same of the arm that they are compared with.
        confidence: of all intervals together.

    Source: Student 1908; Holm 1979; Dunn 1961 (Bonferroni's intervals); Strassburger & Bretz 2008 and
        Guilbaud 2008 on the regions that fit Holm; Wilcoxon 1945.

    Example:
        >>> sums, maxima = {0: 0.90, 1: 0.92, 2: 0.91}, {0: 0.85, 1: 0.88, 2: 0.86}
        >>> (found,) = differences({"max": maxima}, sums)
        >>> round(found.mean, 3), round(found.low, 3), round(found.high, 3)
        (-0.047, -0.061, -0.032)
    """
    pairs = {arm: paired(accuracies, reference) for arm, accuracies in arms.items()}
    level = 1 - (1 - confidence) / max(len(arms), 1)
    tested = {arm: t_test(values) for arm, (_, values) in pairs.items() if len(values) > 1}
    corrected = dict(zip(tested, holm(list(tested.values()), family=len(arms)), strict=True))
    found = []
    for arm, (seeds, values) in pairs.items():
        low, high = t_interval(values, level) or (None, None)
        check = wilcoxon(values) if arm in tested else None
        found.append(Difference(arm, seeds, values, low, high, tested.get(arm), corrected.get(arm), check))
    return tuple(found)


def paired(one: Mapping[int, float], other: Mapping[int, float]) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """The seeds that both have, in order, and one minus other for each."""
    seeds = tuple(sorted(one.keys() & other.keys()))
    return seeds, tuple(one[seed] - other[seed] for seed in seeds)


def t_interval(values: Sequence[float], confidence: float) -> tuple[float, float] | None:
    """Student's interval of the mean: mean ± t sd / sqrt(n). None for fewer than two values.

    Values that are all alike have an interval without width.

    Example:
        >>> [round(end, 4) for end in t_interval([1.0, 2.0, 3.0], 0.95)]
        [-0.4841, 4.4841]
    """
    if len(values) < 2:
        return None
    mean, error = mean_and_error(values)
    reach = float(scipy_stats().t.ppf((1 + confidence) / 2, len(values) - 1)) * error
    return mean - reach, mean + reach


def t_test(values: Sequence[float]) -> float:
    """Two-sided p that the mean is 0, of at least two values; 1 or 0 where they are all alike.

    Example:
        >>> round(t_test([1.0, 2.0, 3.0]), 4)
        0.0742
    """
    mean, error = mean_and_error(values)
    if error == 0:
        return 1.0 if abs(mean) <= ROUNDING else 0.0
    return float(2 * scipy_stats().t.sf(abs(mean) / error, len(values) - 1))


def mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """The mean and its standard error, sd / sqrt(n) with n - 1 in the sd; 0 where all values are alike."""
    count = len(values)
    mean = math.fsum(values) / count
    if max(values) - min(values) <= ROUNDING:
        return mean, 0.0
    return mean, math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (count - 1) / count)


def holm(p_values: Sequence[float], family: int | None = None) -> list[float]:
    """Holm's corrected p of each test; reject those up to 0.05 to be wrong at all with at most 5 %.

    Args:
        p_values: of the tests that were made.
        family: how many were planned, at least as many; the missing ones count as the least sure.

    Raises:
        ArgumentError: a smaller family.

    Source: Holm 1979.

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    family = len(p_values) if family is None else family
    if family < len(p_values):
        raise ArgumentError(
            "holm: a family smaller than its tests.",
            expected=f"at least {len(p_values)}",
            received=str(family),
        )
    corrected, highest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (family - rank) * p_values[index]))
        corrected[index] = highest
    return corrected


def wilcoxon(values: Sequence[float]) -> float:
    """Two-sided p of Wilcoxon's signed-rank test; values of 0 are left out, 1 where nothing else is there.

    Exact, ties included: all signs are equally likely, and every sum of ranks is counted. With n values that
    are not 0 it is never below 2 / 2^n, so fewer than six can never convince. (SciPy counts the same where
    there are ties, a thousand times slower, and in older versions approximates.)

    Source: Wilcoxon 1945; the count by adding one rank after the other, as Mann & Whitney 1947.

    Example:
        >>> wilcoxon([0.01, 0.02, 0.03, 0.04, 0.05, 0.06])
        0.03125
    """
    moved = [round(value, 12) for value in values if abs(value) > ROUNDING]  # ties but for rounding are ties
    if not moved:
        return 1.0
    ranks = [round(2 * rank) for rank in scipy_stats().rankdata([abs(value) for value in moved])]
    chances = np.ones(1)  # of each sum of the doubled ranks with a positive sign
    for rank in ranks:
        chances = (np.pad(chances, (0, rank)) + np.pad(chances, (rank, 0))) / 2
    found = sum(rank for rank, value in zip(ranks, moved, strict=True) if value > 0)
    return min(1.0, 2 * float(min(chances[: found + 1].sum(), chances[found:].sum())))


def scipy_stats() -> Any:
    """SciPy's statistics, loaded when needed.

    Raises:
        LoadError: SciPy is not installed.
    """
    try:
        from scipy import stats
    except ImportError as error:
        raise LoadError(
            "compare: SciPy is not installed.", hint='`pip install "convitro[lab]"` adds it'
        ) from error
    return stats
