"""How things are timed: contenders in turn, round after round, so that whatever disturbs one disturbs all."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any

import torch

Forward = Callable[[], Any]
BATCH_S = 0.005  # what is measured in one go takes at least this long, so that the clock does not count
PAUSE_S = 0.003  # between contenders with several threads: idle threads of the last one stop spinning
FEWEST, MOST = 5, 200  # rounds


@dataclass(frozen=True)
class Timing:
    """Milliseconds of one call: the first one, and the warm ones.

    Attributes:
        cold_ms: preparation and first call together: compiling, packing, warming caches.
        median_ms, iqr_ms: of the warm calls; `n` samples, each the mean of a batch of calls.
        fastest_ms: the smallest sample; far below the median on a machine that was busy with other things.
    """

    cold_ms: float
    median_ms: float
    iqr_ms: float
    n: int
    fastest_ms: float = 0.0


@dataclass(frozen=True)
class Runner:
    """A contender ready to run.

    Attributes:
        cold_ms: what it took to get ready.
        threads: what torch.set_num_threads is told before it runs.
    """

    forward: Forward
    cold_ms: float
    threads: int


def interleaved(runners: Mapping[str, Runner], budget_s: float) -> dict[str, Timing]:
    """Time all of them in turns until the budget is used up, at least `FEWEST` rounds.

    Args:
        runners: by name, each called once before.
        budget_s: seconds for all of them together.
    """
    calls = {name: _calls_per_batch(runner) for name, runner in runners.items()}
    samples: dict[str, list[float]] = {name: [] for name in runners}
    names, end, rounds = list(runners), time.perf_counter() + budget_s, 0
    while rounds < FEWEST or (rounds < MOST and time.perf_counter() < end):
        first = rounds % len(names)  # nobody always follows the same one
        for name in names[first:] + names[:first]:
            samples[name].append(_batch(runners[name], calls[name]))
        rounds += 1
    return {name: _timing(runners[name].cold_ms, times) for name, times in samples.items()}


def _calls_per_batch(runner: Runner) -> int:
    seconds = min(_batch(runner, 1), _batch(runner, 1))
    return max(1, round(BATCH_S / max(seconds, 1e-7) + 0.5))


def _batch(runner: Runner, calls: int) -> float:
    """Seconds of one call, mean of so many; a first one, not counted, brings data back into the caches."""
    forward = runner.forward
    torch.set_num_threads(runner.threads)
    if runner.threads > 1:
        time.sleep(PAUSE_S)
    forward()
    start = time.perf_counter()
    for _ in range(calls):
        forward()
    return (time.perf_counter() - start) / calls


def _timing(cold_ms: float, seconds: list[float]) -> Timing:
    lower, _, upper = quantiles(seconds, n=4, method="inclusive")
    return Timing(cold_ms, median(seconds) * 1e3, (upper - lower) * 1e3, len(seconds), min(seconds) * 1e3)
