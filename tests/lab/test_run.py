"""A run's folder read again: the network at its end and at every epoch, and why it cannot be had."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from convitro import dissect
from convitro.errors import ArgumentError, LoadError
from convitro.lab import Epoch, Run, RunFolder, default_network, train, trained
from convitro.lab.snapshot import left_out
from tests.lab.conftest import Data, Plain

SHORT: dict[str, Any] = {"epochs": 2, "batch_size": 16}
PLAIN = "tests.lab.conftest:Plain"


class Watched:
    """The maps of every layer, recorded while the training runs."""

    def __init__(self, picture: Tensor, stop_after: int = 0) -> None:
        self.picture, self.stop_after = picture, stop_after
        self.maps: list[dict[str, Tensor]] = []

    def __call__(self, epoch: Epoch, network: nn.Module) -> None:
        self.maps.append(maps_of(copy.deepcopy(network).eval(), self.picture))
        if epoch.epoch == self.stop_after:
            raise InterruptedError


def maps_of(network: nn.Module, picture: Tensor) -> dict[str, Tensor]:
    return {name: layer.activated for name, layer in dissect(network, picture).items()}


def everything(folder: Path) -> tuple[nn.Module, dict[str, Any]]:
    return trained(folder), Run(folder).facts()


def first_filters(network: nn.Module) -> Tensor:
    return network.get_parameter("conv1_1.weight")


@pytest.fixture
def run(stripes: Data, tmp_path: Path) -> Path:
    train(data=stripes, folder=tmp_path / "run", **SHORT)
    return tmp_path / "run"


@pytest.mark.parametrize("aggregation", [None, "logsumexp(beta=5.0)"])
def test_the_trained_network_is_the_results(stripes: Data, tmp_path: Path, aggregation: str | None) -> None:
    result = train(data=stripes, folder=tmp_path, aggregation=aggregation, **SHORT)
    network = trained(tmp_path)
    assert not network.training
    assert str(network) == str(result.model)
    with torch.no_grad():
        torch.testing.assert_close(network(stripes[0]), result.model(stripes[0]), rtol=0, atol=0)


@pytest.mark.parametrize("given", ["module", "path"])
@pytest.mark.parametrize("precision", ["32", "64"])
def test_maps_of_an_epoch_are_those_of_that_epoch(
    stripes: Data, plain: Plain, tmp_path: Path, given: str, precision: str
) -> None:
    dtype = torch.float64 if precision == "64" else torch.float32
    watched = Watched(stripes[0][:2].to(dtype))
    model: Any = plain if given == "module" else PLAIN
    train(model, stripes, folder=tmp_path, observe=watched, precision=precision, **SHORT)
    for epoch, expected in enumerate(watched.maps, start=1):
        network = trained(tmp_path, plain if given == "module" else None, epoch=epoch)
        found = maps_of(network, watched.picture)
        assert list(found) == ["first", "again", "again#2"]
        for name, maps in found.items():
            torch.testing.assert_close(maps, expected[name], rtol=0, atol=0)
    assert not torch.equal(watched.maps[0]["first"], watched.maps[1]["first"])


def test_the_first_snapshot_is_before_the_first_step(stripes: Data, plain: Plain, tmp_path: Path) -> None:
    train(plain, stripes, folder=tmp_path, **SHORT)
    start = trained(tmp_path, plain, epoch=0).state_dict()
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(start[name], value, rtol=0, atol=0)


def test_large_layers_behind_the_last_convolution_are_left_out(stripes: Data, tmp_path: Path) -> None:
    torch.manual_seed(0)
    head = (nn.Flatten(), nn.Linear(256, 300), nn.BatchNorm1d(300), nn.Linear(300, 2))
    wide = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), *head)
    watched = Watched(stripes[0][:2])
    train(wide, stripes, folder=tmp_path, observe=watched, **SHORT)
    assert not [name for name in load_file(tmp_path / "filters/0001.safetensors") if name[0] in "46"]
    assert not Run(tmp_path, wide).answers(1)
    found = maps_of(trained(tmp_path, wide, epoch=2), watched.picture)
    torch.testing.assert_close(found["0"], watched.maps[1]["0"], rtol=0, atol=0)
    whole = trained(tmp_path, wide).state_dict()
    assert whole["4.weight"].abs().sum() > 0


class Tied(nn.Module):
    """Fully connected layers around convolutions, one of whose weights a convolution uses, too."""

    def __init__(self) -> None:
        super().__init__()
        self.before, self.conv = nn.Linear(8, 8), nn.Conv2d(1, 2, 3)
        self.gate, self.tied, self.behind = nn.Linear(2, 2), nn.Linear(9, 2), nn.Linear(72, 90)

    def forward(self, input: Tensor) -> Tensor:
        maps = self.conv(self.before(input))
        maps = maps * self.gate(maps.mean((2, 3)))[:, :, None, None]
        maps = nn.functional.pad(
            nn.functional.conv2d(maps[:, :1], self.tied.weight.view(2, 1, 3, 3)), (1,) * 4
        )
        return self.tied(maps[:, 0, 0, :1].expand(-1, 9)) + self.behind(maps.flatten(1))[:, :2]


def test_what_maps_depend_on_is_kept() -> None:
    network = Tied()
    before = copy.deepcopy(network.state_dict())
    assert left_out(network, (1, 8, 8)) == ("tied.bias", "behind.weight", "behind.bias")
    for name, value in network.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)
    assert left_out(default_network((1, 8, 8), 10), (1, 8, 8)) == ()
    assert left_out(nn.Sequential(nn.Flatten(), nn.Linear(64, 2)), (1, 8, 8)) == ()


def test_finding_what_to_leave_out_draws_no_random_numbers() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.RReLU().train(), nn.Flatten(), nn.Linear(72, 2))
    torch.manual_seed(5)
    expected = torch.rand(2)
    torch.manual_seed(5)
    left_out(network, (1, 8, 8))
    torch.testing.assert_close(torch.rand(2), expected, rtol=0, atol=0)


def test_an_unfinished_training(stripes: Data, tmp_path: Path) -> None:
    watched = Watched(stripes[0][:2], stop_after=1)
    with pytest.raises(InterruptedError):
        train(data=stripes, folder=tmp_path, observe=watched, epochs=3, batch_size=16)
    run = Run(tmp_path)
    assert (run.state, run.snapshots(), len(run.history())) == ("running", (0, 1), 1)
    with pytest.raises(LoadError, match="is not finished") as caught:
        trained(tmp_path)
    assert "1 of 3 epochs" in str(caught.value)
    for network in (trained(tmp_path, epoch=1), run.model()):
        for name, maps in maps_of(network, watched.picture).items():
            torch.testing.assert_close(maps, watched.maps[0][name], rtol=0, atol=0)
    (tmp_path / "checkpoint.safetensors").unlink()
    assert torch.equal(first_filters(run.model()), first_filters(trained(tmp_path, epoch=1)))


def test_a_training_that_says_nothing_any_more(
    stripes: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InterruptedError):
        train(data=stripes, folder=tmp_path, observe=Watched(stripes[0], 1), **SHORT)
    later = (tmp_path / "metrics.jsonl").stat().st_mtime + 1000
    monkeypatch.setattr("convitro.lab.run.time.time", lambda: later)
    assert Run(tmp_path).state == "silent"
    train(data=stripes, folder=RunFolder(tmp_path, resume=True), **SHORT)
    assert Run(tmp_path).state == "finished"


def test_a_diverged_training_is_strict_json(stripes: Data, tmp_path: Path) -> None:
    train(data=stripes, folder=tmp_path, epochs=5, learning_rate=1e8, batch_size=16)
    facts = Run(tmp_path).facts()
    assert facts["state"] == "diverged"
    json.dumps(facts, allow_nan=False)


def test_snapshots_of_an_earlier_version(run: Path) -> None:
    file = run / "filters/0001.safetensors"
    kept = {name: value for name, value in load_file(file).items() if "conv" in name and "weight" in name}
    save_file(kept, file, {"epoch": "1"})
    assert list(Run(run).weights(1, ("conv1_1.weight", "nothing"))) == ["conv1_1.weight"]
    with pytest.raises(LoadError, match="not a whole network"):
        trained(run, epoch=1)
    assert first_filters(trained(run, epoch=2)).shape == (16, 1, 3, 3)


def test_no_epoch_of_that_number(run: Path) -> None:
    with pytest.raises(ArgumentError, match="epoch 7 is not in") as caught:
        trained(run, epoch=7)
    assert "0 to 2" in str(caught.value)
    shutil.rmtree(run / "filters")
    with pytest.raises(ArgumentError, match="epoch 0 is not in"):
        trained(run, epoch=0)
    assert first_filters(trained(run)).shape == (16, 1, 3, 3)


def test_a_module_has_to_be_given_again(stripes: Data, plain: Plain, tmp_path: Path) -> None:
    result = train(plain, stripes, folder=tmp_path, **SHORT)
    with pytest.raises(LoadError, match="plan of Plain is not in"):
        trained(tmp_path)
    given = Plain()
    before = copy.deepcopy(given.state_dict())
    network = trained(tmp_path, given)
    torch.testing.assert_close(network.state_dict(), result.model.state_dict(), rtol=0, atol=0)
    torch.testing.assert_close(given.state_dict(), before, rtol=0, atol=0)
    with pytest.raises(LoadError, match="belong to another network"):
        trained(tmp_path, default_network((1, 8, 8), 2))


@pytest.mark.parametrize("name", ["config.json", "metrics.jsonl", "result.json", "model.safetensors"])
@pytest.mark.parametrize("content", [b"", b"\xff\x00", b"[[[[", b"{}", b"[" * 100_000])
def test_damaged_files(run: Path, name: str, content: bytes) -> None:
    (run / name).write_bytes(content)
    if (name, content) == ("metrics.jsonl", b""):  # nothing finished yet looks like this
        assert Run(run).history() == ()
        return
    with pytest.raises(LoadError, match="cannot be read"):
        everything(run)


def test_a_damaged_snapshot(run: Path) -> None:
    (run / "filters/0001.safetensors").write_bytes(b"damaged")
    with pytest.raises(LoadError, match=r"0001.safetensors\" cannot be read"):
        trained(run, epoch=1)


@pytest.mark.parametrize(
    ("part", "entry", "value", "problem"),
    [
        ("data", "input_size", [3, 10**9, 10**9], "cannot be read"),
        ("data", "input_size", [3, 8], "cannot be read"),
        ("data", "input_size", [1, -8, 8], "cannot be read"),
        ("data", "classes", [], "cannot be read"),
        ("data", "classes", ["a", "b", "c"], "belong to another network"),
        ("network", "source", "os:abort", "is no network"),
        ("network", "source", "no_such_module:net", "cannot be built again"),
        ("network", "source", 3, "cannot be read"),
        ("recipe", "aggregation", "of my own", "cannot be built again"),
        ("recipe", "epochs", "many", "cannot be read"),
    ],
)
def test_a_foreign_config(run: Path, part: str, entry: str, value: object, problem: str) -> None:
    config = json.loads((run / "config.json").read_text())
    config[part][entry] = value
    (run / "config.json").write_text(json.dumps(config))
    with pytest.raises(LoadError, match=problem):
        trained(run)


def test_no_training_there(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="no training in") as caught:
        trained(tmp_path / "nothing")
    assert "no such folder" in str(caught.value)
    with pytest.raises(LoadError, match="no training in"):
        trained(tmp_path)
