"""Projections are what the papers say: checked against deconvnets written out, formulas, and autograd."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import convitro
from convitro.anatomy import deconvnet, dissect
from convitro.pictures import load_picture, to_input
from tests.anatomy.written_deconvnet import back, turned, unpooled
from tests.networks_shared import tiny_vgg


def conv(*arguments: Any, **keywords: Any) -> nn.Conv2d:
    return nn.Conv2d(*arguments, **keywords).double()


SEQUENCES: dict[str, Callable[[], list[nn.Module]]] = {
    "plain": lambda: [conv(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), conv(8, 6, 3), nn.ReLU()],
    "overlapping windows": lambda: [
        conv(3, 8, 3),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, 1),
        conv(8, 6, 3),
        nn.ReLU(),
    ],
    "windows one apart": lambda: [
        conv(3, 8, 3),
        nn.MaxPool2d(3, 1, dilation=2),
        nn.ReLU(),
        conv(8, 6, 1),
        nn.ReLU(),
    ],
    "strides, dilation, groups": lambda: [
        conv(3, 8, 3, 2, 2, bias=False),
        nn.ReLU(inplace=True),
        conv(8, 8, 3, 1, 2, dilation=2, groups=4),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2, ceil_mode=True),
        conv(8, 6, (2, 3), (2, 1), (0, 1)),
        nn.ReLU(),
    ],
    "batch norm": lambda: [
        conv(3, 8, 3),
        normalized(8),
        nn.ReLU(),
        nn.MaxPool2d(2),
        conv(8, 6, 3),
        nn.ReLU(),
    ],
}


def normalized(channels: int) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(channels).double().eval()
    with torch.no_grad():
        for tensor in (norm.weight, norm.bias, norm.running_mean):
            assert tensor is not None
            tensor.copy_(torch.randn(channels))
        assert norm.running_var is not None
        norm.running_var.copy_(torch.rand(channels) + 0.5)
    return norm


def only(maps: Tensor, image: int, filter: int, units: list[tuple[int, int]] | None = None) -> Tensor:
    """The maps, zero but in one map, or in some of its units."""
    kept = torch.zeros_like(maps)
    for y, x in (
        units if units is not None else [(y, x) for y in range(maps.shape[2]) for x in range(maps.shape[3])]
    ):
        kept[image, filter, y, x] = maps[image, filter, y, x]
    return kept


def last_layer(steps: list[nn.Module]) -> str:
    return str(max(index for index, step in enumerate(steps) if isinstance(step, nn.Conv2d)))


@pytest.mark.parametrize("start", ["unit", "top", "map"])
@pytest.mark.parametrize("method", ["deconvnet", "guided"])
@pytest.mark.parametrize("sequence", SEQUENCES)
def test_sequences_as_written_out(sequence: str, method: str, start: str) -> None:
    steps = SEQUENCES[sequence]()
    model, images = nn.Sequential(*steps), torch.randn(2, 3, 17, 15, dtype=torch.float64)
    with torch.no_grad():
        maps = model(images.clone())
    filter = int(maps[1].amax((1, 2)).argmax())
    flat = maps[1, filter].flatten().argsort(descending=True, stable=True)
    strongest = [divmod(int(place), maps.shape[3]) for place in flat[:3]]
    options: dict[str, dict[str, Any]] = {"unit": {"unit": strongest[0]}, "top": {"top": 3}, "map": {}}
    units = {"unit": strongest[:1], "top": strongest, "map": None}[start]
    seen = deconvnet(model, images, last_layer(steps), filter, 1, **options[start], method=method)
    signal = only(maps if method == "deconvnet" else torch.ones_like(maps), 1, filter, units)
    torch.testing.assert_close(seen.image, back(steps, images, signal, method)[1])
    assert seen.image.abs().sum() > 0
    assert seen.units == (None if units is None else tuple(units))
    assert seen.value == float(maps[1, filter].max())
    torch.testing.assert_close(seen.input, images[1])


def test_overlapping_windows_add_up_where_max_unpool_would_overwrite() -> None:
    image = torch.zeros(1, 1, 5, 5, dtype=torch.float64)
    image[0, 0, 2, 2] = 3
    pixel = conv(1, 1, 1, bias=False)
    reader = conv(1, 1, 2, bias=False)
    for layer in (pixel, reader):
        nn.init.ones_(layer.weight)
    model = nn.Sequential(pixel, nn.ReLU(), nn.MaxPool2d(3, 1), reader, nn.ReLU())
    seen = deconvnet(model, image, "3", 0, unit=(0, 0))
    assert seen.value == 12  # four windows, one winner
    assert seen.image[0, 2, 2] == 48
    assert seen.region == (2, 2, 3, 3)
    pooled, switches = F.max_pool2d(image, 3, 1, return_indices=True)
    wrong = F.max_unpool2d(torch.full_like(pooled, 12.0), switches, (3, 3), (1, 1), output_size=image.shape)
    assert wrong[0, 0, 2, 2] == 12


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.three = conv(3, 6, 3, padding=1), conv(6, 6, 3, padding=1), conv(6, 6, 1)
        self.last = conv(12, 4, 3)

    def forward(self, images: Tensor) -> Tensor:
        first = F.relu(self.one(images))
        branch = self.three(torch.relu(self.two(first)))
        branch += first
        joined = torch.cat([branch.relu_(), F.max_pool2d(first, 3, 1, 1)], 1)
        return F.relu(self.last(joined), inplace=True)


@pytest.mark.parametrize("method", ["deconvnet", "guided"])
def test_branches_add_up(method: str) -> None:
    model, images = Residual(), torch.randn(1, 3, 9, 8, dtype=torch.float64)
    seen = deconvnet(model, images, "last", 2, method=method)

    def rectified(signal: Tensor, maps: Tensor) -> Tensor:
        return signal.clamp_min(0) * ((maps > 0) if method == "guided" else 1)

    with torch.no_grad():
        one = model.one(images)
        first = one.relu()
        two = model.two(first)
        three = model.three(two.relu()) + first
        last = model.last(torch.cat([three.relu(), F.max_pool2d(first, 3, 1, 1)], 1))
        signal = only(last.relu() if method == "deconvnet" else torch.ones_like(last), 0, 2)
        joined = turned(model.last, rectified(signal, last), (9, 8))
        sum_ = rectified(joined[:, :6], three)
        branch = rectified(turned(model.three, sum_, (9, 8)), two)
        at_first = (
            sum_ + turned(model.two, branch, (9, 8)) + unpooled(nn.MaxPool2d(3, 1, 1), first, joined[:, 6:])
        )
        expected = turned(model.one, rectified(at_first, one), (9, 8))
    torch.testing.assert_close(seen.image, expected[0])
    assert seen.notes == ()


class Varied(nn.Module):
    """Smooth activations, normalisation, averages, a gate: nothing for which the papers have a word."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.norm, self.two = conv(2, 4, 3), normalized(4), conv(4, 4, 3)

    def forward(self, images: Tensor) -> Tensor:
        maps = F.gelu(self.norm(self.one(images)))
        maps = F.avg_pool2d(maps, 2) * torch.sigmoid(maps.mean((2, 3), keepdim=True))
        return torch.tanh(self.two(maps))


