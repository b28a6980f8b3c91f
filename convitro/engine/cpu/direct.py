"""The direct algorithm: every output pixel is a sum of runs of packed numbers times packed weights."""

from __future__ import annotations

from convitro.engine.cpu.multiply import Tile, multiply
from convitro.engine.cpu.program import Task
from convitro.engine.cpu.source import index_table
from convitro.engine.cpu.vector import Pointer, Value


def accumulate(task: Task, tile: Tile, length: int, window: Pointer, weights: Pointer, sums: Pointer) -> None:
    """The sums of all pixels of a block for one block of filters.

    The products of a pixel come in segments, runs of `length` numbers that follow each other in the window;
    segments come in passes, so that the weights of one pass stay in the nearest cache for all pixels.

    Args:
        tile: rows = pixels, vectors = vectors of filters.
        length: products in a segment.
        window: the packed input; the tables "pixels" and "segments" say where things lie in it.
        weights: [segment][length][filters], packed.
        sums: [pixel][filters]; holds the biases first, the results at the end. Rows of the last tile that no pixel
            needs are written too.
    """
    lanes, filters = task.width, tile.vectors * task.width
    pixels, segments = index_table(task, "pixels"), index_table(task, "segments")
    in_pass, total = task.size("segments_in_pass"), task.size("segments_total")
    with task.loop(0, total, in_pass) as first, task.loop(0, task.size("pixels_total"), tile.rows) as pixel:
        starts = [window[pixels[pixel + row].load()] for row in range(tile.rows)]
        here = sums[pixel * filters]
        places = [[here[row * filters + v * lanes] for v in range(tile.vectors)] for row in range(tile.rows)]
        held = [[task.variable(place.load(lanes)) for place in row] for row in places]
        with task.loop(first, first + in_pass) as segment:
            at = segments[segment].load()
            numbers = [start[at] for start in starts]
            multiply(held, numbers, weights[segment * (length * filters)], length, steps=(1, filters))
        for row, variables in zip(places, held, strict=True):
            for place, variable in zip(row, variables, strict=True):
                place.store(variable.value)


def clear(task: Task, tile: Tile, bias: Pointer, sums: Pointer) -> None:
    """Begin each pixel's sums with the biases of its filters."""
    lanes, filters = task.width, tile.vectors * task.width
    biases: list[Value] = [bias[v * lanes].load(lanes) for v in range(tile.vectors)]
    with task.loop(0, task.size("pixels_total")) as pixel:
        for v, value in enumerate(biases):
            sums[pixel * filters + v * lanes].store(value)
