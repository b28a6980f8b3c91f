"""Kernels on PyTorch's own threads: every task once, whoever calls and from wherever."""

import ctypes
import multiprocessing
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from convitro.engine.cpu import threads
from convitro.engine.cpu.isa import host
from convitro.engine.cpu.jit import compiled
from convitro.engine.cpu.program import Task, program
from convitro.engine.cpu.vector import INDEX
from tests.engine.written import FLOAT

TASKS = 1001
REGION = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


@pytest.fixture(autouse=True)
def same_threads_after() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def write_counting(task: Task) -> None:
    counts, team = task.pointer("counts", INDEX), task.pointer("team", INDEX)
    first, end = task.share(task.size("tasks"))
    team[task.thread].store(task.threads)
    with task.loop(first, end) as number:
        counts[number].store(counts[number].load() + 1)


def count(asked: int) -> tuple[list[int], list[int]]:
    """How often each task was run, and the size of the team as each of its threads saw it."""
    kernel = compiled(
        "test: counting", lambda: program(host(), FLOAT, ["counts", "team"], write_counting), host()
    )
    pool = threads.pool() or threads.Pool(0, 0, 0)
    known = {"threads": asked, "tasks": TASKS, **vars(pool)}
    sizes = np.array([known[name] for name in kernel.fields], np.int64)
    counts, team = np.zeros(TASKS, np.int64), np.zeros(asked, np.int64)
    entry = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 3)(kernel.address)
    entry(sizes.ctypes.data, counts.ctypes.data, team.ctypes.data)
    return counts.tolist(), team.tolist()


def count_once() -> int:
    """In another process: how many threads it may use, having run every task once on so many."""
    asked = threads.available()
    assert count(asked) == ([1] * TASKS, [asked] * asked)
    return asked


@pytest.mark.parametrize("asked", [1, 2, 3])
def test_each_task_runs_once(asked: int) -> None:
    torch.set_num_threads(asked)
    assert threads.available() == asked
    assert count(asked) == ([1] * TASKS, [asked] * asked)


def test_the_reason_for_one_thread_is_said() -> None:
    torch.set_num_threads(1)
    assert threads.reason() == "torch.get_num_threads() is 1"
    torch.set_num_threads(2)
    assert threads.reason() == ""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_no_second_pool_is_loaded() -> None:
    """In a process of its own: other tests load packages that bring their own."""
    code = """
from pathlib import Path
from convitro.engine.cpu import threads
pool = threads.pool()
lines = Path("/proc/self/maps").read_text().splitlines()
regions = [(line.split()[0].split("-"), line.split()[-1]) for line in lines]
holders = {path for (low, high), path in regions if int(low, 16) <= pool.parallel < int(high, 16)}
loaded = {path for _, path in regions if "omp" in Path(path).name and ".so" in path}
print(len(loaded), holders == loaded)
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["1", "True"]


def test_a_second_openmp_would_not_be_taken_for_torchs() -> None:
    class Other:
        GOMP_parallel = omp_get_thread_num = omp_get_num_threads = 1
        asked = 7

        def omp_get_max_threads(self) -> int:
            return self.asked

        def omp_set_num_threads(self, number: int) -> None:
            self.asked = number

    other = Other()
    assert not threads._is_torchs(other)  # type: ignore[arg-type]
    assert other.asked == 7


def test_without_a_pool_there_is_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(2)
    monkeypatch.setattr(threads, "pool", lambda: None)
    assert threads.available() == 1
    assert "not found" in threads.reason()


def test_several_python_threads_at_once() -> None:
    results: list[tuple[list[int], list[int]]] = []

    def work() -> None:
        results.extend(count(2) for _ in range(50))

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert results == [([1] * TASKS, [2, 2])] * 200


def test_inside_another_parallel_region() -> None:
    pool = threads.pool()
    assert pool is not None
    results: list[list[int]] = []

    def region(_: int) -> None:
        results.append(count(2)[0])  # the team in here has one thread: it has to do all tasks

    count(1)  # compiled before, as a callback cannot raise
    parallel = ctypes.CFUNCTYPE(None, REGION, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint)(pool.parallel)
    parallel(REGION(region), None, 2, 0)
    assert results == [[1] * TASKS] * 2


FORKED = """
import os, sys
import torch
from torch.utils.data import DataLoader
from tests.engine.test_threads import count_once
from convitro.engine.cpu import threads

class Data(torch.utils.data.Dataset):
    def __len__(self): return 4
    def __getitem__(self, index): return count_once()

torch.set_num_threads(2)
assert count_once() == 2 and threads.reason() == ""
child = os.fork()
if child == 0:
    fine = count_once() == 1 and "forked" in threads.reason()
    os._exit(0 if fine else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
loader = DataLoader(Data(), num_workers=2, multiprocessing_context="fork")
assert [int(item) for item in loader] == [1] * 4
assert count_once() == 2
"""


def test_after_fork_and_in_data_loader_workers() -> None:
    subprocess.run([sys.executable, "-c", FORKED], check=True, timeout=120, cwd=Path(__file__).parents[2])


def run_in(results: "multiprocessing.Queue[int]", work: Callable[[], int]) -> None:
    torch.set_num_threads(2)
    results.put(work())


def test_in_a_spawned_process() -> None:
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[int] = context.Queue()
    process = context.Process(target=run_in, args=(results, count_once))
    process.start()
    process.join(timeout=120)
    assert process.exitcode == 0
    assert results.get(timeout=10) == 2
