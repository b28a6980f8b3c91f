"""The documents of a training against the library, for folders of all states; what is asked for in vain."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from anyio.from_thread import BlockingPortal
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from convitro import dissect
from convitro.explorer import create_app
from convitro.explorer.training import MAX_ANATOMIES
from convitro.lab import Run, train, trained
from convitro.pictures import load_picture, to_input
from convitro.sources import Network
from convitro.view import Document, read_document
from convitro.view.network import prediction_manifest
from convitro.view.values import quantise
from tests.explorer.conftest import TOKEN, Client
from tests.explorer.networks import small
from tests.explorer.runs import EPOCHS, finished, goes_on, opened, stopped

Open = Callable[[Path], Client]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished(tmp_path_factory.mktemp("runs") / "whole")


@pytest.fixture
def follow(portal: BlockingPortal) -> Open:
    """A client of the explorer of a run's folder."""

    def open_one(folder: Path) -> Client:
        network, run = opened(folder)
        return Client(portal, create_app(network, None, TOKEN, run=run), TOKEN)

    return open_one


def fetch(client: Client, name: str, **query: object) -> Document:
    response = client.get(f"/api/{name}", params=query)
    assert response.status_code == 200, response.text
    return read_document(response.content)


def cat(size: tuple[int, int, int]) -> Tensor:
    return to_input(load_picture("cat"), size)


def test_without_a_training_the_document_says_so(client: Client) -> None:
    assert fetch(client, "training").manifest == {"followed": False, "epochs": []}
    response = client.get("/api/epoch?layer=0&epoch=0")
    assert response.status_code == 404
    assert "--run" in response.json()["hint"]


def test_the_numbers_so_far(whole: Path, follow: Open) -> None:
    manifest = fetch(follow(whole), "training").manifest
    result = json.loads((whole / "result.json").read_text())
    assert manifest["state"] == "finished"
    assert manifest["epochs"] == list(range(EPOCHS + 1))
    for row, expected in zip(manifest["history"], result["epochs"], strict=True):
        assert {name: expected[name] for name in row} == row
    assert manifest["test_accuracy"] == result["test_accuracy"]


def test_it_grows_while_the_page_is_open(whole: Path, tmp_path: Path, follow: Open) -> None:
    folder = stopped(whole, tmp_path / "run", 1)
    client = follow(folder)
    before = fetch(client, "training").manifest
    assert (before["state"], before["epochs"], len(before["history"])) == ("running", [0, 1], 1)
    assert client.get("/api/epoch?layer=conv1_1&epoch=3").status_code == 404
    assert fetch(client, "movement", layer="conv1_1").arrays["moved"].shape == (2, 16)
    goes_on(whole, folder, EPOCHS)
    assert fetch(client, "training").manifest["state"] == "finished"
    assert fetch(client, "epoch", layer="conv1_1", epoch=3).manifest["epoch"] == 3
    assert fetch(client, "movement", layer="conv1_1").arrays["moved"].shape == (EPOCHS + 1, 16)


@pytest.mark.parametrize("epoch", [0, 2, EPOCHS])
def test_an_epoch_is_the_network_of_that_epoch(whole: Path, follow: Open, epoch: int) -> None:
    client, network = follow(whole), trained(whole, epoch=epoch)
    anatomy = dissect(network, cat((3, 12, 12)))
    kept = load_file(whole / f"filters/{epoch:04}.safetensors")
    for name, layer in anatomy.items():
        page = fetch(client, "epoch", layer=name, epoch=epoch)
        weight = kept[f"{name}.weight"]
        assert page.manifest["filters"] == list(range(len(weight)))
        assert page.manifest["kernel_limit"] == float(weight.abs().max())
        said = prediction_manifest(anatomy.output, ("0", "1"), "")
        assert page.manifest["prediction"] == said["prediction"]
        same(page.arrays["kernels"], weight)
        steps, limits = quantise(layer.activated[0])
        same(page.arrays["maps"], torch.from_numpy(steps))
        same(page.arrays["limits"], torch.from_numpy(limits))
        one = fetch(client, "epoch_filter", layer=name, epoch=epoch, filter=5)
        same(one.arrays["kernels"], weight[5])
        same(one.arrays["map"], layer.activated[0, 5])
        assert one.manifest["bias"] == float(kept[f"{name}.bias"][5])


