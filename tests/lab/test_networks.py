"""Networks to train: the names and numbers of torch's, fused where they can be, under any aggregation."""

import copy

import pytest
import torch
from torch import nn

import convitro
from convitro.errors import ArgumentError, ShapeError, UnsupportedError
from convitro.lab import calibrate, default_network, with_aggregation
from convitro.lab.fuse import FusedSequential, fuse
from convitro.lab.networks import build_network
from convitro.models import small_vgg
from convitro.nn import ConvBlock
from tests.lab.conftest import Plain


def test_the_default_network_for_the_embedded_one_s_data_is_the_embedded_one() -> None:
    theirs, ours = small_vgg(pretrained=False), default_network((3, 32, 32), 10)
    assert str(theirs) == str(ours)
    assert theirs.state_dict().keys() == ours.state_dict().keys()


@pytest.mark.parametrize("size", [(1, 4, 4), (1, 8, 8), (1, 28, 28), (3, 96, 64), (3, 224, 224)])
def test_the_default_network_takes_pictures_of_any_size(size: tuple[int, int, int]) -> None:
    with torch.no_grad():
        assert default_network(size, 5)(torch.zeros(1, *size)).shape == (1, 5)


def test_too_small_pictures() -> None:
    with pytest.raises(ShapeError, match="too small"):
        default_network((1, 3, 9), 2)


def test_fused_as_torch_computes_it() -> None:
    theirs = default_network((3, 16, 16), 4)
    ours = build_network(theirs, (3, 16, 16), 4, None)
    assert isinstance(ours, FusedSequential)
    assert [type(step) for step in ours.steps()[:2]] == [ConvBlock, ConvBlock]
    assert list(ours.state_dict()) == list(theirs.state_dict())
    images = torch.rand(5, 3, 16, 16)
    for network in (ours, theirs):
        network(images).square().sum().backward()
    torch.testing.assert_close(ours(images), theirs(images), rtol=1e-4, atol=1e-5)
    for (name, mine), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, other.grad, rtol=1e-3, atol=1e-5, msg=name)


def test_a_hook_sees_its_layer_and_an_exchanged_child_counts() -> None:
    network = build_network(None, (1, 8, 8), 2, "max")
    assert isinstance(network, FusedSequential)
    seen: list[torch.Size] = []
    handle = network.get_submodule("relu1_1").register_forward_hook(
        lambda *given: seen.append(given[2].shape)
    )
    network(torch.rand(1, 1, 8, 8))
    handle.remove()
    assert seen == [(1, 16, 8, 8)]
    before = network(torch.ones(1, 1, 8, 8))
    network.relu1_1 = nn.Tanh()
    assert not torch.equal(before, network(torch.ones(1, 1, 8, 8)))


def test_a_copy_computes_with_its_own_weights() -> None:
    network = build_network(None, (1, 8, 8), 2, None)
    image = torch.rand(1, 1, 8, 8)
    expected = network(image)
    other: nn.Module = copy.deepcopy(network)
    with torch.no_grad():
        other.get_parameter("conv1_1.weight").zero_()
    torch.testing.assert_close(network(image), expected, rtol=0, atol=0)
    assert not torch.equal(other(image), expected)


def test_what_is_not_plain_is_not_fused() -> None:
    network = nn.Sequential(
        convitro.Conv2d(1, 2, 3),
        nn.LeakyReLU(0.5),
        convitro.Conv2d(2, 2, 3),
        nn.ReLU(),
        nn.MaxPool2d(3, padding=1),
    )
    image = torch.rand(1, 1, 9, 9)
    expected = network(image)
    fuse(network)
    assert isinstance(network, FusedSequential)
    kinds = [type(step).__name__ for step in network.steps()]
    assert kinds == ["Conv2d", "LeakyReLU", "ConvBlock", "MaxPool2d"]
    torch.testing.assert_close(network(image), expected)


def test_every_convolution_is_exchanged_and_the_given_network_stays(plain: Plain) -> None:
    network = build_network(plain, (1, 8, 8), 2, "logsumexp(beta=2.0)")
    layers = [layer for layer in network.modules() if isinstance(layer, convitro.Conv2d)]
    assert [layer.aggregation.spec for layer in layers] == ["logsumexp(beta=2.0)"] * 2
    assert type(plain.first) is nn.Conv2d
    assert network.state_dict().keys() >= plain.state_dict().keys()


def test_a_convolution_alone_and_one_in_two_places() -> None:
    alone = with_aggregation(nn.Conv2d(1, 2, 3), "max")
    assert isinstance(alone, convitro.Conv2d)
    shared = nn.Conv2d(2, 2, 3)
    both = with_aggregation(nn.ModuleList([shared, nn.Sequential(shared)]), "min")
    assert isinstance(both, nn.ModuleList)
    assert isinstance(both[1], nn.Sequential)
    assert both[0] is both[1][0]


def test_an_aggregation_that_nothing_can_take() -> None:
    with pytest.raises(ArgumentError, match="nothing to change"):
        with_aggregation(nn.Linear(2, 2), "max")

    class Own(nn.Conv2d):
        pass

    with pytest.raises(UnsupportedError, match='layer "0" cannot be exchanged'):
        with_aggregation(nn.Sequential(Own(1, 2, 3)), "max")
    assert type(with_aggregation(nn.Sequential(Own(1, 2, 3)), None)[0]) is Own  # type: ignore[index]


def test_a_network_that_does_not_fit_the_data(plain: Plain) -> None:
    with pytest.raises(ShapeError, match="does not run on pictures of 3x8x8"):
        build_network(plain, (3, 8, 8), 2, None)
    with pytest.raises(ShapeError, match="do not fit the classes"):
        build_network(plain, (1, 8, 8), 3, None)
    with pytest.raises(ShapeError, match="does not run"):
        build_network(plain, (1, 8, 8), 2, "none")


@pytest.mark.parametrize("aggregation", ["sum", "mean", "min"])
def test_calibrated_maps_have_unit_scale_around_zero(aggregation: str) -> None:
    plan = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 5, 3), nn.ReLU())
    network = with_aggregation(plan, aggregation)
    images = torch.rand(32, 3, 8, 8)
    spreads = calibrate(network, images)
    assert list(spreads) == ["0", "2"]
    maps = images
    for step in plan:
        maps = step(maps)
        if isinstance(step, nn.Conv2d):
            means, spread = maps.mean((0, 2, 3)), maps.var((0, 2, 3)).mean().sqrt()
            torch.testing.assert_close(means, torch.zeros_like(means), rtol=0, atol=1e-3)
            torch.testing.assert_close(spread, torch.ones(()), rtol=0, atol=0.03)


def test_a_layer_that_no_scale_brings_to_one_stays_as_it_is() -> None:
    layer = convitro.Conv2d(1, 2, 3, aggregation="std")  # of one channel: nothing but zeros
    before = layer.weight.detach().clone()
    assert calibrate(nn.Sequential(layer), torch.rand(4, 1, 8, 8)) == {"0": 0.0}
    torch.testing.assert_close(layer.weight.detach(), before, rtol=0, atol=0)


def test_calibration_leaves_the_mode_of_the_network(plain: Plain) -> None:
    calibrate(plain.train(), torch.rand(8, 1, 8, 8))
    assert plain.training
    assert int(plain.norm.num_batches_tracked or 0) == 0
