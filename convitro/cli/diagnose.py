"""The command `convitro diagnose`."""

from __future__ import annotations

import json
import operator
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer
from typer import Option

from convitro.cli.images import DATA, HELD_OUT, IMAGES, chosen_data, part_held_out
from convitro.cli.manners import progress
from convitro.cli.network import open_model
from convitro.cli.options import ARCH, CLASSES, INPUT, JSON, MEAN, MODEL, STD
from convitro.errors import ArgumentError, closest

if TYPE_CHECKING:
    from convitro.anatomy import Diagnosis

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

    Kinds for --fail-on: dead (almost dead ones count), noisy, redundant, saturated, cancelled, spread, fit
    and any, or a single one: almost-dead, of spread (outsized, vanishing, exploding, not-finite) and of fit
    (untrained, over-fitting, under-fitting).
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
        other = None if held_out is None else part_held_out(held_out, network, images)
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
        typer.echo(f"{condition} holds: {condition.told(found)}", err=True)
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

    def told(self, found: Diagnosis) -> str:
        """How many there are, and of what: a group has several kinds."""
        kinds = Counter(each.kind for each in found.of(self.kind))
        parts = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
        return f"{self.count(found)} found" + ("" if set(kinds) <= {self.kind} else f" ({parts})")

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
