"""Bounded work: one computation at a time, a short queue, and nothing that nobody waits for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import anyio
from anyio.to_thread import run_sync
from starlette.requests import Request

from convitro.explorer.problems import RequestProblem

T = TypeVar("T")
MAX_WAITING = 32


class Workbench:
    """Runs computations off the event loop, one at a time (torch uses every core within each).

    Args:
        max_waiting: how many requests may wait; the next one is told to come again.
    """

    def __init__(self, max_waiting: int = MAX_WAITING) -> None:
        self.max_waiting, self.waiting = max_waiting, 0
        self.bench = anyio.Semaphore(1)

    async def run(self, request: Request, compute: Callable[[], T]) -> T:
        """The result of `compute`, unless the queue is full or the asker has gone while waiting.

        Raises:
            RequestProblem: 503 when the queue is full; 499 when the asker has gone.
        """
        if self.waiting >= self.max_waiting:
            raise RequestProblem(503, "The explorer is busy.", "wait a moment, then try again")
        self.waiting += 1
        try:
            async with self.bench:
                if await request.is_disconnected():
                    raise RequestProblem(499, "The request was withdrawn.")
                return await run_sync(compute)
        finally:
            self.waiting -= 1
