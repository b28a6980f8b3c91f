"""Processes that train: the same numbers as here, a plain word where one breaks or is lost."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import torch

from convitro.errors import ExperimentError
from convitro.lab import Design
from convitro.lab.comparison.cell import Bench
from convitro.lab.comparison.search import Cell
from convitro.lab.comparison.workers import Finished, Workers, cores

PATIENCE_S = 120


@dataclass(frozen=True)
class Tiny:
    """Opens 48 pictures of two classes; a class at the top level of a module, so that it can be sent."""

    broken: bool = False

    def __call__(self) -> Bench:
        if self.broken:
            raise OSError("the disk is gone")
        images, labels = (
            torch.rand(48, 1, 8, 8, generator=torch.Generator().manual_seed(1)),
            torch.arange(48) % 2,
        )
        images[labels == 1] *= 0.5
        return Bench(Design.of(arms="max", epochs=2, batch_size=16), (images, labels))


def cell(seed: int, arm: str = "sum") -> Cell:
    return Cell(arm, "drop-in", 0.05, seed, final=False)


def all_of(pool: Workers) -> Iterator[tuple[Cell, dict[str, Any]]]:
    """Everything that was submitted, as it is finished."""
    end = time.monotonic() + PATIENCE_S
    while pool.running:
        assert time.monotonic() < end
        yield from pool.wait(1.0)


def test_processes_give_the_numbers_of_this_one() -> None:
    results: list[Finished] = []
    threads = torch.get_num_threads()
    for count in (0, 2):
        with Workers(count, Tiny()) as pool:
            assert pool.free == max(count, 1)
            found: Finished = []
            for pair in ([cell(1), cell(2)], [cell(3)]):
                for one in pair:
                    pool.submit(one)
                found += all_of(pool)
            results.append(sorted(found, key=lambda entry: entry[0].seed))
    assert [entry[0].seed for entry in results[0]] == [1, 2, 3]
    assert results[0] == results[1]
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("count", [0, 1])
def test_a_bug_stops_with_the_cell_and_the_last_lines(count: int) -> None:
    with Workers(count, Tiny()) as pool:
        pool.submit(cell(1, arm="maxx"))
        with pytest.raises(
            ExperimentError, match=r"a training broke: maxx, drop-in, rate 0\.05, seed 1"
        ) as caught:
            list(all_of(pool))
    assert "unknown arm" in caught.value.received


def test_data_that_cannot_be_opened_in_a_process() -> None:
    with Workers(1, Tiny(broken=True)) as pool:
        pool.submit(cell(1))
        with pytest.raises(ExperimentError, match="a training broke") as caught:
            list(all_of(pool))
    assert caught.value.received.startswith("OSError: the disk is gone")


def test_a_process_that_is_killed_is_said() -> None:
    with Workers(1, Tiny()) as pool:
        pool.submit(cell(1))
        pool._workers[0].process.kill()
        with pytest.raises(ExperimentError, match=r"a process was lost at sum, drop-in") as caught:
            list(all_of(pool))
        assert caught.value.received == "exit code -9"


def test_nothing_is_left_behind_and_ctrl_c_is_as_before() -> None:
    before = signal.getsignal(signal.SIGINT)
    with Workers(2, Tiny()) as pool:
        processes = [worker.process for worker in pool._workers]
        pool.submit(cell(1))
    assert not any(process.is_alive() for process in processes)
    assert signal.getsignal(signal.SIGINT) is before
    assert cores() >= 1
