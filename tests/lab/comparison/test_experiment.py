"""A whole comparison: paired, resumable, shared between processes, and exact about what it did."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch

import convitro.lab.comparison.store as store_module
import convitro.lab.comparison.workers as workers_module
from convitro.errors import ArgumentError, ExperimentError, LoadError, ShapeError, UnsupportedError
from convitro.lab import Comparison, Design, compare
from convitro.lab.comparison.experiment import opened
from convitro.lab.comparison.opening import Source
from convitro.lab.comparison.search import Cell
from tests.lab.conftest import Data, Plain

SMALL: dict[str, Any] = {
    "arms": "max",
    "regimes": "calibrated",
    "learning_rates": (0.02, 0.05),
    "extensions": 1,
    "search_seeds": 1,
    "seeds": 2,
    "epochs": 2,
    "batch_size": 16,
}
ONCE = ("step_ms_median", "peak_memory_bytes")


class StopHere(Exception):
    """Raised in the middle of a comparison."""


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[Cell]:
    """The cells that were trained in this process."""
    cells: list[Cell] = []
    run = workers_module.run_cell

    def counted(bench: Any, cell: Cell) -> dict[str, Any]:
        cells.append(cell)
        return run(bench, cell)

    monkeypatch.setattr(workers_module, "run_cell", counted)
    return cells


def numbers(comparison: Comparison) -> Any:
    """What does not depend on the machine's speed."""
    content = comparison.to_dict()
    for cell in content["cells"]:
        for name in ONCE:
            del cell[name]
    return [content[name] for name in ("design", "null_test", "search", "chosen", "cells")]


def plain() -> Plain:
    return Plain()


def test_all_is_there_and_paired(stripes: Data, tmp_path: Path, trained: list[Cell]) -> None:
    comparison = compare(data=stripes, folder=tmp_path, workers=0, **SMALL)
    content = json.loads((tmp_path / "results.json").read_text())
    assert content["design"]["arms"] == ["sum", "max"]
    assert content["design"]["network"]["parameters"] == 16434
    assert content["null_test"]["passed"] is True
    assert {(cell["arm"], cell["seed"]) for cell in content["cells"]} == {
        (arm, seed) for arm in ("sum", "max") for seed in (0, 1)
    }
    for choice in content["chosen"]:
        tried = [entry for entry in content["search"] if entry["arm"] == choice["arm"]]
        best = min(tried, key=lambda entry: entry["validation_loss"])
        assert choice["learning_rate"] == best["learning_rate"]
        assert choice["trains"] == any(not entry["failed"] for entry in tried)
        rates = sorted(entry["learning_rate"] for entry in tried)
        assert choice["at_edge"] == (choice["learning_rate"] in (rates[0], rates[-1]))
        final = [cell for cell in content["cells"] if cell["arm"] == choice["arm"]]
        assert {cell["learning_rate"] for cell in final} == {choice["learning_rate"]}
    assert len(trained) == len({*trained}) == len(content["search"]) + 4
    assert Comparison.read(tmp_path).arms == comparison.arms == ("sum", "max")


