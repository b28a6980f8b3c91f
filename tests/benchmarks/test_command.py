"""`convitro bench`: what is asked for is measured, kept and shown; wrong input is one message and code 2."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

import convitro.bench.roofline as roofline
import convitro.bench.run as running
from convitro.bench.layers import QUICK
from convitro.bench.results import Figure, Run
from convitro.bench.run import ALL_SUITES, Measurement, Wanted
from tests.command_line import invoke

bench = partial(invoke, "bench")


@pytest.fixture(autouse=True)
def small_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A roofline that takes no time, and no fresh processes."""
    monkeypatch.setattr(roofline, "BUFFER_BYTES", 2**20)
    monkeypatch.setattr(roofline, "LOOPS", 1000)
    monkeypatch.setattr(running, "measure_processes", lambda: iter([Figure("import", 0.1, "s", 0.2)]))
    monkeypatch.setenv("COLUMNS", "80")


def test_a_layer_is_measured_kept_and_shown_again(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    chosen = ("--suite", "block", "--layers", "LeNet-5 conv2 b1", "--against", "torch", "--budget", 0)
    code, out, err = bench(*chosen, "--output", file)
    assert (code, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 80
    run = Run.read(file)
    assert [row.name for row in run.rows] == ["LeNet-5 conv2 b1"]
    assert set(run.rows[0].timings) == {"convitro", "convitro NCHW", "torch"}
    assert run.rows[0].least_ms > 0
    assert run.settings["peers"] == ["torch"]
    assert {"processor", "isa", "cores", "versions"} <= set(run.machine)
    assert bench("--report", file) == (0, out, "")


def test_the_other_suites_are_part_of_a_run() -> None:
    code, out, _ = bench("--suite", "overhead,compile", "--against", "torch", "--budget", 0)
    assert code == 0
    assert "conv_block, backward" in out
    assert "import: 0.10 s (≤ 0.2 s: met)" in out


WRONG = {
    "suite": (["--suite", "blok"], 'did you mean "block"'),
    "peer": (["--against", "tensorflow"], "bench: unknown peer"),
    "layer": (["--suite", "conv", "--layers", "nowhere"], 'no layer contains "nowhere"'),
    "no file": (["--report", "nowhere.json"], '"nowhere.json" cannot be read as results'),
    "cores": (["--cores", "a"], 'cannot stay on cores "a"'),
    "threads": (["--threads", "0"], "--threads"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_input_ends_with_code_2_and_one_message(name: str) -> None:
    arguments, message = WRONG[name]
    code, out, err = bench(*arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert "Traceback" not in err


def test_help_fits_80_columns() -> None:
    code, out, _ = bench("--help")
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80


def test_every_step_is_told() -> None:
    told: list[str] = []
    wanted = Wanted(("conv", "compile"), ("torch",), layers="small_vgg conv3_1 b1", budget_s=0.0)
    measurement = Measurement(wanted, told.append)
    measurement.run()
    assert told == ["roofline", "small_vgg conv3_1 b1", "compile", "roofline"]
    assert measurement.steps == len(told)


def test_layers_are_chosen_by_words() -> None:
    chosen = Wanted(("block", "conv"), layers="VGG-16 1_2 b8").chosen()
    assert [(suite, layer.name) for suite, layer in chosen] == [("block", "VGG-16 conv1_2 b8")]
    assert len(Wanted(("conv",), layers="7x7 b1").chosen()) == 1


def test_quick_takes_one_layer_of_each_kind() -> None:
    chosen = Wanted(quick=True, budget_s=60.0)
    assert [layer.name for _, layer in chosen.chosen()] == list(QUICK)
    assert chosen.seconds <= 1.0
    assert set(Wanted().suites) == set(ALL_SUITES)