def same(array: Any, expected: Tensor) -> None:
    torch.testing.assert_close(torch.from_numpy(array.copy()), expected.detach(), rtol=0, atol=0)


def test_how_far_filters_have_moved(whole: Path, follow: Open) -> None:
    document = fetch(follow(whole), "movement", layer="conv2_1")
    start = load_file(whole / "filters/0000.safetensors")["conv2_1.weight"].double()
    assert document.manifest["epochs"] == list(range(EPOCHS + 1))
    for epoch, row in enumerate(document.arrays["moved"]):
        now = load_file(whole / f"filters/{epoch:04}.safetensors")["conv2_1.weight"].double()
        expected = (now - start).norm(dim=(2, 3)).norm(dim=1) / start.norm(dim=(2, 3)).norm(dim=1)
        torch.testing.assert_close(torch.from_numpy(row.copy()), expected.float(), rtol=1e-6, atol=0)
    assert document.arrays["moved"][0].max() == 0 < document.arrays["moved"][-1].min()


def test_weights_alone_of_an_earlier_version_still_show_filters(
    whole: Path, tmp_path: Path, follow: Open
) -> None:
    folder = stopped(whole, tmp_path / "run", 2)
    goes_on(whole, folder, EPOCHS)
    file = folder / "filters/0002.safetensors"
    kept = {name: value for name, value in load_file(file).items() if "conv" in name and "weight" in name}
    save_file(kept, file, {"epoch": "2"})
    client = follow(folder)
    page = fetch(client, "epoch", layer="conv1_2", epoch=2)
    assert "earlier version" in page.manifest["no_maps"]
    assert list(page.arrays) == ["kernels"]
    same(page.arrays["kernels"], kept["conv1_2.weight"])
    one = fetch(client, "epoch_filter", layer="conv1_2", epoch=2, filter=3)
    assert list(one.arrays) == ["kernels"]
    assert one.manifest["bias"] is None
    assert fetch(client, "movement", layer="conv1_2").arrays["moved"].shape == (EPOCHS + 1, 16)


def test_a_network_with_its_end_left_out_says_nothing(tmp_path: Path, portal: BlockingPortal) -> None:
    torch.manual_seed(0)
    images = torch.rand(32, 1, 8, 8)
    wide = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
    train(wide, (images, torch.arange(32) % 2), folder=tmp_path, epochs=1)
    network = Network(trained(tmp_path, wide), "wide", (1, 8, 8), ("0", "1"))
    app = create_app(network, None, TOKEN, run=Run(tmp_path, wide))
    page = fetch(Client(portal, app, TOKEN), "epoch", layer="0", epoch=1)
    assert page.manifest["prediction"] == []
    assert "maps" in page.arrays


