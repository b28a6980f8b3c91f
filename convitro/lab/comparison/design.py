"""What a comparison asks: everything that decides its numbers, checked once, comparable, as JSON."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any

from convitro.errors import ArgumentError, closest
from convitro.geometry import check_choice
from convitro.lab.comparison.arms import parse_arms
from convitro.lab.recipe import Recipe

REGIMES = ("drop-in", "calibrated", "batchnorm")
"""First weights as they are; scaled by `convitro.lab.calibrate`; with a BatchNorm behind each convolution."""
REFERENCE = "sum"
LEARNING_RATES = (0.005, 0.016, 0.05, 0.16, 0.5)
FIRST_SEARCH_SEED = 1000
SEARCH_SEEDS = (FIRST_SEARCH_SEED, FIRST_SEARCH_SEED + 1)
SETTLED = ("aggregation", "calibrate", "learning_rate", "seed")
"""Fields of the recipe that a comparison sets itself."""


@dataclass(frozen=True)
class Design:
    """The question that a comparison answers.

    Every arm meets every regime. For each pair the learning rate is searched on its own: that with the lowest
    mean loss on held-out pictures over the search seeds, at the last epoch, among the rates that train (see
    `convitro.lab.comparison.search.trains`). Where the best lies at an edge of the grid, the grid grows there
    by one rate; where none trains, by one at both ends; at most `extensions` times. Then come the final
    trainings with the chosen rate. The same seed means the same first weights, held-out pictures and order in
    every arm.

    Search seeds and final seeds are different ones: a rate that was chosen for its luck with some first
    weights and held-out pictures shall not be judged on the same. The test pictures are the same for all, and
    no search ever sees them.

    Args:
        arms: names of arms (see `Arm.parse`), as a list or with commas between them; "sum", to which the
            others are compared, is put first where it is missing.
        regimes: of `REGIMES`.
        learning_rates: where each search begins.
        extensions: how often a grid may grow.
        search_seeds, seeds: of the trainings that search and of those that are compared; a whole number
            says how many: 1000, 1001, … and 0, 1, … .
        recipe: everything else of each training.
        model: "module:callable", or None for the default network.

    Raises:
        ArgumentError: a value is not among what it may be.

    Example:
        >>> Design.of(arms="mean,max").arms, Design.of(arms="max", seeds=3).seeds
        (('sum', 'mean', 'max'), (0, 1, 2))
    """

    arms: tuple[str, ...] = ("sum", "mean", "max")
    regimes: tuple[str, ...] = REGIMES
    learning_rates: tuple[float, ...] = LEARNING_RATES
    extensions: int = 3
    search_seeds: tuple[int, ...] = SEARCH_SEEDS
    seeds: tuple[int, ...] = tuple(range(10))
    recipe: Recipe = field(default_factory=Recipe)
    model: str | None = None

    def __post_init__(self) -> None:
        arms = parse_arms(self.arms)
        self._settle("arms", arms if REFERENCE in arms else (REFERENCE, *arms))
        self._settle("regimes", _listed("regimes", self.regimes, str))
        for regime in self.regimes:
            check_choice(regime, REGIMES, "compare: unknown regime.")
        self._settle("learning_rates", tuple(sorted(_listed("learning_rates", self.learning_rates, float))))
        for rate in self.learning_rates:
            if not (math.isfinite(rate) and rate > 0):
                raise ArgumentError(
                    "compare: a learning rate is not above 0.",
                    expected="a number above 0",
                    received=str(rate),
                )
        if not isinstance(self.extensions, int) or isinstance(self.extensions, bool) or self.extensions < 0:
            raise ArgumentError(
                "compare: `extensions` is no whole number.",
                expected="0 or more",
                received=repr(self.extensions),
            )
        for name in ("search_seeds", "seeds"):
            first = FIRST_SEARCH_SEED if name == "search_seeds" else 0
            self._settle(name, _seeds(name, getattr(self, name), first))
        self._check_together()
        self._check_recipe()

    def _settle(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def _check_together(self) -> None:
        if len(self.arms) < 2:
            raise ArgumentError(
                "compare: nothing to compare with the sum.", expected="an arm beside it", received="sum"
            )
        if len(self.seeds) < 2:
            raise ArgumentError(
                "compare: too few seeds.",
                expected="at least 2; 10 or more for a result that means something",
                received=str(len(self.seeds)),
            )
        if both := sorted({*self.seeds} & {*self.search_seeds}):
            raise ArgumentError(
                "compare: a seed both searches and is compared.",
                expected="seeds that had no part in choosing the learning rate",
                received=", ".join(map(str, both)),
            )

    def _check_recipe(self) -> None:
        check_recipe(self.recipe)
        usual = Recipe()
        for name in SETTLED:
            if (value := getattr(self.recipe, name)) != getattr(usual, name):
                raise ArgumentError(
                    f"compare: `{name}` of the recipe is set by the comparison itself.",
                    expected="arms, regimes, learning_rates and seeds",
                    received=f"{name}={value!r}",
                )
        if self.recipe.validation == 0:
            raise ArgumentError(
                "compare: learning rates are chosen on pictures that are held out.",
                expected="validation above 0, such as 0.1",
                received="validation=0",
            )

    @classmethod
    def of(cls, recipe: Recipe | None = None, **changes: Any) -> Design:
        """A design from its own fields and those of the recipe alike; an ArgumentError for any other."""
        own = {entry.name for entry in fields(cls)} - {"recipe"}
        others = {name: value for name, value in changes.items() if name not in own}
        known = [*sorted(own), *Recipe.__dataclass_fields__]
        for name in others:
            if name not in known:
                raise ArgumentError(
                    f"compare: there is no setting `{name}`.",
                    expected=", ".join(known),
                    hint=closest(name, known),
                )
        given = {name: value for name, value in changes.items() if name in own}
        checked = Recipe() if recipe is None else recipe
        check_recipe(checked)
        return cls(recipe=checked.but(**others), **given)

    def to_dict(self) -> dict[str, Any]:
        """Strict JSON."""
        recipe = self.recipe.to_dict()
        return {
            "arms": list(self.arms),
            "reference": REFERENCE,
            "regimes": list(self.regimes),
            "learning_rates": list(self.learning_rates),
            "extensions": self.extensions,
            "search_seeds": list(self.search_seeds),
            "seeds": list(self.seeds),
            "model": self.model,
            "recipe": {name: value for name, value in recipe.items() if name not in SETTLED},
        }


def check_recipe(recipe: object) -> None:
    """Raise an ArgumentError for what is no recipe."""
    if not isinstance(recipe, Recipe):
        raise ArgumentError(
            "compare: `recipe` is of another kind.", expected="a Recipe", received=type(recipe).__name__
        )


def _listed(name: str, given: Any, kind: type) -> tuple[Any, ...]:
    """Several values, each once."""
    if isinstance(given, str):
        given = [part.strip() for part in given.split(",")]
    values = list(given) if isinstance(given, Iterable) else [given]
    try:
        found = tuple(kind(value) for value in values)
    except (TypeError, ValueError):
        found = ()
    if not found or len(set(found)) < len(found):
        raise ArgumentError(
            f"compare: `{name}` is no list of different values.",
            expected="at least one",
            received=repr(given),
        )
    return found


def _seeds(name: str, given: Any, first: int) -> tuple[int, ...]:
    """Seeds from a list, or from a count and the first."""
    values = (
        list(range(first, first + given)) if isinstance(given, int) and not isinstance(given, bool) else given
    )
    if isinstance(values, str) or not isinstance(values, Iterable):
        values = [values]
    values = list(values)
    for value in values:
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
            raise ArgumentError(
                f"compare: `{name}` holds what is no seed.",
                expected="whole numbers of at least 0, or how many",
                received=repr(value),
            )
    return _listed(name, values, int)
