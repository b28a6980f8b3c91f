"""What happens to a sum: pooling with its switches, activation, conversion, and the way into the output."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import llvmlite.ir as ir

from convitro.engine.cpu.mathematics import ACTIVATIONS, to_bfloat16
from convitro.engine.cpu.program import Task
from convitro.engine.cpu.source import ELEMENTS
from convitro.engine.cpu.vector import BYTE, Pointer, Value

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
    """

    activation: str = "none"
    pool: tuple[int, int] = (1, 1)
    pool_stride: tuple[int, int] = (1, 1)
    switches: bool = False
    before: bool = False
    element: str = "float32"


def pooled(task: Task, epilogue: Epilogue, candidates: list[Value]) -> tuple[Value, Value, Value | None]:
    """The winner of a window after and before the activation, and its number in row-major order.

    The first of equal candidates wins, a later NaN wins over everything, as in PyTorch. Where the activation
    never decreases it comes after the pooling, once instead of for each candidate. With relu a winner that is
    not positive gets the number `CLOSED`: no gradient passes, and it needs no other memory of the output.
    """
    activation = ACTIVATIONS[epilogue.activation]
    keys = candidates if activation.monotone else [activation.apply(value) for value in candidates]
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


def store_results(task: Task, epilogue: Epilogue, sums: Pointer, origin: Origin) -> None:
    """Finish all pixels of a block for one block of filters.

    Args:
        sums: [image][row][column][filters] of the convolution, `sum_rows` and `sum_columns` of them.
        origin: where the block lies in the output.
    """
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
        for v in range(origin.vectors):
            candidates = [cell[v * task.width].load(task.width) for cell in cells]
            _store(
                task,
                epilogue,
                pooled(task, epilogue, candidates),
                (place + v * task.width, origin.left(task, v)),
            )


@dataclass(frozen=True)
class Origin:
    """Where a block of results lies in the output, and how much of it there is.

    Attributes:
        image, row, column, channel: its first image, pooled row and column, and output channel.
        images, rows, columns, channels: how many of them are inside the output.
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

    def left(self, task: Task, vector: int) -> Value:
        """How many filters there are from a vector on."""
        return self.channels - vector * task.width


def _store(
    task: Task, epilogue: Epilogue, results: tuple[Value, Value, Value | None], where: tuple[Value, Value]
) -> None:
    (after, before, switch), (place, left) = results, where
    stores: list[tuple[str, Any, Value]] = [
        ("output", ELEMENTS[epilogue.element], _converted(after, epilogue))
    ]
    if epilogue.before:
        stores.append(("before", task.dtype, before))
    if switch is not None:
        stores.append(("switches", BYTE, switch.cast(BYTE)))
    with task.when(left >= task.width):
        for name, element, value in stores:
            task.pointer(name, element)[place].store(value)
    with task.when((left > 0) & (left < task.width)):
        for name, element, value in stores:
            task.pointer(name, element)[place].store_first(value, left)


def _converted(value: Value, epilogue: Epilogue) -> Value:
    return to_bfloat16(value) if epilogue.element == "bfloat16" else value
