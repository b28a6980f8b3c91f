"""What a comparison would take: how many trainings, how long, without running it."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import torch

from convitro.anatomy.tables import Table
from convitro.lab.comparison.arms import Arm
from convitro.lab.comparison.cell import Bench, measured
from convitro.lab.comparison.experiment import Experiment
from convitro.lab.comparison.search import Cell
from convitro.lab.comparison.starting import starting_network
from convitro.lab.comparison.workers import one_thread
from convitro.lab.machine import Machine
from convitro.lab.result import duration
from convitro.lab.training import train
from convitro.lab.watch import unwatched
from convitro.plots.words import counted

STEPS = 4
"""Of the short training that is timed."""


@dataclass(frozen=True)
class Plan:
    """How much a comparison is.

    Attributes:
        arms: with the seconds that a training of each takes on one thread, apart from compiling.
        regimes: how many.
        searches: trainings that search, with the grid as it begins.
        extra: trainings that the growing of grids may add, at most.
        finals: trainings that are compared.
        done: those that the folder has already.
        measuring_s: seconds that the measures of a final training take.
        workers: processes.
    """

    arms: dict[str, float]
    regimes: int
    searches: int
    extra: int
    finals: int
    done: int
    measuring_s: float
    workers: int

    def seconds(self, *, most: bool = False) -> float:
        """The whole, without what is done already; the least, or the most that growing grids make of it."""
        left = max(self.searches + self.finals + (self.extra if most else 0) - self.done, 0)
        mean = sum(self.arms.values()) / len(self.arms)
        return (left * mean + min(left, self.finals) * self.measuring_s) / max(self.workers, 1)

    def table(self) -> Table:
        """The arms with their pace, and the sums below."""
        least, most = duration(self.seconds()), duration(self.seconds(most=True))
        notes = (
            f"{self.searches} trainings search for learning rates, up to {self.extra} more where grids grow; "
            f"{self.finals} are compared; {self.done} of them are done.",
            f"About {least} to {most} with {counted(max(self.workers, 1), 'process', 'processes')}, on a "
            "machine as busy as now.",
        )
        rows = tuple((name, duration(seconds)) for name, seconds in self.arms.items())
        title = f"{counted(len(self.arms), 'arm')} under {counted(self.regimes, 'regime')}"
        return Table(title, ("arm", "a training"), rows, notes)

    def __str__(self) -> str:
        return str(self.table())


def plan(experiment: Experiment, workers: int) -> Plan:
    """Count the trainings of a comparison, and time a few steps of each arm."""
    design, store = experiment.design, experiment.store
    store.look()
    known, _ = experiment.cells()
    pairs = len(design.arms) * len(design.regimes)
    with one_thread(), unwatched():
        arms = {arm: training_s(experiment.bench, arm) for arm in design.arms}
        measuring_s = measuring(experiment.bench)
    return Plan(
        arms,
        len(design.regimes),
        pairs * len(design.learning_rates) * len(design.search_seeds),
        pairs * 2 * design.extensions * len(design.search_seeds),  # both ends, where no rate trains
        pairs * len(design.seeds),
        sum(store.outcome(cell) is not None for cell in known),
        measuring_s,
        workers,
    )


def training_s(bench: Bench, arm: str) -> float:
    """Seconds that a training of an arm takes: of its steps, timed on a few, and of what surrounds them."""
    cell = Cell(arm, "drop-in", bench.design.learning_rates[0], bench.design.search_seeds[0], final=False)
    recipe, sets = bench.recipe(cell), bench.sets(cell)
    batch = min(recipe.batch_size, len(sets.train))
    few = replace(sets, train=sets.train.only(torch.arange(min(STEPS * batch, len(sets.train)))))
    network = starting_network(bench.design.model, Arm.parse(arm), "drop-in", sets, recipe)
    machine, short = Machine(accelerator="cpu"), recipe.but(epochs=1, warmup=0, patience=None)
    train(network, few, short, machine=machine)  # whatever is compiled is compiled now
    start = time.perf_counter()
    training = train(network, few, short, machine=machine)
    around = time.perf_counter() - start - training.epochs[0].seconds
    per_picture = training.epochs[0].seconds / (len(few.train) // batch * batch)
    return around + recipe.epochs * per_picture * len(sets.train)


def measuring(bench: Bench) -> float:
    """Seconds that the measures of a final training take, before and after it together."""
    cell = Cell("sum", "drop-in", bench.design.learning_rates[0], bench.design.seeds[0], final=True)
    sets = bench.sets(cell)
    network = starting_network(bench.design.model, Arm.parse("sum"), "drop-in", sets, bench.recipe(cell))
    measured(network, sets, 0)
    start = time.perf_counter()
    measured(network, sets, 0)
    return 2 * (time.perf_counter() - start)
