"""`convitro compare`: its tables, folder, plan and help, and one plain message for what it refuses."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import convitro.lab.comparison.workers as workers_module
from tests.command_line import invoke

pytestmark = pytest.mark.usefixtures("workplace")
compare = partial(invoke, "compare")
QUICK = (
    *("--images", "200", "--epochs", "1", "--regimes", "calibrated", "--rates", "0.05", "--extensions", "0"),
    *("--search-seeds", "1", "--seeds", "2", "--workers", "0", "--aggregations", "mean"),
)


def test_a_comparison_and_the_same_again() -> None:
    code, out, err = compare(*QUICK, "-o", "results")
    assert (code, err) == (0, "")
    assert out.startswith("calibrated: test accuracy on digits, mean of 2 seeds\n")
    assert out.endswith("Written to results.\n")
    assert max(map(len, out.splitlines())) <= 80
    assert compare(*QUICK, "-o", "results") == (0, out, "")
    code, text, _ = compare(*QUICK, "-o", "results", "--json")
    assert code == 0
    assert len(json.loads(text)["cells"]) == 4
    code, out, err = compare(*QUICK, "-o", "results", "--seeds", "3")
    assert (code, out) == (2, "")
    assert err.startswith('ExperimentError: compare: the folder "results" holds another comparison.')
    assert "design.seeds [0, 1] -> [0, 1, 2]" in err


def test_stopped_by_hand_it_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def stops(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(workers_module, "run_cell", stops)
    code, out, err = compare(*QUICK, "-o", "results")
    assert (code, out) == (130, "")
    assert "Stopped: 0 of 6 trainings are kept in results. The same command goes on." in err


def test_a_plan_writes_nothing(tmp_path: Path) -> None:
    code, out, err = compare(*QUICK, "--plan", "-o", "results")
    assert (code, err) == (0, "")
    assert out.startswith("2 arms under 1 regime\n")
    text = " ".join(out.split())
    assert "2 trainings search for learning rates, up to 0 more where grids grow; 4 are compared" in text
    assert not (tmp_path / "results").exists()
    _, out, _ = compare(*QUICK, "--plan", "--extensions", "3")
    assert "up to 12 more where grids grow" in " ".join(out.split())  # 2 arms, 3 times, at both ends


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--aggregations", "maxx"), 'did you mean "max"'),
        (("--aggregations", "none"), '"none" cannot be an arm'),
        (("--regimes", "batch"), "unknown regime"),
        (("--rates", "fast"), "no list of different values"),
        (("--seeds", "1"), "too few seeds"),
        (("--epochs", "0"), "ArgumentError: train: `epochs` is not a whole number"),
        (("--data", "nowhere", "-o", "results"), 'LoadError: open_dataset: there is no "nowhere".'),
        ((), "nowhere to keep the trainings"),
    ],
)
def test_what_it_refuses(arguments: tuple[str, ...], message: str) -> None:
    code, out, err = compare(*QUICK, *arguments)
    assert (code, out) == (2, "")
    assert message in err


def test_help() -> None:
    code, out, _ = compare("--help")
    assert code == 0
    assert "convitro compare --aggregations sum,mean,max,adder -o results/" in out
    assert max(map(len, out.splitlines())) <= 80
