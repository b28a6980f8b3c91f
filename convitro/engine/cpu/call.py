"""A compiled kernel with its numbers, ready to be called with addresses; and the memory it works in."""

from __future__ import annotations

import ctypes
import functools
import threading
from collections.abc import Callable, Mapping
from typing import Any

import torch

import convitro.engine.cpu.threads as threads
from convitro.engine.cpu.jit import Compiled

LINE = 64


class _Scratch(threading.local):
    """A thread's own memory."""

    address, size_bytes = 0, -1
    memory: torch.Tensor


_local = _Scratch()


class Call:
    """One kernel with all its sizes: only addresses of tensors are left to say.

    Args:
        compiled: the kernel.
        pointers: how many addresses it takes.
        sizes: the numbers it reads, by name; more than it asks for do no harm.
        keep: what must live as long as the call, tables above all.
        team: how many threads share the work.

    Attributes:
        run: runs it on addresses; the interpreter is free meanwhile.
    """

    __slots__ = ("_keep", "_sizes", "run")

    def __init__(
        self, compiled: Compiled, pointers: int, sizes: Mapping[str, int], team: int, keep: Any = None
    ) -> None:
        numbers = {**sizes, **_team(team)}
        self._sizes = (ctypes.c_int64 * len(compiled.fields))(*(numbers[name] for name in compiled.fields))
        function = _prototype(pointers)(compiled.address)
        self.run: Callable[..., None] = functools.partial(function, ctypes.addressof(self._sizes))
        self._keep = keep

    def __call__(self, *addresses: int) -> None:
        """The same as `run`."""
        self.run(*addresses)


@functools.cache
def _prototype(pointers: int) -> Any:
    return ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * (pointers + 1))


def _team(team: int) -> dict[str, int]:
    """The sizes that every kernel reads, see `program.TEAM`."""
    pool = threads.pool()
    if pool is None or team == 1:
        return {"threads": 1, "parallel": 0, "thread_number": 0, "team_size": 0}
    return {
        "threads": team,
        "parallel": pool.parallel,
        "thread_number": pool.thread_number,
        "team_size": pool.team_size,
    }


def scratch(size_bytes: int) -> int:
    """The address of so much memory, for one call: each thread of Python has its own, which grows."""
    if _local.size_bytes < size_bytes:
        _local.memory = torch.empty(size_bytes + LINE, dtype=torch.uint8)
        _local.size_bytes = size_bytes
        _local.address = -(-_local.memory.data_ptr() // LINE) * LINE
    return _local.address
