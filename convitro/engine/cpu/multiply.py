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
    steps: tuple[Number, Number],
    lanes: int = 0,
    ahead: Callable[[Value], None] | None = None,
) -> None:
    """sums[row][v] += numbers[row][i * steps[0]] * weights[i * steps[1] + v * lanes] for i below `count`.

    Args:
        sums: the accumulators, rows x vectors.
        numbers: one address for each row.
        weights: the vectors of the other side.
        count: how many products each accumulator gets; known when the kernel is written.
        steps: how far numbers and weights advance from one product to the next.
        lanes: 0 where one number of a row meets a whole vector of weights. Else a row has a number for each
            lane, and so many products follow each other with those of the lanes around, before it advances.
        ahead: written into the loop, once for `UNROLL` products: what to fetch early.
    """
    task, width = weights.kernel, sums[0][0].type.count

    together = max(lanes, 1)
    around = [[lane - lane % together + c for lane in range(width)] for c in range(together)]

    def step(i: Number, u: int = 0) -> None:
        """Products i + u on, all that meet the same numbers of a row."""
        place = _times(i // together + u // together if together > 1 else i + u, steps[0])
        runs = [weights[_times(i + (u + c), steps[1])] for c in range(together)]
        vectors = [[run[v * width].load(width) for v in range(len(sums[0]))] for run in runs]
        for row, start in zip(sums, numbers, strict=True):
            shared = None if lanes else start[place].broadcast(width)
            for v, total in enumerate(row):
                number = shared or start[place][v * width].load(width)
                for c in range(together):
                    one = task.shuffle(number, around[c]) if together > 1 else number
                    total.value = one.fma(vectors[c][v], total.value)

    whole = count - count % UNROLL if count > SHORT else 0
    if whole:
        with task.loop(0, whole, UNROLL) as i:
            if ahead is not None:
                ahead(i)
            for u in range(0, UNROLL, together):
                step(i, u)
    for rest in range(whole, count, together):
        step(0, rest)


def _times(i: Number, step: Number) -> Number:
    return i * step if not isinstance(step, int) or step != 1 else i
