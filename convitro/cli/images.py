"""The images that the arguments of a command ask for."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from typer import Option

from convitro.errors import ArgumentError, LoadError

if TYPE_CHECKING:
    from convitro.datasets import Dataset
    from convitro.sources import Network

DATA = Annotated[
    str | None,
    Option(
        metavar="SOURCE",
        help="Images: a folder of CIFAR-10, MNIST or pictures, an .npz, .npy or .safetensors file, digits, "
        "photographs or details. Default: details of the bundled photographs, or digits for one channel.",
    ),
]
HELD_OUT = Annotated[
    str | None,
    Option(metavar="SOURCE", help="Images that were not trained on; of a source in two parts its test part."),
]
IMAGES = Annotated[int, Option("--images", metavar="COUNT", min=1, help="Images to look at, at most.")]


def chosen_data(network: Network, source: str | None, images: int) -> tuple[Dataset, tuple[str, ...]]:
    """The images to look at, and a note where they were not asked for."""
    from convitro.datasets import open_dataset

    if source is not None:
        seen = labelled_as(network, open_dataset(source, network.input_size).sample(images))
        return seen, (f"data: {seen}",)
    channels = network.input_size[0]
    if channels not in (1, 3):
        raise ArgumentError(
            f"there are no images of {channels} channels to look at.",
            expected="--data with an .npy, .npz or .safetensors file of such images",
        )
    digits = channels == 1 and importlib.util.find_spec("sklearn") is not None
    seen = open_dataset("digits" if digits else "details", network.input_size).sample(images)
    # digits are other digits than those the network knows, so their labels are no test of it
    seen = replace(seen, labels=seen.labels.new_full((len(seen),), -1), classes=())
    return seen, (f"data: {seen} (--data names others, best those of the training)",)


def part_held_out(source: str, network: Network, images: int) -> Dataset:
    """The test part of a source, or all of one that has no parts."""
    from convitro.datasets import open_dataset

    try:
        part = open_dataset(source, network.input_size, split="test")
    except LoadError as error:
        if "no part" not in error.problem:
            raise
        part = open_dataset(source, network.input_size)
    return labelled_as(network, part.sample(images))


def labelled_as(network: Network, dataset: Dataset) -> Dataset:
    """The data set with its labels counted as the network's classes are, where both have names."""
    named = dataset.classes and dataset.classes != tuple(map(str, range(len(dataset.classes))))
    if not network.classes or not named or network.classes == dataset.classes:
        return dataset
    if set(dataset.classes) <= set(network.classes):
        places = dataset.labels.new_tensor([network.classes.index(name) for name in dataset.classes])
        return replace(dataset, labels=places[dataset.labels], classes=network.classes)
    raise ArgumentError(
        f'the classes of "{dataset.name}" are not those of the network.',
        expected=", ".join(network.classes[:6]) + (" …" if len(network.classes) > 6 else ""),
        received=", ".join(dataset.classes[:6]) + (" …" if len(dataset.classes) > 6 else ""),
        hint="--classes names the network's; images in one folder have no labels, and need none",
    )
