"""Layers of many small groups: channels lie in the lanes, and each meets its own taps, or its group's few.

A tile is a few pixels that follow each other in a row. A number of the input is loaded once for all of them
that it reaches with a row of taps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from convitro.engine.cpu.fetch import SECOND, fetch_numbers
from convitro.engine.cpu.multiply import Tile
from convitro.engine.cpu.program import Task
from convitro.engine.cpu.vector import Pointer, Value, Variable

Leave: TypeAlias = Callable[[Value, tuple[Value, Value, Value], Sequence[Sequence[Value]]], None]
"""Takes the sums of a tile, pixels x vectors; before them the block of filters, and where in the block of the
output the first pixel is: image, row, column."""


@dataclass(frozen=True)
class Lanes:
    """What is compiled in.

    Attributes:
        tile: rows = pixels, vectors = vectors of channels.
        taps: columns of the kernel.
        stride, dilation: of columns.
        beside: how many channels a filter sees, those around its own lane.
        borders: whether windows reach beyond the input, where zeros are read instead.
        whole: whether there are channels, or room for them, in all lanes.
    """

    tile: Tile
    taps: int
    stride: int
    dilation: int
    beside: int
    borders: bool
    whole: bool

    def meetings(self) -> list[tuple[int, list[tuple[int, int]]]]:
        """The columns of the input under a tile, each with the pixels and taps that meet there."""
        found: dict[int, list[tuple[int, int]]] = {}
        for pixel in range(self.tile.rows):
            for tap in range(self.taps):
                found.setdefault(pixel * self.stride + tap * self.dilation, []).append((pixel, tap))
        return sorted(found.items())


def accumulate(
    task: Task,
    lanes: Lanes,
    places: tuple[Pointer, Pointer, Pointer, Pointer],
    corner: tuple[Value, Value],
    parts: tuple[Value, Value],
    leave: Leave,
) -> None:
    """The sums of all pixels of a block, for some blocks of filters.

    Args:
        places: the window, which may begin beyond the input; the weights [part][row][column][channel
            beside][filter]; the biases, which the sums begin with; a block of filters of zeros.
        corner: row and column of the input where the window begins; may be negative with borders.
        parts: the first block of filters, and that behind the last.
        leave: what to do with the sums.
    """
    (window, weights, bias, zeros), filters = places, lanes.tile.vectors * task.width
    steps = [task.size(f"window_{name}") for name in ("image", "row", "column")]
    with (
        task.loop(0, task.size("block_images")) as image,
        task.loop(0, task.size("sum_rows")) as row,
        task.loop(0, task.size("sum_columns"), lanes.tile.rows) as tile,
    ):
        column = tile.minimum(task.size("sum_columns") - lanes.tile.rows)
        y, x = row * task.size("row_stride"), column * lanes.stride
        start = window[image * steps[0] + y * steps[1] + x * steps[2]]
        at = corner[0] + y, corner[1] + x
        with task.loop(*parts) as part:
            run, first = weights[part * task.size("weights_in_block")], bias[part * filters]
            held = [
                [task.variable(first[v * task.width].load(task.width)) for v in range(lanes.tile.vectors)]
                for _ in range(lanes.tile.rows)
            ]
            _fetch_ahead(task, lanes, start[part * filters])
            left = None if lanes.whole else task.size("filters") - part * filters
            _add_taps(task, lanes, held, (start[part * filters], run, zeros), at, left)
            leave(part, (image, row, column), [[total.value for total in pixel] for pixel in held])


def _fetch_ahead(task: Task, lanes: Lanes, start: Pointer) -> None:
    """Ask for the row that the tile below will see first: tiles jump from line to line of the memory."""
    below = (task.size("kernel_rows") - 1) * task.size("row_dilation") + task.size("row_stride")
    row = start[below * task.size("window_row")]
    for column in range(lanes.tile.rows * lanes.stride):
        fetch_numbers(row[task.size("window_column") * column], lanes.tile.vectors * task.width, SECOND)


def _add_taps(
    task: Task,
    lanes: Lanes,
    sums: list[list[Variable]],
    places: tuple[Pointer, Pointer, Pointer],
    corner: tuple[Value, Value],
    left: Value | None,
) -> None:
    """sums += numbers from `corner` of the input on, times taps; numbers beyond the input are zeros."""
    start, weights, zeros = places
    taken = lanes.taps * lanes.beside * lanes.tile.vectors * task.width

    def add_rows(exists: Callable[[Value, int], Value] | None) -> None:
        with task.loop(0, task.size("kernel_rows")) as tap:
            down = tap * task.size("row_dilation")
            row = start[down * task.size("window_row")]
            numbers = []
            for column, _ in lanes.meetings():
                place = row[task.size("window_column") * column]
                numbers.append(place if exists is None else exists(down, column).choose_place(place, zeros))
            _add_row(task, lanes, sums, (numbers, weights[tap * taken]), left)

    if not lanes.borders:
        add_rows(None)
        return
    (y, x), (height, width) = corner, (task.size("height"), task.size("width"))
    last = (task.size("kernel_rows") - 1) * task.size("row_dilation"), lanes.meetings()[-1][0]
    inside = (y >= 0) & (x >= 0) & (y + last[0] < height) & (x + last[1] < width)
    with task.when(inside):
        add_rows(None)
    with task.when(~inside):
        columns = {at: (x + at >= 0) & (x + at < width) for at, _ in lanes.meetings()}
        add_rows(lambda down, at: columns[at] & (y + down >= 0) & (y + down < height))


def _add_row(
    task: Task,
    lanes: Lanes,
    sums: list[list[Variable]],
    factors: tuple[Sequence[Pointer], Pointer],
    left: Value | None,
) -> None:
    """sums += the numbers under a tile, one address for each column, times a row of taps.

    Of the numbers only so many as are `left` are there.
    """
    (numbers, weights), width = factors, task.width
    vectors, beside = range(lanes.tile.vectors), range(lanes.beside)
    around = [[lane - lane % lanes.beside + c for lane in range(width)] for c in beside]
    taps = {
        (tap, c, v): weights[((tap * lanes.beside + c) * len(vectors) + v) * width].load(width)
        for tap in range(lanes.taps)
        for c in beside
        for v in vectors
    }
    for place, (_, meetings) in zip(numbers, lanes.meetings(), strict=True):
        for v in vectors:
            here = place[v * width]
            number = here.load(width) if left is None else here.load_first(left - v * width, width)
            for c in beside:
                one = number if lanes.beside == 1 else task.shuffle(number, around[c])
                for pixel, tap in meetings:
                    sums[pixel][v].value = one.fma(taps[tap, c, v], sums[pixel][v].value)
