"""Random networks: every unit sees exactly the pixels that are found by trying, no more and no fewer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from convitro.anatomy import receptive_field
from tests.anatomy.impulses import check, positive, really_seen
from tests.anatomy.pieces import Do
from tests.profiles import share

IMAGE = (2, 8, 7)
MODES = ("zeros", "reflect", "replicate", "circular")
Draw = Callable[[Any], Any]


def cut(x: Tensor, top: int, left: int, step: int) -> Tensor:
    return x[..., top::step, left:]


def border(x: Tensor, sides: tuple[int, ...], mode: str) -> Tensor:
    return F.pad(x, sides, mode)


def channels_last(x: Tensor) -> Tensor:
    return F.max_pool2d(x.permute(0, 2, 3, 1).relu().permute(0, 3, 1, 2), 2, 1)


def there_and_back(x: Tensor) -> Tensor:
    return x.flatten(1).view(len(x), x.shape[1], -1).reshape(x.shape)


def mirrored(x: Tensor) -> Tensor:
    return x.flip(2) + x.roll(1, 3)


class Branches(nn.Module):
    """Two ways, cut to the same size, then added or put side by side and mixed."""

    def __init__(self, one: nn.Module, two: nn.Module, *, adds: bool) -> None:
        super().__init__()
        self.one, self.two, self.adds = one, two, adds
        self.mix = nn.Conv2d(4, 2, 1, bias=False)

    def forward(self, input: Tensor) -> Tensor:
        one, two = self.one(input), self.two(input)
        height, width = (min(a, b) for a, b in zip(one.shape[2:], two.shape[2:], strict=True))
        one, two = one[..., :height, :width], two[..., -height:, -width:]
        return one + two if self.adds else self.mix(torch.cat([one, two], 1))


def small(draw: Draw, low: int, high: int) -> int:
    return int(draw(st.integers(low, high)))


def convolution(draw: Draw) -> nn.Module:
    size = (small(draw, 1, 4), small(draw, 1, 4))
    dilation, groups = small(draw, 1, 2), small(draw, 1, 2)
    if draw(st.booleans()):
        return nn.Conv2d(2, 2, size, padding="same", dilation=dilation, groups=groups, bias=False)
    stride, padding = (small(draw, 1, 3), small(draw, 1, 2)), (small(draw, 0, 2), small(draw, 0, 2))
    mode = draw(st.sampled_from(MODES))
    options: Any = {"dilation": dilation, "groups": groups, "bias": False, "padding_mode": mode}
    return nn.Conv2d(2, 2, size, stride, padding, **options)


def transposed(draw: Draw) -> nn.Module:
    size, stride = (small(draw, 1, 4), small(draw, 1, 3)), (small(draw, 1, 3), small(draw, 1, 2))
    padding, dilation = small(draw, 0, 1), small(draw, 1, 2)
    return nn.ConvTranspose2d(2, 2, size, stride, padding, dilation=dilation, bias=False)


def pooling(draw: Draw) -> nn.Module:
    size, stride, ceil = small(draw, 2, 3), small(draw, 1, 3), draw(st.booleans())
    if draw(st.booleans()):
        return nn.AvgPool2d(size, stride, small(draw, 0, 1), ceil_mode=ceil)
    return nn.MaxPool2d(size, stride, small(draw, 0, 1), ceil_mode=ceil)


def adaptive(draw: Draw) -> nn.Module:
    goal = (small(draw, 1, 6), small(draw, 1, 6))
    return draw(st.sampled_from([nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d]))(goal)


def resized(draw: Draw) -> nn.Module:
    mode = draw(st.sampled_from(["nearest", "nearest-exact", "bilinear", "area"]))
    corners = draw(st.booleans()) if mode == "bilinear" else None
    if draw(st.booleans()):
        return nn.Upsample((small(draw, 1, 12), small(draw, 1, 12)), mode=mode, align_corners=corners)
    factor = draw(st.sampled_from([2.0, 3.0, 1.5, 0.5, 2.5]))
    return nn.Upsample(scale_factor=factor, mode=mode, align_corners=corners)


def moved(draw: Draw) -> nn.Module:
    sides = tuple(small(draw, -1, 2) for _ in range(4))
    return draw(
        st.sampled_from(
            [
                Do(cut, small(draw, 0, 2), small(draw, 0, 2), small(draw, 1, 2)),
                Do(border, sides, "constant"),
                Do(
                    border,
                    tuple(max(0, side) for side in sides),
                    draw(st.sampled_from(["reflect", "circular"])),
                ),
                Do(channels_last),
                Do(there_and_back),
                Do(mirrored),
            ]
        )
    )


@st.composite
def networks(draw: Draw, depth: int = 2) -> nn.Module:
    """A few layers in a row, some of them with two branches, some with a shortcut."""
    layers: list[nn.Module] = []
    kinds = [convolution, convolution, pooling, transposed, adaptive, resized, moved]
    for _ in range(small(draw, 1, 4)):
        if depth and draw(st.integers(0, 3)) == 0:
            one, two = draw(networks(depth - 1)), draw(st.one_of(networks(depth - 1), st.just(nn.Identity())))
            layers.append(Branches(one, two, adds=draw(st.booleans())))
        else:
            layers.append(draw(st.sampled_from(kinds))(draw))
    return nn.Sequential(*layers)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@share(1.0)
@given(networks())
def test_random_networks(network: nn.Module) -> None:
    model = positive(nn.Sequential(network, nn.Conv2d(2, 1, 1, bias=False)))
    try:
        with torch.no_grad():
            model(torch.zeros(1, *IMAGE, dtype=torch.float64))
    except (RuntimeError, AssertionError, ValueError):
        return  # maps that are smaller than a window
    fields = receptive_field(model, IMAGE)
    seen = really_seen(model, IMAGE)
    assert "1" in fields
    for layer, field in fields.items():
        if layer in seen:
            check(field, seen[layer], IMAGE)