def test_pages_of_many_filters(tmp_path: Path, portal: BlockingPortal) -> None:
    images = torch.rand(32, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    many = nn.Sequential(nn.Conv2d(1, 40, 3), nn.Conv2d(40, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    train(many, (images, torch.arange(32) % 2), folder=tmp_path, epochs=1)
    run = Run(tmp_path, many)
    app = create_app(Network(run.model(), "many", (1, 8, 8), ("0", "1")), None, TOKEN, run=run)
    client = Client(portal, app, TOKEN)
    page = fetch(client, "epoch", layer="0", epoch=1, start=32)
    assert page.manifest["filters"] == list(range(32, 40))
    weight = load_file(tmp_path / "filters/0001.safetensors")["0.weight"]
    same(page.arrays["kernels"], weight[32:])
    assert client.get("/api/epoch?layer=0&epoch=1&start=40").status_code == 400


@pytest.mark.parametrize(
    ("address", "status", "problem"),
    [
        ("epoch?layer=conv1_1&epoch=9", 404, "epoch 9 was not kept"),
        ("epoch?layer=conv1_1&epoch=-1", 400, "`epoch`"),
        ("epoch?layer=conv1_1&epoch=99999999999", 400, "`epoch`"),
        ("epoch?layer=conv1_1&epoch=../../x", 400, "`epoch`"),
        ("epoch?layer=nothing&epoch=1", 404, "no such layer"),
        ("epoch?layer=conv1_1&epoch=1&start=16", 400, "`start`"),
        ("epoch?layer=conv1_1&epoch=1&picture=none", 404, "picture"),
        ("epoch_filter?layer=conv1_1&epoch=1&filter=16", 400, "`filter`"),
        ("epoch_filter?layer=conv1_1&epoch=9", 404, "was not kept"),
        ("movement?layer=nothing", 404, "no such layer"),
    ],
)
def test_what_is_asked_for_in_vain(
    whole: Path, follow: Open, address: str, status: int, problem: str
) -> None:
    response = follow(whole).get(f"/api/{address}")
    assert response.status_code == status
    assert problem in response.json()["problem"]


@pytest.mark.parametrize("name", ["filters/0002.safetensors", "metrics.jsonl", "result.json"])
def test_a_file_that_is_damaged_while_the_page_is_open(
    whole: Path, tmp_path: Path, follow: Open, name: str
) -> None:
    folder = stopped(whole, tmp_path / "run", 2)
    goes_on(whole, folder, EPOCHS)
    client = follow(folder)
    (folder / name).write_bytes(b"damaged")
    response = client.get("/api/epoch?layer=conv1_1&epoch=2" if "filters" in name else "/api/training")
    assert response.status_code == 422
    assert "cannot be read" in response.json()["problem"]


def test_a_diverged_training_is_strict_json(tmp_path: Path, follow: Open) -> None:
    images = torch.rand(32, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    train(data=(images, torch.arange(32) % 2), folder=tmp_path, epochs=3, learning_rate=1e12)
    client = follow(tmp_path)
    manifest = fetch(client, "training").manifest
    assert manifest["state"] == "diverged"
    assert manifest["history"][-1]["loss"] is None
    last = manifest["epochs"][-1]
    assert fetch(client, "epoch", layer="conv1_1", epoch=last).manifest["epoch"] == last
    assert fetch(client, "epoch_filter", layer="conv1_1", epoch=last).manifest["filter"] == 0


class Asked:
    """A run that counts how often its networks are built."""

    def __init__(self, model: nn.Module) -> None:
        self.own, self.built = model, 0

    def facts(self) -> Mapping[str, Any]:
        return {"history": [], "test_loss": None, "test_accuracy": None}

    def snapshots(self) -> list[int]:
        return list(range(400))

    def weights(self, epoch: int, names: tuple[str, ...]) -> dict[str, Tensor]:
        return {name: self.own.get_parameter(name).detach() for name in names}

    def model(self, epoch: int) -> nn.Module:
        self.built += 1
        return self.own

    def answers(self, epoch: int) -> bool:
        return True


def test_few_networks_are_kept_and_none_is_built_twice_in_a_row(portal: BlockingPortal) -> None:
    network = small()
    run = Asked(network.model)
    client = Client(portal, create_app(network, None, TOKEN, run=run), TOKEN)
    for filter in range(3):
        fetch(client, "epoch_filter", layer="0", epoch=7, filter=filter)
        fetch(client, "epoch", layer="3", epoch=7)
    assert run.built == 1
    for epoch in range(MAX_ANATOMIES):
        fetch(client, "epoch", layer="0", epoch=epoch)
    fetch(client, "epoch", layer="0", epoch=7)
    assert run.built == 2 + MAX_ANATOMIES
    movement = fetch(client, "movement", layer="0")
    assert len(movement.manifest["epochs"]) == 256
    assert (movement.manifest["epochs"][0], movement.manifest["epochs"][-1]) == (0, 399)