@pytest.mark.parametrize("training", [False, True])
def test_gradient_is_the_gradient(training: bool) -> None:
    model = Varied().train(training)
    images = torch.randn(3, 2, 10, 10, dtype=torch.float64)
    seen = deconvnet(model, images, "two", 3, 1, unit=(1, 0), method="gradient")
    leaf = images.clone().requires_grad_()
    [expected] = torch.autograd.grad(model(leaf)[1, 3, 1, 0], leaf)
    torch.testing.assert_close(seen.image, expected[1])
    assert seen.notes == ()


def test_what_the_method_has_no_word_for_is_named() -> None:
    seen = deconvnet(Varied().eval(), torch.randn(1, 2, 10, 10, dtype=torch.float64), "two", 0)
    assert set(seen.notes) == {
        "tanh: its derivative",
        "a product of maps: the derivative for each factor",
        "sigmoid: its derivative",
        "average: spread evenly over its pixels",
        "gelu: rectified as a ReLU is",
        "BatchNorm: multiplied by its scale",
    }
    assert all(note in str(seen).replace("\n", " ") for note in seen.notes)


@pytest.mark.parametrize(
    ("activation", "rectifies"),
    [
        (nn.ReLU6(), True),
        (nn.LeakyReLU(0.1, inplace=True), True),
        (nn.PReLU(), True),
        (nn.ELU(inplace=True), True),
        (nn.Softplus(), True),
        (nn.Hardtanh(0, 3, inplace=True), True),
        (nn.Threshold(0.1, 0.0), True),
        (nn.Hardtanh(), False),
        (nn.Sigmoid(), False),
        (nn.Softsign(), False),
    ],
    ids=str,
)
@pytest.mark.parametrize("method", ["deconvnet", "guided"])
def test_other_activations_as_documented(activation: nn.Module, rectifies: bool, method: str) -> None:
    activation = activation.double()
    first, second = conv(2, 4, 3), conv(4, 3, 3)
    images = torch.randn(1, 2, 8, 8, dtype=torch.float64)
    seen = deconvnet(nn.Sequential(first, activation, second), images, "2", 1, method=method)
    between = first(images).detach().requires_grad_()
    value = activation(between.clone())
    start = second(value.detach()).detach()
    start = only(start if method == "deconvnet" else torch.ones_like(start), 0, 1)
    signal = turned(second, start, (6, 6))
    signal = signal.clamp_min(0) if rectifies else signal
    if not rectifies or method == "guided":
        [signal] = torch.autograd.grad(value, between, signal)
    torch.testing.assert_close(seen.image, turned(first, signal, (8, 8))[0].detach())


