"""The arithmetic of a pixel: its numbers for every operator and border, and how it reads."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

import convitro
from convitro.aggregation import COMBINES, resolve
from convitro.anatomy import LayerAnatomy, dissect
from convitro.errors import ArgumentError
from tests.profiles import crossed

STREAMING = [name for name in convitro.aggregations() if name != "none" and resolve(name).streams]


def red_green_blue(aggregation: str = "sum", bias: float = 0.0) -> LayerAnatomy:
    """A 3x3 image of 1, 100 and 10000 under one 2x2 filter of ones."""
    layer = convitro.Conv2d(3, 1, 2, aggregation=aggregation)
    nn.init.ones_(layer.weight)
    nn.init.constant_(layer.bias, bias)  # type: ignore[arg-type]
    image = torch.tensor([1.0, 100.0, 10000.0]).view(1, 3, 1, 1).expand(1, 3, 3, 3)
    return dissect(layer, image)["conv2d"]


def test_the_example_that_everyone_asks_about() -> None:
    layer = red_green_blue()
    trace = layer.pixel(0, 0, 0)
    assert layer.parameters == 13
    assert "13 parameters" in str(layer)
    assert trace.output == 40404
    assert trace.partials.tolist() == [4, 400, 40000]
    assert str(trace) == (
        "conv2d, filter 0, pixel y=0 x=0\n"
        "  channel 0: 1*1 + 1*1 + 1*1 + 1*1 = 4\n"
        "  channel 1: 100*1 + 100*1 + 100*1 + 100*1 = 400\n"
        "  channel 2: 10000*1 + 10000*1 + 10000*1 + 10000*1 = 40000\n"
        "sum of the channels + bias:\n"
        "  4 + 400 + 40000 + 0 = 40404"
    )


@pytest.mark.parametrize(
    ("aggregation", "bias", "last_line"),
    [
        ("max", 0.0, "max(4, 400, 40000) + 0 = 40000"),
        ("mean", -1.5, "mean(4, 400, 40000) - 1.5 = 13466.5"),
        ("logsumexp", 0.0, "logsumexp(4, 400, 40000; beta=1.0) + 0 = 40000"),
        ("median", 0.25, "median(4, 400, 40000) + 0.25 = 400.25"),
        ("product", 0.0, "product(4, 400, 40000) + 0 = 6.4e+07"),
        ("none", 0.5, "4.5, 400.5, 40000.5"),
    ],
)
def test_the_last_line_of_other_aggregations(aggregation: str, bias: float, last_line: str) -> None:
    trace = red_green_blue(aggregation, bias).pixel(0, 1, 1)
    assert str(trace).splitlines()[-1].strip() == last_line
    if aggregation == "none":
        assert trace.output == (4.5, 400.5, 40000.5)
        assert trace.aggregated == (4, 400, 40000)


def check_pixels(layer: LayerAnatomy) -> None:
    """At corners, edges and in the middle: the arithmetic gives the maps' values, in 80 columns."""
    maps = layer.output.unflatten(1, (layer.filters, -1))
    last = (layer.input.shape[0] - 1, layer.filters - 1)
    rows, columns = (sorted({0, size // 2, size - 1}) for size in layer.output_size)
    for (image, index), y, x in itertools.product({(0, 0), last}, rows, columns):
        trace = layer.pixel(index, y, x, image)
        outputs = torch.tensor(trace.output, dtype=torch.float64).reshape(-1)
        assert_close(outputs.float(), maps[image, index, :, y, x], rtol=1e-4, atol=1e-4)
        partials = layer.partial_maps(index)[image, :, y, x]
        assert_close(trace.partials.float(), partials, rtol=1e-4, atol=1e-4)
        assert max(map(len, str(trace).splitlines())) <= 80


@pytest.mark.parametrize("padding_mode", ["zeros", "reflect", "replicate", "circular"])
@pytest.mark.parametrize("aggregation", convitro.aggregations())
def test_every_aggregation_and_border(aggregation: str, padding_mode: Any) -> None:
    layer = convitro.Conv2d(2, 3, 3, stride=2, padding=2, padding_mode=padding_mode, aggregation=aggregation)
    check_pixels(dissect(layer, torch.randn(2, 2, 5, 4))["conv2d"])


@pytest.mark.parametrize(("window", "combine"), crossed(STREAMING, COMBINES))
def test_every_window_and_combine(window: str, combine: str) -> None:
    layer = convitro.Conv2d(2, 2, (2, 3), padding=(2, 1), dilation=(1, 2), window=window, combine=combine)
    check_pixels(dissect(layer, torch.randn(1, 2, 4, 5))["conv2d"])


def test_uneven_padding_and_groups() -> None:
    check_pixels(
        dissect(convitro.Conv2d(4, 4, 4, padding="same", groups=2), torch.randn(1, 4, 6, 5))["conv2d"]
    )


def test_pixels_outside_the_image() -> None:
    layer = dissect(convitro.Conv2d(1, 1, 3, padding=1), torch.ones(1, 1, 4, 4))["conv2d"]
    corner = layer.pixel(0, 0, 0)
    assert corner.inside.tolist() == [[False] * 3, [False, True, True], [False, True, True]]
    assert corner.patch[0, 0].tolist() == [0, 0, 0]
    assert corner.products[0, 0].abs().sum() == 0
    assert "5 of 9 pixels of the window are outside the image and count as 0" in str(corner)
    assert "outside" not in str(layer.pixel(0, 1, 1))
    skipping = dissect(convitro.Conv2d(1, 1, 3, padding=1, window="mean"), torch.ones(1, 1, 4, 4))["conv2d"]
    assert "outside the image and take no part" in str(skipping.pixel(0, 0, 0))
    added = dissect(convitro.Conv2d(1, 1, 3, padding=1, combine="add"), torch.ones(1, 1, 4, 4))["conv2d"]
    assert added.pixel(0, 0, 0).products[0, 0].tolist() == [0, 0, 0]
    assert skipping.pixel(0, 0, 0).partials[0] == pytest.approx(float(skipping.weight[0, 0, 1:, 1:].mean()))


def test_a_window_with_nothing_inside() -> None:
    layer = dissect(convitro.Conv2d(1, 1, 1, padding=1, window="max"), torch.ones(1, 1, 2, 2))["conv2d"]
    trace = layer.pixel(0, 0, 0)
    assert trace.partials.tolist() == [0]
    assert "nothing inside the image = 0" in str(trace)


def test_many_channels_and_large_kernels_are_shortened_and_say_so() -> None:
    layer = dissect(nn.Conv2d(64, 2, 7), torch.randn(1, 64, 7, 7))["conv2d"]
    text = str(layer.pixel(1, 0, 0))
    assert "… 60 more channels …" in text
    assert "… 56 more …" in text.replace("\n      ", " ")
    assert "… 40 more …" in text.replace("\n      ", " ")
    assert len(text.splitlines()) < 30
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize(
    ("combine", "term"),
    [
        ("multiply", "2*(-0.5)"),
        ("add", "(2 + (-0.5))"),
        ("subtract", "(2 - (-0.5))"),
        ("squared_difference", "(2 - (-0.5))²"),
        ("absolute_difference", "|2 - (-0.5)|"),
        ("minimum", "min(2, -0.5)"),
    ],
)
def test_how_a_product_is_written(combine: str, term: str) -> None:
    conv = convitro.Conv2d(1, 1, 1, combine=combine)
    nn.init.constant_(conv.weight, -0.5)
    trace = dissect(conv, torch.full((1, 1, 1, 1), 2.0))["conv2d"].pixel(0, 0, 0)
    assert str(trace).splitlines()[1] == f"  channel 0: {term} = {trace.partials.item():g}"


def test_out_of_range() -> None:
    layer = red_green_blue()
    for arguments, message in (
        ((1, 0, 0), "filter 0 to 0(.|\n)*filter=1"),
        ((0, 2, 0), "y 0 to 1(.|\n)*y=2"),
        ((0, 0, -1), "x 0 to 1(.|\n)*x=-1"),
        ((0, 0, 0, 1), "image 0 to 0(.|\n)*image=1"),
        ((0, 0.5, 0), "y=0.5"),
    ):
        with pytest.raises(ArgumentError, match=message):
            layer.pixel(*arguments)


def test_as_json() -> None:
    conv = nn.Conv2d(2, 1, 1, bias=False)
    image = torch.tensor([float("inf"), float("nan")]).view(1, 2, 1, 1)
    values: Any = json.loads(
        json.dumps(dissect(conv, image)["conv2d"].pixel(0, 0, 0).to_dict(), allow_nan=False)
    )
    assert values["patch"] == [[["Infinity"]], [["NaN"]]]
    assert values["output"] == "NaN"
    assert (values["layer"], values["filter"], values["channels"], values["bias"]) == (
        "conv2d",
        0,
        [0, 1],
        0.0,
    )
    assert values["aggregation"] == "sum"


def test_in_a_notebook() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.add_module("<b>", nn.Conv2d(1, 1, 1))

        def forward(self, input: Tensor) -> Tensor:
            return self._modules["<b>"](input)  # type: ignore[misc]

    page = dissect(Odd(), torch.ones(1, 1, 2, 2))["<b>"].pixel(0, 0, 0)._repr_html_()
    assert page.startswith("<pre>&lt;b&gt;, filter 0")
