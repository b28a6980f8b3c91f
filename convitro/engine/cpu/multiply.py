"""The innermost loop of everything: accumulators += numbers x weights, all of it in registers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil

from convitro.engine.cpu.isa import Isa
from convitro.engine.cpu.vector import Number, Pointer, Value, Variable

UNROLL = 4
"""So many products are written into the body of a loop."""
SHORT = 32
"""So many or fewer are written without a loop."""


@dataclass(frozen=True)
class Tile:
    """How many rows and vectors of results are held in registers at once.

    With `rows` numbers of the one side and `vectors` vectors of the other, one step costs rows * vectors
    multiply-adds for rows + vectors loads.
    """

    rows: int
    vectors: int


def best_tile(isa: Isa, vectors: int) -> Tile:
    """The tile for a layer whose filters fill so many vectors: many accumulators, and few enough pointers."""
    wide = best_width(isa, vectors)
    return Tile(6, wide) if wide > 1 else Tile(8, 1)


def best_width(isa: Isa, vectors: int) -> int:
    """How many vectors of filters a tile has, of so many in all: few of the last tile's are unused."""
    options = (4, 3, 2) if isa.registers >= 32 else (2,)
    return min(options, key=lambda wide: ceil(vectors / wide) * wide) if vectors > 2 else vectors


def multiply(
    sums: Sequence[Sequence[Variable]],
    numbers: Sequence[Pointer],
    weights: Pointer,
    count: int,
    *,
    step: Number,
    ahead: Callable[[Value], None] | None = None,
) -> None:
    """sums[row][v] += numbers[row][i] * weights[i * step + v * lanes] for i below `count`.

    Args:
        sums: the accumulators, rows x vectors.
        numbers: one address for each row; each number meets whole vectors of weights.
        weights: the vectors of the other side.
        count: how many products each accumulator gets; known when the kernel is written.
        step: how far the weights advance from one product to the next.
        ahead: written into the loop, once for `UNROLL` products: what to fetch early.
    """
    task, width = weights.kernel, sums[0][0].type.count

    def product(i: Number) -> None:
        run = weights[i * step]
        vectors = [run[v * width].load(width) for v in range(len(sums[0]))]
        for row, start in zip(sums, numbers, strict=True):
            shared = start[i].broadcast(width)
            for vector, total in zip(vectors, row, strict=True):
                total.value = shared.fma(vector, total.value)

    whole = count - count % UNROLL if count > SHORT else 0
    if whole:
        with task.loop(0, whole, UNROLL) as i:
            if ahead is not None:
                ahead(i)
            for u in range(UNROLL):
                product(i + u)
    for rest in range(whole, count):
        product(rest)
