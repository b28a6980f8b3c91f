"""The strongest patches are those that a full comparison finds, whatever form the data have."""

from __future__ import annotations

import json
import weakref
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from convitro.anatomy import TopPatches, deconvnet, dissect, top_patches
from convitro.errors import ArgumentError, UnknownLayerError
from convitro.pictures import load_picture, to_input
from tests.networks_shared import tiny_vgg

Found = list[tuple[float, int, int, int]]


def network() -> nn.Sequential:
    torch.manual_seed(3)
    return nn.Sequential(
        nn.Conv2d(3, 5, 3, padding=1),
        nn.BatchNorm2d(5),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Conv2d(5, 4, 3, stride=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.LazyLinear(2),
    ).eval()


@pytest.fixture
def model() -> nn.Sequential:
    model = network()
    model(torch.zeros(1, 3, 16, 16))
    return model


IMAGES = torch.rand(23, 3, 16, 16, generator=torch.Generator().manual_seed(1))


def by_comparison(
    model: nn.Module, images: Tensor, layer: str, filter: int, k: int, per_image: int = 1
) -> Found:
    """All units of all images one by one: value, image, y, x, sorted."""
    maps = dissect(model, images)[layer].activated[:, filter]
    units = [
        (float(maps[image, y, x]), image, y, x)
        for image in range(len(maps))
        for y in range(maps.shape[1])
        for x in range(maps.shape[2])
    ]
    units.sort(key=lambda unit: (-unit[0], *unit[1:]))
    taken: dict[int, int] = {}
    kept = []
    for unit in units:
        taken[unit[1]] = taken.get(unit[1], 0) + 1
        if taken[unit[1]] <= per_image:
            kept.append(unit)
    return kept[:k]


def as_list(found: TopPatches, row: int) -> Found:
    places = zip(found.values[row], found.images[row], found.positions[row], strict=True)
    return [(float(value), int(image), int(y), int(x)) for value, image, (y, x) in places]


def same(found: Found, expected: Found) -> None:
    assert [unit[1:] for unit in found] == [unit[1:] for unit in expected]
    assert [unit[0] for unit in found] == pytest.approx([unit[0] for unit in expected], rel=1e-5)


@pytest.mark.parametrize("per_image", [1, 3])
@pytest.mark.parametrize("layer", ["0", "4"])
def test_as_a_full_comparison_finds(model: nn.Module, layer: str, per_image: int) -> None:
    found = top_patches(model, IMAGES, layer, k=7, per_image=per_image, batch_size=4)
    assert found.seen == 23
    for row in range(len(found.filters)):
        same(as_list(found, row), by_comparison(model, IMAGES, layer, row, 7, per_image))


class Pairs(Dataset[Any]):
    def __len__(self) -> int:
        return len(IMAGES)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return IMAGES[index], index % 10


@pytest.mark.parametrize("form", ["pair", "dataset", "loader", "list", "generator"])
def test_every_form_of_data_gives_the_same(model: nn.Module, form: str) -> None:
    data: Any = {
        "pair": (IMAGES, torch.zeros(23)),
        "dataset": Pairs(),
        "loader": DataLoader(Pairs(), batch_size=5),
        "list": list(IMAGES),
        "generator": (image for image in IMAGES),
    }[form]
    expected = top_patches(model, IMAGES, "4", k=3)
    found = top_patches(model, data, "4", k=3, batch_size=6)
    assert torch.equal(found.images, expected.images)
    assert torch.equal(found.positions, expected.positions)
    torch.testing.assert_close(found.values, expected.values)
    for filter in range(4):
        assert torch.equal(found.patch(filter, 2), expected.patch(filter, 2))


def test_equal_ones_stand_in_the_order_of_images_and_pixels() -> None:
    model = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.ReLU())
    nn.init.ones_(next(model.parameters()))
    images = torch.zeros(6, 1, 4, 4)
    for image, y, x in [(1, 2, 3), (1, 3, 0), (4, 0, 1), (4, 2, 2), (5, 1, 1)]:
        images[image, 0, y, x] = 1
    for batch_size in (1, 2, 6):
        found = top_patches(model, images, "0", k=4, per_image=2, batch_size=batch_size)
        assert found.images.tolist() == [[1, 1, 4, 4]]
        assert found.positions.tolist() == [[[2, 3], [3, 0], [0, 1], [2, 2]]]


def test_some_filters_only(model: nn.Module) -> None:
    every = top_patches(model, IMAGES, "4", k=3)
    some = top_patches(model, IMAGES, "4", k=3, filters=[3, 1])
    assert some.filters == (3, 1)
    assert torch.equal(some.values, every.values[[3, 1]])
    assert torch.equal(some.patch(1), every.patch(1))
    torch.testing.assert_close(some.projection(3).image, every.projection(3).image)
    with pytest.raises(ArgumentError, match="not asked for"):
        some.patch(0)
    assert torch.equal(top_patches(model, IMAGES, "4", k=3, filters=1).values, every.values[[1]])


