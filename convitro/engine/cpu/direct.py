"""The direct algorithm: every output pixel is a sum of runs of packed numbers times packed weights."""

from __future__ import annotations

from convitro.engine.cpu.multiply import Tile, multiply
from convitro.engine.cpu.program import Task
from convitro.engine.cpu.source import index_table
from convitro.engine.cpu.vector import Pointer, Value


def accumulate(
    task: Task, tile: Tile, length: int, places: tuple[Pointer, Pointer, Pointer], *, lanes: bool = False
) -> None:
    """The sums of all pixels of a block for one block of filters.

    The products of a pixel come in segments, runs of `length` numbers that follow each other in the window;
    segments come in passes, so that the weights of one pass stay in the nearest cache for all pixels.

    Args:
        tile: rows = pixels, vectors = vectors of filters.
        length: products in a segment.
        places: the packed input, in which the tables "pixels" and "segments" say where things lie; the packed
            weights [segment][length][filters]; the sums [pixel][filters], which hold the biases first and the
            results at the end. Rows of the last tile that no pixel needs are written too.
        lanes: whether a channel meets only the filter in its own lane (a depthwise layer).
    """
    (window, weights, sums), filters = places, tile.vectors * task.width
    step = task.size("tap_step") if lanes else 1
    pixels, segments = index_table(task, "pixels"), index_table(task, "segments")
    in_pass, total = task.size("segments_in_pass"), task.size("segments_total")
    with task.loop(0, total, in_pass) as first, task.loop(0, task.size("pixels_total"), tile.rows) as pixel:
        starts = [window[pixels[pixel + row].load()] for row in range(tile.rows)]
        here = sums[pixel * filters]
        cells = [
            [here[row * filters + v * task.width] for v in range(tile.vectors)] for row in range(tile.rows)
        ]
        held = [[task.variable(cell.load(task.width)) for cell in row] for row in cells]
        with task.loop(first, first + in_pass) as segment:
            at = segments[segment].load()
            numbers = [start[at] for start in starts]
            run = weights[segment * (length * filters)]
            multiply(held, numbers, run, length, steps=(step, filters), broadcast=not lanes)
        for row, variables in zip(cells, held, strict=True):
            for cell, variable in zip(row, variables, strict=True):
                cell.store(variable.value)


def clear(task: Task, tile: Tile, bias: Pointer, sums: Pointer) -> None:
    """Begin each pixel's sums with the biases of its filters."""
    lanes, filters = task.width, tile.vectors * task.width
    biases: list[Value] = [bias[v * lanes].load(lanes) for v in range(tile.vectors)]
    with task.loop(0, task.size("pixels_total")) as pixel:
        for v, value in enumerate(biases):
            sums[pixel * filters + v * lanes].store(value)
