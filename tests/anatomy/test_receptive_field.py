"""Receptive fields: as published, equal to what units really see, and honest where they cannot know."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import convitro
from convitro.anatomy import receptive_field
from convitro.anatomy.receptive.field import Box, ReceptiveField, ReceptiveFields
from tests import architectures
from tests.anatomy.impulses import check, positive, really_seen

IMAGE = (1, 9, 11)


def last(fields: ReceptiveFields) -> ReceptiveField:
    """The last layer that does not see everything."""
    return [field for field in fields.values() if not field.whole][-1]


# Araujo, Norris & Sim 2019; of AlexNet, VGG and Inception the padding, too, is that of TF-Slim's definition.
PUBLISHED = {
    "alexnet": (architectures.alexnet, "features.12", 195, 32, None),
    "vgg16 conv5_3": (architectures.vgg16, "features.conv5_3", 196, 16, -90),
    "vgg16 pool5": (architectures.vgg16, "features.pool5", 212, 32, -90),
    "resnet50": (lambda: architectures.resnet(50, early=True), "layer4.2.conv3", 483, 32, None),
    "resnet101": (lambda: architectures.resnet(101, early=True), "layer4.2.conv3", 1027, 32, None),
    "resnet152": (lambda: architectures.resnet(152, early=True), "layer4.2.conv3", 1507, 32, None),
    "mobilenet_v1": (architectures.mobilenet_v1, "features.26.conv", 315, 32, None),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_receptive_fields(name: str) -> None:
    build, layer, size, stride, start = PUBLISHED[name]
    with torch.device("meta"):
        fields = receptive_field(build(), (3, 224, 224))
    field = fields[layer]
    assert field.size == (size, size)
    assert field.stride == (stride, stride)
    assert start is None or field.start == (start, start)
    assert all(item.exact for item in fields.values())


def test_the_published_receptive_field_of_inception_v3() -> None:
    """Its last block ends in a row beside a column; together they see 1311 x 1311 pixels."""
    with torch.device("meta"):
        fields = receptive_field(architectures.inception_v3(), (3, 299, 299))
    cross = "features.mixed_7c.branch3x3dbl.1"
    row, column = fields[f"{cross}.row.conv"], fields[f"{cross}.column.conv"]
    assert (row.size, row.start) == ((1247, 1311), (-586, -618))
    assert (column.size, column.start) == ((1311, 1247), (-618, -586))
    assert row.stride == column.stride == (32, 32)


def test_where_the_stride_stands_changes_a_resnet() -> None:
    """torchvision's ResNet-50 has its strides in the 3x3, and so sees less than the paper's."""
    with torch.device("meta"):
        fields = receptive_field(architectures.resnet(50), 224)
    assert (last(fields).size, last(fields).start) == ((427, 427), (-213, -213))
    assert fields["avgpool"].whole
    assert fields["avgpool"].region(0, 0) == Box(0, 0, 224, 224)


def test_a_u_net_sees_through_its_cropped_shortcuts() -> None:
    with torch.device("meta"):
        field = receptive_field(architectures.unet(), (1, 572, 572))["head"]
    assert (field.map_size, field.stride, field.exact, field.even) == ((388, 388), (1, 1), True, False)
    corner, middle = field.region(0, 0), field.region(194, 194)
    assert corner[:2] == (0, 0)
    assert middle.size[0] >= 180
    assert field.region(387, 387)[2:] == (572, 572)


class Both(nn.Module):
    """Two ways side by side."""

    def __init__(self, one: nn.Module, two: nn.Module, join: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.one, self.two, self.join = one, two, join

    def forward(self, input: Tensor) -> Tensor:
        return self.join(self.one(input), self.two(input))


class Do(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, input: Tensor) -> Tensor:
        return self.function(input)


def conv(size: Any = 3, inputs: int = 1, outputs: int = 1, **options: Any) -> nn.Module:
    return nn.Conv2d(inputs, outputs, size, **options)


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
    "written": (nn.Sequential(conv(3, padding=1), Do(written), conv()), False),
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
