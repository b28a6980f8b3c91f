"""Receptive fields: as published, equal to what units really see, and honest where they cannot know."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import convitro
from convitro.anatomy import receptive_field
from convitro.anatomy.receptive.field import Box, ReceptiveField, ReceptiveFields
from convitro.errors import ArgumentError, ShapeError, UnknownLayerError, UnsupportedError
from tests import architectures
from tests.anatomy.pieces import Do, conv

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


def test_names_are_those_of_dissect(functional_model: nn.Module, resnet18: nn.Module) -> None:
    for model, size in ((functional_model, (3, 8, 8)), (resnet18, (3, 64, 64))):
        fields = receptive_field(model, size)
        convolutions = [name for name, field in fields.items() if "ool" not in field.kind]
        assert convolutions == list(convitro.dissect(model, torch.zeros(1, *size)))
    assert list(receptive_field(functional_model, (3, 8, 8))) == ["conv2d", "max_pool2d", "conv2d#2"]


def test_size_stride_start_and_centre() -> None:
    model = nn.Sequential(conv((4, 3), stride=(2, 1), padding=(1, 0)), conv(2, stride=2))
    first, second = receptive_field(model, (1, 20, 30)).values()
    assert (first.size, first.stride, first.start, first.center) == ((4, 3), (2, 1), (-1, 0), (0.5, 1.0))
    assert (second.size, second.stride, second.start) == ((6, 4), (4, 2), (-1, 0))
    assert second.map_size == (5, 14)
    assert second.region(0, 0) == Box(0, 0, 5, 4)
    assert second.region(0, 0, clipped=False) == Box(-1, 0, 5, 4)
    assert second.region(2, 3) == Box(7, 6, 13, 10)
    image = torch.arange(600).reshape(20, 30)
    assert image[second.region(2, 3).slices].shape == second.region(2, 3).size


def test_uneven_fields_say_so() -> None:
    up = receptive_field(nn.Sequential(nn.Upsample(scale_factor=2), conv()), IMAGE)["1"]
    assert (up.size, up.stride, up.even, up.exact) == ((2, 2), (0.5, 0.5), False, True)
    sizes = {up.region(y, 8).size[0] for y in range(up.map_size[0])}
    assert sizes == {2}
    ends = receptive_field(
        nn.Sequential(Do(lambda x: torch.cat([x[..., 5:], x[..., :3]], 3)), conv()), IMAGE
    )["1"]
    assert ends.stride == (1, None)
    assert ends.region(0, 0) == Box(0, 5, 3, 8)
    assert ends.region(0, 4) == Box(0, 0, 3, 11)
    with pytest.raises(UnsupportedError, match=r"follow no rule beyond the image(.|\n)*clipped=True"):
        ends.region(0, 0, clipped=False)


def test_training_sees_whole_maps_through_batch_normalisation() -> None:
    model = nn.Sequential(conv(), nn.BatchNorm2d(1), conv())
    assert not receptive_field(model, IMAGE)["2"].whole
    trained = receptive_field(model, IMAGE, mode="train")
    assert not trained["0"].whole
    assert trained["2"].whole
    assert trained["2"].region(0, 0) == Box(0, 0, 9, 11)
    assert model.training


def test_images_with_channels_last() -> None:
    model = nn.Sequential(Do(lambda x: x.permute(0, 3, 1, 2)), conv(3, 2))
    seen = receptive_field(model, (9, 11, 2), layout="NHWC")["1"]
    assert (seen.size, seen.map_size) == ((3, 3), (7, 9))
    assert seen.region(1, 2) == Box(1, 2, 4, 5)


def test_several_ways_to_say_the_size() -> None:
    model = nn.Sequential(conv(3, 2))
    for size in (9, (9, 9), (2, 9, 9), (1, 2, 9, 9), torch.Size([2, 9, 9])):
        assert receptive_field(model, size).image_size == (9, 9)
    both = Pair()
    assert receptive_field(both, [(1, 1, 9, 11), (1, 1, 9, 11)])["conv#2"].size == (3, 3)
    with pytest.raises(UnsupportedError, match="images of several sizes"):
        receptive_field(both, [(1, 1, 9, 11), (1, 1, 9, 12)])


class Pair(nn.Module):
    """Two images, one convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = conv()

    def forward(self, one: Tensor, two: Tensor) -> tuple[Tensor, Tensor]:
        return self.conv(one), self.conv(two)