def test_a_patch_is_all_that_the_unit_can_see(model: nn.Module) -> None:
    found = top_patches(model, IMAGES, "4", k=3)
    for filter in range(4):
        top, left, bottom, right = found.region(filter, 1)
        image = IMAGES[found.images[filter, 1]]
        y, x = found.positions[filter, 1].tolist()
        assert torch.equal(found.patch(filter, 1), image[:, top:bottom, left:right])
        changed = torch.rand_like(image)
        changed[:, top:bottom, left:right] = found.patch(filter, 1)
        value = dissect(model, changed[None])["4"].activated[0, filter, y, x]
        assert float(value) == pytest.approx(float(found.values[filter, 1]), rel=1e-5)
        assert (bottom - top, right - left) <= (8, 8)


@pytest.mark.parametrize("method", ["deconvnet", "gradient"])
def test_projections_are_those_of_deconvnet(model: nn.Module, method: str) -> None:
    found = top_patches(model, IMAGES, "4", k=2, method=method)
    for filter in (0, 3):
        image, (y, x) = IMAGES[found.images[filter, 1]], found.positions[filter, 1].tolist()
        expected = deconvnet(model, image[None], "4", filter, unit=(y, x), method=method)
        seen = found.projection(filter, 1)
        torch.testing.assert_close(seen.image, expected.image)
        assert (seen.unit, seen.filter, seen.method) == ((y, x), filter, method)


def test_the_network_behind_the_layer_runs_once(model: nn.Sequential) -> None:
    calls = []
    model[7].register_forward_hook(lambda *_: calls.append(1))
    top_patches(model, IMAGES, "0", batch_size=2)
    assert len(calls) == 1


def test_memory_holds_a_batch_and_what_is_kept(model: nn.Module) -> None:
    alive: set[int] = set()
    most = 0

    def stream() -> Iterator[Tensor]:
        nonlocal most
        for index in range(60):
            batch = torch.rand(4, 3, 16, 16) * (1 + index / 60)
            alive.add(index)
            weakref.finalize(batch, alive.discard, index)
            most = max(most, len(alive))
            yield batch
            del batch

    found = top_patches(model, stream(), "4", k=2)
    assert found.seen == 240
    assert most <= 3
    assert found.patch(0).shape[0] == 3  # the images that are needed were kept
    assert isinstance(found.read, partial)
    assert set(found.read.args[0]) == set(found.images.flatten().tolist())  # and no others


def test_the_model_is_exactly_what_it_was(model: nn.Sequential) -> None:
    model.train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    state = torch.get_rng_state()

    def stopping() -> Iterator[Tensor]:
        yield IMAGES[:4]
        raise RuntimeError("the disk is gone")

    top_patches(model, IMAGES, "4")
    with pytest.raises(RuntimeError, match="the disk is gone"):
        top_patches(model, stopping(), "4")
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert all(module.training for module in model.modules())
    assert torch.equal(torch.get_rng_state(), state)


def test_a_filter_that_is_never_active_has_no_patches(model: nn.Sequential) -> None:
    layer = model[4]
    assert isinstance(layer, nn.Conv2d)
    assert layer.bias is not None
    with torch.no_grad():
        layer.bias[2] = -1e3
    found = top_patches(model, IMAGES, "4", k=4)
    assert "never active" in str(found)
    sheet = found.plot()
    assert [len(list(block.tiles)) for block in sheet.blocks] == [8, 8, 0, 8]
    assert sheet.blocks[2].title == "filter 2: never active"
    assert sheet.encoded("png", 40)
    assert found.to_dict()["filters"][2]["images"] == []


def test_fewer_images_than_patches(model: nn.Module) -> None:
    found = top_patches(model, IMAGES[:2], "4", k=9)
    assert found.values.shape == (4, 2)
    with pytest.raises(ArgumentError, match="no such rank"):
        found.patch(0, 2)


def test_images_of_several_sizes() -> None:
    model = nn.Sequential(nn.Conv2d(3, 2, 3, padding=1), nn.ReLU())
    images = [torch.rand(3, 6, 6), torch.rand(3, 9, 7), 2 * torch.rand(3, 12, 12)]
    found = top_patches(model, images, "0", k=3)
    for rank in range(3):
        image = images[found.images[1, rank]]
        assert found.image_sizes[1, rank].tolist() == list(image.shape[1:])
        y, x = found.positions[1, rank].tolist()
        assert torch.equal(found.patch(1, rank), image[:, max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2])


