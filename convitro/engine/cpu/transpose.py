"""Squares of numbers turned in registers."""

from __future__ import annotations

from collections.abc import Sequence

from convitro.engine.cpu.vector import Value


def transposed(rows: Sequence[Value]) -> list[Value]:
    """A square of lanes: as many vectors as they have lanes."""
    lanes, kernel = len(rows), rows[0].kernel
    low = [lane // 2 + lanes * (lane % 2) for lane in range(lanes)]
    high = [lane + lanes // 2 for lane in low]
    result, half = list(rows), lanes // 2
    while half:  # a perfect shuffle of the rows, once for each power of two
        pairs = [(result[i], result[i + lanes // 2]) for i in range(lanes // 2)]
        result = [kernel.shuffle(a, order, b) for a, b in pairs for order in (low, high)]
        half //= 2
    return result
