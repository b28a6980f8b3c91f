"""Results are kept, judged and shown as they are: losses as clearly as wins."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from convitro.bench.report import BEGIN, END, write
from convitro.bench.results import Run
from convitro.bench.table import markdown, text
from convitro.bench.targets import verdicts
from convitro.errors import LoadError


def test_a_row_compares_with_the_fastest_peer(run: Run) -> None:
    win, loss, alone, _ = run.rows
    assert (win.best_peer(), win.ratio(), win.share(), win.scaling()) == ("jax", 4.0, 0.9, 2.0)
    assert (loss.best_peer(), loss.ratio(), loss.share()) == ("torch", 0.5, 2.0)
    assert math.isnan(loss.scaling())
    assert alone.best_peer() == ""
    assert math.isnan(alone.ratio())
    assert alone.ms("jax") == float("inf")


def test_a_run_comes_back_from_its_file(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "new" / "results.json"
    run.save(file)
    assert Run.read(file) == run
    assert json.loads(file.read_text("utf-8"))["rows"][0]["timings"]["jax"]["median_ms"] == 4.0


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": 99}', '{"format": 1, "rows": 5}'])
def test_another_file_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "other.json"
    file.write_text(content)
    with pytest.raises(LoadError, match="cannot be read as results"):
        Run.read(file)
    with pytest.raises(LoadError, match="nowhere"):
        Run.read(tmp_path / "nowhere.json")


def test_every_promise_is_judged(run: Run) -> None:
    said = {verdict.what: (round(verdict.value, 3), verdict.met) for verdict in verdicts(run)}
    assert said == {
        "block 3x3, geometric mean of 2": (1.414, False),
        "block 3x3, lowest of 2 (loss b1)": (0.5, False),
        "training step, lowest of 1 (net b32)": (2.5, True),
        "2 threads against one, geometric mean": (2.0, True),
        "roofline of direct kernels, geometric mean of 1": (0.9, True),
        "roofline of direct kernels, lowest (win b1)": (0.9, True),
        "saved besides the layers' inputs, net b32": (0.1, True),
        "import": (0.3, False),
    }


def test_the_table_fits_80_columns_and_shows_losses(run: Run) -> None:
    shown = text(run)
    assert max(map(len, shown.splitlines())) <= 80
    assert not any(line != line.rstrip() for line in shown.splitlines())
    words = [line.split() for line in shown.splitlines()]
    assert ["loss", "b1", "2.00", "1.00", "torch", "0.50x", "2.00"] in words
    assert ["win", "b1", "1.00", "4.00", "jax", "4.00x", "0.90"] in words
    assert ["half", "b1", "1.00", "-", "-", "-", "-"] in words
    assert "block 3x3, lowest of 2 (loss b1): 0.50x (≥ 1.5x: MISSED)" in shown
    assert "not timed: jax (half b1): wrong: it" in shown
    assert "first call: 0.001 s" in shown
    assert "100 GFLOP/s" in shown


def test_a_reason_that_holds_everywhere_is_said_once(run: Run) -> None:
    refused = replace(run, rows=[replace(row, refused={"jax": "not installed"}) for row in run.rows])
    assert "not timed: jax (everywhere): not installed" in text(refused)


def test_the_page_has_everybody(run: Run) -> None:
    shown = markdown(run)
    assert "| layer | convitro | convitro 1 thread | torch | jax | ratio | roofline |" in shown
    assert "| loss b1<br>1,3,9,9 → 8, 3x3, pool 2/2 | 2.00 | - | *1.00* | 3.00 | **0.50x** | 2.00 |" in shown
    assert "| block 3x3, lowest of 2 (loss b1) | 0.50x | ≥ 1.5x | **missed** |" in shown
    assert "saved for backward, net b32: convitro 0.00 MB, torch 0.00 MB" in shown


def test_a_report_changes_a_page_between_its_marks_only(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    page = tmp_path / "speed.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    other = replace(run, settings={**run.settings, "threads": 1})
    written = list(write([other, run], page))
    names = [f"speed-{suite}-{threads}.png" for threads in (1, 2) for suite in ("block", "conv")]
    assert [file.name for file in written] == [*names, "speed.md"]
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in written[:-1])
    content = page.read_text("utf-8")
    assert content.startswith(f"before\n{BEGIN}\n## One thread\n")
    assert content.endswith(f"{END}\nafter\n")
    assert "## 2 threads" in content
    assert "old" not in content
    assert list(write([other, run], page)) == written
    assert page.read_text("utf-8") == content


def test_a_new_page_is_made_and_one_without_marks_is_left_alone(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    assert list(write([run], tmp_path / "new.md"))[-1].read_text("utf-8").startswith("# Speed\n")
    page = tmp_path / "other.md"
    page.write_text("my own words")
    with pytest.raises(LoadError, match="no place for figures"):
        list(write([run], page))
    assert page.read_text() == "my own words"
