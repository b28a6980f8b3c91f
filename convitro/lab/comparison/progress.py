"""How far a comparison is: trainings done and to do, time left, what is at work; on a terminal only."""

from __future__ import annotations

import sys
from time import monotonic
from types import TracebackType
from typing import Any

from convitro.lab.comparison.search import Cell
from convitro.progress import line


class Progress:
    """One line at the bottom of a terminal; nothing where stderr is none."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._first: int | None
        self._began, self._first = 0.0, None  # when the first training was finished, and how many were then

    def __enter__(self) -> Progress:
        if sys.stderr.isatty():
            from rich.progress import MofNCompleteColumn, TextColumn, TimeElapsedColumn

            left = TextColumn("{task.fields[left]}", markup=False)
            self._bar = line(MofNCompleteColumn(), TimeElapsedColumn(), left, bar_width=None)
            self._bar.start()
            self._task = self._bar.add_task("null test", total=None, left="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, done: int, total: int, running: list[Cell]) -> None:
        """Write the line; `total` grows with the grids."""
        if self._bar is None:
            return
        now = monotonic()
        if self._first is None or (not self._began and done > self._first):  # the start is not like the rest
            self._began, self._first = (0.0 if self._first is None else now), done
        trained = done - self._first
        left = (now - self._began) / trained * (total - done) if trained else None
        arms = ", ".join(dict.fromkeys(f"{cell.arm} {cell.regime}" for cell in running)) or "waiting"
        self._bar.update(
            self._task, completed=done, total=total, description=arms, left="" if left is None else span(left)
        )


def span(seconds: float) -> str:
    """Time left, as a person says it.

    Example:
        >>> span(42), span(150), span(7300)
        ('1 min left', '3 min left', '2 h 2 min left')
    """
    minutes = max(1, -int(-seconds // 60))
    return f"{minutes} min left" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min left"
