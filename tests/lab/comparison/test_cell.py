"""One training: the same every time, blind to the test while it searches, and plain about how it failed."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.data import Dataset

from convitro.lab import Design, train
from convitro.lab.comparison.cell import Bench, run_cell
from convitro.lab.comparison.search import Cell
from tests.lab.conftest import Data

TIMES = ("step_ms_median", "peak_memory_bytes")


class Forbidden(Dataset[Any]):
    """Test pictures that nobody may see but to learn their size."""

    def __init__(self, data: Data) -> None:
        self.images, self.labels, self.seen = *data, 0

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        self.seen += 1
        return self.images[index], int(self.labels[index])


def bench(data: Any, **changes: Any) -> Bench:
    return Bench(Design.of(arms="max", epochs=3, batch_size=16, seeds=2, **changes), data)


def cell(arm: str = "sum", regime: str = "calibrated", rate: float = 0.05, **others: Any) -> Cell:
    return Cell(arm, regime, rate, **{"seed": 0, "final": True, **others})


def test_a_final_training_has_everything_and_is_the_same_twice(stripes: Data) -> None:
    first, second = (run_cell(bench(stripes), cell()) for _ in range(2))
    json.dumps(first, allow_nan=False)
    timed = [first.pop(name) + second.pop(name) for name in TIMES]
    assert min(timed) > 0
    assert first == second
    assert (first["ended"], first["failed"], first["why"]) == ("finished", False, "")
    assert [len(curve) for curve in first["curves"].values()] == [3, 3, 3, 3]
    assert first["curves"]["validation_loss"][-1] == first["validation_loss"]
    assert first["filters"]["shape"] == [16, 1, 3, 3]
    assert len(first["filters"]["values"]) == 144
    assert first["scales"]["conv2_2"] == pytest.approx(1.0, rel=0.03)
    assert {*first["measures"]} == {*first["random_measures"]}
    assert first["measures"] != first["random_measures"]


def test_filters_are_kept_of_the_first_seed_alone(stripes: Data) -> None:
    assert run_cell(bench(stripes), cell(seed=1))["filters"] is None


def test_it_is_the_training_that_train_makes(stripes: Data) -> None:
    outcome = run_cell(bench(stripes), cell(regime="drop-in"))
    expected = train(data=stripes, epochs=3, batch_size=16, learning_rate=0.05, calibrate=False)
    assert outcome["curves"]["loss"] == expected.curve("loss").tolist()
    assert outcome["test_accuracy"] == expected.test_accuracy


def test_a_search_never_sees_the_test(stripes: Data) -> None:
    forbidden = Forbidden(stripes)
    data = (torch.utils.data.TensorDataset(*stripes), forbidden)
    outcome = run_cell(bench(data), cell(final=False))
    assert forbidden.seen <= 2  # each time its parts are opened the size of the first one is asked
    assert not {"test_accuracy", "test_loss", "measures"} & {*outcome}
    run_cell(bench(data), cell())
    assert forbidden.seen >= len(forbidden)


def test_a_training_that_diverges(stripes: Data) -> None:
    outcome = run_cell(bench(stripes), cell(rate=1e9))
    json.dumps(outcome, allow_nan=False)
    assert outcome["failed"]
    assert outcome["why"] == "diverged in epoch 1"
    assert outcome["validation_loss"] is None
    assert outcome["measures"] == {}


def test_a_training_that_learns_nothing(stripes: Data) -> None:
    outcome = run_cell(bench(stripes, validation=0.2), cell(regime="drop-in", rate=1e-9))
    assert outcome["ended"] == "finished"
    assert outcome["why"].startswith("never better than chance: ")
