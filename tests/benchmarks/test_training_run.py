"""A whole training, ours against torch's layers: the same curve, and the page in step with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.training_run import BEGIN, END, OURS, RESULTS, THEIRS, compare, section, write
from convitro.datasets import Dataset, open_dataset
from convitro.lab import Recipe

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Forty of ten classes."""
    random = np.random.default_rng(0)
    file = tmp_path_factory.mktemp("data") / "noise.npz"
    images = random.integers(0, 256, (40, 3, 32, 32), dtype=np.uint8)
    np.savez(file, images=images, labels=np.arange(40) % 10)
    return open_dataset(file)


@pytest.fixture(scope="module")
def result(pictures: Dataset) -> dict[str, Any]:
    recipe = Recipe(epochs=2, batch_size=10, mirror=True, calibrate=True, validation=0.0)
    found = compare(pictures, pictures.sample(20), recipe, rounds=2)
    written: dict[str, Any] = json.loads(json.dumps(found))
    return written


def test_both_learn_alike(result: dict[str, Any]) -> None:
    ours, theirs = (torch.tensor(result["loss"][name]) for name in (OURS, THEIRS))
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3)
    assert {name: len(values) for name, values in result["epoch_s"].items()} == {OURS: 4, THEIRS: 4}


def test_the_section_has_the_numbers(result: dict[str, Any]) -> None:
    times = {"epoch_s_median": {OURS: 2.0, THEIRS: 7.3}, "ratio": 3.65}
    text = section({**result, **times, "test_accuracy": {OURS: 0.5512, THEIRS: 0.5498}})
    assert "| an epoch, median of 4 | 2.0 s | 7.3 s |" in text
    assert "| test accuracy | 55.1% | 55.0% |" in text
    assert "**3.65x** as fast; the promise of 2x is kept" in text
    assert "the promise of 2x is missed" in section({**result, "ratio": 1.99})


def test_only_what_stands_between_the_marks_changes(result: dict[str, Any], tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    for _ in range(2):
        write(result, page)
        assert page.read_text("utf-8") == f"before\n{BEGIN}\n{section(result)}{END}\nafter\n"
    page.write_text("no marks", encoding="utf-8")
    with pytest.raises(SystemExit, match="has no lines"):
        write(result, page)


def test_the_documentation_says_what_was_measured() -> None:
    _, found, rest = (ROOT / "docs/training.md").read_text("utf-8").partition(f"{BEGIN}\n")
    shown, end, _ = rest.partition(END)
    assert found
    assert end
    file = ROOT / RESULTS
    assert shown == (section(json.loads(file.read_text("utf-8"))) if file.exists() else "")
