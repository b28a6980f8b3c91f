"""The store: what is finished is found again, one claim for each training, one comparison in a folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import convitro.lab.comparison.store as store_module
from convitro.errors import ExperimentError
from convitro.lab import Design, Recipe
from convitro.lab.comparison.search import Cell
from convitro.lab.comparison.store import Store, fingerprint
from convitro.lab.data import open_sets
from tests.lab.conftest import Data
from tests.lab.test_data import Read

CELL = Cell("max", "drop-in", 0.1, 3, final=True)
OUTCOME = {"test_accuracy": 0.5}


def store(folder: Path, owner: str = "", **changes: Any) -> Store:
    design = Design.of(arms="max", **changes).to_dict()
    made = Store(folder, {"design": design, "data": {"name": "stripes"}, "convitro": "0"})
    made.owner = owner or made.owner
    made.begin()
    return made


def test_what_is_saved_is_found_by_all(tmp_path: Path) -> None:
    one, other = store(tmp_path, "a-1"), store(tmp_path, "b-1")
    assert one.claim(CELL)
    one.save(CELL, OUTCOME)
    assert one.outcome(CELL) == OUTCOME
    assert other.outcome(CELL) is None
    other.look()
    assert other.outcome(CELL) == OUTCOME
    assert not list(tmp_path.rglob("*.partial"))
    assert not list((tmp_path / "claims").iterdir())
    assert json.loads(next((tmp_path / "cells").iterdir()).read_text())["by"] == "a-1"


def test_a_training_keeps_its_name(tmp_path: Path) -> None:
    """Else a folder of an earlier version would be trained anew. How a search goes is no part of a name."""
    names = {store(tmp_path / str(count), extensions=count).key(CELL) for count in (0, 3)}
    assert names == {"40161f04d78595e3ecdd152deaa78f09"}


def test_only_one_has_a_claim(tmp_path: Path) -> None:
    one, other = store(tmp_path, "a-1"), store(tmp_path, "b-1")
    assert one.claim(CELL)
    assert not other.claim(CELL)
    one.release(CELL)
    assert other.claim(CELL)
    other.save(CELL, OUTCOME)
    assert not one.claim(CELL)  # finished, though it did not look since
    assert not list((tmp_path / "claims").iterdir())


def test_a_claim_without_a_sign_of_life_is_taken_over(tmp_path: Path) -> None:
    one, other = store(tmp_path, "a-1"), store(tmp_path, "b-1")
    assert one.claim(CELL)
    file = next((tmp_path / "claims").iterdir())
    long_ago = file.stat().st_mtime - store_module.STALE_S - 1
    os.utime(file, (long_ago, long_ago))
    one.beat()
    assert not other.claim(CELL)
    os.utime(file, (long_ago, long_ago))
    assert other.claim(CELL)
    assert file.read_text() == "b-1"


def test_a_claim_of_a_process_that_is_gone_is_taken_over_at_once(tmp_path: Path) -> None:
    gone = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True
    )
    host = store(tmp_path).owner.rpartition("-")[0]
    dead, living = (
        store(tmp_path, f"{host}-{gone.stdout.decode().strip()}"),
        store(tmp_path, f"{host}-{os.getpid()}"),
    )
    assert dead.claim(CELL)
    assert store(tmp_path, "b-1").claim(CELL)
    second = Cell("max", "drop-in", 0.1, 4, final=True)
    assert living.claim(second)
    assert not store(tmp_path, "b-1").claim(second)


def test_a_beat_for_a_claim_that_was_taken_over_is_no_error(tmp_path: Path) -> None:
    one = store(tmp_path)
    assert one.claim(CELL)
    next((tmp_path / "claims").iterdir()).unlink()
    one.beat()
    one.release_all()


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"epochs": 7}, "design.recipe.epochs 20 -> 7"),
        ({"seeds": 3}, "design.seeds"),
        ({"regimes": "batchnorm"}, "design.regimes"),
    ],
)
def test_another_comparison_is_refused(tmp_path: Path, changes: dict[str, Any], difference: str) -> None:
    store(tmp_path)
    with pytest.raises(ExperimentError, match="holds another comparison") as caught:
        store(tmp_path, **changes)
    assert difference in caught.value.received
    store(tmp_path)


def test_a_file_that_is_damaged_or_not_what_its_name_says(tmp_path: Path) -> None:
    one = store(tmp_path)
    one.save(CELL, OUTCOME)
    file = next((tmp_path / "cells").iterdir())
    content = json.loads(file.read_text())
    content["cell"]["seed"] = 9
    file.write_text(json.dumps(content))
    again = store(tmp_path)
    again.look()
    with pytest.raises(ExperimentError, match="does not hold what its name says"):
        again.outcome(CELL)
    file.write_text("{")
    with pytest.raises(ExperimentError, match="cannot be read"):
        again.outcome(CELL)


def test_every_setting_has_a_name_of_its_own(tmp_path: Path) -> None:
    one, other = store(tmp_path / "a"), store(tmp_path / "b", epochs=7)
    cells = [CELL, Cell("max", "drop-in", 0.1, 3, final=False), Cell("sum", "drop-in", 0.1, 3, final=True)]
    keys = {made.key(cell) for made in (one, other) for cell in cells}
    assert len(keys) == 6


def test_a_fingerprint_sees_one_pixel_and_one_label(stripes: Data) -> None:
    images, labels = stripes
    expected = fingerprint(open_sets(stripes, Recipe()))
    assert fingerprint(open_sets((images.clone(), labels.clone()), Recipe())) == expected
    pixel = images.clone()
    pixel[5, 0, 2, 2] += 1e-6
    swapped = labels.clone()
    swapped[[0, 1]] = labels[[1, 0]]
    prints = {
        fingerprint(open_sets(data, Recipe()))["sha256"] for data in ((pixel, labels), (images, swapped))
    }
    assert len(prints | {expected["sha256"]}) == 3


def test_pictures_that_are_read_have_one_too(stripes: Data) -> None:
    images, labels = stripes
    expected = fingerprint(open_sets(Read(stripes), Recipe()))
    assert expected["pictures"]["train"] > 0
    assert fingerprint(open_sets(Read((1 - images, labels)), Recipe()))["sha256"] != expected["sha256"]


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    one = store(tmp_path)
    (tmp_path / "cells").write_text("not a folder")
    with pytest.raises(ExperimentError, match=r"^compare: .* could not be written") as caught:
        one.save(CELL, OUTCOME)
    assert "the same command goes on" in caught.value.hint
