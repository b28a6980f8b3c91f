"""The null test passes where it must, and catches an engine that is not what it says."""

from typing import Any

import pytest
import torch
from torch import nn

import convitro.lab.comparison.null as null
from convitro.errors import ExperimentError
from convitro.lab import Design
from convitro.lab.comparison.arms import Arm
from convitro.lab.comparison.cell import Bench
from tests.lab.conftest import Data


def bench(stripes: Data, model: str | None = None, **changes: Any) -> Bench:
    return Bench(Design.of(arms="max", batch_size=16, model=model, **changes), stripes)


def thirds() -> nn.Module:
    """Six channels, then eight: only the last layer can take part."""
    layers = [nn.Conv2d(1, 6, 3), nn.ReLU(), nn.Conv2d(6, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(16, 2))


def odd() -> nn.Module:
    """Nothing of which a power of two is read."""
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Conv2d(3, 5, 3), nn.Flatten(), nn.Linear(80, 2))


def test_the_mean_with_everything_adapted_is_the_sum_bit_for_bit(stripes: Data) -> None:
    result = null.null_test(bench(stripes))
    assert result["passed"] is True
    assert result["layers"] == ["conv1_2", "conv2_1", "conv2_2"]
    assert result["steps"] == 8  # two epochs of 70 pictures in batches of 16
    assert "bit for bit, over 8 steps" in result["text"]


@pytest.mark.parametrize(
    "changes", [{"optimizer": "adamw"}, {"momentum": 0.0}, {"nesterov": True, "warmup": 3.0}]
)
def test_whatever_the_recipe(stripes: Data, changes: dict[str, Any]) -> None:
    assert null.null_test(bench(stripes, **changes))["passed"] is True


def test_layers_with_another_count_keep_the_sum(stripes: Data) -> None:
    module = __name__
    result = null.null_test(bench(stripes, f"{module}:thirds"))
    assert (result["passed"], result["layers"]) == (True, ["4"])
    assert null.null_test(bench(stripes, f"{module}:odd"))["passed"] is None


@pytest.mark.parametrize("arm", ["max", "powermean"])
def test_it_stops_where_the_mean_is_none(stripes: Data, monkeypatch: pytest.MonkeyPatch, arm: str) -> None:
    wrong = Arm.parse(arm)
    monkeypatch.setattr(Arm, "parse", lambda name: wrong if name == "mean" else Arm(name, aggregation=name))
    with pytest.raises(ExperimentError, match="the null test failed"):
        null.null_test(bench(stripes))


def test_a_learning_rate_that_is_off_by_one_part_in_a_million_is_found(
    stripes: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapt = null.adapt

    def nearly(loop: null.Loop, factors: dict[str, int]) -> None:
        adapt(loop, factors)
        for group in loop.optimizer.param_groups[1:]:
            group["rate_factor"] *= 1 + 1e-6

    monkeypatch.setattr(null, "adapt", nearly)
    with pytest.raises(ExperimentError, match="the null test failed"):
        null.null_test(bench(stripes))


def test_other_weights_alone_are_enough_to_fail() -> None:
    one = null.Run([(1.0,)], 4, {"a.weight": torch.zeros(2)})
    other = null.Run([(1.0,)], 4, {"a.weight": torch.tensor([0.0, 1e-30])})
    with pytest.raises(ExperimentError, match="the null test failed") as caught:
        null.check_equal(one, other)
    assert "other weights of a.weight after 4 steps" in caught.value.received
