"""The parts add up: partial maps, aggregated, give the layer's own output, for every aggregation there is."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.testing import assert_close

import convitro
from convitro.aggregation import COMBINES
from convitro.anatomy import dissect
from convitro.errors import ArgumentError, UnsupportedError
from tests.profiles import crossed

GEOMETRIES: dict[str, dict[str, Any]] = {
    "plain": {},
    "groups, stride, dilation": {"groups": 2, "stride": (2, 1), "dilation": (1, 2)},
    "padding": {"padding": (1, 2), "bias": False},
    "reflect": {"padding": 1, "padding_mode": "reflect"},
    "replicate": {"padding": 2, "padding_mode": "replicate", "stride": 2},
    "circular, same": {"padding": "same", "padding_mode": "circular", "dilation": 2},
    "depthwise": {"groups": 4, "padding": "same"},
}


def dissected(image: Tensor, aggregation: Any = "sum", **options: Any) -> tuple[Any, Tensor]:
    """The anatomy of one layer of eight filters on four channels, and what the layer really gave."""
    layer = convitro.Conv2d(4, 8, 3, aggregation=aggregation, **options)
    anatomy = dissect(nn.Sequential(layer, nn.ReLU(), nn.MaxPool2d(2)), image)
    with torch.no_grad():
        return anatomy["0"], layer(image)


def aggregate(aggregation: Any, maps: Tensor) -> Tensor:
    """(N, C, H, W) to (N, H, W): each aggregation by its own five functions, step by step."""
    items = maps.double().unbind(1)
    if (whole := aggregation.reduce(items)) is not None:
        return whole
    state = tuple(torch.full_like(items[0], number) for number in aggregation.init(len(items)))
    for item in items:
        state = aggregation.step(state, item)
    return aggregation.finish(state, torch.tensor(float(len(items)), dtype=torch.float64))


@pytest.mark.parametrize(("name", "geometry"), crossed(convitro.aggregations(), GEOMETRIES))
def test_partial_maps_add_up(name: str, geometry: str) -> None:
    layer, expected = dissected(torch.randn(2, 4, 7, 8), name, **GEOMETRIES[geometry])
    assert_close(layer.output, expected)
    bias = torch.zeros(8) if layer.bias is None else layer.bias
    for index in (0, 3, 7):
        part = layer.filter(index)
        assert part.partial_maps.shape == (2, 4 // layer.problem.groups, *layer.output_size)
        assert torch.equal(layer.partial_maps(index), part.partial_maps)
        if layer.aggregation.separate:
            own = expected.unflatten(1, (8, -1))[:, index]
            assert_close(part.output, own)
            assert_close(part.partial_maps + bias[index], own)
        else:
            assert_close(
                aggregate(layer.aggregation, part.partial_maps) + bias[index].double(),
                expected[:, index].double(),
                rtol=1e-5,
                atol=1e-5,
            )
            assert_close(part.output, expected[:, index])
            assert_close(layer.aggregated(index), layer.aggregated()[:, index])
            assert_close(part.aggregated + part.bias, part.output)
            assert_close(part.pooled, layer.pooled[:, index])
            assert_close(part.activated, layer.activated[:, index])


def test_partial_maps_are_cross_correlations_of_one_channel_with_one_kernel() -> None:
    image = torch.randn(2, 4, 7, 8)
    layer, _ = dissected(image, "max", groups=2, padding=1)
    for channel in (0, 1):
        source = image[:, 2 + channel].unsqueeze(1)  # filter 5 belongs to the second group
        expected = F.conv2d(source, layer.kernel(5, channel)[None, None], padding=1)
        assert_close(layer.partial_maps(5)[:, channel], expected[:, 0])
        assert torch.equal(layer.filter(5).inputs[:, channel], source[:, 0])


@pytest.mark.parametrize("combine", COMBINES)
@pytest.mark.parametrize("window", ["sum", "max", "mean"])
def test_windows_and_combines(window: str, combine: str) -> None:
    layer, expected = dissected(torch.randn(1, 4, 6, 6), "mean", window=window, combine=combine, padding=1)
    assert_close(layer.output, expected)
    assert_close(layer.partial_maps(2).mean(1) + layer.bias[2], expected[:, 2])


@pytest.mark.parametrize("other", [*convitro.aggregations(), "logsumexp(beta=5.0)", convitro.Norm(q=3.0)])
def test_under_another_aggregation_everything_is_as_if_the_layer_had_it(other: Any) -> None:
    image = torch.randn(2, 4, 8, 8)
    layer, _ = dissected(image, padding=1)
    changed = convitro.Conv2d.from_conv2d(convitro.Conv2d(4, 8, 3, padding=1), other)
    changed.weight, changed.bias = nn.Parameter(layer.weight), nn.Parameter(layer.bias)
    expected = dissect(nn.Sequential(changed, nn.ReLU(), nn.MaxPool2d(2)), image)["0"]
    assert_close(layer.under(other), expected.output)
    mine, theirs = layer.filter(6, other), expected.filter(6)
    for part in ("aggregated", "output", "activated", "pooled", "switches"):
        assert_close(getattr(mine, part), getattr(theirs, part))


def test_the_chain_of_a_filter_under_another_aggregation_has_the_batch_statistics_of_its_own_maps() -> None:
    model: Any = nn.Sequential(nn.Conv2d(4, 8, 3), nn.BatchNorm2d(8), nn.ReLU()).train()
    layer = dissect(model, torch.randn(3, 4, 8, 8))["0"]
    maps = layer.under("max")
    expected = F.batch_norm(maps, None, None, model[1].weight, model[1].bias, training=True).relu()
    assert_close(layer.filter(3, "max").activated, expected[:, 3])


def test_cancellation_by_hand() -> None:
    conv = nn.Conv2d(3, 4, 1, bias=False)
    kernels = [[1, 1, 1], [1, -1, 0], [1, 1, -1], [0, 0, 0]]
    conv.weight.data = torch.tensor(kernels, dtype=torch.float32)[..., None, None]
    layer = dissect(conv, torch.ones(2, 3, 5, 5))["conv2d"]
    assert_close(layer.cancellation(), torch.tensor([0, 1, 1 - 1 / 3, 0]))


def test_cancellation_of_random_weights_is_near_its_expectation() -> None:
    conv = nn.Conv2d(64, 16, 1, bias=False)
    nn.init.normal_(conv.weight)
    measured = float(dissect(conv, torch.randn(1, 64, 32, 32))["conv2d"].cancellation().mean())
    assert measured == pytest.approx(1 - math.sqrt(math.pi / (2 * 64)), abs=0.01)


def test_the_aggregation_none_has_a_chain_for_every_map() -> None:
    layer, expected = dissected(torch.randn(2, 4, 7, 8), "none")
    assert layer.output.shape == (2, 32, 5, 6)
    assert layer.aggregated().shape == (2, 32, 5, 6)
    part = layer.filter(3)
    assert part.aggregated.shape == (2, 4, 5, 6)
    assert_close(part.pooled, F.max_pool2d(expected[:, 12:16].relu(), 2))


@pytest.mark.parametrize("training", [True, False])
def test_maps_kept_apart_share_the_parameters_of_their_filter(training: bool) -> None:
    norm: Any = nn.BatchNorm2d(8)
    slopes = nn.PReLU(8)
    for parameter in (norm.weight, norm.bias, norm.running_mean, slopes.weight):
        nn.init.normal_(parameter)
    model = nn.Sequential(nn.Conv2d(4, 8, 3, bias=False), norm, slopes).train(training)
    image = torch.randn(3, 4, 6, 6)
    part = dissect(model, image)["0"].filter(5, "none")
    own = [tensor[5:6].expand(4) for tensor in (norm.running_mean, norm.running_var, norm.weight, norm.bias)]
    statistics = [None, None] if training else own[:2]
    expected = F.batch_norm(part.partial_maps, *statistics, *own[2:], training=training)  # type: ignore[misc]
    assert_close(part.activated, F.prelu(expected, slopes.weight[5:6]))


def test_parameters_for_every_partial_map_cannot_serve_their_sum() -> None:
    model = nn.Sequential(convitro.Conv2d(2, 3, 1, aggregation="none"), nn.BatchNorm2d(6)).eval()
    layer = dissect(model, torch.randn(1, 2, 4, 4))["0"]
    assert_close(layer.filter(1).activated, layer.activated[:, 2:4])
    with pytest.raises(UnsupportedError, match="its own parameters for every partial map"):
        _ = layer.filter(1, "sum").activated


def test_out_of_range() -> None:
    layer, _ = dissected(torch.randn(1, 4, 6, 6), groups=2)
    with pytest.raises(ArgumentError, match=r"0: there is no such filter(.|\n)*filter 0 to 7(.|\n)*filter=8"):
        layer.filter(8)
    with pytest.raises(ArgumentError, match="filter=-1"):
        layer.partial_maps(-1)
    with pytest.raises(ArgumentError, match=r"channel 0 to 1(.|\n)*channel=2"):
        layer.kernel(0, 2)
    with pytest.raises(ArgumentError, match="filter='3'"):
        layer.aggregated("3")
    with pytest.raises(ArgumentError, match="filter=True"):
        layer.filter(True)
    with pytest.raises(ArgumentError, match='did you mean "mean"'):
        layer.under("maen")
    assert layer.filter(torch.tensor(3)).index == 3


def test_results_are_frozen() -> None:
    layer, _ = dissected(torch.randn(1, 4, 6, 6))
    for result in (layer, layer.filter(0), layer.pixel(0, 0, 0)):
        with pytest.raises(AttributeError, match="cannot assign to field"):
            result.bias = None
