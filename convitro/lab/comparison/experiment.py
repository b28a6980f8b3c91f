"""`convitro.lab.compare`: the search, the final trainings, and what came of them."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from convitro.errors import ArgumentError
from convitro.lab.comparison.arms import Arm
from convitro.lab.comparison.cell import Bench
from convitro.lab.comparison.design import Design
from convitro.lab.comparison.null import null_test
from convitro.lab.comparison.opening import Opening, Source
from convitro.lab.comparison.progress import Progress
from convitro.lab.comparison.result import Comparison
from convitro.lab.comparison.search import Cell, Search, finals, search
from convitro.lab.comparison.starting import described, starting_network
from convitro.lab.comparison.store import LOOK_S, NULL, RESULTS, SCHEMA, Store, fingerprint
from convitro.lab.comparison.workers import Workers, cores
from convitro.lab.data import Sets
from convitro.lab.folder import environment, read_json


@dataclass(frozen=True, eq=False)
class Experiment:
    """A comparison under way: pure questions to the store, and the loop that answers them.

    Args:
        opening: makes design and data in a worker.
        bench: the same, made in this process.
        sets: the data of the first seed.
        store: where every finished training is.
    """

    opening: Opening
    bench: Bench
    sets: Sets
    store: Store

    @property
    def design(self) -> Design:
        """What is asked."""
        return self.bench.design

    def searches(self) -> Iterator[tuple[str, str, Search]]:
        """Arm, regime and how far the search is, for each pair."""
        for regime in self.design.regimes:
            for arm in self.design.arms:
                yield arm, regime, search(self.design, arm, regime, self.store.outcome)

    def cells(self) -> tuple[list[Cell], int]:
        """The trainings that are known to be needed, and how many more there will be at least."""
        known: list[Cell] = []
        later = 0
        for arm, regime, found in self.searches():
            known += found.cells
            if found.chosen is None:
                later += len(self.design.seeds)
            else:
                known += finals(self.design, arm, regime, found.chosen)
        return known, later

    def run(self, workers: int) -> None:
        """Train whatever is missing, beside others that work on the same store."""
        with Workers(workers, self.opening) as pool, Progress() as progress, self.store.alive():
            try:
                while self._step(pool, progress):
                    pass
            finally:
                self.store.release_all()

    def _step(self, pool: Workers, progress: Progress) -> bool:
        """Give out what is missing and take in what is finished; whether there is more."""
        self.store.look()
        known, later = self.cells()
        missing = [cell for cell in known if self.store.outcome(cell) is None]
        progress.show(len(known) - len(missing), len(known) + later, pool.running)
        if not missing and not later:
            return False
        for cell in missing:
            if not pool.free:
                break
            if cell not in pool.running and self.store.claim(cell):
                pool.submit(cell)
        if not pool.running:  # others are at all of it
            time.sleep(LOOK_S)
        for cell, outcome in pool.wait(LOOK_S):
            self.store.save(cell, outcome)
        return True

    def standing(self) -> tuple[int, int]:
        """How many trainings are done, of how many at least."""
        self.store.look(now=True)
        known, later = self.cells()
        return sum(self.store.outcome(cell) is not None for cell in known), len(known) + later

    def compared(self, workers: int) -> Comparison:
        """The whole comparison: the null test, all trainings, and what came of them."""
        self.store.begin()
        self.null()
        self.run(workers)
        results = self.results()
        self.store.write(RESULTS, results)
        return Comparison.from_dict(results)

    def null(self) -> dict[str, Any]:
        """The null test, once for each folder."""
        file = self.store.path / NULL
        if not file.exists():
            self.store.write(NULL, null_test(self.bench))
        result: dict[str, Any] = read_json(file)
        return result

    def results(self) -> dict[str, Any]:
        """Everything that was found, as strict JSON; what is not finished is not in it."""
        design = self.design
        searched, chosen, cells = [], [], []
        for arm, regime, found in self.searches():
            for cell in found.cells:
                if outcome := self.store.outcome(cell):
                    kept = ("validation_loss", "validation_accuracy", "ended", "failed", "why")
                    searched.append({**_named(cell), **{name: outcome[name] for name in kept}})
            if found.chosen is None:
                continue
            choice = {"learning_rate": found.chosen, "at_edge": found.at_edge, "trains": found.trains}
            chosen.append({"arm": arm, "regime": regime, **choice})
            for cell in finals(design, arm, regime, found.chosen):
                if outcome := self.store.outcome(cell):
                    cells.append({**_named(cell), **outcome})
        source = self.opening.source
        recipe = self.bench.recipe(Cell("sum", "drop-in", 1.0, design.seeds[0], final=True))
        network = starting_network(design.model, Arm.parse("sum"), "drop-in", self.sets, recipe)
        data = {
            "data": self.sets.name,
            "input_size": list(self.sets.input_size),
            "classes": list(self.sets.classes),
            "pictures": self.sets.to_dict()["pictures"],
            "images": source.images,
            "brought_to": None if source.input_size is None else list(source.input_size),
        }
        return {
            "schema": SCHEMA,
            "convitro": version("convitro"),
            "environment": environment("cpu, one thread for each training"),
            "design": {**data, **design.to_dict(), "network": described(network, design.model)},
            "null_test": read_json(self.store.path / NULL),
            "search": searched,
            "chosen": chosen,
            "cells": cells,
        }


def compare(
    arms: str | list[str] | tuple[str, ...] = ("sum", "mean", "max"),
    data: Any = "digits",
    recipe: Any = None,
    *,
    folder: str | Path | None = None,
    workers: int | None = None,
    **changes: Any,
) -> Comparison:
    """Compare aggregations, and other ways to compute a convolution, under equal conditions.

    What is asked is a `Design`: every arm under every scale regime, each with a learning rate of its own that
    is chosen on held-out pictures, then paired trainings with the same seeds in every arm. First comes a
    null test: sum and mean of matched scale must give the same curve bit for bit. Every finished training is
    kept in the folder, so a comparison that was broken off goes on with the same call, and several processes
    or machines may work on the same folder at the same time.

    Args:
        arms: as for `Design`.
        data: as for `convitro.lab.train`, or a `Source`.
        recipe: how everything is trained, as for `Design`.
        folder: where everything is kept; None keeps nothing.
        workers: processes, one thread each; as many as there are cores if None, 0 for none beside this one.
        **changes: fields of `Design` and of the recipe, such as `seeds=20, regimes="batchnorm", epochs=10`.

    Returns:
        What was found, with statistics and conclusions; `results.json` in the folder holds the same.

    Raises:
        ArgumentError, ShapeError, DtypeError, LoadError, UnsupportedError: a name, a number, the data or the
            network is not what it may be; found before anything is trained.
        ExperimentError: the folder holds another comparison or cannot be written, the null test failed, or a
            training came upon an error; diverging is none, but a result.

    Source: own.

    Example:
        >>> import torch
        >>> images, labels = torch.rand(96, 1, 8, 8), torch.arange(96) % 2
        >>> images[labels == 1] += 1
        >>> settings = {"learning_rates": 0.05, "extensions": 0, "regimes": "drop-in", "seeds": 2}
        >>> comparison = compare("max", (images, labels), workers=0, epochs=1, **settings)
        >>> comparison.arms, len(comparison.to_dict()["cells"])
        (('sum', 'max'), 4)
    """
    design = Design.of(recipe, arms=arms, **changes)
    source = data if isinstance(data, Source) else Source(data)
    workers = check_workers(workers)
    if folder is not None:
        return opened(design, source, Path(folder)).compared(workers)
    with tempfile.TemporaryDirectory() as nowhere:
        return opened(design, source, Path(nowhere)).compared(workers)


def opened(design: Design, source: Source, folder: Path) -> Experiment:
    """The comparison in its folder, everything checked that can be before anything is trained."""
    opening = Opening(design, source)
    bench = opening()
    cell = Cell(design.arms[0], design.regimes[0], design.learning_rates[0], design.seeds[0], final=True)
    sets = bench.sets(cell)
    if sets.test is None or sets.validation is None:
        raise ArgumentError(
            "compare: the data has no test pictures.",
            expected="a test part, or test above 0 in the recipe, such as 0.2",
            received=f"test={design.recipe.test:g}",
        )
    for regime in design.regimes:
        starting_network(design.model, Arm.parse("sum"), regime, sets, bench.recipe(cell))
    settings = {"design": design.to_dict(), "data": fingerprint(sets), "convitro": version("convitro")}
    return Experiment(opening, bench, sets, Store(folder, settings))


def check_workers(workers: int | None) -> int:
    """How many processes; an ArgumentError for what is no count."""
    if workers is None:
        return cores()
    if not isinstance(workers, int) or isinstance(workers, bool) or workers < 0:
        raise ArgumentError(
            "compare: `workers` is no number of processes.", expected="0 or more", received=repr(workers)
        )
    return workers


def _named(cell: Cell) -> dict[str, Any]:
    """Arm, regime, rate and seed."""
    return {name: value for name, value in cell.to_dict().items() if name != "purpose"}
