"""The null test: two arms that are the same by arithmetic must come out the same, bit for bit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from convitro.errors import ExperimentError
from convitro.lab.comparison.arms import Arm
from convitro.lab.comparison.cell import Bench
from convitro.lab.comparison.search import Cell
from convitro.lab.comparison.starting import starting_network
from convitro.lab.comparison.workers import one_thread
from convitro.lab.data import Sets
from convitro.lab.loop import Loop
from convitro.lab.machine import Machine
from convitro.lab.recipe import PRECISIONS, Recipe
from convitro.lab.training import own_random_numbers, prepare
from convitro.lab.watch import unwatched

EPOCHS = 2
PICTURES = 1024
"""Training pictures that the null test uses, at most."""


@dataclass(frozen=True)
class Run:
    """A training of the null test: its curve, its number of steps, its final weights."""

    curve: list[tuple[float | None, ...]]
    steps: int
    weights: dict[str, torch.Tensor]


def null_test(bench: Bench) -> dict[str, Any]:
    """Train under the sum, then under the mean with everything else adapted, and compare the curves' bits.

    A mean of n maps is their sum with the weights divided by n. So the weights times n, the learning rate
    times n^2 and the weight decay over n^2 of each layer give the same training under SGD; where n is a power
    of two not even a bit differs. Layers with another n keep the sum in both.

    Returns:
        Strict JSON: "passed" (None where no layer could take part), "layers" (those under the mean),
        "steps", "text".

    Raises:
        ExperimentError: the curves differ, so nothing that such a comparison measures could be trusted.

    Source: own.
    """
    design = bench.design
    cell = Cell("sum", "drop-in", design.recipe.rate, design.search_seeds[0], final=False)
    sets = bench.sets(cell)
    sets = replace(sets, train=sets.train.only(torch.arange(min(PICTURES, len(sets.train)))))
    recipe = bench.recipe(cell).but(
        optimizer="sgd",
        epochs=EPOCHS,
        warmup=0,
        patience=None,
        learning_rate=design.recipe.but(optimizer="sgd").rate,
    )
    network = starting_network(design.model, Arm.parse("sum"), "drop-in", sets, recipe)
    factors = shares(network)
    if not factors:
        text = "No layer reads a power of two of channels, so sum and mean cannot be matched exactly."
        return {"passed": None, "layers": [], "steps": 0, "text": text}
    with one_thread(), unwatched():
        expected = trained(network, sets, recipe, {})
        network = starting_network(design.model, Arm.parse("sum"), "drop-in", sets, recipe)
        found = trained(network, sets, recipe, factors)
    check_equal(expected, found)
    text = (
        "The mean with the weights times n, the learning rate times n² and the weight decay over n² gave "
        f"the curve and the weights of the sum, bit for bit, over {found.steps} steps."
    )
    return {"passed": True, "layers": list(factors), "steps": found.steps, "text": text}


def shares(network: nn.Module) -> dict[str, int]:
    """How many channels each layer reads, where that is a power of two above 1."""
    counts = {
        name: module.in_channels // module.groups
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d)
    }
    return {name: n for name, n in counts.items() if n > 1 and n & (n - 1) == 0}


def trained(network: nn.Module, sets: Sets, recipe: Recipe, factors: dict[str, int]) -> Run:
    """Train with the named layers under the mean of their n channels, everything else adapted."""
    mean = Arm.parse("mean")
    for name, n in factors.items():
        layer = network.get_submodule(name)
        assert isinstance(layer, nn.Conv2d)
        with torch.no_grad():
            layer.weight.mul_(n)
        parent, _, own = name.rpartition(".")
        setattr(network.get_submodule(parent), own, mean.layer(layer))
    fabric = Machine(accelerator="cpu").fabric(PRECISIONS[recipe.precision])
    with own_random_numbers(fabric):
        fabric.launch()
        loop = prepare(fabric, network, sets, recipe, None, None)
        adapt(loop, factors)
        loop.run()
    weights = {
        name: tensor / factors.get(name.rpartition(".")[0], 1) if name.endswith(".weight") else tensor
        for name, tensor in network.state_dict().items()
    }
    return Run([epoch.curve() for epoch in loop.state.history], loop.steps * len(loop.state.history), weights)


def adapt(loop: Loop, factors: dict[str, int]) -> None:
    """Give each of the named layers' weights a learning rate and a weight decay of its own."""
    groups = loop.optimizer.param_groups
    usual = {key: value for key, value in groups[0].items() if key != "params"}
    for name, n in factors.items():
        weight = loop.network.get_submodule(name).weight
        groups[0]["params"] = [kept for kept in groups[0]["params"] if kept is not weight]
        decay = usual["weight_decay"] / n**2
        groups.append({**usual, "params": [weight], "weight_decay": decay, "rate_factor": float(n**2)})


def check_equal(expected: Run, found: Run) -> None:
    """Raise an ExperimentError unless both trainings are the same, bit for bit."""
    for number, (one, other) in enumerate(zip(expected.curve, found.curve, strict=False), start=1):
        if repr(one) != repr(other):
            raise _unequal(f"epoch {number}: sum {one[:4]}, mean {other[:4]}")
    for name, tensor in expected.weights.items():
        if not torch.equal(tensor, found.weights[name]):
            raise _unequal(f"other weights of {name} after {found.steps} steps")


def _unequal(received: str) -> ExperimentError:
    return ExperimentError(
        "compare: the null test failed; the comparison would measure something else than aggregations.",
        expected="sum and mean of matched scale to give the same curve, bit for bit",
        received=received,
        hint="please report it, with the machine and the versions of design.json",
    )
