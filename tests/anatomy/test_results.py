"""How results show themselves: as text of 80 columns, as HTML that needs nothing, as JSON."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest
import torch
from torch import nn

import convitro
from convitro.anatomy import Anatomy, dissect


@pytest.fixture
def anatomy() -> Anatomy:
    model = nn.Sequential()
    model.add_module("conv<1>", nn.Conv2d(3, 8, 3, 2, 1, padding_mode="reflect"))
    model.add_module("norm", nn.BatchNorm2d(8))
    model.add_module("act", nn.LeakyReLU(0.2, inplace=True))
    model.add_module("pool", nn.MaxPool2d(3, 2))
    model.add_module("[bold]", convitro.Conv2d(8, 6, (1, 2), groups=2, dilation=2, aggregation="max"))
    model.add_module("last", nn.PReLU(6))
    return dissect(model.eval(), torch.randn(2, 3, 17, 17))


def test_as_text(anatomy: Anatomy) -> None:
    assert str(anatomy) == (
        "Sequential: 2 convolution layers in execution order\n"
        " layer     filters   aggregation   geometry           output   then\n"
        "────────────────────────────────────────────────────────────────────────────────\n"
        " conv<1>   8x3x3x3   sum           stride 2,          8x9x9    batch_norm,\n"
        "                                   reflect padding             leaky_relu(0.2),\n"
        "                                   1                           max pool 3x3\n"
        "                                                               stride 2\n"
        " [bold]    6x4x1x2   max           dilation 2, 2      6x4x2    prelu\n"
        "                                   groups"
    )
    assert repr(anatomy) == str(anatomy)
    for layer in anatomy.values():
        for result in (layer, layer.filter(1), layer.filter(1, "none"), layer.pixel(1, 0, 0)):
            assert max(map(len, str(result).splitlines())) <= 80
            assert repr(result) == str(result)


def test_a_layer_as_text(anatomy: Anatomy) -> None:
    assert str(anatomy["conv<1>"]) == (
        "conv<1>: 8 filters, 224 parameters, 34,992 MACs\n"
        " step            shape       how\n"
        "──────────────────────────────────────────────────────────\n"
        " input           2x3x17x17\n"
        " kernels         8x3x3x3     stride 2, reflect padding 1\n"
        " partial maps    2x24x9x9    multiply, sum of each window\n"
        " aggregation     2x8x9x9     sum\n"
        " bias            8\n"
        " normalization               batch_norm\n"
        " activation                  leaky_relu(0.2)\n"
        " pool                        max pool 3x3 stride 2"
    )


def test_a_filter_as_text() -> None:
    conv = nn.Conv2d(20, 1, 1, bias=False)
    nn.init.ones_(conv.weight)
    lines = str(dissect(conv, torch.arange(20.0).view(1, 20, 1, 1))["conv2d"].filter(0)).splitlines()
    assert lines[0] == "conv2d, filter 0: sum of 20 channels"
    assert [line.split() for line in lines[3:5]] == [
        ["channel", str(i), "1", "1", str(i), str(i)] for i in (0, 1)
    ]
    assert "… 8 more …" in lines[-4]
    assert lines[-3].split() == ["channel", "19", "1", "1", "19", "19"]
    assert lines[-2].split() == ["aggregated", "190", "190"]


def test_as_html(anatomy: Anatomy) -> None:
    page = anatomy._repr_html_()
    assert page.count("<tr>") == 3
    assert "conv&lt;1&gt;" in page
    layer = anatomy["conv<1>"]
    for text in (
        page,
        layer._repr_html_(),
        layer.filter(0)._repr_html_(),
        layer.pixel(0, 0, 0)._repr_html_(),
    ):
        assert "<1>" not in text
        for forbidden in ("<script", "http", "src=", "href"):
            assert forbidden not in text


def test_as_json(anatomy: Anatomy) -> None:
    values: Any = json.loads(json.dumps(anatomy.to_dict(), allow_nan=False))
    assert [layer["name"] for layer in values["layers"]] == ["conv<1>", "[bold]"]
    assert values["layers"][1]["output_shape"] == [2, 6, 4, 2]
    assert values["layers"][0]["stages"] == [
        "batch_norm",
        "leaky_relu(0.2)",
        "max pool 3x3 stride 2",
    ]
    part: Any = json.loads(json.dumps(anatomy["[bold]"].filter(4).to_dict(), allow_nan=False))
    assert part["channels"] == [4, 5, 6, 7]
    assert set(part["ranges"]) == {"aggregated", "output", "activated"}


def test_an_anatomy_is_a_mapping_and_frozen(anatomy: Anatomy) -> None:
    assert dict(anatomy) == dict(anatomy.items())
    with pytest.raises(TypeError, match="does not support item assignment"):
        anatomy["new"] = anatomy["[bold]"]  # type: ignore[index]
    with pytest.raises(AttributeError, match="cannot assign to field"):
        anatomy.output = None  # type: ignore[misc]


def test_an_anatomy_can_be_saved(anatomy: Anatomy) -> None:
    again: Any = pickle.loads(pickle.dumps(anatomy))
    assert list(again) == list(anatomy)
    pooled = anatomy["conv<1>"].pooled
    assert pooled is not None
    assert torch.equal(again["conv<1>"].pooled, pooled)
