"""Asking for memory before it is needed: a hint that changes nothing but the time."""

from __future__ import annotations

import llvmlite.ir as ir

from convitro.engine.cpu.layout import LINE
from convitro.engine.cpu.vector import POINTER, Pointer

NEAREST, SECOND = 3, 2
"""Levels of the cache, in LLVM's numbers."""
_WORD = ir.IntType(32)


def fetch(place: Pointer, level: int = NEAREST, *, write: bool = False) -> None:
    """Bring the line of the cache that `place` lies in closer. Any address will do, also one without memory.

    Args:
        place: an address.
        level: NEAREST, or SECOND for what is needed later.
        write: whether the line will be written to.
    """
    kernel = place.kernel
    function = kernel.intrinsic("llvm.prefetch.p0", ir.VoidType(), [POINTER, _WORD, _WORD, _WORD])
    numbers = [ir.Constant(_WORD, number) for number in (int(write), level, 1)]
    kernel.builder.call(function, [place.address, *numbers])


def fetch_numbers(place: Pointer, count: int, level: int = NEAREST, *, write: bool = False) -> None:
    """So many numbers from `place` on."""
    for i in range(0, count, LINE // place.size_bytes):
        fetch(place[i], level, write=write)
