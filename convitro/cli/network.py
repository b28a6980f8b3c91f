"""The network that the arguments of a command ask for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from convitro.errors import ArgumentError

if TYPE_CHECKING:
    from convitro.lab import Run
    from convitro.sources import Network

EMBEDDED = "convitro.models:small_vgg"


def open_model(
    model: str | None,
    arch: str | None,
    input: str | None,
    classes: str | None = None,
    mean: str = "0",
    std: str = "1",
) -> Network:
    """The network that the arguments ask for; the embedded one where they name none."""
    from convitro.models import CLASSES, INPUT_SIZE
    from convitro.sources import open_network, parse_input_size, read_classes

    size = parse_input_size(input) if input else None
    names = read_classes(classes) if classes else ()
    if model is None:
        size, names = size or INPUT_SIZE, names or CLASSES
    return open_network(
        EMBEDDED if model is None else model,
        arch,
        input_size=size,
        classes=names,
        mean=parse_numbers("--mean", mean),
        std=parse_numbers("--std", std),
    )


def open_run(
    folder: str, model: str | None, arch: str | None, known: Mapping[str, str | None]
) -> tuple[Network, Run]:
    """The network of a training's folder, as it was kept or as it is by now, and the training.

    Args:
        folder: as `convitro train -o` was given.
        model, arch: what was trained, where the folder does not know.
        known: options, by name, that the folder answers.
    """
    from convitro.lab import Run
    from convitro.sources import Network, load

    if given := [name for name, value in known.items() if value]:
        raise ArgumentError(
            f"explore: {given[0]} beside --run.",
            expected="one of them: the folder knows what it was trained on",
        )
    plan: Any = load(model, arch) if model is not None and arch is not None else model
    run = Run(folder, plan)
    name = f"{run.name} on {run.data}"
    return Network(run.model().float(), name, run.input_size, run.classes), run


def parse_numbers(option: str, text: str) -> tuple[float, ...]:
    """ "0.5,0.5,0.5" as numbers; an ArgumentError that names `option` for anything else."""
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ArgumentError(
            f'{option}: "{text}" are no numbers.',
            expected="numbers between commas, such as 0.485,0.456,0.406",
        ) from None
