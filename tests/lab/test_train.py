"""A training: it learns, is the same every time, goes on where it stopped, and leaves what it promises."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from convitro.errors import ArgumentError, ExperimentError, LoadError
from convitro.lab import Epoch, Machine, Recipe, RunFolder, Training, train
from convitro.lab.folder import typed
from tests.lab.conftest import Data, Plain
from tests.lab.test_data import Read

SHORT: dict[str, Any] = {"epochs": 3, "batch_size": 16, "shift": 1, "mirror": True}


class StopHere(Exception):
    """Raised in the middle of a training."""


def curves(training: Training) -> list[tuple[float | None, ...]]:
    return [epoch.curve() for epoch in training.epochs]


def stop_after(epoch: int) -> Any:
    def observe(done: Epoch, _: nn.Module) -> None:
        if done.epoch == epoch:
            raise StopHere

    return observe


def test_it_learns_and_leaves_the_random_numbers_of_others(stripes: Data) -> None:
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    training = train(data=stripes, epochs=8, batch_size=16)
    torch.testing.assert_close(torch.rand(3), expected, rtol=0, atol=0)
    assert training.ended == "finished"
    assert training.test_accuracy == 1.0
    assert training.curve("loss")[-1] < 0.3 * training.curve("loss")[0]
    assert not training.model.training
    images, labels = stripes
    with torch.no_grad():
        assert (training.model(images).argmax(1) == labels).float().mean() > 0.95


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_the_same_twice_and_other_for_another_seed(stripes: Data, plain: Plain, optimizer: str) -> None:
    first, second = (train(plain, stripes, optimizer=optimizer, **SHORT) for _ in range(2))
    assert curves(first) == curves(second)
    assert curves(first) != curves(train(plain, stripes, optimizer=optimizer, seed=1, **SHORT))


def test_as_a_loop_written_by_hand(stripes: Data, plain: Plain) -> None:
    plain.drop.p = 0.0
    images, labels = stripes
    recipe = Recipe(epochs=2, batch_size=32, validation=0, test=0, schedule="constant", label_smoothing=0.1)
    ours = train(plain, stripes, recipe).curve("loss")
    from convitro.lab.data import order

    optimizer = torch.optim.SGD(plain.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
    losses = []
    for epoch in range(2):
        sums = 0.0
        for batch in order(96, 0, epoch).split(32):
            loss = nn.functional.cross_entropy(plain(images[batch]), labels[batch], label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            sums += 32 * loss.item()
        losses.append(sums / 96)
    torch.testing.assert_close(ours, torch.tensor(losses, dtype=torch.float64), rtol=1e-4, atol=1e-6)


def test_read_pictures_train_as_those_in_memory(stripes: Data, plain: Plain) -> None:
    parts: dict[str, Any] = {"validation": 0.0, "test": 0.0}
    assert curves(train(plain, Read(stripes), **SHORT, **parts)) == curves(
        train(plain, stripes, **SHORT, **parts)
    )


@pytest.mark.parametrize("precision", ["64", "bf16"])
def test_precisions(stripes: Data, plain: Plain, precision: str) -> None:
    training = train(plain, stripes, precision=precision, **SHORT)
    assert torch.isfinite(training.curve("validation_loss")).all()
    exact = train(plain, stripes, **SHORT)
    torch.testing.assert_close(training.curve(), exact.curve(), rtol=0.05, atol=0.02)
    assert curves(training) != curves(exact)


def test_early_stopping_keeps_the_best_weights(stripes: Data) -> None:
    images, _ = stripes
    nonsense = images, torch.randint(2, (96,), generator=torch.Generator().manual_seed(0))
    training = train(data=nonsense, epochs=30, batch_size=16, schedule="constant", patience=2)
    losses = training.curve("validation_loss")
    assert training.ended == "stopped early"
    assert training.kept == int(losses.argmin()) + 1 == len(losses) - 2
    assert f"weights are those of epoch {training.kept}" in " ".join(str(training).split())


def test_a_loss_that_is_no_number_ends_it(stripes: Data) -> None:
    training = train(data=stripes, epochs=5, learning_rate=1e8, batch_size=16)
    assert training.failed
    assert len(training.epochs) < 5
    json.dumps(training.to_dict(), allow_nan=False)
    assert "Diverged in epoch" in str(training)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_broken_off_training_goes_on_bit_for_bit(
    stripes: Data, plain: Plain, tmp_path: Path, optimizer: str
) -> None:
    recipe = Recipe(optimizer=optimizer, patience=5, **SHORT)
    whole = train(plain, stripes, recipe, folder=tmp_path / "whole")
    for epoch in (1, 2):
        folder = tmp_path / f"broken {epoch}"
        with pytest.raises(StopHere):
            train(plain, stripes, recipe, folder=folder, observe=stop_after(epoch))
        again = train(plain, stripes, recipe, folder=RunFolder(folder, resume=True))
        assert curves(again) == curves(whole)
        for name, value in load_file(folder / "model.safetensors").items():
            torch.testing.assert_close(value, whole.model.state_dict()[name], rtol=0, atol=0)
        assert len(json.loads((folder / "environment.json").read_text())) == 2


def test_a_finished_training_is_not_trained_again(stripes: Data, plain: Plain, tmp_path: Path) -> None:
    first = train(plain, stripes, folder=tmp_path, **SHORT)
    again = train(plain, stripes, folder=RunFolder(tmp_path, resume=True), observe=stop_after(1), **SHORT)
    assert again == first


def test_what_the_folder_holds(stripes: Data, tmp_path: Path) -> None:
    training = train(data=stripes, folder=tmp_path, aggregation="mean", **SHORT)
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["recipe"]["aggregation"] == "mean"
    assert config["recipe"]["calibrate"] is True
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["loss"] for line in lines] == training.curve("loss").tolist()
    assert json.loads((tmp_path / "result.json").read_text())["test_accuracy"] == training.test_accuracy
    snapshots = sorted((tmp_path / "filters").iterdir())
    assert [file.name for file in snapshots] == [f"{epoch:04}.safetensors" for epoch in range(4)]
    last = load_file(snapshots[-1])
    assert set(last) == set(training.model.state_dict())
    torch.testing.assert_close(
        last["conv1_1.weight"], training.model.state_dict()["conv1_1.weight"], rtol=0, atol=0
    )
    assert not torch.equal(last["conv1_1.weight"], load_file(snapshots[0])["conv1_1.weight"])
    assert not list(tmp_path.rglob("*.partial"))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["/usr/lib/convitro/__main__.py", "compare", "-o", "/home/me/out"], "convitro compare -o .../out"),
        (["convitro.exe", "train", "--data=C:\\me\\cats"], "convitro train --data=.../cats"),
        (["studies/digits.py", "--rates", "0.1,-1", "~/out"], "digits.py --rates 0.1,-1 .../out"),
        (
            ["convitro", "train", "nets:small", "--data", "here/cats"],
            "convitro train nets:small --data here/cats",
        ),
        (["", "one two"], "python 'one two'"),
        (["-c"], "python"),
        ([], "python"),
    ],
)
def test_a_command_as_it_was_typed(arguments: list[str], expected: str) -> None:
    assert typed(arguments) == expected


def test_the_folder_says_how_it_was_made(
    stripes: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["/opt/convitro/__main__.py", "train", "-o", str(tmp_path)])
    train(data=stripes, folder=tmp_path, **SHORT)
    (start,) = json.loads((tmp_path / "environment.json").read_text())
    assert start["command"] == f"convitro train -o .../{tmp_path.name}"
    assert str(tmp_path) not in json.dumps(start)


def test_folders_are_not_mixed_up(stripes: Data, plain: Plain, tmp_path: Path) -> None:
    train(plain, stripes, folder=tmp_path, **SHORT)
    with pytest.raises(ExperimentError, match="holds a training already"):
        train(plain, stripes, folder=tmp_path, **SHORT)
    with pytest.raises(ExperimentError, match="another training") as caught:
        train(plain, stripes, folder=RunFolder(tmp_path, resume=True), **{**SHORT, "epochs": 4})
    assert "recipe.epochs 3 -> 4" in str(caught.value)
    (tmp_path / "checkpoint.safetensors").write_bytes(b"damaged")
    with pytest.raises(ExperimentError, match="cannot be read"):
        train(plain, stripes, folder=RunFolder(tmp_path, resume=True), **SHORT)


def test_a_full_disk_leaves_the_last_checkpoint(
    stripes: Data, plain: Plain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(plain, stripes, **SHORT)
    sync, left = os.fsync, 20

    def full(descriptor: int) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(28, "No space left on device")
        sync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(ExperimentError, match="could not be written") as caught:
            train(plain, stripes, folder=tmp_path, **SHORT)
    assert "No space left on device" in str(caught.value)
    assert not list(tmp_path.rglob("*.partial"))
    again = train(plain, stripes, folder=RunFolder(tmp_path, resume=True), **SHORT)
    assert curves(again) == curves(whole)


def test_a_folder_that_cannot_be(stripes: Data, plain: Plain, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ExperimentError, match="could not be written"):
        train(plain, stripes, folder=tmp_path / "file" / "run", **SHORT)


def test_tensorboard_reads_what_is_written(stripes: Data, plain: Plain, tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    training = train(plain, stripes, folder=RunFolder(tmp_path, tensorboard=True), **SHORT)
    read = accumulator.EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    for name in ("loss", "accuracy", "validation_loss", "learning_rate"):
        written = torch.tensor([(event.step, event.value) for event in read.Scalars(name)])
        wanted = [(epoch.epoch, getattr(epoch, name)) for epoch in training.epochs]
        torch.testing.assert_close(written, torch.tensor(wanted))


def test_a_missing_tensorboard_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torch.utils.tensorboard", None)
    with pytest.raises(LoadError, match="TensorBoard is not installed"):
        RunFolder(tmp_path, tensorboard=True)


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"recipe": {"epochs": 3}}, "`recipe` is of another kind"),
        ({"folder": 3}, "`folder` is of another kind"),
        ({"machine": "cpu"}, "`machine` is of another kind"),
        ({"epoch": 3}, "no setting `epoch`"),
    ],
)
def test_arguments_of_another_kind(stripes: Data, wrong: dict[str, Any], problem: str) -> None:
    with pytest.raises(ArgumentError, match=problem):
        train(data=stripes, **wrong)


def test_a_network_without_parameters(stripes: Data) -> None:
    class Still(nn.Module):
        def forward(self, input: torch.Tensor) -> torch.Tensor:
            return input.mean((1, 2))[:, :2]

    with pytest.raises(ArgumentError, match="nothing to learn"):
        train(Still(), stripes)


def test_a_table_of_80_columns(stripes: Data, plain: Plain) -> None:
    training = train(plain, stripes, machine=Machine("cpu"), epochs=20, batch_size=64)
    lines = str(training).splitlines()
    assert max(map(len, lines)) <= 80
    assert "16 of 20 epochs are shown." in lines
    assert "<script" not in training._repr_html_()
    assert str(training.curves("accuracy")).startswith("accuracy: Plain on own data: training from")
