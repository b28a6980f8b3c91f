"""A design is checked at the door, and knows its own settings from the recipe's."""

import json
from typing import Any

import pytest

from convitro.errors import ArgumentError
from convitro.lab import Design, Recipe


def test_defaults_and_the_sum_among_them() -> None:
    design = Design.of(arms="max,adder", epochs=3, seeds=4, search_seeds=1)
    assert design.arms == ("sum", "max", "adder")
    assert design.regimes == ("drop-in", "calibrated", "batchnorm")
    assert (design.seeds, design.search_seeds) == ((0, 1, 2, 3), (1000,))
    assert design.recipe == Recipe(epochs=3)
    content = json.loads(json.dumps(design.to_dict(), allow_nan=False))
    assert content["recipe"]["epochs"] == 3
    assert "seed" not in content["recipe"]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"arms": "sum"}, "nothing to compare with the sum"),
        ({"arms": "maxx"}, "unknown arm"),
        ({"regimes": "dropin"}, 'did you mean "drop-in"'),
        ({"regimes": ()}, "no list of different values"),
        ({"learning_rates": "0.1,fast"}, "no list of different values"),
        ({"learning_rates": (0.1, 0.1)}, "no list of different values"),
        ({"learning_rates": (0.1, -1)}, "not above 0"),
        ({"learning_rates": (0.1, float("nan"))}, "not above 0"),
        ({"extensions": -1}, "no whole number"),
        ({"seeds": 1}, "too few seeds"),
        ({"seeds": (1, 1)}, "no list of different values"),
        ({"seeds": (0, -1)}, "what is no seed"),
        ({"seeds": "ten"}, "what is no seed"),
        ({"search_seeds": (3,)}, "both searches and is compared"),
        ({"seed": 4}, "set by the comparison"),
        ({"aggregation": "max"}, "set by the comparison"),
        ({"learning_rate": 0.1}, "set by the comparison"),
        ({"validation": 0.0}, "held out"),
        ({"epoch": 3}, 'did you mean "epochs"'),
        ({"recipe": {"epochs": 3}}, "of another kind"),
    ],
)
def test_what_it_refuses(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        Design.of(**{"arms": "max", **changes})
    assert problem in str(caught.value)