def test_broken_off_it_goes_on_with_the_same_numbers(
    stripes: Data, tmp_path: Path, trained: list[Cell], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = numbers(compare(data=stripes, folder=tmp_path / "whole", workers=0, **SMALL))
    whole = len(trained)
    run = workers_module.run_cell

    def stops(bench: Any, cell: Cell) -> dict[str, Any]:
        if len(trained) >= whole + 3:
            raise KeyboardInterrupt
        return run(bench, cell)

    monkeypatch.setattr(workers_module, "run_cell", stops)
    with pytest.raises(KeyboardInterrupt):
        compare(data=stripes, folder=tmp_path / "part", workers=0, **SMALL)
    assert not list((tmp_path / "part" / "claims").iterdir())
    assert len(list((tmp_path / "part" / "cells").iterdir())) == 3
    monkeypatch.setattr(workers_module, "run_cell", run)
    found = numbers(compare(data=stripes, folder=tmp_path / "part", workers=0, **SMALL))
    assert found == expected
    assert len(trained) == 2 * whole
    compare(data=stripes, folder=tmp_path / "part", workers=0, **SMALL)
    assert len(trained) == 2 * whole


def test_two_share_a_folder(stripes: Data, tmp_path: Path, trained: list[Cell]) -> None:
    design = Design.of(**SMALL)
    one, other = (opened(design, Source(stripes), tmp_path) for _ in range(2))
    other.store.owner = "another-1"
    one.store.begin()
    first = next(iter(one.cells()[0]))
    other.store.look()
    assert other.store.claim(first)
    pools = [workers_module.Workers(0, experiment.opening) for experiment in (one, other)]
    progress = pytest.importorskip("convitro.lab.comparison.progress").Progress()
    one._step(pools[0], progress)
    assert first not in trained
    other.store.release(first)
    one.run(0)
    other.run(0)
    assert len(trained) == len({*trained})
    assert other.standing() == one.standing()


def test_a_claim_shows_life_while_its_process_trains(
    stripes: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "BEAT_S", 0.01)
    run = workers_module.run_cell
    seen: list[Cell] = []

    def slow(bench: Any, cell: Cell) -> dict[str, Any]:
        (claim,) = (file for file in (tmp_path / "claims").iterdir() if not file.name.startswith("."))
        os.utime(claim, (0, 0))
        for _ in range(3000):
            if claim.stat().st_mtime > 0:
                seen.append(cell)
                break
            time.sleep(0.01)
        return run(bench, cell)

    monkeypatch.setattr(workers_module, "run_cell", slow)
    changes = {**SMALL, "learning_rates": 0.05, "extensions": 0}
    found = compare(data=stripes, folder=tmp_path, workers=0, **changes).to_dict()
    assert len(seen) == len(found["search"]) + len(found["cells"])
    assert not [thread for thread in threading.enumerate() if thread.name == "convitro-beats"]


def test_another_folder_another_design(stripes: Data, tmp_path: Path) -> None:
    opened(Design.of(**SMALL), Source(stripes), tmp_path).store.begin()
    with pytest.raises(ExperimentError, match="holds another comparison") as caught:
        opened(Design.of(**{**SMALL, "arms": "min"}), Source(stripes), tmp_path)
    assert "design.arms" in caught.value.received
    images, labels = stripes
    with pytest.raises(ExperimentError, match="holds another comparison") as caught:
        opened(Design.of(**SMALL), Source((images * 0.5, labels)), tmp_path)
    assert "data.sha256" in caught.value.received


@pytest.mark.parametrize(
    ("changes", "error", "problem"),
    [
        ({"data": "nowhere"}, LoadError, "there is no"),
        ({"data": 5}, ArgumentError, "cannot be trained on"),
        ({"test": 0.0}, ArgumentError, "no test pictures"),
        ({"workers": -1}, ArgumentError, "no number of processes"),
        ({"model": "nowhere:net"}, LoadError, "nowhere"),
        ({"model": "convitro.models:small_vgg"}, ShapeError, "does not run on pictures"),
        ({"model": f"{__name__}:plain", "regimes": "batchnorm"}, UnsupportedError, "no BatchNorm can be put"),
        (
            {"data": Source((torch.rand(8, 1, 8, 8), torch.arange(8) % 2), images=4)},
            ArgumentError,
            "keeps its",
        ),
    ],
)
def test_the_door(
    stripes: Data, tmp_path: Path, changes: dict[str, Any], error: type[Exception], problem: str
) -> None:
    with pytest.raises(error) as caught:
        compare(folder=tmp_path / "new", **{**SMALL, "data": stripes, "workers": 0, **changes})
    assert problem in str(caught.value)
    assert not (tmp_path / "new").exists()


def test_a_failed_null_test_trains_nothing(
    stripes: Data, tmp_path: Path, trained: list[Cell], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> None:
        raise ExperimentError("compare: the null test failed; on purpose.")

    monkeypatch.setattr("convitro.lab.comparison.null.check_equal", fails)
    with pytest.raises(ExperimentError, match="on purpose"):
        compare(data=stripes, folder=tmp_path, workers=0, **SMALL)
    assert trained == []
