"""Measures of a network: closed forms, PyTorch's own gradients, the anatomy; the network stays as it was."""

import copy
import json

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import convitro
from convitro.anatomy import dissect
from convitro.errors import ShapeError
from convitro.lab.comparison.measures import DROPPED, SHARES, SIGMAS, measure_network
from convitro.lab.networks import build_network
from convitro.presets import PRESETS, PresetConv2d
from tests.lab.conftest import Data, Plain


def seeded(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(3))


@pytest.fixture
def network(stripes: Data) -> nn.Module:
    torch.manual_seed(0)
    return build_network(None, (1, 8, 8), 2, "sum")


def test_gradients_are_those_of_a_training_step(network: nn.Module, stripes: Data) -> None:
    found = measure_network(network, *stripes)["layers"]
    twin = copy.deepcopy(network).train()
    F.cross_entropy(twin(stripes[0]), stripes[1]).backward()
    assert [layer["name"] for layer in found] == ["conv1_1", "conv1_2", "conv2_1", "conv2_2"]
    for layer in found:
        weight = twin.get_submodule(layer["name"]).weight
        assert isinstance(weight, Tensor)
        assert weight.grad is not None
        torch.testing.assert_close(torch.tensor(layer["weight_gradient"]), weight.grad.norm())
        torch.testing.assert_close(torch.tensor(layer["weight_norm"]), weight.detach().norm())


def test_gradients_of_maps_with_an_activation_in_place() -> None:
    conv, images, labels = nn.Conv2d(2, 3, 1), seeded(4, 2, 2, 2), torch.tensor([0, 1, 2, 0])
    network = nn.Sequential(conv, nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    maps = conv(images).detach().requires_grad_()
    F.cross_entropy(maps.relu().mean((2, 3)), labels).backward()
    assert maps.grad is not None
    layer = measure_network(network, images, labels)["layers"][0]
    torch.testing.assert_close(torch.tensor(layer["map_gradient"]), maps.grad.norm())
    assert layer["zero_map_gradients"] == pytest.approx(float((maps <= 0).float().mean()))
    assert layer["zero_map_gradients"] > 0


def test_a_maximum_gives_no_gradient_to_the_channels_that_never_win() -> None:
    conv = convitro.Conv2d(4, 2, 1, bias=False, aggregation="max")
    with torch.no_grad():
        conv.weight.copy_(torch.tensor([1.0, 2.0, 3.0, 4.0]).expand(2, 4)[:, :, None, None])
    network = nn.Sequential(conv, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    images = torch.rand(4, 1, 2, 2, generator=torch.Generator().manual_seed(0)) + 1
    layer = measure_network(network, images.expand(-1, 4, -1, -1), torch.tensor([0, 1, 0, 1]))["layers"][0]
    assert layer["zero_weight_gradients"] == 0.75
    assert layer["zero_map_gradients"] == 0.0
    assert layer["cancellation"] is layer["random_cancellation"] is None


@pytest.mark.parametrize("aggregation", ["sum", "mean"])
def test_cancellation_in_closed_form(aggregation: str) -> None:
    conv = convitro.Conv2d(3, 2, 1, aggregation=aggregation)
    with torch.no_grad():
        conv.weight.copy_(torch.tensor([3.0, -4.0, 2.0]).expand(2, 3)[:, :, None, None])
    network = nn.Sequential(conv, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    layer = measure_network(network, torch.ones(2, 3, 2, 2), torch.tensor([0, 1]))["layers"][0]
    assert layer["cancellation"] == pytest.approx(8 / 9)
    assert layer["random_cancellation"] == pytest.approx(1 - 3**-0.5)


@pytest.mark.parametrize(("groups", "module"), [(1, convitro.Conv2d), (2, convitro.Conv2d), (2, nn.Conv2d)])
def test_cancellation_is_that_of_the_anatomy(groups: int, module: type[nn.Conv2d]) -> None:
    torch.manual_seed(1)
    conv = module(4, 6, 3, padding=1, stride=2, groups=groups)
    network, images = nn.Sequential(conv, nn.AdaptiveAvgPool2d(1), nn.Flatten()), seeded(3, 4, 7, 7)
    layer = measure_network(network, images, torch.tensor([0, 1, 2]))["layers"][0]
    anatomy = dissect(network, images)["0"]
    torch.testing.assert_close(torch.tensor(layer["cancellation"]), anatomy.cancellation().mean())
    baselines = [anatomy.filter(index).cancellation.baseline for index in range(6)]
    torch.testing.assert_close(torch.tensor(layer["random_cancellation"]), torch.tensor(baselines).mean())


@pytest.mark.parametrize("options", [{"aggregation": "logsumexp"}, {"combine": "add"}, {"window": "max"}])
def test_no_cancellation_where_signs_do_not_cancel_out(options: dict[str, str]) -> None:
    network = nn.Sequential(
        convitro.Conv2d(3, 2, 1, **options),  # type: ignore[arg-type]
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )
    layer = measure_network(network, seeded(2, 3, 2, 2), torch.tensor([0, 1]))["layers"][0]
    assert layer["cancellation"] is layer["random_cancellation"] is None


def test_dropped_channels_in_closed_form() -> None:
    """The label stands in channel 0 alone: without it half of the pictures are guessed."""
    conv = nn.Conv2d(2, 2, 1, bias=False)
    with torch.no_grad():
        conv.weight.copy_(torch.tensor([[1.0, 0.0], [-1.0, 0.0]])[:, :, None, None])
    labels = torch.arange(8) % 2
    images = torch.stack([1.0 - 2 * labels, torch.zeros(8)], 1)[:, :, None, None].expand(-1, -1, 2, 2)
    found = measure_network(nn.Sequential(conv, nn.AdaptiveAvgPool2d(1), nn.Flatten()), images, labels)
    assert found["layers"][0]["dropped"] == {"channels": 2, "of": 2, "accuracy": 0.75}
    assert found["accuracy"]["dropped"] == 0.75
    assert found["accuracy"]["clean"] == 1.0


def test_no_more_channels_are_dropped_than_said(network: nn.Module, stripes: Data) -> None:
    layers = measure_network(network, *stripes)["layers"]
    assert layers[0]["dropped"] is None  # reads one channel
    assert [(layer["dropped"]["channels"], layer["dropped"]["of"]) for layer in layers[1:]] == [
        (DROPPED, 16),
        (DROPPED, 16),
        (DROPPED, 32),
    ]


def test_the_noise_is_as_strong_as_stated() -> None:
    seen: list[Tensor] = []
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 2))
    network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].clone()))
    images = 0.25 + 0.5 * torch.rand(64, 3, 16, 16, generator=torch.Generator().manual_seed(5))
    found = measure_network(network, images, torch.arange(64) % 2, seed=4)
    clean, *noisy = seen[-1 - len(SIGMAS) - len(SHARES) :]
    torch.testing.assert_close(clean, images)
    for sigma, given in zip(SIGMAS, noisy, strict=False):
        torch.testing.assert_close((given - images).std(), sigma * images.std(), rtol=0.02, atol=0)
    for share, given in zip(SHARES, noisy[len(SIGMAS) :], strict=True):
        hit = (given != images).any(1)
        assert float(hit.float().mean()) == pytest.approx(share, abs=0.01)
        extremes = given.transpose(0, 1)[:, hit]
        assert set(extremes.unique().tolist()) == {float(images.min()), float(images.max())}
        assert torch.equal(extremes[0], extremes[2])
    assert [entry["level"] for entry in found["accuracy"]["gaussian"]] == list(SIGMAS)


