"""The network that the arguments of a command ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convitro.errors import ArgumentError

if TYPE_CHECKING:
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
    if model in (None, EMBEDDED):
        size, names = size or INPUT_SIZE, names or CLASSES
    return open_network(
        EMBEDDED if model is None else model,
        arch,
        input_size=size,
        classes=names,
        mean=parse_numbers("--mean", mean),
        std=parse_numbers("--std", std),
    )


def parse_numbers(option: str, text: str) -> tuple[float, ...]:
    """ "0.5,0.5,0.5" as numbers; an ArgumentError that names `option` for anything else."""
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ArgumentError(
            f'{option}: "{text}" are no numbers.',
            expected="numbers between commas, such as 0.485,0.456,0.406",
        ) from None
