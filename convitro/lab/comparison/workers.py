"""Processes that train the cells of a comparison, each on one thread; they live as long as it does."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import torch

from convitro.errors import ConvitroError, ExperimentError
from convitro.lab.comparison.cell import Bench, run_cell
from convitro.lab.comparison.search import Cell

Finished = list[tuple[Cell, dict[str, Any]]]
Opening = Callable[[], Bench]
"""Makes the bench in each process, so that the data is opened once there; it must be picklable."""
LAST_LINES = 12
"""Of a traceback that an error shows."""


@dataclass
class Worker:
    """A process, the pipe to it, and what it is at."""

    process: Any
    pipe: Any
    cell: Cell | None = None


class Workers:
    """Some processes that wait for cells. A context: at its end they are gone, whatever they were at.

    Args:
        count: how many; 0 trains in this very process, on one thread as well.
        opening: makes the bench.

    Raises:
        ExperimentError: from `wait`, where a cell came upon an error, or a process was lost.
    """

    def __init__(self, count: int, opening: Opening) -> None:
        self._count, self._opening = count, opening
        self._workers: list[Worker] = []
        self._bench: Bench | None = None
        self._waiting: list[Cell] = []

    def __enter__(self) -> Workers:
        context = multiprocessing.get_context("spawn")
        with uninterrupted():
            for number in range(self._count):
                ours, theirs = context.Pipe()
                process = context.Process(
                    target=serve, args=(theirs, self._opening), name=f"convitro-{number}", daemon=True
                )
                process.start()
                theirs.close()
                self._workers.append(Worker(process, ours))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            worker.process.join()
            worker.pipe.close()
        self._workers.clear()

    @property
    def running(self) -> list[Cell]:
        """What is being trained."""
        return [worker.cell for worker in self._workers if worker.cell is not None] + self._waiting

    @property
    def free(self) -> int:
        """How many cells they can take."""
        return max(self._count, 1) - len(self.running)

    def submit(self, cell: Cell) -> None:
        """Give a cell to one that is free."""
        if not self._count:
            self._waiting.append(cell)
            return
        worker = next(worker for worker in self._workers if worker.cell is None)
        worker.cell = cell
        try:
            worker.pipe.send(cell)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise lost(worker) from error

    def wait(self, seconds: float) -> Finished:
        """The cells that were finished; waits for the first, but not for longer than so many seconds."""
        if not self._count:
            return self._run_here()
        busy = {worker.pipe: worker for worker in self._workers if worker.cell is not None}
        finished: Finished = []
        for pipe in multiprocessing.connection.wait(list(busy), seconds):
            worker = busy[pipe]
            assert worker.cell is not None
            try:
                outcome, trouble = worker.pipe.recv()
            except (EOFError, ConnectionResetError) as error:
                raise lost(worker) from error
            if trouble:
                raise broken(worker.cell, trouble)
            finished.append((worker.cell, outcome))
            worker.cell = None
        return finished

    def _run_here(self) -> Finished:
        with one_thread():
            if self._bench is None:
                self._bench = self._opening()
            finished: Finished = []
            while self._waiting:
                cell = self._waiting[0]
                outcome, trouble = attempted(self._bench, cell)
                self._waiting.pop(0)
                if trouble:
                    raise broken(cell, trouble)
                finished.append((cell, outcome))
        return finished


def serve(pipe: Any, opening: Opening) -> None:
    """A worker's whole life: cells come in, outcomes go out, until nobody is at the other end."""
    torch.set_num_threads(1)
    bench: Bench | None = None
    try:
        while True:
            cell = pipe.recv()
            try:
                bench = bench or opening()
            except Exception:
                pipe.send(({}, traceback.format_exc()))
                continue
            pipe.send(attempted(bench, cell))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


def attempted(bench: Bench, cell: Cell) -> tuple[dict[str, Any], str]:
    """What came of a cell, or the trouble that it came upon, in words."""
    try:
        return run_cell(bench, cell), ""
    except ConvitroError as error:
        return {}, f"{type(error).__name__}: {error}"
    except Exception:  # whatever it is, it is shown, and the comparison stops
        return {}, traceback.format_exc()


def broken(cell: Cell, trouble: str) -> ExperimentError:
    """The error for a cell that came upon one: not a failed training, but one that could not be."""
    lines = trouble.strip().splitlines()
    shown = "\n".join(f"    {line}" for line in lines[-LAST_LINES:])
    return ExperimentError(
        f"compare: a training broke: {cell}.",
        expected="every arm to train, well or badly",
        received=f"{lines[-1] if len(lines) else 'nothing'}\n{shown}",
        hint="what is finished is kept; the same command goes on from there",
    )


def lost(worker: Worker) -> ExperimentError:
    """The error for a process that is gone."""
    worker.process.join(5)
    return ExperimentError(
        f"compare: a process was lost at {worker.cell}.",
        expected="its outcome",
        received=f"exit code {worker.process.exitcode}",
        hint="fewer workers need less memory; a script that compares must do so under "
        '`if __name__ == "__main__":`; what is finished is kept',
    )


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Processes that begin inside never hear of Ctrl-C: it is the affair of the one that started them."""
    if threading.current_thread() is not threading.main_thread():  # others may not say what a signal does
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread for torch and for the kernels; afterwards as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def cores() -> int:
    """How many processes may run at the same time."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
