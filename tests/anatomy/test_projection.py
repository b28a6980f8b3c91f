"""The door of deconvnet: every form of input, what is refused, what it tells, and nothing changed."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from convitro.anatomy import deconvnet
from convitro.errors import ArgumentError, UnknownLayerError, UnsupportedError


def test_the_model_is_exactly_what_it_was() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Dropout(0.5)
    ).train()
    first = model[0]
    assert isinstance(first, nn.Conv2d)
    first.weight.grad = torch.ones_like(first.weight)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    images = torch.randn(2, 3, 8, 8)
    kept, state = images.clone(), torch.get_rng_state()
    seen = deconvnet(model, images, "0", 1)
    assert torch.equal(torch.get_rng_state(), state)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name])
    assert torch.equal(first.weight.grad, torch.ones_like(first.weight))
    assert first.bias is not None
    assert first.bias.grad is None
    assert torch.equal(images, kept)
    assert images.grad is None
    assert not seen.image.requires_grad
    assert not seen.input.requires_grad
    assert not any(module._forward_hooks or module._backward_hooks for module in model.modules())


@pytest.mark.parametrize("form", ["single image", "tuple", "mapping"])
def test_every_form_of_input(form: str) -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Conv2d(3, 2, 3)

        def forward(self, images: Tensor, scale: Tensor | float = 2.0) -> Tensor:
            return torch.relu(self.layer(images * scale))

    model, images = Scaled(), torch.randn(1, 3, 6, 6)
    given = {
        "single image": images[0],
        "tuple": (images, torch.tensor(2.0)),
        "mapping": {"scale": 2.0, "images": images},
    }[form]
    torch.testing.assert_close(
        deconvnet(model, given, "layer", 1).image, deconvnet(model, images, "layer", 1).image
    )


def test_a_silent_unit_projects_nothing() -> None:
    layer = nn.Conv2d(1, 1, 3)
    assert layer.bias is not None
    nn.init.constant_(layer.bias, -100.0)
    seen = deconvnet(nn.Sequential(layer, nn.ReLU()), torch.zeros(1, 1, 5, 5), "0", 0)
    assert seen.value == 0
    assert seen.region.size == (0, 0)
    assert "nothing" in str(seen)
    assert seen.plot().encoded("png", 40)


MODEL = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
IMAGES = torch.randn(2, 3, 8, 8)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("0", 4), {}, "no such filter"),
        (("0", 0, 2), {}, "no such image"),
        (("0", 0), {"unit": (6, 0)}, "no such y"),
        (("0", 0), {"unit": (0, -1)}, "no such x"),
        (("0", 0), {"unit": 3}, "a unit is a pixel"),
        (("0", 0), {"top": 37}, "not so many units"),
        (("0", 0), {"top": 0}, "not so many units"),
        (("0", 0), {"top": 1, "unit": (0, 0)}, "not from both"),
        (("0", 0), {"method": "zeiler"}, "no such method"),
    ],
)
def test_what_there_is_not(arguments: Any, options: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        deconvnet(MODEL, IMAGES, *arguments, **options)


def test_a_wrong_layer_lists_the_right_ones() -> None:
    with pytest.raises(UnknownLayerError, match="no layer 'conv'") as caught:
        deconvnet(MODEL, IMAGES, "conv", 0)
    assert "0" in str(caught.value)


def test_inputs_without_an_image_are_refused() -> None:
    with pytest.raises(ArgumentError, match="holds no image"):
        deconvnet(MODEL, torch.zeros(2, 3), "0", 0)


def test_a_layer_that_does_not_see_the_image_is_refused() -> None:
    class Blind(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Conv2d(3, 2, 3)

        def forward(self, images: Tensor) -> Tensor:
            return self.layer(torch.ones(1, 3, 5, 5)) + images.mean()

    with pytest.raises(UnsupportedError, match="nothing leads back"):
        deconvnet(Blind(), IMAGES, "layer", 0)


def test_a_projection_tells_all() -> None:
    seen = deconvnet(MODEL, IMAGES, "0", 1, 1, top=1)
    assert seen.unit is not None
    told = json.loads(json.dumps(seen.to_dict(), allow_nan=False))
    assert told["units"] == [list(seen.unit)]
    assert told["region"] == list(seen.region)
    y, x = seen.unit
    assert seen.region == (y, x, y + 3, x + 3)
    assert all(len(line) <= 80 for line in str(seen).splitlines())
    assert "Zeiler" in str(seen)
    page = seen._repr_html_()
    assert page.startswith("<img alt=")
    assert "<script" not in page
    assert [tile.caption for tile in seen.plot().blocks[0].tiles] == [
        "image",
        "projection",
        "seen",
        "came back",
    ]
