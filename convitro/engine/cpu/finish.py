"""What happens to a sum: pooling with its switches, activation, conversion, and the way into the output."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any, TypeAlias

import llvmlite.ir as ir

from convitro.engine.cpu.mathematics import ACTIVATIONS, to_bfloat16
from convitro.engine.cpu.program import Task
from convitro.engine.cpu.source import ELEMENTS, index_table
from convitro.engine.cpu.transpose import transposed
from convitro.engine.cpu.vector import BYTE, Pointer, Value

Finished: TypeAlias = "tuple[Value, Value, Value | None]"
"""A vector after and before the activation, and its switch."""

CLOSED = 255
"""The switch of a window whose winner relu made zero."""


@dataclass(frozen=True)
class Epilogue:
    """What is done to the sums of a block.

    Attributes:
        activation: a name of `mathematics.ACTIVATIONS`.
        pool, pool_stride: rows and columns; (1, 1) for no pooling.
        switches: whether the winner of each window is stored.
        before: whether the numbers before the activation are stored as well.
        element: dtype of the output.
        planes: whether the channels of the output lie one behind the other, not side by side.
        streams: whether the output goes around the caches; its pixels begin at multiples of a vector's size.
    """

    activation: str = "none"
    pool: tuple[int, int] = (1, 1)
    pool_stride: tuple[int, int] = (1, 1)
    switches: bool = False
    before: bool = False
    element: str = "float32"
    planes: bool = False
    streams: bool = False

    @property
    def simple(self) -> bool:
        """Whether there is so little to do that it may be written for many vectors at once."""
        alone = self.pool == self.pool_stride == (1, 1) and not (self.switches or self.before)
        return alone and self.activation in ("none", "relu")


def pooled(task: Task, epilogue: Epilogue, candidates: list[Value]) -> tuple[Value, Value, Value | None]:
    """The winner of a window after and before the activation, and its number in row-major order.

    The first of equal candidates wins, a later NaN wins over everything, as in PyTorch. Where the activation
    never decreases it comes after the pooling, once instead of for each candidate. With relu a winner that is
    not positive gets the number `CLOSED`: no gradient passes, and it needs no other memory of the output.
    """
    activation = ACTIVATIONS[epilogue.activation]
    keys = candidates if activation.monotone else [activation.apply(value) for value in candidates]
    if not epilogue.switches and (activation.monotone or not epilogue.before):
        best = _largest(keys)
        return activation.apply(best) if activation.monotone else best, best, None
    best, before = keys[0], candidates[0]
    lane = ir.VectorType(ir.IntType(64 if str(task.dtype) == "double" else 32), task.width)
    switch = task.constant(0, lane)
    for number, (key, candidate) in enumerate(zip(keys[1:], candidates[1:], strict=True), start=1):
        wins = (key > best) | key.is_nan()
        best = wins.choose(key, best)
        if epilogue.switches:
            switch = wins.choose(task.constant(number, lane), switch)
        if epilogue.before:
            before = wins.choose(candidate, before)
    if not activation.monotone:
        return best, before, switch if epilogue.switches else None
    if epilogue.switches and epilogue.activation == "relu":
        switch = (best <= 0.0).choose(task.constant(CLOSED, lane), switch)
    return activation.apply(best), best, switch if epilogue.switches else None


def _largest(numbers: list[Value]) -> Value:
    """The largest, NaN if one of them is."""
    best, kernel = numbers[0], numbers[0].kernel
    if len(numbers) == 1:
        return best
    unordered = None
    for one, other in zip(numbers[::2], numbers[1::2] or numbers, strict=False):
        pair = Value(kernel, kernel.builder.fcmp_unordered("uno", one.ir, other.ir))
        unordered = pair if unordered is None else unordered | pair
    for number in numbers[1:]:
        best = number.maximum(best)
    assert unordered is not None
    if len(numbers) % 2:
        unordered = unordered | numbers[-1].is_nan()
    return unordered.choose(best.like(math.nan), best)


def finish_tile(
    task: Task, epilogue: Epilogue, origin: Origin, pixel: Value, sums: Sequence[Sequence[Value]]
) -> None:
    """Finish sums that are in registers: whole windows of pixels for each of `origin.vectors` vectors.

    Args:
        origin: where the block lies in the output.
        pixel: the number of the first; the table "places" knows where the results of each belong.
        sums: pixels x vectors; the pixels of a window follow each other.
    """
    size, places = prod(epilogue.pool), index_table(task, "places")
    start, results = origin.start(task), []
    for first in range(0, len(sums), size):
        window = sums[first : first + size]
        found = [pooled(task, epilogue, list(candidates)) for candidates in zip(*window, strict=True)]
        results.append((start + places[pixel + first].load(), found))
    _store(task, epilogue, results, origin.channels)


def finish_rows(
    task: Task,
    epilogue: Epilogue,
    origin: Origin,
    at: tuple[Value, Value, Value],
    sums: Sequence[Sequence[Value]],
    columns: int,
) -> None:
    """Finish sums that are in registers: rows of pixels that are whole windows of the pooling.

    Args:
        origin: where the block lies in the output.
        at: image, row and column of the first pixel in the block of the convolution.
        sums: pixels x vectors, `columns` in a row.
    """
    (image, row, column), (down, right), results = at, epilogue.pool, []
    start = origin.place(task, image, row // down, column // right)
    for window in range(columns // right):
        pixels = [sums[y * columns + window * right + x] for y in range(down) for x in range(right)]
        found = [pooled(task, epilogue, list(candidates)) for candidates in zip(*pixels, strict=True)]
        results.append((start + task.size("output_column") * window, found))
    _store(task, epilogue, results, origin.channels)


def store_results(task: Task, epilogue: Epilogue, sums: Pointer, origin: Origin) -> None:
    """Finish all pixels of a block for one block of filters.

    Args:
        sums: [image][row][column][filters] of the convolution, `sum_rows` and `sum_columns` of them; for
            planes they are overwritten.
        origin: where the block lies in the output.
    """
    if epilogue.planes and epilogue.simple:
        _store_planes(task, epilogue, sums, (task.size("sum_rows"), task.size("sum_columns")), origin)
        return
    columns, rows = task.size("sum_columns"), task.size("sum_rows")
    filters = origin.vectors * task.width
    down, right = epilogue.pool_stride
    window = list(product(range(epilogue.pool[0]), range(epilogue.pool[1])))
    with (
        task.loop(0, origin.images) as image,
        task.loop(0, origin.rows) as row,
        task.loop(0, origin.columns) as column,
    ):
        first = sums[((image * rows + row * down) * columns + column * right) * filters]
        cells = [first[(columns * y + x) * filters] for y, x in window]
        place = origin.place(task, image, row, column)
        found = [
            pooled(task, epilogue, [cell[v * task.width].load(task.width) for cell in cells])
            for v in range(origin.vectors)
        ]
        _store(task, epilogue, [(place, found)], origin.channels)
        if epilogue.planes:  # no window that comes later begins before this place
            pixel = (image * origin.rows + row) * origin.columns + column
            for v, (after, _, _) in enumerate(found):
                sums[pixel * filters + v * task.width].store(after)
    if epilogue.planes:
        _store_planes(task, epilogue, sums, (origin.rows, origin.columns), origin)


def _store_planes(
    task: Task, epilogue: Epilogue, pixels: Pointer, sizes: tuple[Value, Value], origin: Origin
) -> None:
    """Turn pixels, [image][row][column][filters] of these sizes, into a part of each filter's plane."""
    rows, columns, lanes = task.size("pooled_rows"), task.size("pooled_columns"), task.width
    channels, area = task.size("groups") * task.size("filters"), origin.rows * origin.columns
    whole = origin.columns.equals(columns) & sizes[1].equals(columns)  # rows follow each other on both sides
    lines, length = whole.choose(task.index(1), origin.rows), whole.choose(area, origin.columns)
    with (
        task.loop(0, origin.images) as image,
        task.loop(0, origin.vectors * lanes, lanes) as filter_,
        task.loop(0, lines) as line,
        task.loop(0, length, lanes) as first,
    ):
        channel = (origin.image + image) * channels + origin.channel + filter_
        place = (channel * rows + origin.row + line) * columns + origin.column + first
        output = task.pointer("output", ELEMENTS[epilogue.element])[place]
        counts = (length - first).minimum(lanes), (origin.channels - filter_).minimum(lanes)
        start, step = (image * sizes[0] + line) * sizes[1] + first, origin.vectors * lanes
        square = [pixels[(start + (counts[0] - 1).minimum(i)) * step + filter_] for i in range(lanes)]
        numbers = [pixel.load(lanes) for pixel in square]
        if epilogue.simple:
            numbers = [ACTIVATIONS[epilogue.activation].apply(vector) for vector in numbers]
        turned = [_converted(vector, epilogue) for vector in transposed(numbers)]
        _store_square(task, output, turned, (counts[0], counts[1], rows * columns))


