"""Memory between two pages that nobody may touch: one number read or written beside it ends the process."""

from __future__ import annotations

import ctypes
import mmap
from typing import Literal

import torch
from torch import Tensor

End = Literal["start", "end"]


def guarded(size_bytes: int, at: End = "end") -> Tensor:
    """So many zero bytes right behind ("start") or right before ("end") a forbidden page.

    Pages are whole, so only that end is sharp. Views of the result keep the memory.
    """
    page = mmap.PAGESIZE
    inside = -(-max(size_bytes, 1) // page) * page
    memory = mmap.mmap(-1, inside + 2 * page)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    for forbidden in (address, address + page + inside):
        if ctypes.CDLL(None, use_errno=True).mprotect(ctypes.c_void_p(forbidden), ctypes.c_size_t(page), 0):
            raise OSError(ctypes.get_errno(), "mprotect")
    room = torch.frombuffer(memory, dtype=torch.uint8, count=inside, offset=page)
    return room[inside - size_bytes :] if at == "end" else room[:size_bytes]


def guarded_copy(tensor: Tensor, at: End = "end") -> Tensor:
    """The same values, dtype and strides, with the first or the last number at a forbidden page."""
    extent = sum((size - 1) * step for size, step in zip(tensor.shape, tensor.stride(), strict=True)) + 1
    count = extent if tensor.numel() else 0
    memory = guarded(count * tensor.element_size(), at).view(tensor.dtype)
    copy = memory.as_strided(tensor.shape, tensor.stride(), memory.storage_offset())
    with torch.no_grad():
        copy.copy_(tensor)
    return copy
