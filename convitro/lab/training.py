"""`convitro.lab.train`: one network, one data set, one recipe, from the first weights to the test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from convitro.errors import ArgumentError
from convitro.lab.augment import check_augmentation, stream
from convitro.lab.calibrate import PICTURES, calibrate
from convitro.lab.checkpoint import Checkpoint, State
from convitro.lab.data import Sets, open_sets, order
from convitro.lab.folder import RunFolder, Store
from convitro.lab.loop import Loop, Observer, kept_weights, optimizer_of
from convitro.lab.machine import Machine, lost_workers
from convitro.lab.networks import build_network
from convitro.lab.recipe import PRECISIONS, Recipe
from convitro.lab.result import Training
from convitro.lab.snapshot import left_out
from convitro.plots.words import counted

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def train(
    model: nn.Module | str | Path | None = None,
    data: Any = "digits",
    recipe: Recipe | None = None,
    *,
    folder: str | Path | RunFolder | None = None,
    machine: Machine | None = None,
    observe: Observer | None = None,
    **changes: Any,
) -> Training:
    """Train a network to tell classes apart, and measure it once on the test pictures.

    The same data, recipe and number of processes give the same numbers, bit for bit, on the same machine. A
    training that was broken off at any moment goes on from its folder with these very numbers. The trap: what
    one step does with BatchNorm depends on how many pictures a process sees, so several processes equal one
    only for networks without it.

    Args:
        model: a network, "module:callable", or None for the embedded network's plan, made to fit the data. A
            module that is given stays as it is; the trained copy is the result's `model`.
        data: a name or path as for `convitro.datasets.open_dataset`, a torch Dataset of (pixels, label), a
            pair (training, test) of them, a pair of tensors (images, labels), or `Sets` that were opened
            before: without a test part nothing is tested.
        recipe: how it is trained; the default recipe if None.
        folder: where config, numbers, checkpoints and filters are written; None writes nothing.
        machine: devices and processes; one process on the best device if None.
        observe: called with every finished epoch and the network, in every process.
        **changes: fields of the recipe with other values, such as `epochs=5, aggregation="max"`.

    Returns:
        The numbers of every epoch, and the trained network.

    Raises:
        ArgumentError: a value is not among what it may be, or the data or machine cannot be used.
        ShapeError, DtypeError: pictures, labels and network do not fit each other.
        LoadError: a network or data set cannot be read, or a package is missing.
        ExperimentError: the folder holds another training or cannot be written, or a process was lost.

    Source: own; devices and processes by Lightning Fabric.

    Example:
        >>> images, labels = torch.rand(64, 1, 8, 8), torch.arange(64) % 2
        >>> images[labels == 1] += 1
        >>> result = train(data=(images, labels), epochs=3, batch_size=16, aggregation="max")
        >>> result.ended, result.model.conv1_1.aggregation
        ('finished', Max())
    """
    recipe = Recipe() if recipe is None else recipe
    machine = Machine() if machine is None else machine
    kept_in = RunFolder(folder) if isinstance(folder, str | Path) else folder
    check_kinds(recipe, kept_in, machine)
    recipe = recipe.but(**changes)
    sets = open_sets(data, recipe)
    check_augmentation(recipe, sets.input_size)
    fabric = machine.fabric(PRECISIONS[recipe.precision])
    with lost_workers(), own_random_numbers(fabric):
        fabric.launch()
        torch.default_generator.manual_seed(stream(recipe.seed, "weights"))
        network = build_network(model, sets.input_size, len(sets.classes), recipe.aggregation)
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        recipe = settled(recipe, model is None)
        if recipe.calibrate:
            first = order(len(sets.train), recipe.seed, epoch=0)[:PICTURES]
            calibrate(network, next(sets.train.batches([first]))[0])
        config = {"network": described(model, network), "data": sets.to_dict(), "recipe": recipe.to_dict()}
        store = None
        if kept_in is not None and fabric.is_global_zero:
            without = left_out(network, sets.input_size) if kept_in.filters else ()
            place = f"{fabric.device.type}, {counted(fabric.world_size, 'process', 'processes')}"
            store = Store(kept_in, config, place, without)
            store.write_example(sets.example())
        loop = prepare(fabric, network, sets, recipe, store, observe)
        loop.workers = machine.workers
        loop.every = 0 if kept_in is None else kept_in.checkpoint_every
        loop.run()
        return finish(loop, config["network"]["name"], None if kept_in is None else Path(kept_in.path))


def settled(recipe: Recipe, default_network: bool) -> Recipe:
    """The recipe with nothing left open."""
    calibrate = default_network if recipe.calibrate is None else recipe.calibrate
    own = "sum" if default_network else None
    return recipe.but(
        calibrate=calibrate, aggregation=own if recipe.aggregation is None else recipe.aggregation
    )


def prepare(
    fabric: Fabric,
    network: nn.Module,
    sets: Sets,
    recipe: Recipe,
    store: Store | None,
    observe: Observer | None,
) -> Loop:
    """The loop, where its checkpoint left it."""
    optimizer = optimizer_of(recipe, network)
    checkpoint: Checkpoint | None = store.checkpoint if store else None
    if fabric.world_size > 1:  # others may not see the folder
        checkpoint = fabric.broadcast(checkpoint, src=0)
    if checkpoint is not None:
        checkpoint.restore(network, optimizer)
    state = State() if checkpoint is None else checkpoint.state
    return Loop(fabric, network, optimizer, sets, recipe, store, state, observe)


def finish(loop: Loop, name: str, folder: Path | None) -> Training:
    """The test, the last files, and the result."""
    state, sets = loop.state, loop.sets
    kept_weights(state, loop.network)
    test_loss, test_accuracy = loop.measure(sets.test)
    training = Training(
        network=name,
        data=sets.name,
        recipe=loop.recipe,
        epochs=tuple(state.history),
        ended=state.ended,
        kept=state.kept or state.epoch,
        test_loss=test_loss,
        test_accuracy=test_accuracy,
        classes=sets.classes,
        parameters=sum(parameter.numel() for parameter in loop.network.parameters()),
        model=loop.network.cpu().eval(),
        folder=folder,
    )
    if loop.store is not None:
        loop.store.write_result(training.to_dict(), training.model)
    if loop.fabric.world_size > 1:
        loop.fabric.barrier()
    return training


@contextmanager
def own_random_numbers(fabric: Fabric) -> Iterator[None]:
    """Random numbers of this training; those of the program around it go on as if nothing had been."""
    device = fabric.device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        yield


def described(model: Any, network: nn.Module) -> dict[str, Any]:
    """The network in words, and the shape of what is learned."""
    if model is None:
        name = "default network"
    elif isinstance(model, nn.Module):
        name = type(model).__name__
    else:
        name = str(model).rpartition(":")[2]
    shapes = {key: list(value.shape) for key, value in network.state_dict().items()}
    return {
        "name": name,
        "source": None if isinstance(model, nn.Module | None) else str(model),
        "parameters": shapes,
    }


def check_kinds(recipe: object, folder: object, machine: object) -> None:
    """Raise an ArgumentError for an argument of another kind."""
    for name, value, kind in (
        ("recipe", recipe, Recipe),
        ("folder", folder, RunFolder | None),
        ("machine", machine, Machine),
    ):
        if not isinstance(value, kind):
            raise ArgumentError(
                f"train: `{name}` is of another kind.",
                expected="a path or a RunFolder" if name == "folder" else f"a {kind.__name__}",  # type: ignore[union-attr]
                received=type(value).__name__,
            )