def _store_square(
    task: Task, output: Pointer, vectors: list[Value], sizes: tuple[Value, Value, Value]
) -> None:
    """Store some first numbers of some first vectors, each in a plane of its own."""
    (count, planes, step), lanes = sizes, task.width
    kept = task.memory(output.element, lanes**2)
    with task.when((count >= lanes) & (planes >= lanes)):
        for i, vector in enumerate(vectors):
            output[step * i].store(vector)
    with task.when((count < lanes) | (planes < lanes)):
        for i, vector in enumerate(vectors):
            kept[i * lanes].store(vector)
        with task.loop(0, planes) as plane:
            output[step * plane].store_first(kept[plane * lanes].load(lanes), count)


@dataclass(frozen=True)
class Origin:
    """Where a block of results lies in the output, and how much of it there is.

    Attributes:
        image, row, column, channel: its first image, pooled row and column, and output channel.
        images, rows, columns: how many of them it has.
        channels: how many of its filters are inside the output; the vectors may have more.
        vectors: vectors of filters in a block.
    """

    image: Value
    row: Value
    column: Value
    channel: Value
    images: Value
    rows: Value
    columns: Value
    channels: Value
    vectors: int

    def place(self, task: Task, image: Value, row: Value, column: Value) -> Value:
        """The index in the output of a pixel of the block."""
        return (
            (self.image + image) * task.size("output_image")
            + (self.row + row) * task.size("output_row")
            + (self.column + column) * task.size("output_column")
            + self.channel
        )

    def start(self, task: Task) -> Value:
        """The index in the output of its first pixel."""
        return self.place(task, *[task.index(0)] * 3)