def test_batch_norm_of_the_batch_multiplies_by_the_scale_of_the_batch() -> None:
    first, norm, last = conv(2, 4, 3), normalized(4).train(), conv(4, 2, 3)
    images = torch.randn(5, 2, 8, 8, dtype=torch.float64)
    seen = deconvnet(nn.Sequential(first, norm, nn.ReLU(), last), images, "3", 1, 2)
    still = normalized(4)
    with torch.no_grad():
        maps = first(images)
        still.load_state_dict(norm.state_dict())
        still.running_mean, still.running_var = maps.mean((0, 2, 3)), maps.var((0, 2, 3), correction=0)
        steps = [first, still, nn.ReLU(), last]
        signal = only(nn.Sequential(*steps)(images), 2, 1)
    torch.testing.assert_close(seen.image, back(steps, images, signal)[2])


def test_a_maximum_over_channels_goes_back_to_the_channel_that_won() -> None:
    layer = convitro.Conv2d(3, 2, 3, aggregation="max")
    images = torch.randn(1, 3, 6, 6)
    seen = deconvnet(nn.Sequential(layer, nn.ReLU()), images, "0", 1, unit=(2, 1))
    maps = dissect(layer, images)["conv2d"].partial_maps(1)[0, :, 2, 1]
    expected, winner = torch.zeros(3, 6, 6), int(maps.argmax())
    expected[winner, 2:5, 1:4] = layer.weight[1, winner].detach() * seen.value
    torch.testing.assert_close(seen.image, expected)
    assert seen.notes == ("aggregation max: its derivative",)


