"""One training of a comparison, from its first weights to its numbers."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from convitro.lab.comparison.arms import Arm
from convitro.lab.comparison.design import Design
from convitro.lab.comparison.measures import measure_network
from convitro.lab.comparison.search import Cell
from convitro.lab.comparison.starting import first_pictures, scales, starting_network
from convitro.lab.data import Sets, open_sets
from convitro.lab.machine import Machine
from convitro.lab.pictures import Pictures
from convitro.lab.recipe import Recipe
from convitro.lab.result import Epoch, Training
from convitro.lab.training import train
from convitro.lab.watch import unwatched

MEASURED = 256
"""Test pictures that `measure_network` gets, at most."""
ABOVE_CHANCE = 3.0
"""Standard errors by which a network must once have been better than chance."""
DIGITS = 6
"""Of the recorded filters."""


@dataclass(frozen=True)
class Bench:
    """What the trainings of one comparison share.

    Attributes:
        design: the comparison's.
        data: opened, as for `convitro.lab.train`.
    """

    design: Design
    data: Any

    def recipe(self, cell: Cell) -> Recipe:
        """How the cell is trained; the scale of its first weights is the regime's affair."""
        return self.design.recipe.but(seed=cell.seed, learning_rate=cell.learning_rate, calibrate=False)

    def sets(self, cell: Cell) -> Sets:
        """Its data; a search has no test pictures."""
        sets = open_sets(self.data, self.recipe(cell))
        return sets if cell.final else replace(sets, test=None)


def run_cell(bench: Bench, cell: Cell) -> dict[str, Any]:
    """Train, and measure what is recorded of it.

    Args:
        bench: design and data.
        cell: which training.

    Returns:
        Strict JSON. "ended", "failed", "why" (how it failed: the loss diverged, or no epoch was better than
        chance), "validation_loss", "validation_accuracy" (of the last epoch), "curves"; None for no number.
        A final one has "test_loss", "test_accuracy", "step_ms_median" (median over the epochs of
        milliseconds per step), "peak_memory_bytes" (the most that the process held meanwhile; None where
        the system does not tell), "scales" (the deviation of each convolution's first maps), "filters" (of
        the first convolution; only for the first seed), "measures" and "random_measures" (after and before
        the training; empty where it diverged), too.

    Raises:
        ShapeError, ArgumentError, LoadError, UnsupportedError: the network cannot be trained so.
    """
    recipe, sets = bench.recipe(cell), bench.sets(cell)
    forget_peak_memory()
    network = starting_network(bench.design.model, Arm.parse(cell.arm), cell.regime, sets, recipe)
    with unwatched():
        training = train(network, sets, recipe, machine=Machine(accelerator="cpu"))
    outcome = _outcome(training, sets)
    if cell.final:
        outcome |= {
            "test_loss": _number(training.test_loss),
            "test_accuracy": _number(training.test_accuracy),
            "step_ms_median": _step_ms(training.epochs, len(sets.train), recipe),
            "peak_memory_bytes": peak_memory_bytes(),
            "scales": scales(network, first_pictures(sets, recipe)),
            "filters": first_filters(training.model) if cell.seed == bench.design.seeds[0] else None,
            "measures": {} if training.failed else measured(training.model, sets, cell.seed),
            "random_measures": {} if training.failed else measured(network, sets, cell.seed),
        }
    return outcome


def _outcome(training: Training, sets: Sets) -> dict[str, Any]:
    """What every training leaves."""
    last, names = training.epochs[-1], ("loss", "accuracy", "validation_loss", "validation_accuracy")
    why = failure(training, sets.validation)
    return {
        "ended": training.ended,
        "failed": bool(why),
        "why": why,
        "validation_loss": None if training.failed else _number(last.validation_loss),
        "validation_accuracy": _number(last.validation_accuracy),
        "curves": {name: [_number(getattr(epoch, name)) for epoch in training.epochs] for name in names},
    }


def failure(training: Training, validation: Pictures | None) -> str:
    """How a training failed, in words; "" where it did not.

    It failed where its loss became infinite or NaN, or where in no epoch the accuracy on held-out pictures
    was more than three standard errors above the share of the most frequent class among them.
    """
    if training.failed:
        return f"diverged in epoch {training.epochs[-1].epoch}"
    assert validation is not None
    labels = next(validation.batches([torch.arange(len(validation))]))[1]
    chance = float(labels.bincount().max()) / len(labels)
    least = min(chance + ABOVE_CHANCE * math.sqrt(chance * (1 - chance) / len(labels)), 0.999)
    best = max(epoch.validation_accuracy or 0.0 for epoch in training.epochs)
    return "" if best > least else f"never better than chance: {best:.1%} at best, chance is {chance:.1%}"


def measured(network: nn.Module, sets: Sets, seed: int) -> dict[str, Any]:
    """The measures on a fixed batch of the test pictures."""
    assert sets.test is not None
    places = torch.linspace(0, len(sets.test) - 1, min(MEASURED, len(sets.test))).long()
    images, labels, _ = next(sets.test.batches([places]))
    return measure_network(network, images.contiguous(memory_format=torch.channels_last), labels, seed=seed)


def first_filters(network: nn.Module) -> dict[str, Any] | None:
    """The weights of the first convolution, as JSON; None where one is no number."""
    layer = next((module for module in network.modules() if isinstance(module, nn.Conv2d)), None)
    if layer is None or not bool(layer.weight.isfinite().all()):
        return None
    weight: Tensor = layer.weight.detach().contiguous()
    values = [float(f"{value:.{DIGITS}g}") for value in weight.flatten().tolist()]
    return {"shape": list(weight.shape), "values": values}


def _step_ms(epochs: tuple[Epoch, ...], pictures: int, recipe: Recipe) -> float | None:
    """The median over the epochs of milliseconds per step; not of the first epoch, which may compile."""
    steps = max(pictures // recipe.batch_size, 1)
    times = [1e3 * epoch.seconds / steps for epoch in epochs[1:] if math.isfinite(epoch.loss)]
    return round(statistics.median(times), 4) if times else None


def _number(value: float | None) -> float | None:
    """The number; None where it is none."""
    return value if value is not None and math.isfinite(value) else None


def forget_peak_memory() -> None:
    """Let the peak of this process's memory begin anew, where the system can."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def peak_memory_bytes() -> int | None:
    """The most memory that this process held since `forget_peak_memory`; None where nobody tells."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return int(found[0]) * 1024 if found else None
