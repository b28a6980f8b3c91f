"""The command `convitro diagnose`."""

from __future__ import annotations

import importlib.util
import json
import operator
import re
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer
from typer import Option

from convitro.cli.manners import progress
from convitro.cli.network import open_model
from convitro.cli.options import ARCH, CLASSES, INPUT, JSON, MEAN, MODEL, STD
from convitro.errors import ArgumentError, LoadError, closest

if TYPE_CHECKING:
    from convitro.anatomy import Diagnosis
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
FAIL_ON = Annotated[
    list[str] | None,
    Option(
        metavar="CONDITION",
        help='End with exit code 1 if it holds, such as "dead>0" or "any>=3"; may be repeated.',
    ),
]
COMPARE: dict[str, Callable[[int, int], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}
CONDITION = re.compile(r"\s*([a-z][a-z -]*?)\s*(>=|<=|==|!=|>|<)\s*(\d+)\s*")


def diagnose(
    model: MODEL = None,
    data: DATA = None,
    held_out: HELD_OUT = None,
    arch: ARCH = None,
    input: INPUT = None,
    classes: CLASSES = None,
    mean: MEAN = "0",
    std: STD = "1",
    images: IMAGES = 1000,
    fail_on: FAIL_ON = None,
    as_json: JSON = False,
) -> None:
    """Look a network over on images: dead, noisy, redundant filters and more.

    Kinds for --fail-on: dead, noisy, redundant, saturated, cancelled, spread, fit and any, or a single one
    of spread (outsized, vanishing, exploding, not-finite) and fit (untrained, over-fitting, under-fitting).
    Exit codes: 0 fine, 1 a condition holds, 2 wrong use.

    \b
    Examples:
      convitro diagnose
      convitro diagnose my_networks:small_net --data cifar10/ --held-out cifar10/
      convitro diagnose weights.pt --arch my_networks:small_net --fail-on "dead>0"
    """
    conditions = [parse_condition(text) for text in fail_on or ()]
    with progress("Opening the network and the images ..."):
        from convitro.anatomy import diagnose as look_over

        network = open_model(model, arch, input, classes, mean, std)
        seen, chosen = chosen_data(network, data, images)
        other = None if held_out is None else test_part(held_out, network, images)
    found = look_over(
        network.model,
        seen.mapped(network.normalize),
        held_out=None if other is None else other.mapped(network.normalize),
    )
    found = replace(found, model=network.name, notes=(*chosen, *found.notes))
    held = [condition for condition in conditions if condition.holds(found)]
    if as_json:
        met = [{"condition": str(condition), "holds": condition in held} for condition in conditions]
        print(json.dumps({**found.to_dict(), "data": str(seen), "fail_on": met}, indent=2))
    else:
        print(found)
    for condition in held:
        typer.echo(f"{condition} holds: {condition.count(found)} found", err=True)
    if held:
        raise typer.Exit(1)


class Condition(NamedTuple):
    """When the command fails: a kind of findings, how to compare, and with how many."""

    kind: str
    sign: str
    limit: int

    def count(self, found: Diagnosis) -> int:
        """How many findings of the kind there are."""
        return len(found.of(self.kind))

    def holds(self, found: Diagnosis) -> bool:
        """Whether the command fails."""
        return COMPARE[self.sign](self.count(found), self.limit)

    def __str__(self) -> str:
        return f"{self.kind}{self.sign}{self.limit}"


def parse_condition(text: str) -> Condition:
    """Read a condition as it is typed.

    Raises:
        ArgumentError: it has another form, or there is no such kind of findings.

    Example:
        >>> parse_condition("dead > 0")
        Condition(kind='dead', sign='>', limit=0)
    """
    from convitro.anatomy.diagnosis.diagnosis import GROUPS

    match = CONDITION.fullmatch(text.lower())
    if match is None:
        raise ArgumentError(
            f'--fail-on: "{text}" is no condition.',
            expected="a kind of findings, one of > >= < <= == !=, and a number, such as dead>0",
        )
    spelled = {kind.replace(" ", "-"): kind for kinds in GROUPS.values() for kind in kinds}
    spelled |= {group: group for group in GROUPS} | {"any": "any"}
    kind = match[1].replace(" ", "-")
    if kind not in spelled:
        raise ArgumentError(
            f'--fail-on: there are no findings of a kind "{match[1]}".',
            expected=", ".join(sorted(spelled)),
            hint=closest(kind, spelled),
        )
    return Condition(spelled[kind], match[2], int(match[3]))


def chosen_data(network: Network, source: str | None, images: int) -> tuple[Dataset, tuple[str, ...]]:
    """The images to look at, and a note where they were not asked for."""
    from convitro.datasets import open_dataset

    if source is not None:
        seen = labelled_as(network, open_dataset(source, network.input_size).sample(images))
        return seen, (f"data: {seen}",)
    channels = network.input_size[0]
    if channels not in (1, 3):
        raise ArgumentError(
            f"diagnose: there are no images of {channels} channels to look at.",
            expected="--data with an .npy, .npz or .safetensors file of such images",
        )
    digits = channels == 1 and importlib.util.find_spec("sklearn") is not None
    seen = open_dataset("digits" if digits else "details", network.input_size).sample(images)
    # digits are other digits than those the network knows, so their labels are no test of it
    seen = replace(seen, labels=seen.labels.new_full((len(seen),), -1), classes=())
    return seen, (f"data: {seen} (--data names others, best those of the training)",)


def test_part(source: str, network: Network, images: int) -> Dataset:
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
        f'diagnose: the classes of "{dataset.name}" are not those of the network.',
        expected=", ".join(network.classes[:6]) + (" …" if len(network.classes) > 6 else ""),
        received=", ".join(dataset.classes[:6]) + (" …" if len(dataset.classes) > 6 else ""),
        hint="--classes names the network's; images in one folder have no labels, and need none",
    )