def test_what_is_no_number_is_never_the_strongest() -> None:
    model = nn.Sequential(nn.Conv2d(1, 1, 1))
    images = torch.rand(3, 1, 4, 4)
    images[1] = float("nan")
    assert 1 not in top_patches(model, images, "0", k=2).images.tolist()[0]


def test_data_that_change_are_noticed(model: nn.Module) -> None:
    class Random(Dataset[Any]):
        def __len__(self) -> int:
            return 6

        def __getitem__(self, index: int) -> Tensor:
            return torch.rand(3, 16, 16)

    found = top_patches(model, Random(), "4", k=2)
    with pytest.raises(ArgumentError, match="is not what it was"):
        found.projection(0)


def test_shuffled_data_are_refused(model: nn.Module) -> None:
    with pytest.raises(ArgumentError, match="another order each time"):
        top_patches(model, DataLoader(TensorDataset(IMAGES), shuffle=True), "4")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 0}, "`k`"),
        ({"per_image": 1.5}, "`per_image`"),
        ({"every": True}, "`every`"),
        ({"filters": [4]}, "no such filter"),
        ({"filters": []}, "are numbers of filters"),
        ({"filters": 1.5}, "are numbers of filters"),
        ({"method": "zeiler"}, "no such method"),
        ({"batch_size": 0}, "at least one image"),
    ],
)
def test_wrong_arguments_are_refused(model: nn.Module, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        top_patches(model, IMAGES, "4", **options)


def test_a_wrong_layer_lists_the_right_ones(model: nn.Module) -> None:
    with pytest.raises(UnknownLayerError, match="no layer 'conv'") as caught:
        top_patches(model, IMAGES, "conv")
    assert "0, 4" in str(caught.value)


def test_the_result_tells_all(model: nn.Module, capsys: pytest.CaptureFixture[str]) -> None:
    found = top_patches(model, IMAGES, "4", k=5)
    told = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert told["images_seen"] == 23
    assert told["filters"][3]["images"] == found.images[3].tolist()
    assert all(len(line) <= 80 for line in str(found).splitlines())
    sheet = found.plot([2, 0], most=1)
    assert [block.title.split(":")[0] for block in sheet.blocks] == ["filter 2"]
    assert "1 more filter not shown." in sheet.notes
    assert "deconvnet" in sheet.notes[0]
    page = found._repr_html_()
    assert page.startswith("<img alt=")
    assert "<script" not in page
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


def test_a_real_network_on_real_pictures(shared: Path) -> None:
    model = tiny_vgg(shared)
    files = sorted((shared / "models" / "tiny_vgg_images").iterdir())
    images = torch.cat([to_input(load_picture(file), (3, 64, 64)) for file in files])
    found = top_patches(model, images, "conv_2_2", batch_size=6)
    assert found.values.shape == (10, 9)
    for filter in range(10):
        same(as_list(found, filter), by_comparison(model, images, "conv_2_2", filter, 9))
        assert found.patch(filter).shape == (3, 14, 14)  # 3x3 four times, pooled once: 1 + 2 + 2 + 1 + 4 + 4


class Counting(nn.Module):
    """A network that notes how many images each of its runs has; not in itself: that is left as it was."""

    runs: ClassVar[list[int]] = []

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.conv, self.norm, self.end = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 5, 3)

    def forward(self, input: Tensor) -> Tensor:
        Counting.runs.append(len(input))
        maps: Tensor = self.end(torch.relu(self.norm(self.conv(input))))
        return maps


@pytest.mark.parametrize(
    ("side", "training", "largest"), [(16, False, 20), (64, False, 4), (160, False, 1), (16, True, 1)]
)
def test_projections_of_small_images_share_runs(side: int, training: bool, largest: int) -> None:
    model = Counting().train(training)
    images = torch.rand(6, 3, side, side, generator=torch.Generator().manual_seed(2))
    found = top_patches(model, images, "end", k=4, batch_size=1 if training else 6)
    Counting.runs.clear()
    found.plot()
    assert max(Counting.runs) == largest
    for filter in found.filters:
        for rank in found._ranks(filter):
            unit, image = tuple(found.positions[filter, rank].tolist()), int(found.images[filter, rank])
            alone = deconvnet(model, images[image : image + 1], "end", filter, unit=unit)
            seen = found.projection(filter, rank)
            assert (seen.units, seen.filter) == ((unit,), filter)
            torch.testing.assert_close(seen.input, images[image], rtol=0, atol=0)
            torch.testing.assert_close(seen.image, alone.image, rtol=1e-4, atol=1e-6)