@pytest.mark.parametrize("method", ["deconvnet", "guided", "gradient"])
@pytest.mark.parametrize("aggregation", ["sum", "max"])
def test_a_fused_block_is_its_parts(aggregation: str, method: str) -> None:
    block = convitro.ConvBlock(3, 4, 3, aggregation=aggregation, pool=3, pool_stride=2)
    parts = nn.Sequential(block.conv, nn.ReLU(), nn.MaxPool2d(3, 2))
    last, images = nn.Conv2d(4, 2, 2), torch.randn(1, 3, 14, 14)
    whole = deconvnet(nn.Sequential(block, last), images, "1", 0, method=method)
    apart = deconvnet(nn.Sequential(*parts, last), images, "3", 0, method=method)
    torch.testing.assert_close(whole.image, apart.image)
    assert whole.image.abs().sum() > 0


class Hidden(nn.Module):
    """Does all it can to be no part of a graph."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = conv(3, 4, 3), conv(4, 2, 3)

    def forward(self, images: Tensor) -> Tensor:
        images.mul_(2)
        with torch.no_grad():
            maps = self.one(images).detach()
            maps.relu_()
        return torch.relu_(self.two(maps.data))


def test_parts_that_take_no_gradient_are_followed_all_the_same() -> None:
    model, images = Hidden(), torch.randn(1, 3, 8, 8, dtype=torch.float64)
    steps = [model.one, nn.ReLU(), model.two, nn.ReLU()]
    with torch.no_grad():
        maps = nn.Sequential(*steps)(2 * images)
    seen = deconvnet(model, images, "two", 1)
    torch.testing.assert_close(seen.image, 2 * back(steps, 2 * images, only(maps, 0, 1))[0])


def test_where_the_model_pools_first_the_maps_before_pooling_are_meant() -> None:
    layer, images = conv(3, 4, 3), torch.randn(1, 3, 8, 8, dtype=torch.float64)
    model = nn.Sequential(layer, nn.MaxPool2d(2), nn.ReLU())
    seen = deconvnet(model, images, "0", 2, unit=(3, 4))
    assert seen.value == pytest.approx(float(dissect(model, images)["0"].activated[0, 2, 3, 4]))


def test_layers_called_twice_have_two_names() -> None:
    layer, images = conv(3, 3, 3), torch.randn(1, 3, 9, 9, dtype=torch.float64)
    model = nn.Sequential(layer, nn.ReLU(), layer, nn.ReLU())
    with torch.no_grad():
        maps = model(images)
    seen = deconvnet(model, images, "0#2", 0)
    torch.testing.assert_close(seen.image, back(list(model), images, only(maps, 0, 0))[0])


def test_a_real_network_as_written_out(shared: Path) -> None:
    model = tiny_vgg(shared)
    files = sorted((shared / "models" / "tiny_vgg_images").iterdir())[:3]
    images = torch.cat([to_input(load_picture(file), (3, 64, 64)) for file in files])
    steps = [
        step
        for name, step in model.named_children()
        if not name.startswith(("flatten", "output", "max_pool_2"))
    ]
    with torch.no_grad():
        maps = nn.Sequential(*steps)(images)
    for filter in range(10):
        seen = deconvnet(model, images, "conv_2_2", filter, 2, top=1)
        units = None if seen.units is None else list(seen.units)
        expected = back(steps, images, only(maps, 2, filter, units))[2]
        torch.testing.assert_close(seen.image, expected)


def test_a_residual_network_of_full_depth(resnet18: nn.Module) -> None:
    seen = deconvnet(resnet18, torch.randn(1, 3, 64, 64), "4.1.conv2", 3, top=1)
    assert seen.image.shape == (3, 64, 64)
    assert seen.image.abs().sum() > 0
    assert seen.notes == ("BatchNorm: multiplied by its scale",)


def test_arrays_are_taken_as_they_are_by_dissect() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU())
    images = torch.rand(1, 2, 6, 6)
    one, other = (deconvnet(model, input, "0", 1, top=1) for input in (images, images.double().numpy()))
    torch.testing.assert_close(one.image, other.image)
