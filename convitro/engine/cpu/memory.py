"""Memory for large outputs, kept for the next ones.

Fresh memory is not there before it is written to: for a large output the system's page faults cost more than
the arithmetic, and the C library gives large memory back as soon as a tensor is gone. So a few large buffers
stay here; one is given out again when nothing refers to it any more.
"""

from __future__ import annotations

import ctypes
import functools
import mmap
import sys
import threading
from collections.abc import Callable, Sequence
from math import prod

import torch
from torch import Tensor

LARGE_BYTES = 2**20
"""The C library keeps smaller buffers itself."""
KEPT_BYTES = 256 * 2**20
"""More is never kept."""
MANY_PAGES_BYTES = 4 * 2**20
"""From that size on a buffer is worth large pages."""
_guards = getattr(torch._C._dynamo, "guards", None)
_empty_strided = getattr(_guards, "_empty_strided_cpu", None) or (
    lambda shape, strides, dtype: torch.empty_strided(shape, strides, dtype=dtype)
)
"""torch.empty_strided, without its dispatcher and in half the time where PyTorch has a shorter way."""
_kept: list[torch.UntypedStorage] = []
_lock = threading.Lock()


def maker(shape: Sequence[int], strides: Sequence[int], dtype: torch.dtype) -> Callable[[], Tensor]:
    """A function that makes tensors without values; the strides leave no gaps."""
    shape, strides, size_bytes = tuple(shape), tuple(strides), prod(shape) * dtype.itemsize
    if not LARGE_BYTES <= size_bytes <= KEPT_BYTES:
        return lambda: _empty_strided(shape, strides, dtype)

    def large() -> Tensor:
        with _lock:
            return torch.empty(0, dtype=dtype).set_(_storage(size_bytes), 0, shape, strides)

    return large


def in_large_pages(tensor: Tensor) -> Tensor:
    """A fresh tensor, for which the system is asked to use large pages: there are fewer to look up."""
    if sys.platform == "linux" and tensor.nbytes >= MANY_PAGES_BYTES:
        start = -(-tensor.data_ptr() // mmap.PAGESIZE) * mmap.PAGESIZE
        size = (tensor.data_ptr() + tensor.nbytes - start) // mmap.PAGESIZE * mmap.PAGESIZE
        _library().madvise(ctypes.c_void_p(start), ctypes.c_size_t(size), mmap.MADV_HUGEPAGE)
    return tensor


@functools.cache
def _library() -> ctypes.CDLL:
    return ctypes.CDLL(None)


def _storage(size_bytes: int) -> torch.UntypedStorage:
    """A buffer that nothing else refers to: one of the same size that was given back, or a new one."""
    for number in range(len(_kept)):
        if _kept[number].nbytes() == size_bytes and _is_free(number):
            _kept.append(_kept.pop(number))
            return _kept[-1]
    while _kept and sum(storage.nbytes() for storage in _kept) + size_bytes > KEPT_BYTES:
        _kept.pop(0)  # the one that was used longest ago; if it is in use it lives on without us
    _kept.append(torch.UntypedStorage(size_bytes))
    return _kept[-1]


def _is_free(number: int) -> bool:
    """Neither a tensor nor anything in Python refers to a buffer: only the list, and who counts.

    One that was moved to shared memory is never free: another process may read it.
    """
    if _kept[number].is_shared():
        return False
    in_tensors = torch._C._storage_Use_Count(_kept[number]._cdata) - 1
    in_python = sys.getrefcount(_kept[number]) - 2
    return in_tensors == 0 and in_python == 0