def test_the_same_seed_gives_the_same_numbers(plain: Plain, stripes: Data) -> None:
    first, again = (measure_network(plain, *stripes, seed=1) for _ in range(2))
    assert first == again
    assert first != measure_network(plain, *stripes, seed=2)  # dropout alone differs
    assert json.loads(json.dumps(first, allow_nan=False)) == first


@pytest.mark.parametrize("mode", [True, False])
def test_the_network_stays_as_it_was(mode: bool, plain: Plain, stripes: Data) -> None:
    plain.train(mode)
    plain.drop.eval()
    plain.first.weight.requires_grad_(False)
    F.cross_entropy(plain(stripes[0]), stripes[1]).backward()
    before, drawn = copy.deepcopy(plain), torch.get_rng_state()
    gradients = [None if weight.grad is None else weight.grad.clone() for weight in plain.parameters()]
    found = measure_network(plain, *stripes)
    assert torch.equal(torch.get_rng_state(), drawn)
    assert [module.training for module in plain.modules()] == [module.training for module in before.modules()]
    for (name, now), then in zip(plain.state_dict().items(), before.state_dict().values(), strict=True):
        assert torch.equal(now, then), name
    for now, then in zip(plain.parameters(), before.parameters(), strict=True):
        assert now.requires_grad == then.requires_grad
    for now, gradient in zip(plain.parameters(), gradients, strict=True):
        torch.testing.assert_close(now.grad, gradient, rtol=0, atol=0)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in plain.modules())
    assert [layer["name"] for layer in found["layers"]] == ["first", "again", "again#2"]
    assert found["layers"][0]["weight_gradient"] > 0  # though it is not trained


@pytest.mark.parametrize("preset", PRESETS)
def test_presets(preset: str, stripes: Data) -> None:
    torch.manual_seed(0)
    layers = (PresetConv2d(preset, 1, 4, 3), nn.BatchNorm2d(4), PresetConv2d(preset, 4, 2, 3))
    network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    found = measure_network(network, *stripes)
    assert [layer["aggregation"] for layer in found["layers"]] == [preset, preset]
    assert all(layer["weight_gradient"] > 0 for layer in found["layers"])
    assert found["layers"][1]["cancellation"] is None
    assert found["layers"][1]["dropped"]["of"] == 4


def test_numbers_that_are_none_are_words(stripes: Data) -> None:
    conv = nn.Conv2d(1, 2, 3)
    nn.init.constant_(conv.weight, float("inf"))
    network = nn.Sequential(conv, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    found = json.loads(json.dumps(measure_network(network, *stripes), allow_nan=False))
    assert found["loss"] == "nan"
    assert found["layers"][0]["weight_norm"] == "inf"


def test_a_network_without_convolutions(stripes: Data) -> None:
    found = measure_network(nn.Sequential(nn.Flatten(), nn.Linear(64, 2)), *stripes)
    assert found["layers"] == []
    assert found["accuracy"]["dropped"] is None


def test_labels_that_do_not_fit(plain: Plain, stripes: Data) -> None:
    with pytest.raises(ShapeError, match="do not fit"):
        measure_network(plain, stripes[0], stripes[1][:3])
