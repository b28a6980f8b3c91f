"""Pictures of an anatomy: the right tensors in the right places."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from convitro.anatomy import Anatomy, dissect
from convitro.errors import ArgumentError, ShapeError
from convitro.plots import Sheet
from convitro.plots.colours import Scale, ramp


@pytest.fixture
def anatomy() -> Anatomy:
    model = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 20, 3, groups=2), nn.Tanh()
    )
    return dissect(model, torch.randn(2, 3, 8, 8))


def captions(sheet: Sheet) -> list[str]:
    return [tile.caption for block in sheet.blocks for tile in block.tiles]


@pytest.mark.parametrize("what", ["activated", "output", "pooled", "input"])
def test_maps_of_a_layer(anatomy: Anatomy, what: str) -> None:
    layer = anatomy["0"]
    maps = getattr(layer, what)[1]
    sheet = layer.plot(what, image=1)
    scale = Scale.of(maps)
    for tile, map in zip(sheet.blocks[0].tiles, maps, strict=True):
        assert (tile.pixels == scale.colours(map)).all()
    assert sheet.scale == scale
    assert sheet.title == f"0: {what}"


def test_kernels_of_a_layer(anatomy: Anatomy) -> None:
    layer = anatomy["3"]
    sheet = layer.plot("kernels")
    tiles = [tile for block in sheet.blocks for tile in block.tiles]
    scale = Scale.of(layer.weight)
    assert len(tiles) == 20 * 3
    assert (tiles[3 * 7 + 2].pixels == scale.colours(layer.weight[7, 2])).all()


def test_colours_only_where_there_are_three_channels(anatomy: Anatomy) -> None:
    assert len(captions(anatomy["0"].plot("colours"))) == 6
    with pytest.raises(ShapeError, match="three channels"):
        dissect(nn.Conv2d(4, 2, 3), torch.zeros(1, 4, 5, 5))["conv2d"].plot("colours")


def test_parts_of_a_filter(anatomy: Anatomy) -> None:
    one = anatomy["3"].filter(15)
    sheet = one.plot(image=1)
    labels = [label.split("  ")[0] for label in sheet.blocks[0].row_labels]
    assert labels == ["input", "kernel", "partial map", "together"]
    rows = sheet.blocks[0].rows
    assert [tile.caption for tile in rows[0] if tile is not None] == ["channel 3", "channel 4", "channel 5"]
    assert [tile.caption for tile in rows[3] if tile is not None] == ["aggregated", "output", "activated"]
    partial = rows[2][1]
    assert partial is not None
    assert (partial.pixels == Scale.of(one.partial_maps[1]).colours(one.partial_maps[1, 1])).all()


def test_partial_maps_and_kernels_of_a_filter(anatomy: Anatomy) -> None:
    one = anatomy["3"].filter(15)
    for what, maps in (("partial maps", one.partial_maps[0]), ("kernels", one.kernels)):
        sheet = one.plot(what)
        assert captions(sheet) == ["channel 3", "channel 4", "channel 5"]
        assert sheet.scale == Scale.of(maps)
        each = one.plot(what, scale="each")
        assert all(
            (tile.pixels.reshape(-1, 3) == ramp()[[0, -1]][:, None]).all(-1).any()
            for tile in each.blocks[0].tiles
        )


def test_the_strongest_maps_of_every_layer(anatomy: Anatomy) -> None:
    sheet = anatomy.plot(image=1, strongest=4)
    for row, layer in zip(sheet.blocks[0].rows, anatomy.values(), strict=True):
        strength = layer.activated[1].abs().mean((1, 2))
        order = strength.argsort(descending=True)[:4].tolist()
        assert [tile.caption for tile in row if tile is not None] == [str(index) for index in order]
    assert sheet.encoded("png", 40)


def test_maps_that_are_kept_apart(anatomy: Anatomy) -> None:
    apart = anatomy["0"].filter(2, "none")
    row = apart.plot().blocks[0].rows[3]
    assert [tile.caption for tile in row if tile is not None][:3] == ["aggregated"] * 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("colour",), "no such picture"),
        (("output", 2), "no such image"),
        (("output", 0, "own"), "no such scale"),
    ],
)
def test_what_there_is_not(anatomy: Anatomy, arguments: tuple[str], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        anatomy["0"].plot(*arguments)


def test_what_is_not_pooled(anatomy: Anatomy) -> None:
    with pytest.raises(ArgumentError, match="nothing is pooled"):
        anatomy["3"].plot("pooled")
    with pytest.raises(ArgumentError, match="no such picture"):
        anatomy["3"].filter(0).plot("maps")


def test_an_anatomy_without_layers() -> None:
    assert dissect(nn.Linear(2, 2), torch.zeros(1, 2)).plot().encoded("png", 40)
