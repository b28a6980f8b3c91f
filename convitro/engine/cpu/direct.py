"""The direct algorithm: every output pixel is a sum of runs of numbers times packed weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import TypeAlias

from convitro.engine.cpu.multiply import Tile, multiply
from convitro.engine.cpu.program import Task
from convitro.engine.cpu.source import index_table
from convitro.engine.cpu.vector import Pointer, Value, Variable

Finish: TypeAlias = Callable[[Value, Sequence[Sequence[Value]]], None]
"""Stores what becomes of the sums of a tile, pixels x vectors; its first pixel comes before."""


def accumulate(
    task: Task,
    tile: Tile,
    length: int,
    places: tuple[Pointer, Pointer, Pointer, Pointer],
    finish: Finish | None = None,
) -> None:
    """The sums of all pixels of a block for one block of filters.

    The products of a pixel come in segments, runs of `length` numbers that follow each other in the window;
    segments come in passes, so that the weights of one pass stay in the nearest cache for all pixels.

    Args:
        tile: rows = pixels, vectors = vectors of filters.
        length: products in a segment.
        places: the input, in which the tables "pixels" and "segments" say where things lie; the weights
            [segment][length][filters]; the biases, which the sums begin with; and memory for the sums
            [pixel][filters]. Rows of the last tile that no pixel needs are written too.
        finish: what to do with the results; without it they are left in the memory for the sums.
    """
    (window, weights, bias, sums), filters = places, tile.vectors * task.width
    pixels, segments = index_table(task, "pixels"), index_table(task, "segments")
    in_pass, total = task.size("segments_in_pass"), task.size("segments_total")
    with task.loop(0, total, in_pass) as first, task.loop(0, task.size("pixels_total"), tile.rows) as pixel:
        starts = [window[pixels[pixel + row].load()] for row in range(tile.rows)]
        here, fresh = sums[pixel * filters], first.equals(0)
        begin, gap = fresh.choose_place(bias, here), fresh.choose(task.index(0), filters)
        held = [
            [task.variable(begin[gap * row + v * task.width].load(task.width)) for v in range(tile.vectors)]
            for row in range(tile.rows)
        ]
        with task.loop(first, first + in_pass) as segment:
            at = segments[segment].load()
            numbers = [start[at] for start in starts]
            run = weights[segment * (length * filters)]
            multiply(held, numbers, run, length, step=filters)
        _leave(task, held, here, (pixel, first + in_pass < total), finish)


def _leave(
    task: Task,
    held: list[list[Variable]],
    cells: Pointer,
    state: tuple[Value, Value],
    finish: Finish | None,
) -> None:
    """Finish the sums of a tile if they are complete, else store them for the next pass."""
    pixel, incomplete = state
    if finish is not None:
        with task.when(~incomplete):
            finish(pixel, [[variable.value for variable in row] for row in held])
    with task.when(incomplete) if finish is not None else nullcontext():
        for row, variables in enumerate(held):
            for v, variable in enumerate(variables):
                cells[(row * len(variables) + v) * task.width].store(variable.value)
