"""How far a training is: one line at the bottom of a terminal, and nothing anywhere else."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import Any

from convitro.lab.machine import is_first_process
from convitro.progress import line

EVERY_S = 0.2

_hidden: ContextVar[bool] = ContextVar("hidden", default=False)


@contextmanager
def unwatched() -> Iterator[None]:
    """No line for the trainings inside: somebody else shows how far the whole is."""
    token = _hidden.set(True)
    try:
        yield
    finally:
        _hidden.reset(token)


class Watch:
    """A line with epoch, loss, accuracy, images per second and time left, on stderr where it is a terminal.

    Args:
        steps: of the whole training.
        done: how many of them are behind a training that goes on.
    """

    def __init__(self, steps: int, done: int = 0) -> None:
        self.live = not _hidden.get() and is_first_process() and sys.stderr.isatty()
        self._progress: Any = None
        self._steps, self._done, self._next, self._images, self._start = steps, done, 0.0, 0, 0.0

    def __enter__(self) -> Watch:
        if self.live:
            from rich.progress import TextColumn, TimeRemainingColumn

            note = TextColumn("{task.fields[note]}", markup=False)
            left = TimeRemainingColumn(compact=True, elapsed_when_finished=True)
            self._progress = line(note, left, bar_width=None)
            self._progress.start()
            self._task = self._progress.add_task("training", total=self._steps, completed=self._done, note="")
            self._start = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()

    def step(self, images: int) -> bool:
        """One step more, with so many pictures; whether it is time to show its numbers."""
        self._images += images
        self._done += 1
        return self.live and time.perf_counter() >= self._next

    def show(self, epoch: str, loss: float, accuracy: float) -> None:
        """Write the line."""
        now = time.perf_counter()
        self._next = now + EVERY_S
        speed = self._images / max(now - self._start, 1e-9)
        note = f"loss {loss:.3f}  accuracy {accuracy:.1%}  {speed:,.0f} images/s"
        self._progress.update(self._task, completed=self._done, description=epoch, note=note)