def test_values_that_leave_torch_are_told() -> None:
    class Leaves(nn.Module):
        def forward(self, input: Tensor) -> Tensor:
            return F.max_pool2d(torch.from_numpy(input.numpy() * 2), 2)

    class Decides(nn.Module):
        def forward(self, input: Tensor) -> Tensor:
            return F.max_pool2d(input if input.sum() > 0 else -input, 2)

    left, decided = receptive_field(Leaves(), IMAGE), receptive_field(Decides(), IMAGE)
    assert left.warnings == ("not followed: values that left PyTorch (numpy)",)
    assert "came from where nothing can be observed" in left["max_pool2d"].loose
    assert left["max_pool2d"].region(0, 0) == Box(0, 0, 9, 11)
    assert decided.warnings == ("not followed: decisions by values (__bool__)",)
    assert decided["max_pool2d"].region(1, 1) == Box(2, 2, 4, 4)
    assert "at most: " in str(left)


def test_a_max_unpooling_sees_the_window_that_decides_where_a_value_goes() -> None:
    class Unpools(nn.Module):
        def forward(self, input: Tensor) -> Tensor:
            maps, indices = F.max_pool2d(input, 2, return_indices=True)
            return F.avg_pool2d(F.max_unpool2d(maps, indices, [2, 2], output_size=input.shape[2:]), 1)

    seen = receptive_field(Unpools(), IMAGE)["avg_pool2d"]
    assert seen.exact
    assert (seen.region(3, 5), seen.region(8, 0)) == (Box(2, 4, 4, 6), Box(0, 0, 0, 0))


def test_the_table_and_what_else_can_be_done_with_fields() -> None:
    model = nn.Sequential(conv(), nn.Upsample(scale_factor=2), conv((1, 3)), nn.AdaptiveAvgPool2d(1))
    fields = receptive_field(model, IMAGE)
    assert str(fields) == (
        "receptive fields of Sequential on an image of 9x11\n"
        " layer   kind                map     size   stride   start\n"
        "────────────────────────────────────────────────────────────────────\n"
        " 0       Conv2d              7x9        3        1       0\n"
        " 2       Conv2d              14x16   3, 4      0.5       0   uneven\n"
        " 3       AdaptiveAvgPool2d   1x1      all\n"
        "size, stride, start: (rows, columns) in pixels, one number where both are equal\n"
        "uneven: units differ; their largest size, their average stride"
    )
    values = json.loads(json.dumps(fields.to_dict(), allow_nan=False))
    assert values["layers"][1]["stride"] == [0.5, 0.5]
    assert values["layers"][2]["whole"] is True
    assert str(fields["0"]) == "0: size 3, stride 1, start 0"
    assert fields._repr_html_().count("<tr>") == 4
    lines = fields.plot().get_lines()
    assert list(lines[0].get_ydata()) == [3, 4]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("size", "options", "error", "message"),
    [
        ((1, 2, 2), {}, ShapeError, "cannot run on an input of this size"),
        (None, {}, ArgumentError, "`input_size` is no size of an image"),
        ((3, 10**9, 10**9), {}, ShapeError, "receptive_field: there is no memory for an input of this size"),
        ((9,), {}, ArgumentError, "`input_size` is no size of an image"),
        ((1, 9, 0), {}, ArgumentError, "`input_size` is no size"),
        (IMAGE, {"layout": "CHWN"}, ArgumentError, "unknown layout"),
        (IMAGE, {"mode": "test"}, ArgumentError, "unknown mode"),
    ],
)
def test_wrong_arguments(size: Any, options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        receptive_field(nn.Sequential(conv(3)), size, **options)


def test_wrong_layers_and_units() -> None:
    fields = receptive_field(nn.Sequential(conv()), IMAGE)
    with pytest.raises(UnknownLayerError, match="no layer `1` has run"):
        fields.region("1", 0, 0)
    with pytest.raises(ArgumentError, match=r"has no unit \(7, 0\)"):
        fields.region("0", 7, 0)
