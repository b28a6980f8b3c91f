"""A recipe: what it may be, the learning rates it stands for, and that it becomes JSON."""

import json
import math
from typing import Any

import pytest

from convitro.errors import ArgumentError
from convitro.lab import Machine, Recipe, RunFolder


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"optimizer": "adam"}, "unknown optimizer"),
        ({"schedule": "linear"}, "unknown schedule"),
        ({"precision": "8"}, "unknown precision"),
        ({"aggregation": "maen"}, "mean"),
        ({"epochs": 0}, "`epochs` is not a whole number of at least 1"),
        ({"epochs": True}, "`epochs`"),
        ({"batch_size": 2.5}, "`batch_size`"),
        ({"seed": -1}, "`seed`"),
        ({"learning_rate": math.nan}, "`learning_rate`"),
        ({"momentum": 1.5}, "between 0 and 1"),
        ({"validation": 0.95}, "`validation`"),
        ({"weight_decay": "much"}, "`weight_decay`"),
        ({"patience": 0}, "`patience`"),
        ({"patience": 2, "validation": 0.0}, "held out"),
        ({"warmup": 21}, "longer than the training"),
        ({"nesterov": True, "momentum": 0.0}, "needs a momentum"),
        ({"nesterov": True, "optimizer": "adamw"}, "needs a momentum"),
    ],
)
def test_what_a_recipe_cannot_be(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(ArgumentError, match=problem):
        Recipe(**changes)


def test_an_unknown_setting_names_the_closest() -> None:
    with pytest.raises(ArgumentError, match="no setting `learning_rat`") as caught:
        Recipe().but(learning_rat=1)
    assert '"learning_rate"' in str(caught.value)


def test_rates() -> None:
    constant = Recipe(schedule="constant", epochs=3, learning_rate=2.0, warmup=0.5)
    assert [constant.rate_at(step, 4) for step in range(4)] == [1.0, 2.0, 2.0, 2.0]
    stepped = Recipe(schedule="step", epochs=4, decay_every=2, decay=0.5, learning_rate=1.0)
    assert [stepped.rate_at(step, 1) for step in range(4)] == [1.0, 1.0, 0.5, 0.5]
    cosine = Recipe(epochs=4, learning_rate=1.0)
    assert [cosine.rate_at(step, 1) for step in range(4)] == pytest.approx(
        [1.0, (1 + math.sqrt(0.5)) / 2, 0.5, (1 - math.sqrt(0.5)) / 2]
    )


def test_json_holds_all_of_it() -> None:
    recipe = Recipe(aggregation="norm(q=3.0)", epochs=5)
    values = json.loads(json.dumps(recipe.to_dict(), allow_nan=False))
    assert Recipe(**values).to_dict() == recipe.to_dict()
    assert values["aggregation"] == "norm(q=3.0)"


@pytest.mark.parametrize("changes", [{"devices": 0}, {"nodes": 0}, {"workers": -1}, {"devices": "two"}])
def test_what_a_machine_cannot_be(changes: dict[str, Any]) -> None:
    with pytest.raises(ArgumentError, match="whole number"):
        Machine(**changes)


def test_an_accelerator_that_is_not_there() -> None:
    with pytest.raises(ArgumentError, match="cannot run it so"):
        Machine("tpu").fabric("32-true")


def test_what_a_folder_cannot_be() -> None:
    with pytest.raises(ArgumentError, match="negative"):
        RunFolder("runs", checkpoint_every=-1)
    with pytest.raises(ArgumentError, match="no path"):
        RunFolder(3)  # type: ignore[arg-type]
