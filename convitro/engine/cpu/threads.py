"""The threads that kernels run on: those of the OpenMP pool that PyTorch itself uses, never our own.

So `torch.set_num_threads` governs both, and a network of our layers and others' never has more threads than
cores. Where that pool cannot be used, a kernel runs on the thread that called it.
"""

from __future__ import annotations

import ctypes
import functools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch


@dataclass(frozen=True)
class Pool:
    """Addresses of the functions of PyTorch's OpenMP library that a kernel calls.

    Attributes:
        parallel: `GOMP_parallel(function, data, threads, flags)`: run a function on so many threads.
        thread_number: `omp_get_thread_num()`.
        team_size: `omp_get_num_threads()`; may be fewer than asked for, one in a nested region.
    """

    parallel: int
    thread_number: int
    team_size: int


_forked = False


def available() -> int:
    """How many threads a kernel called now should use.

    Example:
        >>> available() in (1, torch.get_num_threads())
        True
    """
    return 1 if _forked or pool() is None else torch.get_num_threads()


def reason() -> str:
    """Why a kernel called now uses one thread; empty if it uses more."""
    if _forked:
        return "this process was forked, and the threads of OpenMP's pool stayed in its parent"
    if pool() is None:
        return "PyTorch's OpenMP pool was not found in this process"
    return "torch.get_num_threads() is 1" if torch.get_num_threads() == 1 else ""


@functools.cache
def pool() -> Pool | None:
    """PyTorch's pool; None where PyTorch has none, or one that generated code cannot call."""
    return next((_pool(library) for library in _libraries() if _is_torchs(library)), None)


def _libraries() -> Iterator[ctypes.CDLL]:
    """Where torch's calls may lead: names known to the whole process, then torch's own dependencies."""
    if os.name == "nt":  # its OpenMP has no GOMP_parallel
        return
    yield ctypes.CDLL(None)
    for file in sorted((Path(torch.__file__).parent / "lib").glob("libtorch_cpu.*")):
        try:
            yield ctypes.CDLL(str(file), mode=os.RTLD_NOW | os.RTLD_NOLOAD)  # found only if loaded
        except OSError:
            continue


def _is_torchs(library: ctypes.CDLL) -> bool:
    """Whether torch sees what is changed there; a second OpenMP in the process has threads of its own."""
    names = ("GOMP_parallel", "omp_get_thread_num", "omp_get_num_threads", "omp_set_num_threads")
    if not all(hasattr(library, name) for name in names):
        return False
    torch.get_num_threads()  # torch sets its own number at the first call
    before = library.omp_get_max_threads()
    try:
        library.omp_set_num_threads(before + 1)
        return torch.get_num_threads() == before + 1
    finally:
        library.omp_set_num_threads(before)


def _pool(library: ctypes.CDLL) -> Pool:
    functions = (library.GOMP_parallel, library.omp_get_thread_num, library.omp_get_num_threads)
    return Pool(*(ctypes.cast(function, ctypes.c_void_p).value or 0 for function in functions))


def _after_fork() -> None:
    global _forked
    _forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
