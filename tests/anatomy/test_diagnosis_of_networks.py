"""`diagnose` on real networks with known facts, and on networks that are written in unusual ways."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convitro import Conv2d, diagnose
from convitro.anatomy import dissect
from convitro.datasets import open_dataset
from convitro.models import small_vgg
from tests.networks_shared import burn_mnist, captum_cifar, mnist8, tiny_vgg


def data(folder: Path, split: str, count: int) -> tuple[Tensor, Tensor]:
    dataset = open_dataset(folder, split=split)
    return torch.stack([dataset[index][0] for index in range(count)]), dataset.labels[:count]


def test_the_embedded_network_on_its_own_data(shared: Path) -> None:
    folder = shared / "data" / "cifar10"
    diagnosis = diagnose(small_vgg(), data(folder, "train", 400), held_out=data(folder, "test", 400))
    assert diagnosis.findings == ()
    assert diagnosis.accuracy is not None
    assert diagnosis.held_out_accuracy is not None
    assert diagnosis.accuracy > diagnosis.held_out_accuracy > 0.8


def test_mnist8_is_healthy_and_cancels_as_known(shared: Path) -> None:
    images = 255 * data(shared / "data" / "mnist", "test", 64)[0]
    model = mnist8(shared)
    diagnosis = diagnose(model, images)
    assert diagnosis.findings == ()
    assert diagnosis.layers[0].cancellation is None  # one channel cannot cancel
    assert diagnosis.layers[1].cancellation == pytest.approx(0.39, abs=0.01)
    by_maps = dissect(model, images[:8])["conv2"].cancellation().mean()
    assert diagnosis.layers[1].cancellation == pytest.approx(float(by_maps), rel=1e-4)


def test_burn_mnist_has_one_dead_filter(shared: Path) -> None:
    images, labels = data(shared / "data" / "mnist", "test", 100)
    diagnosis = diagnose(burn_mnist(shared), ((images - 0.1307) / 0.3081, labels))
    assert [(found.layer, found.filter, found.kind) for found in diagnosis.dead] == [
        ("conv3", 8, "almost dead")
    ]
    assert diagnosis.of("untrained", "fit") == ()


def test_captum_cifar_is_healthy(shared: Path) -> None:
    folder = shared / "data" / "cifar10"
    images, labels = data(folder, "test", 400)
    assert diagnose(captum_cifar(shared), ((images - 0.5) / 0.5, labels)).findings == ()


def test_tiny_vgg_has_two_filters_that_hardly_respond(shared: Path) -> None:
    pictures = open_dataset(shared / "models" / "tiny_vgg_images", (3, 64, 64))
    diagnosis = diagnose(tiny_vgg(shared), pictures)
    assert [(found.kind, found.layer, found.filter) for found in diagnosis.findings] == [
        ("almost dead", "conv_1_2", 6),
        ("almost dead", "conv_2_1", 9),
    ]


def killed(layer: nn.Conv2d, filter: int) -> nn.Conv2d:
    nn.init.constant_(layer.bias[filter], -100)  # type: ignore[index]
    return layer


class Unusual(nn.Module):
    """Functions, in-place activations, one layer used twice, a shortcut: filter 1 of each layer is killed."""

    def __init__(self) -> None:
        super().__init__()
        self.first = killed(nn.Conv2d(3, 4, 3, padding=1), 1)
        self.twice = killed(nn.Conv2d(4, 4, 3, padding=1), 1)
        self.weight = nn.Parameter(torch.randn(4, 4, 1, 1))
        self.shortcut = killed(nn.Conv2d(4, 4, 1), 1)

    def forward(self, input: Tensor) -> Tensor:
        maps = F.relu_(self.first(input))
        maps = self.twice(maps).clamp_(min=0)
        maps = torch.relu(self.twice(maps))
        bias = torch.tensor([0.5, -100, 0.5, 0.5])
        maps = F.gelu(F.conv2d(maps, self.weight, bias))
        added: Tensor = self.shortcut(maps)
        added += maps
        return torch.relu(added)


def test_every_way_to_write_a_layer_is_seen() -> None:
    found = diagnose(Unusual(), torch.rand(60, 3, 8, 8))
    assert [state.name for state in found.layers] == ["first", "twice", "twice#2", ".conv2d"[1:], "shortcut"]
    dead = {(finding.layer, finding.filter) for finding in found.dead}
    assert {("first", 1), ("twice", 1), ("twice#2", 1), ("conv2d", 1)} <= dead
    assert all(layer != "shortcut" for layer, _ in dead)  # what follows it is a sum, not an activation


def test_death_is_judged_after_the_normalisation() -> None:
    conv, norm = killed(nn.Conv2d(3, 6, 3), 2), nn.BatchNorm2d(6)
    nn.init.constant_(norm.running_mean[2], -100)  # type: ignore[index]
    nn.init.constant_(norm.bias[4], -100)
    found = diagnose(nn.Sequential(conv, norm, nn.ReLU()), torch.rand(60, 3, 8, 8)).dead
    assert [finding.filter for finding in found] == [4]
    assert "bias of the normalisation, -100" in found[0].evidence


@pytest.mark.parametrize("activation", [nn.Identity(), nn.LeakyReLU(), nn.Tanh(), nn.PReLU()])
def test_nothing_is_dead_without_a_resting_value(activation: nn.Module) -> None:
    model = nn.Sequential(killed(nn.Conv2d(3, 4, 3), 1), activation)
    assert diagnose(model, torch.rand(60, 3, 8, 8)).dead == ()


@pytest.mark.parametrize(
    "activation",
    [nn.GELU(), nn.SiLU(), nn.ELU(), nn.Softplus(), nn.Hardswish(), nn.ReLU6(), nn.Threshold(-0.5, -3)],
)
def test_activations_that_rest_far_below_can_be_dead(activation: nn.Module) -> None:
    model = nn.Sequential(killed(nn.Conv2d(3, 4, 3), 1), activation)
    assert [found.filter for found in diagnose(model, torch.rand(60, 3, 8, 8)).dead] == [1]


def test_a_shared_layer_is_judged_once_by_its_weights() -> None:
    layer = nn.Conv2d(16, 16, 3, padding=1)
    model = nn.Sequential(layer, nn.ReLU(), layer, nn.ReLU())
    untrained = diagnose(model, torch.rand(4, 16, 8, 8)).of("untrained")
    assert [found.layer for found in untrained] == ["0"]


def test_pooling_before_the_activation_and_maps_of_several_sizes() -> None:
    model = nn.Sequential(killed(nn.Conv2d(3, 4, 3), 1), nn.MaxPool2d(2), nn.ReLU())
    images = [torch.rand(3, 8, 8), torch.rand(3, 12, 8)] * 30
    diagnosis = diagnose(model, images)
    assert diagnosis.images == 60
    assert [found.filter for found in diagnosis.dead] == [1]
    assert "At none of 720 pixels" in diagnosis.dead[0].evidence  # 30 maps of 3x3, 30 of 5x3


@pytest.mark.parametrize("aggregation", ["max", "none", "logsumexp"])
def test_other_aggregations_are_looked_over_too(aggregation: str) -> None:
    model = nn.Sequential(Conv2d(8, 4, 3, aggregation=aggregation), nn.ReLU())
    nn.init.constant_(model[0].bias[1], -100)  # type: ignore[index]
    diagnosis = diagnose(model, torch.rand(60, 8, 6, 6))
    assert [(found.filter, found.kind) for found in diagnosis.dead] == [(1, "dead")]
    assert diagnosis.layers[0].cancellation is None


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_precisions(dtype: torch.dtype) -> None:
    model = nn.Sequential(killed(nn.Conv2d(8, 4, 3), 1), nn.ReLU()).to(dtype)
    diagnosis = diagnose(model, torch.rand(60, 8, 6, 6).to(dtype))
    assert [found.filter for found in diagnosis.dead] == [1]


def test_groups_with_equal_weights_are_not_redundant() -> None:
    conv = nn.Conv2d(4, 4, 3, groups=4)
    with torch.no_grad():
        conv.weight[:] = conv.weight[0].abs()
    assert diagnose(nn.Sequential(conv, nn.ReLU()), torch.rand(60, 4, 8, 8)).redundant == ()
