"""How it is timed: in turns, often enough, with the threads that were asked for."""

from __future__ import annotations

import ctypes

import pytest
import torch

import convitro.bench.roofline as roofline
from convitro.bench.measure import FEWEST, MOST, Runner, interleaved
from convitro.engine.cpu.isa import isa, supported
from convitro.engine.cpu.jit import compiled


def test_contenders_take_turns_and_nobody_always_follows_the_same_one() -> None:
    log: list[str] = []
    runners = {name: Runner(lambda name=name: log.append(name), 0.0, 1) for name in "abc"}  # type: ignore[misc]
    timings = interleaved(runners, budget_s=0.0)
    order = [name for name, before in zip(log, ["", *log[:-1]], strict=True) if name != before]
    assert {timing.n for timing in timings.values()} == {FEWEST}
    calibration, rounds = "abc", ("abc", "bca", "cab", "abc", "bca")
    assert "".join(order) == calibration + "".join(rounds)


def test_a_short_budget_still_has_a_few_rounds_and_a_long_one_ends() -> None:
    runners = {"a": Runner(lambda: None, 7.0, 1)}
    few, many = interleaved(runners, 0.0)["a"], interleaved(runners, 3.0)["a"]
    assert few.n == FEWEST
    assert few.n < many.n <= MOST
    assert few.cold_ms == 7.0
    assert 0 < few.median_ms < 5


def test_everybody_runs_with_its_own_number_of_threads() -> None:
    seen: dict[str, set[int]] = {"one": set(), "two": set()}
    runners = {
        "one": Runner(lambda: seen["one"].add(torch.get_num_threads()), 0.0, 1),
        "two": Runner(lambda: seen["two"].add(torch.get_num_threads()), 0.0, 2),
    }
    interleaved(runners, 0.0)
    torch.set_num_threads(1)
    assert seen == {"one": {1}, "two": {2}}


@pytest.mark.parametrize("name", supported())
def test_the_loop_behind_the_peak_does_its_multiply_adds(name: str) -> None:
    kind = isa(name)
    kernel = compiled("bench: independent sums", lambda: roofline.multiply_adds(kind), kind)
    place = (ctypes.c_float * 64)(0.5, 1.0)
    call = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(kernel.address)
    call((ctypes.c_int64 * 1)(3), place)
    expected = 0.0
    for chain in range(roofline.CHAINS):
        total = 1.0 + chain
        for _ in range(3):
            total = total * 0.5 + 1.0
        expected += total
    assert place[2] == pytest.approx(expected)


def test_both_limits_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roofline, "BUFFER_BYTES", 2**20)
    monkeypatch.setattr(roofline, "LOOPS", 1000)
    limits = roofline.roofline(threads=1)
    assert limits.flops_per_s > 1e8
    assert limits.bytes_per_s > 1e8
    assert torch.get_num_threads() == 1
    better = limits.best_of(roofline.Roofline(1.0, 1e15, 1))
    assert better == roofline.Roofline(limits.flops_per_s, 1e15, 1)
