"""The suite of aggregations: formulations that are right are timed, others named; memory is measured."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from torch import Tensor

import convitro.bench.aggregation as suite
import convitro.bench.formulations as forms
from convitro.bench.aggregation import Problem, measure_aggregation, problems
from convitro.bench.formulations import FORMULAS, PLAIN, SELECTING, Formula, Shape, formulations
from convitro.bench.results import DIRECT_SUM, OURS, Row, Run
from convitro.bench.table import markdown, text
from convitro.bench.targets import FORWARD, FORWARD_BACKWARD, OVER_SUM, TARGETS, verdicts
from tests.benchmarks.conftest import timing
from tests.command_line import invoke

TINY = Shape(2, 3, 4, 5)


@pytest.fixture
def no_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite, "extra_bytes", lambda problem, threads: 5_000_000)


@pytest.mark.parametrize("backward", [False, True], ids=["forward", "both"])
@pytest.mark.parametrize("formula", FORMULAS, ids=lambda formula: formula.name)
def test_every_formulation_is_the_operator(formula: Formula, backward: bool, no_processes: None) -> None:
    row = measure_aggregation(Problem(formula, TINY, backward), ["torch"], 1, 0.0)
    assert row.refused == {}
    names = [f"torch {name}" for name, _ in formulations(formula)]
    assert set(row.timings) == {OURS, DIRECT_SUM, *names}
    assert row.best_peer() in names
    assert row.over_sum() > 0
    assert row.group == f"{FORWARD_BACKWARD if backward else FORWARD}, {formula.kind}"


def test_compiled_formulations_are_there(no_processes: None) -> None:
    row = measure_aggregation(Problem(FORMULAS[0], TINY, True), ["torch.compile"], 1, 0.0)
    if "torch.compile conv2d" in row.refused:
        assert "compiler" in row.refused["torch.compile conv2d"]
    else:
        assert set(row.timings) == {OURS, DIRECT_SUM, "torch.compile conv2d"}


def test_a_formulation_that_is_wrong_is_named_and_not_timed(
    monkeypatch: pytest.MonkeyPatch, no_processes: None
) -> None:
    def half(formula: Formula) -> Any:
        right = dict(formulations(formula))["grouped"]
        yield "half", lambda x, w: right(x, w) / 2
        yield "detached", lambda x, w: right(x, w) + (right(x, w) - right(x, w).detach())
        yield "raising", lambda x, w: x @ w

    monkeypatch.setattr(suite, "formulations", half)
    monkeypatch.setattr(Shape, "least_bytes", lambda *arguments, **settings: 0)
    by_name = {formula.name: formula for formula in FORMULAS}
    row = measure_aggregation(Problem(by_name["norm"], TINY, True), ["torch"], 1, 0.0)
    assert set(row.timings) == {OURS, DIRECT_SUM}
    assert row.refused["torch half"].startswith("wrong: error")
    assert row.refused["torch detached"].startswith("wrong: a gradient is off by 1.0e+00")
    assert "Error" in row.refused["torch raising"]


def test_a_failure_of_ours_is_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: Any, **settings: Any) -> Tensor:
        raise RuntimeError("ours failed")

    monkeypatch.setattr(suite, "conv2d", broken)
    with pytest.raises(RuntimeError, match="ours failed"):
        measure_aggregation(Problem(FORMULAS[2], TINY, False), ["torch"], 1, 0.0)


def test_who_needs_too_much_memory_is_refused(monkeypatch: pytest.MonkeyPatch, no_processes: None) -> None:
    monkeypatch.setattr(suite, "MOST_BYTES", 1000)
    row = measure_aggregation(Problem(FORMULAS[2], TINY, False), ["torch"], 1, 0.0)
    assert set(row.timings) == {OURS, DIRECT_SUM}
    assert row.refused["torch grouped"].startswith("needs 0.0 GiB or more")


def test_what_a_formulation_needs_is_at_least_its_largest_tensors() -> None:
    shape, by_name = Shape(8, 64, 64, 56), {formula.name: formula for formula in FORMULAS}
    maps = 4 * 8 * 64 * 64 * 56**2
    assert shape.least_bytes("grouped", by_name["max"], backward=False) == 2 * maps
    assert shape.least_bytes("unfold", by_name["max-plus"], backward=True) == 27 * maps
    for formula in FORMULAS:
        for name, _ in formulations(formula):
            forward, both = (shape.least_bytes(name, formula, backward=back) for back in (False, True))
            assert 0 <= forward <= both


def test_who_is_slow_is_called_once(monkeypatch: pytest.MonkeyPatch, no_processes: None) -> None:
    monkeypatch.setattr(suite, "SLOW_MS", 0.0)
    row = measure_aggregation(Problem(FORMULAS[2], TINY, False), ["torch"], 1, 0.0)
    assert row.timings["torch grouped"].n == 1
    assert row.timings[OURS].n > 1


def test_memory_is_measured_in_a_fresh_process() -> None:
    by_name = {formula.name: formula for formula in FORMULAS}
    shape = Shape(4, 16, 64, 96)
    for backward, most in ((False, 4), (True, 10)):
        extra = suite.extra_bytes(Problem(by_name["max"], shape, backward), 1)
        assert 0.8 * shape.output_bytes < extra < most * shape.output_bytes + 20e6


def test_shapes_and_operators_are_chosen_by_words() -> None:
    assert len(problems("", quick=False)) == 2 * len(FORMULAS) * len(suite.SHAPES)
    assert len(problems("", quick=True)) == 2 * len(FORMULAS)
    assert [problem.name for problem in problems("max-plus 56", quick=False)] == ["max-plus 8x64x64x56²"] * 2
    assert problems("nowhere", quick=False) == []
    names = [(problem.name, problem.backward) for problem in problems("", quick=False)]
    assert len(set(names)) == len(names)


def test_every_kind_has_its_targets() -> None:
    for kind in {formula.kind for formula in FORMULAS}:
        assert f"{FORWARD}, {kind}" in OVER_SUM
        assert (f"{FORWARD_BACKWARD}, {kind}" in TARGETS) == (kind != PLAIN)


@pytest.fixture
def rows(run: Run) -> Run:
    timings = {OURS: timing(3.0), DIRECT_SUM: timing(1.5), "torch grouped": timing(45.0)}
    row = Row("aggregation", f"{FORWARD}, {SELECTING}", "max 1x2x3x4²", "1,2,6,6; 3,2,3,3", timings)
    row = replace(row, extra_bytes={OURS: 70_000_000}, output_bytes=1_000_000)
    both = replace(row, group=f"{FORWARD_BACKWARD}, {SELECTING}", extra_bytes={OURS: 40_000_000})
    return replace(run, rows=[row, both], figures=[])


def test_promises_are_judged(rows: Run) -> None:
    said = {verdict.what: (verdict.value, verdict.met) for verdict in verdicts(rows)}
    assert said == {
        f"{FORWARD}, {SELECTING}, time over the direct sum's, most of 1 (max 1x2x3x4²)": (2.0, False),
        f"{FORWARD_BACKWARD}, {SELECTING}, lowest of 1 (max 1x2x3x4²)": (15.0, False),
        "memory beyond the output, most of 2 (max 1x2x3x4², forward)": (69.0, False),
    }


def test_tables_compare_with_the_sum(rows: Run) -> None:
    shown = text(rows)
    assert max(map(len, shown.splitlines())) <= 80
    words = [line.split() for line in shown.splitlines()]
    assert ["max", "1x2x3x4²", "3.00", "45.0", "torch", "grouped", "15.00x", "2.00", "70.00"] in words
    assert "| ratio | / sum | MB |" in markdown(rows)
    assert "| **15.00x** | 2.00 | 70.00 |" in markdown(rows)


def test_the_command_measures_it(monkeypatch: pytest.MonkeyPatch, no_processes: None) -> None:
    import convitro.bench.roofline as roofline

    monkeypatch.setattr(roofline, "BUFFER_BYTES", 2**20)
    monkeypatch.setattr(roofline, "LOOPS", 1000)
    monkeypatch.setattr(suite, "SHAPES", (TINY,))
    chosen = ["bench", "--suite", "aggregation", "--layers", "maxabs", "--against", "torch", "--budget", "0"]
    code, out, err = invoke(*chosen)
    assert code == 0, err
    assert "maxabs 2x3x4x5²" in out
    code, _, err = invoke("bench", "--suite", "aggregation", "--layers", "nowhere")
    assert code == 2
    assert 'no operator contains "nowhere"' in err


def test_no_formula_is_the_same_as_another() -> None:
    assert len({formula.name for formula in forms.FORMULAS}) == len(forms.FORMULAS)
    assert len({repr(formula.settings) for formula in forms.FORMULAS}) == len(forms.FORMULAS)
