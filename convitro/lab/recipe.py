"""How a network is trained: everything that decides the curve, checked once, comparable, as JSON."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from convitro.aggregation import Aggregation, operator
from convitro.errors import ArgumentError, closest
from convitro.geometry import check_choice

OPTIMIZERS = {"sgd": 0.05, "adamw": 2e-3}
"""With the learning rate that each begins with where none is given."""
SCHEDULES = ("cosine", "step", "constant")
PRECISIONS = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed", "64": "64-true"}
"""With Lightning Fabric's name."""
WHOLE = {"epochs": 1, "batch_size": 1, "decay_every": 1, "shift": 0, "erase": 0, "seed": 0}
"""Fields that are whole numbers, and the least they may be."""
RANGES = {
    "learning_rate": (0.0, math.inf),
    "momentum": (0.0, 1.0),
    "weight_decay": (0.0, math.inf),
    "warmup": (0.0, math.inf),
    "decay": (0.0, 1.0),
    "label_smoothing": (0.0, 1.0),
    "validation": (0.0, 0.9),
    "test": (0.0, 0.9),
}


@dataclass(frozen=True)
class Recipe:
    """Everything that decides how a training goes; two trainings with equal recipes and data are the same.

    Args:
        aggregation: that of every convolution, as for `convitro.Conv2d`; None keeps the network's own.
        calibrate: begin with weights whose scale fits the aggregation (`convitro.lab.calibrate`); None does
            so for the default network, and leaves one that is given as it is.
        epochs: how often each picture is seen.
        batch_size: pictures per step, of all processes together.
        optimizer: "sgd" or "adamw".
        learning_rate: the largest of the run; None takes 0.05 for sgd and 0.002 for adamw.
        momentum, nesterov: of sgd.
        weight_decay: of either.
        schedule: "cosine" down to 0, "step" (times `decay` after every `decay_every` epochs) or "constant".
        warmup: epochs during which the rate rises from 0; may be a part of one.
        label_smoothing: share of the target that is spread over all classes.
        mirror: flip half of the pictures left to right.
        shift: move each by up to so many pixels; its border is repeated.
        erase: side of a square that is greyed in each picture; 0 for none.
        precision: "32", "bf16" or "16" (mixed), or "64".
        validation: share of the training pictures that is held out; 0 for none.
        test: share of all pictures that is kept for the test where the data has no test part; the same
            pictures for every seed.
        patience: stop after so many epochs without a lower loss on the held-out pictures, and keep the best
            weights; None trains to the end and keeps the last.
        seed: of the first weights, the order of the pictures, their changes, and dropout.

    Raises:
        ArgumentError: a value is not among what it may be.

    Example:
        >>> Recipe(optimizer="adamw").rate, Recipe(aggregation="logsumexp(beta=5.0)").to_dict()["aggregation"]
        (0.002, 'logsumexp(beta=5.0)')
    """

    aggregation: str | Aggregation | None = None
    calibrate: bool | None = None
    epochs: int = 20
    batch_size: int = 64
    optimizer: str = "sgd"
    learning_rate: float | None = None
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 5e-4
    schedule: str = "cosine"
    warmup: float = 0.0
    decay: float = 0.1
    decay_every: int = 10
    label_smoothing: float = 0.0
    mirror: bool = False
    shift: int = 0
    erase: int = 0
    precision: str = "32"
    validation: float = 0.1
    test: float = 0.2
    patience: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        check_choice(self.optimizer, tuple(OPTIMIZERS), "train: unknown optimizer.")
        check_choice(self.schedule, SCHEDULES, "train: unknown schedule.")
        check_choice(self.precision, tuple(PRECISIONS), "train: unknown precision.")
        if self.aggregation is not None:
            operator(self.aggregation, "sum", "multiply")
        for name, least in WHOLE.items():
            _check_whole(name, getattr(self, name), least)
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            if value is not None:
                _check_range(name, value, low, high)
        self._check_together()

    def _check_together(self) -> None:
        if self.patience is not None:
            _check_whole("patience", self.patience, 1)
            if self.validation == 0:
                raise ArgumentError(
                    "train: `patience` needs pictures that are held out.",
                    expected="validation above 0, such as 0.1",
                    received=f"patience={self.patience}, validation=0",
                )
        if self.warmup > self.epochs:
            raise ArgumentError(
                "train: `warmup` is longer than the training.",
                expected=f"at most {self.epochs} epochs",
                received=f"{self.warmup:g}",
            )
        if self.nesterov and (self.optimizer != "sgd" or self.momentum == 0):
            raise ArgumentError(
                "train: `nesterov` needs a momentum.",
                expected='optimizer="sgd" with momentum above 0',
                received=f'optimizer="{self.optimizer}", momentum={self.momentum:g}',
            )

    @property
    def rate(self) -> float:
        """The largest learning rate."""
        return OPTIMIZERS[self.optimizer] if self.learning_rate is None else self.learning_rate

    def rate_at(self, step: int, steps_per_epoch: int) -> float:
        """The learning rate of a step, counted from 0 over the whole training.

        Example:
            >>> recipe = Recipe(epochs=2, learning_rate=1.0, warmup=1)
            >>> [round(recipe.rate_at(step, steps_per_epoch=2), 3) for step in range(4)]
            [0.5, 1.0, 1.0, 0.5]
        """
        warm = round(self.warmup * steps_per_epoch)
        if step < warm:
            return self.rate * (step + 1) / warm
        if self.schedule == "cosine":
            done = (step - warm) / (self.epochs * steps_per_epoch - warm)
            return self.rate * 0.5 * (1 + math.cos(math.pi * done))
        if self.schedule == "step":
            return self.rate * float(self.decay ** (step // steps_per_epoch // self.decay_every))
        return self.rate

    def but(self, **changes: Any) -> Recipe:
        """The same with other values; an ArgumentError for a name that a recipe does not have.

        Example:
            >>> Recipe().but(epochs=3).epochs
            3
        """
        names = [field.name for field in fields(self)]
        for name in changes:
            if name not in names:
                raise ArgumentError(
                    f"train: there is no setting `{name}`.",
                    expected=", ".join(names),
                    hint=closest(name, names),
                )
        return replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Strict JSON; the aggregation as its spec."""
        chosen = self.aggregation
        values = asdict(replace(self, aggregation=None))
        spec = None if chosen is None else operator(chosen, "sum", "multiply").aggregation.spec
        return {**values, "aggregation": spec, "learning_rate": self.rate}


def _check_whole(name: str, value: object, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least or value >= 2**63:
        raise ArgumentError(
            f"train: `{name}` is not a whole number of at least {least}.",
            expected=f"{least} or more",
            received=repr(value),
        )


def _check_range(name: str, value: object, low: float, high: float) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not number or not low <= value <= high:  # type: ignore[operator]
        above = f"between {low:g} and {high:g}" if math.isfinite(high) else f"of at least {low:g}"
        raise ArgumentError(
            f"train: `{name}` is not a number {above}.", expected=f"a number {above}", received=repr(value)
        )
