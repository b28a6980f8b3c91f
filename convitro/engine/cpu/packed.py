"""Packed weights, kept for as long as the weight they were made of stays as it is."""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Callable
from typing import Any

from torch import Tensor

SAMPLE = 16
"""So many numbers are compared."""


class _Entry:
    __slots__ = ("address", "middle", "packed", "reference", "sample", "version")

    def __init__(self, weight: Tensor) -> None:
        number = id(weight)
        self.reference = weakref.ref(weight, lambda _: _entries.pop(number, None))
        self.address, self.version = weight.data_ptr(), weight._version
        span = sum((size - 1) * step for size, step in zip(weight.shape, weight.stride(), strict=True)) + 1
        shown = min(SAMPLE, span)
        place = self.address + (span - shown) // 2 * weight.itemsize
        self.middle = (ctypes.c_char * (shown * weight.itemsize)).from_address(place)
        self.sample = self.middle.raw
        self.packed: dict[Any, Tensor] = {}

    def fits(self, weight: Tensor) -> bool:
        """Whether it was made of this tensor as it is now."""
        return (
            self.version == weight._version
            and self.address == weight.data_ptr()
            and self.reference() is weight
            and self.sample == self.middle.raw  # last, for it is there only if the address is the same
        )


_entries: dict[int, _Entry] = {}


def packed(weight: Tensor, packing: Any, pack: Callable[[Tensor], Tensor], trained: bool = False) -> Tensor:
    """`pack(weight)`, or what it returned before if the weight was not changed since.

    Whatever changes a tensor in place, an optimiser's step above all, counts its version up. What goes around
    that count (`weight.data.mul_(2)`, a NumPy view) is noticed by a few numbers from the middle.

    Args:
        weight: any tensor.
        packing: names the order of the packed numbers.
        pack: makes them.
        trained: a weight that is about to change: nothing is kept of it.
    """
    if trained or weight.is_inference():  # which has no version
        return pack(weight)
    entry = _entries.get(id(weight))
    if entry is None or not entry.fits(weight):
        entry = _entries[id(weight)] = _Entry(weight)
    found = entry.packed.get(packing)
    if found is None:
        found = entry.packed[packing] = pack(weight)
    return found
