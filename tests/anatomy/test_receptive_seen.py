"""What units really see, found by trying every pixel, is what is said of them, in networks of every kind."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import cast

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import convitro
from convitro.anatomy import receptive_field
from convitro.anatomy.receptive.field import Box
from tests import architectures
from tests.anatomy.impulses import check, positive, really_seen
from tests.anatomy.pieces import Do, conv

IMAGE = (1, 9, 11)


class Both(nn.Module):
    """Two ways side by side."""

    def __init__(self, one: nn.Module, two: nn.Module, join: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.one, self.two, self.join = one, two, join

    def forward(self, input: Tensor) -> Tensor:
        return self.join(self.one(input), self.two(input))


def beside(one: Tensor, two: Tensor) -> Tensor:
    return torch.cat([one, two], 1)


def add(one: Tensor, two: Tensor) -> Tensor:
    return one + two


def nhwc(function: Callable[[Tensor], Tensor]) -> nn.Module:
    return Do(lambda x: function(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2).contiguous())


def windows_of(x: Tensor, size: int) -> Tensor:
    """Windows of a map as Swin takes them: each softened by its own mean, and put back."""
    n, c, h, w = x.shape
    x = x.view(n, c, h // size, size, w // size, size).permute(0, 2, 4, 1, 3, 5)
    x = x + x.mean((-1, -2), keepdim=True)
    return x.permute(0, 3, 1, 4, 2, 5).reshape(n, c, h, w)


def attended(x: Tensor) -> Tensor:
    tokens = x.flatten(2).mT
    return F.scaled_dot_product_attention(tokens, tokens, tokens).mT.unflatten(2, (9, 11))


def written(x: Tensor) -> Tensor:
    frame = torch.zeros(len(x), 1, 13, 15, dtype=x.dtype)
    frame[:, :, 2:11, 2:13] = x
    return frame


def written_over(x: Tensor) -> Tensor:
    y = x.clone()
    y[..., 2:] = x[..., :-2]
    return y


def changed_through_a_view(x: Tensor) -> Tensor:
    y = x * 1
    y[..., 4:].mul_(2)
    return y


NETWORKS: dict[str, tuple[nn.Module, bool]] = {
    "plain": (nn.Sequential(conv(), nn.ReLU(), nn.MaxPool2d(2), conv(3, padding=1)), True),
    "even, same": (nn.Sequential(conv((2, 4), padding="same"), conv(2)), True),
    "dilated": (nn.Sequential(conv(3, dilation=2, padding=2), conv((1, 3), dilation=3)), True),
    "strided": (nn.Sequential(conv(3, stride=2, padding=1), conv((2, 1), stride=(1, 2))), True),
    "reflected": (nn.Sequential(conv(5, padding=2, padding_mode="reflect"), conv(2)), True),
    "replicated": (nn.Sequential(conv(5, padding=2, padding_mode="replicate")), True),
    "circular": (nn.Sequential(conv(3, padding=1, padding_mode="circular"), conv()), True),
    "more padding than kernel": (nn.Sequential(conv(2, padding=3), conv(2)), True),
    "ours": (nn.Sequential(convitro.Conv2d(1, 1, 3, padding=1, padding_mode="reflect")), True),
    "our block": (nn.Sequential(convitro.ConvBlock(1, 2, 3, padding=1), conv(2, 2)), True),
    "residual": (Both(nn.Sequential(conv(3, padding=1), conv(3, padding=1)), nn.Identity(), add), True),
    "cropped residual": (Both(conv(), Do(lambda x: x[..., 1:-1, 1:-1]), add), True),
    "shifted branches": (Both(conv(), Do(lambda x: x[..., 2:, :-2]), add), True),
    "inception": (Both(conv((1, 5), padding=(0, 2)), conv((3, 1), padding=(1, 0)), beside), True),
    "two strides": (Both(conv(3, 1, 1, stride=2, padding=1), nn.AdaptiveAvgPool2d((5, 6)), add), True),
    "transposed": (nn.Sequential(conv(3, stride=2), nn.ConvTranspose2d(1, 1, 3, 2), conv(2)), True),
    "transposed with gaps": (nn.Sequential(nn.ConvTranspose2d(1, 1, 1, 2), nn.AvgPool2d(2, 1)), True),
    "transposed, dilated": (nn.Sequential(nn.ConvTranspose2d(1, 1, 2, 3, 1, 1, dilation=2)), True),
    "nearest": (nn.Sequential(nn.Upsample(scale_factor=2), conv()), True),
    "nearest by 1.5": (nn.Sequential(nn.Upsample(scale_factor=1.5), conv()), True),
    "nearest-exact": (nn.Sequential(nn.Upsample(size=(7, 16), mode="nearest-exact"), conv()), True),
    "bilinear": (nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear"), conv()), True),
    "bilinear corners": (
        nn.Sequential(nn.Upsample((17, 6), mode="bilinear", align_corners=True), conv()),
        True,
    ),
    "area": (Do(lambda x: F.interpolate(x, (4, 7), mode="area")), True),
    "adaptive": (nn.Sequential(nn.AdaptiveMaxPool2d((4, 5)), conv(2)), True),
    "global": (nn.Sequential(conv(), nn.AdaptiveAvgPool2d(1), conv(1)), True),
    "ceil": (nn.Sequential(nn.MaxPool2d(2, 2, ceil_mode=True), nn.AvgPool2d(3, 2, 1, ceil_mode=True)), True),
    "lp": (nn.Sequential(nn.LPPool2d(2, 3, 2), conv(1)), True),
    "uneven padding": (nn.Sequential(nn.ZeroPad2d((0, 3, 1, -2)), conv()), True),
    "keras": (
        nn.Sequential(nhwc(lambda x: F.layer_norm(F.pad(x, (0, 0, 0, 1, 0, 1)).relu(), [1])), conv()),
        True,
    ),
    "linear on channels": (nn.Sequential(nhwc(lambda x: x @ x.new_ones(1, 3)), conv(3, 3)), True),
    "flattened and back": (
        nn.Sequential(Do(lambda x: x.flatten(2).relu().unflatten(2, (9, 11))), conv()),
        True,
    ),
    "turned": (nn.Sequential(conv(), Do(lambda x: x.mT), conv((1, 2))), True),
    "every second": (nn.Sequential(Do(lambda x: x[:, :, ::2, 1::3]), conv()), True),
    "focus": (Do(lambda x: torch.cat([x[..., :8:2, :10:2], x[..., 1:8:2, 1:10:2]], 1)), True),
    "shuffled": (nn.Sequential(conv(3, 1, 4), nn.PixelShuffle(2), conv()), True),
    "unshuffled": (nn.Sequential(Do(lambda x: x[..., :8, :8]), nn.PixelUnshuffle(2), conv(1, 4)), True),
    "by rows": (Do(lambda x: torch.cat([x[..., 4:, :], x[..., :4, :]], 2)), True),
    "chunks": (Do(lambda x: x.chunk(2, 3)[1].contiguous()), True),
    "stacked": (Do(lambda x: torch.stack([x, x.flip(3)]).sum(0)), True),
    "rolled": (nn.Sequential(Do(lambda x: x.roll((2, -3), (2, 3))), conv(2)), True),
    "im2col": (Do(lambda x: F.unfold(x, 3).sum(1, keepdim=True).unflatten(2, (7, 9))), True),
    "col2im": (Do(lambda x: F.fold(F.unfold(x, 3, stride=2), (9, 11), 3, stride=2)), False),
    "split after cat": (
        nn.Sequential(
            Both(conv(5, padding=2), conv(), lambda a, b: beside(a[..., 1:-1, 1:-1], b)),
            Do(lambda x: x[:, 1:]),
        ),
        False,
    ),
    "mixed after cat": (
        nn.Sequential(
            Both(conv(5, padding=2), conv(3, padding=1), beside), conv(1, 2, 2), Do(lambda x: x[:, 1:])
        ),
        True,
    ),
    "shuffled back": (Do(lambda x: F.pixel_shuffle(F.pixel_unshuffle(x[..., :8, :8], 2), 2)), False),
    "picked": (Do(lambda x: x.index_select(3, torch.tensor([4, 4, 0]))), True),
    "repeated": (nn.Sequential(Do(lambda x: x.repeat_interleave(2, 2).repeat(1, 1, 1, 2)), conv(2)), True),
    "written": (nn.Sequential(conv(3, padding=1), Do(written), conv()), True),
    "written over": (nn.Sequential(conv(3, padding=1), Do(written_over), conv()), False),
    "einsum": (
        Do(lambda x: torch.einsum("bchw,cd,h->bwd", x, x.new_ones(1, 2), x.new_ones(9))[:, None]),
        True,
    ),
    "product of maps": (Do(lambda x: (x.flatten(2).mT @ x.flatten(2))[:, None, :9, :11]), False),
    "softmax over channels": (nn.Sequential(conv(3, 1, 2), nn.GroupNorm(1, 2), conv(1, 2)), True),
    "whole rows": (Do(lambda x: x + x.amax(3, keepdim=True)), True),
    "attention": (Do(attended), True),
    "swin": (nn.Sequential(Do(lambda x: windows_of(x[..., :8, :8], 4)), conv(2)), False),
    "unknown function": (nn.Sequential(Do(lambda x: torch.fft.fft2(x).real), conv()), False),
    "through a view": (nn.Sequential(Do(changed_through_a_view), conv()), False),
}


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("name", NETWORKS)
def test_units_see_what_they_really_see(name: str) -> None:
    network, exact = NETWORKS[name]
    head = nn.Conv2d(channels_of(positive(network)), 1, 1, bias=False)
    model = positive(nn.Sequential(network, head))
    fields = receptive_field(model, IMAGE)
    value = math.nan if name in ("attention", "softmax over channels", "keras", "unknown function") else 1.0
    seen = really_seen(model, IMAGE, value)
    assert fields["1"].exact is exact
    for layer, field in fields.items():
        if layer in seen:
            check(field, seen[layer], IMAGE)


def channels_of(network: nn.Module) -> int:
    with torch.no_grad():
        return int(network(torch.zeros(1, *IMAGE, dtype=torch.float64)).shape[1])


def lines_of_pixels(box: Box, size: tuple[int, int, int]) -> tuple[torch.Tensor, list[bool]]:
    """Pictures of one row or column each: the first and last inside a box, and those right outside of it."""
    inside = [(2, box.top), (2, box.bottom - 1), (3, box.left), (3, box.right - 1)]
    outside = [(2, box.top - 1), (2, box.bottom), (3, box.left - 1), (3, box.right)]
    outside = [(dim, at) for dim, at in outside if 0 <= at < size[dim - 1]]
    pictures = torch.zeros(len(inside) + len(outside), *size, dtype=torch.float64)
    for picture, (dim, at) in zip(pictures, inside + outside, strict=True):
        picture.select(dim - 1, at).fill_(1)
    return pictures, [True] * len(inside) + [False] * len(outside)


@pytest.mark.parametrize("name", ["resnet18", "unet", "inception"])
def test_the_borders_of_fields_in_real_networks(name: str, resnet18: nn.Sequential) -> None:
    """A line of pixels at the edge of a field changes the unit, the next line outside does not."""
    inception = cast(nn.Sequential, architectures.inception_v3(4).get_submodule("features"))
    network, size, layers = {
        "resnet18": (resnet18[:6], (3, 72, 72), ["3", "5.1.conv2"]),
        "unet": (architectures.unet(width=2), (1, 220, 220), ["down.2.2", "merge.1.0", "head"]),
        "inception": (inception[:12], (3, 139, 139), ["mixed_6a.branch_pool", "mixed_6b.branch7x7.2.conv"]),
    }[name]
    model = positive(network)
    fields = receptive_field(model, size)
    for layer in layers:
        field = fields[layer]
        y, x = field.map_size[0] // 2, field.map_size[1] // 2 - 1
        pictures, expected = lines_of_pixels(field.region(y, x), size)
        seen: list[torch.Tensor] = []
        handle = model.get_submodule(layer).register_forward_hook(lambda m, a, out: seen.append(out))  # noqa: B023
        with torch.no_grad():
            model(pictures)
        handle.remove()
        assert (seen[0][:, :, y, x].abs().amax(1) > 0).tolist() == expected, layer
