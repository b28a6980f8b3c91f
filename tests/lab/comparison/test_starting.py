"""First weights: paired across arms, fit for their regime, and refused where a regime cannot be had."""

import pytest
import torch
from torch import nn

from convitro.errors import UnsupportedError
from convitro.lab.comparison.arms import Arm
from convitro.lab.comparison.starting import (
    described,
    first_pictures,
    normalised,
    scales,
    starting_network,
)
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


@pytest.mark.parametrize("arm", ["sum", "mean", "max", "kervolution(degree=2)"])
def test_calibrated_maps_have_unit_scale(sets: Sets, arm: str) -> None:
    network = starting_network(None, Arm.parse(arm), "calibrated", sets, RECIPE)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    found = scales(network, first_pictures(sets, RECIPE))
    assert found == pytest.approx(dict.fromkeys(("conv1_1", "conv1_2", "conv2_1", "conv2_2"), 1.0), rel=0.03)
    torch.testing.assert_close(dict(network.state_dict()), before, rtol=0, atol=0)
    assert network.training


def test_where_no_scale_of_the_weights_makes_it_one_the_scales_say_so(sets: Sets) -> None:
    network = starting_network(None, Arm.parse("cosine"), "calibrated", sets, RECIPE)
    first = scales(network, first_pictures(sets, RECIPE))["conv1_1"]
    assert first is not None
    assert first < 0.5


def test_scales_by_hand(sets: Sets) -> None:
    first, norm, second = nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.Conv2d(2, 1, 1)
    network = nn.Sequential(first, norm, second)
    images = first_pictures(sets, RECIPE)
    with torch.no_grad():
        first.weight.copy_(torch.tensor([3.0, 4.0])[:, None, None, None])
        second.weight.copy_(torch.tensor([1.0, 1.0])[None, :, None, None])
    found = scales(network, images)
    assert found["0"] == pytest.approx(float(images.std()) * 12.5**0.5, rel=1e-4)
    assert found["2"] == pytest.approx(2.0, rel=1e-3)  # twice the same map of unit scale
    assert norm.num_batches_tracked == 0


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
