"""First weights: paired across arms, fit for their regime, and refused where a regime cannot be had."""

import pytest
import torch
from torch import nn

from convitro.errors import UnsupportedError
from convitro.lab.comparison.arms import Arm
from convitro.lab.comparison.starting import described, normalised, starting_network
from convitro.lab.data import Sets, open_sets
from convitro.lab.recipe import Recipe
from tests.lab.conftest import Data, Plain

RECIPE = Recipe(seed=3)


@pytest.fixture
def sets(stripes: Data) -> Sets:
    return open_sets(stripes, RECIPE)


def weights(sets: Sets, arm: str, regime: str, seed: int = 3) -> dict[str, torch.Tensor]:
    network = starting_network(None, Arm.parse(arm), regime, sets, RECIPE.but(seed=seed))
    return {name: value for name, value in network.state_dict().items() if "norm" not in name}


@pytest.mark.parametrize("regime", ["drop-in", "batchnorm"])
def test_the_same_seed_gives_every_arm_the_same_weights(sets: Sets, regime: str) -> None:
    expected = weights(sets, "sum", "drop-in")
    for arm in ("mean", "adder", "add:max:sum"):
        torch.testing.assert_close(weights(sets, arm, regime), expected, rtol=0, atol=0)
    other = weights(sets, "sum", regime, seed=4)
    assert not torch.equal(other["conv1_1.weight"], expected["conv1_1.weight"])


@pytest.mark.parametrize("arm", ["sum", "mean", "max", "cosine"])
def test_calibrated_maps_have_unit_scale(sets: Sets, arm: str) -> None:
    network = starting_network(None, Arm.parse(arm), "calibrated", sets, RECIPE)
    maps: list[torch.Tensor] = []
    network.get_submodule("conv2_2").register_forward_hook(lambda _, __, output: maps.append(output))
    with torch.no_grad():
        network(next(sets.train.batches([torch.arange(len(sets.train))]))[0])
    assert 0.8 < float(maps[0].var((0, 2, 3)).mean().sqrt()) < 1.25


def test_a_norm_behind_each_convolution(sets: Sets) -> None:
    network = starting_network(None, Arm.parse("max"), "batchnorm", sets, RECIPE)
    assert [name for name, _ in network.named_children()][:6] == [
        *("conv1_1", "conv1_1_norm", "relu1_1"),
        *("conv1_2", "conv1_2_norm", "relu1_2"),
    ]
    facts = described(network, None)
    assert facts["convolutions"][1] == {"name": "conv1_2", "channels": 16, "filters": 16}
    assert facts["parameters"] == described(
        starting_network(None, Arm.parse("sum"), "drop-in", sets, RECIPE), None
    )["parameters"] + 2 * (16 + 16 + 32 + 32)


def test_a_norm_that_is_there_already_stays_the_only_one() -> None:
    network = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Sequential(nn.Conv2d(2, 3, 3))
    )
    normalised(network)
    assert [type(module).__name__ for module in network.modules()].count("BatchNorm2d") == 2
    assert network(torch.rand(2, 1, 8, 8)).shape == (2, 3, 4, 4)


def test_where_no_norm_can_be_put(plain: Plain) -> None:
    with pytest.raises(UnsupportedError, match='no BatchNorm can be put behind layer "first"'):
        normalised(plain)