def _store(
    task: Task, epilogue: Epilogue, results: Sequence[tuple[Value, list[Finished]]], left: Value
) -> None:
    """Store the vectors of pixels, each at its place; only `left` filters of them are inside the output."""
    whole = left >= len(results[0][1]) * task.width
    with task.when(whole):
        for place, vectors in results:
            for v, finished in enumerate(vectors):
                for number, (to, value) in enumerate(
                    _targets(task, epilogue, finished, place + v * task.width)
                ):
                    (to.stream if epilogue.streams and number == 0 else to.store)(value)
    with task.when(~whole):
        for v in range(len(results[0][1])):
            count = left - v * task.width
            with task.when(count > 0):
                for place, vectors in results:
                    for to, value in _targets(task, epilogue, vectors[v], place + v * task.width):
                        to.store_first(value, count)


def _targets(task: Task, epilogue: Epilogue, finished: Finished, place: Value) -> list[tuple[Pointer, Value]]:
    """Where the numbers that are stored of a vector go."""
    after, before, switch = finished
    stores: list[tuple[str, Any, Value]] = []
    if not epilogue.planes:
        stores.append(("output", ELEMENTS[epilogue.element], _converted(after, epilogue)))
    if epilogue.before:
        stores.append(("before", task.dtype, before))
    if switch is not None:
        stores.append(("switches", BYTE, switch.cast(BYTE)))
    return [(task.pointer(name, element)[place], value) for name, element, value in stores]


def _converted(value: Value, epilogue: Epilogue) -> Value:
    return to_bfloat16(value) if epilogue.element == "bfloat16" else value
