"""The innermost loops of a weight's gradient: sums over pixels, held in registers."""

from __future__ import annotations

from typing import Any

from convitro.engine.cpu.multiply import Tile
from convitro.engine.cpu.program import Task, apart
from convitro.engine.cpu.vector import INDEX, Pointer, Variable


def product_sums(task: Task, tile: Tile, *, broadcast: bool) -> Any:
    """A function of its own, so that its loops have all registers for themselves.

    sums[product][filter] += the sum over pixels of
        numbers[offsets[product] + places[pixel]] * strip[pixel][filter]

    Its arguments are the addresses numbers, strip, sums, offsets and places, how many products there are (in
    whole tiles) and how many pixels, and the pitch of the strip.

    Args:
        tile: rows = products, vectors = vectors of filters.
        broadcast: one number meets a whole vector of the strip; else numbers follow each other as filters do.
    """
    inner = apart(task, "product_sums", ["pointer"] * 5 + ["index"] * 3)
    numbers, strip, sums = (inner.argument(i, task.dtype) for i in range(3))
    offsets, places = inner.argument(3, INDEX), inner.argument(4, INDEX)
    products, pixels, pitch = (inner.argument(i) for i in range(5, 8))
    lanes = task.width
    with inner.loop(0, products, tile.rows) as product:
        starts = [numbers[offsets[product + row].load()] for row in range(tile.rows)]
        held = [[inner.variable(inner.zero(task.dtype)) for _ in range(tile.vectors)] for _ in starts]
        with inner.loop(0, pixels) as pixel:
            at, here = places[pixel].load(), strip[pixel * pitch]
            _add_pixel(held, [start[at] for start in starts], here, broadcast=broadcast)
        for r, row in enumerate(held):
            for v, total in enumerate(row):
                place = sums[(product + r) * (tile.vectors * lanes) + v * lanes]
                place.store(place.load(lanes) + total.value)
    inner.finish()
    return inner.function


def _add_pixel(
    sums: list[list[Variable]], numbers: list[Pointer], gradient: Pointer, *, broadcast: bool
) -> None:
    """sums[row][vector] += numbers[row] * gradient[vector]."""
    lanes = sums[0][0].type.count
    filters = [gradient[v * lanes].load(lanes) for v in range(len(sums[0]))]
    for row, number in zip(sums, numbers, strict=True):
        shared = number.broadcast(lanes) if broadcast else None
        for v, total in enumerate(row):
            total.value = (shared or number[v * lanes].load(lanes)).fma(filters[v], total.value)
