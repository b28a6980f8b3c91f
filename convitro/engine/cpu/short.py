"""Sums of few products, as in a first layer: what surrounds the multiplications counts as much as they do.

A tile is a patch of pixels that lie side by side. How far they are apart is known when the kernel is written,
so they share their addresses, and there can be more of them than tables of addresses allow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import TypeAlias

from convitro.engine.cpu.program import Task
from convitro.engine.cpu.vector import Pointer, Value, Variable

UNROLLED = 8
"""More products would make loops longer than what processors keep decoded."""
Leave: TypeAlias = Callable[[Value, tuple[Value, Value, Value], Sequence[Sequence[Value]]], None]
"""Takes the sums of a tile, pixels x vectors; before them the block of filters, and where in the block of the
convolution the first pixel is: image, row, column."""


@dataclass(frozen=True)
class Patch:
    """What is compiled in.

    Attributes:
        rows, columns: pixels of a tile.
        vectors: of filters.
        kernel: rows of the kernel, and how many numbers of the input follow each other in one.
        apart: how many numbers two pixels of a row are apart.
    """

    rows: int
    columns: int
    vectors: int
    kernel: tuple[int, int]
    apart: int

    @property
    def together(self) -> int:
        """So many products of a pixel are written into the body of a loop."""
        run = self.kernel[1]
        return next(
            run // parts for parts in range(1, run + 1) if run % parts == 0 and run // parts <= UNROLLED
        )

    @property
    def strangers(self) -> int:
        """Every so many pixels of a row meet no number of the input in common."""
        return ceil(self.kernel[1] / self.apart)


def accumulate(
    task: Task,
    patch: Patch,
    places: tuple[Pointer, Pointer, Pointer],
    parts: tuple[Value, Value],
    leave: Leave,
) -> None:
    """The sums of all pixels of a block, for some blocks of filters.

    Args:
        places: the window; the weights [part][row][number][filter]; the biases, which the sums begin with.
        parts: the first block of filters, and that behind the last.
        leave: what to do with the sums.
    """
    (window, weights, bias), filters = places, patch.vectors * task.width
    steps = [task.size(f"window_{name}") for name in ("image", "row", "column")]
    down, across = task.size("row_stride"), task.size("column_stride")
    with (
        task.loop(0, task.size("block_images")) as image,
        task.loop(0, task.size("sum_rows"), patch.rows) as row,
        task.loop(0, task.size("sum_columns"), patch.columns) as tile,
    ):
        column = tile.minimum(task.size("sum_columns") - patch.columns)
        start = window[image * steps[0] + row * down * steps[1] + column * across * steps[2]]
        with task.loop(*parts) as part:
            first = bias[part * filters]
            biases = [first[v * task.width].load(task.width) for v in range(patch.vectors)]
            held = [[task.variable(one) for one in biases] for _ in range(patch.rows * patch.columns)]
            _add_kernel(task, patch, held, start, weights[part * task.size("weights_in_block")])
            leave(part, (image, row, column), [[total.value for total in pixel] for pixel in held])


def _add_kernel(
    task: Task, patch: Patch, sums: list[list[Variable]], start: Pointer, weights: Pointer
) -> None:
    """sums += numbers from `start` on times weights."""
    (rows, run), filters = patch.kernel, patch.vectors * task.width
    line, step, block = task.size("window_row"), task.size("row_stride"), patch.strangers * patch.apart
    # pixels that meet the same number get addresses that LLVM cannot compare: else it would keep numbers in
    # registers from one pixel to the next, and there are not so many
    firsts = [
        [start[line * step * row + task.size("pixel_step") * stranger] for stranger in range(patch.strangers)]
        for row in range(patch.rows)
    ]
    with task.loop(0, rows) as tap:
        here = [[place[line * task.size("row_dilation") * tap] for place in row] for row in firsts]
        with task.loop(0, run, patch.together) as number:
            for i in range(patch.together):
                pixels = [
                    row[column % patch.strangers][number + (column // patch.strangers * block + i)]
                    for row in here
                    for column in range(patch.columns)
                ]
                _add_number(sums, pixels, weights[(tap * run + number + i) * filters])


def _add_number(sums: list[list[Variable]], numbers: Sequence[Pointer], weights: Pointer) -> None:
    """sums[pixel][vector] += numbers[pixel] * weights[vector]."""
    width = sums[0][0].type.count
    vectors = [weights[v * width].load(width) for v in range(len(sums[0]))]
    for totals, place in zip(sums, numbers, strict=True):
        number = place.broadcast(width)
        for vector, total in zip(vectors, totals, strict=True):
            total.value = number.fma(vector, total.value)
