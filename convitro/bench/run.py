"""A whole run: suite after suite, the roofline before and after, everything into one `Run`."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace

import torch

from convitro.bench.aggregation import measure_aggregation, problems
from convitro.bench.inference import contenders_named, measure_layer
from convitro.bench.layers import QUICK, SUITES, Layer
from convitro.bench.machine import machine
from convitro.bench.overhead import measure_calls, measure_processes
from convitro.bench.results import Figure, Row, Run
from convitro.bench.roofline import Roofline, roofline
from convitro.bench.training import BATCHES, measure_training
from convitro.errors import ArgumentError
from convitro.geometry import check_choice

ALL_SUITES = (*SUITES, "train", "overhead", "compile", "aggregation")
QUICK_S = 1.0


@dataclass(frozen=True)
class Wanted:
    """What shall be measured.

    Attributes:
        suites: some of `ALL_SUITES`.
        peers: names of those to measure against; all of them for none.
        threads: of everybody.
        layers: words; only layers with all of them in name or shape are measured.
        budget_s: seconds of timing per layer, preparation not counted.
        quick: a few layers, and about a second each.
    """

    suites: tuple[str, ...] = ALL_SUITES
    peers: tuple[str, ...] = ()
    threads: int = 1
    layers: str = ""
    budget_s: float = 10.0
    quick: bool = False

    def chosen(self) -> list[tuple[str, Layer]]:
        """Suite and layer, for the suites that have layers.

        Raises:
            ArgumentError: there is no such suite, peer or layer.
        """
        for suite in self.suites:
            check_choice(suite, ALL_SUITES, "bench: unknown suite.")
        contenders_named(self.peers)
        named = [(suite, layer) for suite in self.suites if suite in SUITES for layer in SUITES[suite]()]
        kept = [
            (suite, layer)
            for suite, layer in named
            if all(word in f"{layer.name} {layer.shape}" for word in self.layers.split())
            and (not self.quick or layer.name in QUICK)
        ]
        if named and not kept:
            raise ArgumentError(
                f'bench: no layer contains "{self.layers}"{" and is a quick one" if self.quick else ""}.',
                expected="; ".join(dict.fromkeys(layer.origin for _, layer in named)),
            )
        return kept

    @property
    def seconds(self) -> float:
        """The budget that holds, quick or not."""
        return min(self.budget_s, QUICK_S) if self.quick else self.budget_s


@dataclass
class Measurement:
    """A run in the making.

    Args:
        wanted: what to measure.
        tell: called with the name of what comes next.

    Attributes:
        steps: how often `tell` will be called.
    """

    wanted: Wanted
    tell: Callable[[str], None] = lambda name: None
    rows: list[Row] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.layers = self.wanted.chosen()
        wanted, there = self.wanted, "aggregation" in self.wanted.suites
        self.aggregations = problems(wanted.layers, quick=wanted.quick) if there else []
        if there and not self.layers and not self.aggregations:
            raise ArgumentError(
                f'bench: no operator contains "{wanted.layers}".',
                expected="; ".join(problem.name for problem in problems("", quick=False)[::2]),
            )
        self.steps = 2 + len(self.layers) + sum(suite in self._others() for suite in wanted.suites)
        self.steps += len(self.aggregations)

    def run(self) -> Run:
        """Measure everything; the number of threads is put back afterwards."""
        before, started = torch.get_num_threads(), datetime.datetime.now(datetime.timezone.utc)
        try:
            limits = self._measured()
        finally:
            torch.set_num_threads(before)
        settings = {**asdict(self.wanted), "budget_s": self.wanted.seconds}
        settings["date"] = started.date().isoformat()
        return Run(machine(), settings, asdict(limits), self.rows, self.figures)

    def _measured(self) -> Roofline:
        wanted = self.wanted
        self.tell("roofline")
        limits = roofline(wanted.threads)  # again at the end: what disturbs it only lowers it
        contenders = contenders_named(wanted.peers)
        for suite, layer in self.layers:
            self.tell(layer.name)
            self.rows.append(measure_layer(suite, layer, contenders, wanted.threads, wanted.seconds))
        for suite, work in self._others().items():
            if suite in wanted.suites:
                self.tell(suite)
                work()
        for problem in self.aggregations:
            self.tell(problem.name)
            self.rows.append(measure_aggregation(problem, wanted.peers, wanted.threads, wanted.seconds))
        self.tell("roofline")
        limits = limits.best_of(roofline(wanted.threads))
        least = {layer.name: limits.least_s(layer.flops(), layer.size_bytes()) for _, layer in self.layers}
        self.rows = [replace(row, least_ms=least.get(row.name, 0.0) * 1e3) for row in self.rows]
        return limits

    def _others(self) -> dict[str, Callable[[], None]]:
        wanted = self.wanted
        batches = BATCHES[:1] if wanted.quick else BATCHES
        return {
            "train": lambda: self._extend(
                measure_training(wanted.peers, batches, wanted.threads, 2 * wanted.seconds)
            ),
            "overhead": lambda: self._extend(measure_calls(wanted.threads, wanted.seconds / 2)),
            "compile": lambda: self.figures.extend(measure_processes()),
        }

    def _extend(self, rows: Iterator[Row]) -> None:
        self.rows.extend(rows)
