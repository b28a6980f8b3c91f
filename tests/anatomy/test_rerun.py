"""A model runs with other aggregations in some layers: only those change, and all stays as it was."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.testing import assert_close

import convitro
from convitro import aggregations
from convitro.anatomy import dissect, rerun
from convitro.errors import ArgumentError, UnknownLayerError, UnsupportedError
from tests.anatomy.test_unchanged import Restless, photograph, same
from tests.explorer.networks import digits, odd, small
from tests.own_aggregation import Energy

PLAIN = [name for name in aggregations() if name != "none"]


class Twice(nn.Module):
    """One convolution called twice, a function call between, a residual and activations in place."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1)
        self.free = nn.Parameter(torch.randn(4, 2, 3, 3))

    def forward(self, input: Tensor) -> Tensor:
        maps = F.relu(self.conv(input), inplace=True)
        maps = F.conv2d(maps, self.free, padding=1, groups=2)
        maps += input
        return self.conv(maps.relu_()).flatten(1)


def by_hand(model: Twice, image: Tensor, first: str, between: str, second: str) -> Tensor:
    weight, bias = model.conv.weight, model.conv.bias

    def convolve(input: Tensor, aggregation: str) -> Tensor:
        return convitro.functional.conv2d(input, weight, bias, padding=1, aggregation=aggregation)

    maps = convolve(image, first).relu()
    maps = convitro.functional.conv2d(maps, model.free, None, 1, 1, 1, 2, aggregation=between)
    return convolve((maps + image).relu(), second).flatten(1)


@pytest.mark.parametrize(
    "chosen",
    [
        {},
        {"conv": "max"},
        {"conv#2": "max"},
        {"conv2d": "logsumexp(beta=2.0)"},
        {"conv": "mean", "conv2d": "max", "conv#2": "median"},
    ],
    ids=str,
)
def test_only_the_named_calls_change(chosen: dict[str, str]) -> None:
    model, image = Twice(), torch.randn(2, 4, 6, 7)
    every = [chosen.get(name, "sum") for name in ("conv", "conv2d", "conv#2")]
    with torch.no_grad():
        assert_close(rerun(model, image, chosen), by_hand(model, image, *every))


@pytest.mark.parametrize("aggregation", PLAIN)
def test_a_last_layer_returns_what_its_anatomy_says(aggregation: str) -> None:
    model, image = nn.Conv2d(3, 4, 3, stride=2, padding=1, padding_mode="reflect"), torch.randn(1, 3, 9, 8)
    (expected,) = dissect(model, image).values()
    returned = rerun(model, image, {expected.name: aggregation})
    assert_close(returned, expected.under(aggregation), rtol=0, atol=0)


@pytest.mark.parametrize("make", [small, digits, odd])
@pytest.mark.parametrize("aggregation", ["mean", "logsumexp"])
def test_the_layers_own_aggregation_changes_nothing_and_another_the_rest(
    make: Callable[[], Any], aggregation: str
) -> None:
    network = make()
    image = torch.rand(1, *network.input_size)
    anatomy = dissect(network.model, image)
    for name, layer in anatomy.items():
        assert_close(rerun(network.model, image, {name: layer.aggregation}), anatomy.output)
        if layer.aggregation.separate:
            continue
        before = list(anatomy)[: list(anatomy).index(name)]
        later = dissect_under(network.model, image, name, aggregation)
        for earlier in before:
            assert_close(later[earlier], anatomy[earlier].output)
        assert_close(later[name], layer.under(aggregation))
        assert_close(rerun(network.model, image, {name: aggregation}), later[""])


def dissect_under(model: nn.Module, image: Tensor, name: str, aggregation: str) -> dict[str, Tensor]:
    """What the layers return when a hook on the module of one puts another result in its place."""
    kept: dict[str, Tensor] = {}
    layer = dissect(model, image)[name]

    def keep(key: str) -> Callable[..., Tensor]:
        def hook(module: nn.Module, args: Any, output: Tensor) -> Tensor:
            output = layer.under(aggregation) if key == name else output
            kept[key] = output.detach().clone()
            return output

        return hook

    handles = [module.register_forward_hook(keep(key)) for key, module in model.named_modules()]
    with torch.no_grad():
        model(image.clone())
    for handle in handles:
        handle.remove()
    return kept


def test_an_own_aggregation() -> None:
    model, image = nn.Sequential(nn.Conv2d(3, 2, 1, bias=False), nn.Flatten()), torch.randn(1, 3, 4, 4)
    maps = image[:, None] * model[0].weight[None]  # type: ignore[index]
    expected = maps.square().mean(2).flatten(1).detach()
    assert_close(rerun(model, image, {"0": Energy()}), expected)


def test_layout_and_dtype_stay_what_the_model_expects() -> None:
    class Viewing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)

        def forward(self, input: Tensor) -> Tensor:
            with torch.autocast("cpu", dtype=torch.bfloat16):
                maps = self.conv(input)
            assert maps.dtype is torch.bfloat16
            assert maps.is_contiguous(memory_format=torch.channels_last)
            return maps.permute(0, 2, 3, 1).view(-1, 4).float()

    model = Viewing().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    image = torch.randn(2, 3, 6, 6).to(memory_format=torch.channels_last)
    expected = dissect(model, image)["conv"].under("max").permute(0, 2, 3, 1).reshape(-1, 4).float()
    assert_close(rerun(model, image, {"conv": "max"}), expected)


def test_one_image_without_a_batch() -> None:
    model, image = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), torch.randn(3, 6, 6)
    assert_close(rerun(model, image, {"0": "mean"}), rerun(model, image[None], {"0": "mean"})[0])


@pytest.mark.parametrize("fails", [True, False])
def test_the_model_is_afterwards_what_it_was(fails: bool) -> None:
    model, image = Restless(), torch.randn(2, 3, 8, 8)
    model.fails = fails
    before = photograph(model)
    with pytest.raises(RuntimeError, match="forward gave up") if fails else nullcontext():
        rerun(model, image, {"conv": "max"})
    assert same(photograph(model), before)


def test_refusals() -> None:
    model, image = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3)), torch.randn(1, 3, 8, 8)
    with pytest.raises(UnknownLayerError, match="no layer '2'"):
        rerun(model, image, {"2": "max"})
    with pytest.raises(UnsupportedError, match="under none layer 0 makes another number of maps"):
        rerun(model, image, {"0": "none"})
    with pytest.raises(ArgumentError, match="maen"):
        rerun(model, image, {"0": "maen"})
    with pytest.raises(ArgumentError, match="rerun: `input` holds no tensor"):
        rerun(model, "image", {"0": "max"})


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_torchscript_is_refused() -> None:
    scripted = torch.jit.script(nn.Sequential(nn.Conv2d(3, 4, 3)))
    with pytest.raises(UnsupportedError, match="rerun: a TorchScript model hides its convolutions"):
        rerun(scripted, torch.randn(1, 3, 8, 8), {"0": "max"})


def test_a_layer_that_keeps_its_maps_apart_stays_so() -> None:
    model = nn.Sequential(convitro.Conv2d(3, 2, 1, aggregation="none"), nn.ReLU())
    image = torch.randn(1, 3, 4, 4)
    assert_close(rerun(model, image, {"0": "none"}), model(image).detach())
    with pytest.raises(UnsupportedError, match="another number of maps"):
        rerun(model, image, {"0": "sum"})
