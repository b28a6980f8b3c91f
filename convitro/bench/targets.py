"""What was promised, and whether a run keeps it: geometric means and lowest ratios per group."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from convitro.bench.formulations import PLAIN, SELECTING, SMOOTH, WINDOWED
from convitro.bench.layers import BLOCK_3X3, BLOCK_OTHER, CONV_3X3, CONV_OTHER
from convitro.bench.results import Row, Run

TRAINING, CALL = "training step", "call on a tiny input"
FORWARD, FORWARD_BACKWARD = "aggregation forward", "aggregation forward and backward"
SAVED_SHARE, SCALING, ROOFLINE_SHARE = 1 / 5, 1.85, 0.85


@dataclass(frozen=True)
class Target:
    """How many times as fast as the fastest peer a group shall be: in the geometric mean, and each row."""

    mean: float | None = None
    each: float | None = None


TARGETS = {
    BLOCK_3X3: Target(mean=2.5, each=1.5),
    BLOCK_OTHER: Target(each=1.1),
    CONV_3X3: Target(mean=2.0),
    CONV_OTHER: Target(each=1.0),
    TRAINING: Target(each=2.0),
    CALL: Target(each=1.0),
    **{f"{FORWARD_BACKWARD}, {kind}": Target(each=20.0) for kind in (SELECTING, SMOOTH, WINDOWED)},
}
OVER_SUM = {
    f"{FORWARD}, {kind}": most
    for kind, most in ((PLAIN, 1.5), (SELECTING, 1.5), (SMOOTH, 3.0), (WINDOWED, 3.0))
}
"""How many times the direct sum's time an aggregation may take."""
EXTRA_MB = 64.0
"""By how much a call may raise the peak of memory beyond the size of its output."""


@dataclass(frozen=True)
class Verdict:
    """One promise and what became of it.

    Attributes:
        what: the group and the number looked at.
        value, target: the number, and what it must reach (or stay below, where `at_most`).
    """

    what: str
    value: float
    target: float
    at_most: bool = False
    unit: str = "x"

    @property
    def met(self) -> bool:
        """Whether the promise is kept; a number that is missing keeps none."""
        return self.value <= self.target if self.at_most else self.value >= self.target

    def numbers(self) -> tuple[str, str]:
        """What was measured and what it shall be, with units."""
        digits = ".4f" if abs(self.value) < 0.1 else ".2f"
        sign = "≤" if self.at_most else "≥"
        return f"{self.value:{digits}}{self.unit}", f"{sign} {self.target:.3g}{self.unit}"

    def __str__(self) -> str:
        """One line.

        Example:
            >>> print(Verdict("block 3x3, geometric mean of 2", 2.617, 2.5))
            block 3x3, geometric mean of 2: 2.62x (≥ 2.5x: met)
        """
        value, target = self.numbers()
        return f"{self.what}: {value} ({target}: {'met' if self.met else 'MISSED'})"


def verdicts(run: Run) -> list[Verdict]:
    """Every promise that this run can judge."""
    return [*_speeds(run), *_threads(run), *_direct(run), *_memory(run), *_aggregations(run), *_figures(run)]


def geometric_mean(numbers: Sequence[float]) -> float:
    """Of positive numbers; 0 if one is 0, NaN if there is none.

    Example:
        >>> geometric_mean([1.0, 4.0])
        2.0
    """
    if not numbers:
        return float("nan")
    return 0.0 if min(numbers) == 0 else math.exp(sum(map(math.log, numbers)) / len(numbers))


def _speeds(run: Run) -> Iterator[Verdict]:
    for group, rows in run.groups().items():
        target, compared = TARGETS.get(group, Target()), [row for row in rows if row.best_peer()]
        if not compared:
            continue
        lowest = min(compared, key=Row.ratio)
        if target.mean is not None:
            mean = geometric_mean([row.ratio() for row in compared])
            yield Verdict(f"{group}, geometric mean of {len(compared)}", mean, target.mean)
        if target.each is not None:
            yield Verdict(f"{group}, lowest of {len(compared)} ({lowest.name})", lowest.ratio(), target.each)


def _threads(run: Run) -> Iterator[Verdict]:
    scaled = [row.scaling() for row in run.rows if not math.isnan(row.scaling())]
    if scaled:
        yield Verdict(f"{run.threads} threads against one, geometric mean", geometric_mean(scaled), SCALING)


def _direct(run: Run) -> Iterator[Verdict]:
    direct = [row for row in run.rows if row.algorithm == "direct" and row.least_ms > 0]
    if direct:
        mean, lowest = geometric_mean([row.share() for row in direct]), min(direct, key=Row.share)
        what = f"roofline of direct kernels, geometric mean of {len(direct)}"
        yield Verdict(what, mean, ROOFLINE_SHARE, unit="")
        yield Verdict(
            f"roofline of direct kernels, lowest ({lowest.name})", lowest.share(), ROOFLINE_SHARE, unit=""
        )


def _memory(run: Run) -> Iterator[Verdict]:
    for row in run.rows:
        ours, theirs = row.own_bytes.get("convitro"), row.own_bytes.get("torch")
        if ours and theirs:
            name = f"saved besides the layers' inputs, {row.name}"
            yield Verdict(name, ours / theirs, SAVED_SHARE, at_most=True)


def _aggregations(run: Run) -> Iterator[Verdict]:
    for group, rows in run.groups().items():
        compared = [row for row in rows if not math.isnan(row.over_sum())]
        if group in OVER_SUM and compared:
            worst = max(compared, key=Row.over_sum)
            what = f"{group}, time over the direct sum's, most of {len(compared)} ({worst.name})"
            yield Verdict(what, worst.over_sum(), OVER_SUM[group], at_most=True)
    measured = [row for row in run.rows if row.output_bytes and row.extra_bytes]
    if measured:
        worst = max(measured, key=_beyond_mb)
        direction = "forward and backward" if worst.group.startswith(FORWARD_BACKWARD) else "forward"
        what = f"memory beyond the output, most of {len(measured)} ({worst.name}, {direction})"
        yield Verdict(what, _beyond_mb(worst), EXTRA_MB, at_most=True, unit=" MB")


def _beyond_mb(row: Row) -> float:
    return row.extra_mb() - row.output_bytes / 1e6


def _figures(run: Run) -> Iterator[Verdict]:
    for figure in run.figures:
        if figure.at_most is not None:
            yield Verdict(figure.name, figure.value, figure.at_most, at_most=True, unit=f" {figure.unit}")
