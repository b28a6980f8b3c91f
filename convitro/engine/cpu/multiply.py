"""The innermost loop of everything: accumulators += numbers x weights, all of it in registers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

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
    if isa.registers >= 32 and vectors > 2:
        return Tile(6, 4)
    return Tile(6, 2) if vectors > 1 else Tile(8, 1)


def multiply(
    sums: Sequence[Sequence[Variable]],
    numbers: Sequence[Pointer],
    weights: Pointer,
    count: int,
    *,
    steps: tuple[Number, Number],
    broadcast: bool = True,
    ahead: Callable[[Value], None] | None = None,
) -> None:
    """sums[row][v] += numbers[row][i * steps[0]] * weights[i * steps[1] + v * lanes] for i below `count`.

    Args:
        sums: the accumulators, rows x vectors.
        numbers: one address for each row.
        weights: the vectors of the other side.
        count: how many products each accumulator gets; known when the kernel is written.
        steps: how far numbers and weights advance from one product to the next.
        broadcast: one number of a row meets a whole vector of weights; else a row advances with the lanes.
        ahead: written into the loop, once for `UNROLL` products: what to fetch early.
    """
    task, lanes = weights.kernel, sums[0][0].type.count

    def step(i: Number) -> None:
        at = weights[_times(i, steps[1])]
        vectors = [at[v * lanes].load(lanes) for v in range(len(sums[0]))]
        for row, start in zip(sums, numbers, strict=True):
            here = start[_times(i, steps[0])]
            shared = here.broadcast(lanes) if broadcast else None
            for v, (total, vector) in enumerate(zip(row, vectors, strict=True)):
                total.value = (shared or here[v * lanes].load(lanes)).fma(vector, total.value)

    whole = count - count % UNROLL if count > SHORT else 0
    if whole:
        with task.loop(0, whole, UNROLL) as i:
            if ahead is not None:
                ahead(i)
            for u in range(UNROLL):
                step(i + u)
    for rest in range(whole, count):
        step(rest)


def _times(i: Number, step: Number) -> Number:
    return i * step if not isinstance(step, int) or step != 1 else i
