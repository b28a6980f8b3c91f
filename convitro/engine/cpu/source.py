"""What is convolved: a window of it is packed, padding included, into a thread's own memory, channels last.

Packing once makes everything behind it simple: any strides, any dtype, borders and halos are dealt with here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import llvmlite.ir as ir

from convitro.engine.cpu.mathematics import from_bfloat16
from convitro.engine.cpu.program import Task
from convitro.engine.cpu.transpose import transposed
from convitro.engine.cpu.vector import INDEX, Number, Pointer, Value

ELEMENTS = {"float32": ir.FloatType(), "float64": ir.DoubleType(), "bfloat16": ir.IntType(16)}
"""LLVM's type of the numbers in a tensor; bfloat16 travels as its bits."""


def load_real(place: Pointer, dtype: Any, lanes: int | None = None) -> Value:
    """Numbers of a tensor in the dtype of the computation."""
    return _real(place.load(lanes), dtype)


def load_first_real(place: Pointer, dtype: Any, count: Value, lanes: int) -> Value:
    """The first `count` of them, zeros behind."""
    return _real(place.load_first(count, lanes), dtype)


def _real(value: Value, dtype: Any) -> Value:
    return from_bfloat16(value) if isinstance(value.element, ir.IntType) else value.cast(dtype)


def fill_zeros(task: Task, place: Pointer, count: Value) -> None:
    """Zeros from `place` on; up to a vector more than `count`, which the caller overwrites or can spare."""
    with task.loop(0, count, task.width) as i:
        place[i].store(task.zero(place.element))


@dataclass(frozen=True)
class TensorSource:
    """A tensor (N, C, H, W) in any strides.

    Attributes:
        element: "float32", "float64" or "bfloat16".
        layout: "channels" (the channels of a pixel follow each other), "planar" (the pixels of a row do) or
            "strided" (nothing does).
        clean: whether what lies between the channels of a pixel and its pitch becomes zero, or anything.

    Its sizes are the strides input_image, input_row, input_column, input_channel, and height and width.
    """

    element: str
    layout: str
    clean: bool = True

    def pack_row(self, task: Task, row: Pointer, corner: tuple[Value, Value, Value], channel: Value) -> None:
        """One row of a window: `columns` pixels from `corner` = (image, y, x) on, `pitch` numbers each.

        Args:
            row: where to write; a vector more than the row may be overwritten.
            corner: image, row and column; all may lie outside the tensor, where zeros are.
            channel: the first of the `channels` that are read.
        """
        image, y, x = corner
        columns, pitch = task.size("window_columns"), task.size("pitch")
        left = (-x).maximum(0).minimum(columns)
        right = (task.size("width") - x).maximum(0).minimum(columns)
        inside = (y >= 0) & (y < task.size("height")) & (image < task.size("images"))
        right = inside.choose(right, 0)
        with task.when(right > left):
            start = task.pointer("input", ELEMENTS[self.element])[
                image * task.size("input_image")
                + y * task.size("input_row")
                + (x + left) * task.size("input_column")
                + channel * task.size("input_channel")
            ]
            fill_zeros(task, row, left * pitch)
            getattr(self, f"_copy_{self.layout}")(task, row[left * pitch], start, right - left)
            fill_zeros(task, row[right * pitch], (columns - right) * pitch)
        with task.when(right <= left):
            fill_zeros(task, row, columns * pitch)

    def _copy_channels(self, task: Task, to: Pointer, start: Pointer, pixels: Value) -> None:
        channels, pitch = task.size("channels"), task.size("pitch")
        dense = pitch.equals(channels) & pitch.equals(task.size("input_column"))
        with task.when(dense):
            self._copy_run(task, to, start, pixels * pitch)
        with task.loop(0, dense.choose(task.index(0), pixels)) as pixel:
            here = to[pixel * pitch]
            self._copy_run(task, here, start[pixel * task.size("input_column")], channels)
            if self.clean:
                with task.loop(channels, pitch) as rest:
                    here[rest].store(0.0)

    def _copy_run(self, task: Task, to: Pointer, start: Pointer, count: Value) -> None:
        """Numbers that follow each other; the last vector meets some of the one before again."""
        lanes = task.width
        with task.loop(0, (count >= lanes).choose(count, 0), lanes) as i:
            at = i.minimum(count - lanes)
            to[at].store(load_real(start[at], task.dtype, lanes))
        with task.when((count > 0) & (count < lanes)):  # zeros behind, where what follows is written later
            to.store(load_first_real(start, task.dtype, count, lanes))

    def _copy_planar(self, task: Task, to: Pointer, start: Pointer, pixels: Value) -> None:
        """Squares of pixels and channels are turned in registers; what is left over goes one by one."""
        channels, pitch, lanes = task.size("channels"), task.size("pitch"), task.width
        square, plane = pixels - pixels % lanes, task.size("input_channel")
        whole = channels - channels % lanes
        with task.loop(0, whole, lanes) as channel, task.loop(0, square, lanes) as pixel:
            rows = [start[(channel + i) * plane + pixel] for i in range(lanes)]
            turned = transposed([load_real(row, task.dtype, lanes) for row in rows])
            for i, vector in enumerate(turned):
                to[(pixel + i) * pitch + channel].store(vector)
        self._copy_single(task, to, start, (0, whole, square, pixels))
        self._copy_single(task, to, start, (whole, channels, 0, pixels))
        self._clear_rest(task, to, pixels)

    def _copy_strided(self, task: Task, to: Pointer, start: Pointer, pixels: Value) -> None:
        self._copy_single(task, to, start, (0, task.size("channels"), 0, pixels))
        self._clear_rest(task, to, pixels)

    def _copy_single(
        self, task: Task, to: Pointer, start: Pointer, part: tuple[Number, Number, Number, Number]
    ) -> None:
        """Channels part[0] to part[1] of pixels part[2] to part[3], one by one."""
        plane, column, pitch = task.size("input_channel"), task.size("input_column"), task.size("pitch")
        with task.loop(part[0], part[1]) as channel, task.loop(part[2], part[3]) as pixel:
            number = load_real(start[channel * plane + pixel * column], task.dtype)
            to[pixel * pitch + channel].store(number)

    def _clear_rest(self, task: Task, to: Pointer, pixels: Value) -> None:
        """Zeros between the channels and the pitch."""
        if not self.clean:
            return
        channels, pitch = task.size("channels"), task.size("pitch")
        with task.when(channels < pitch), task.loop(0, pixels) as pixel, task.loop(channels, pitch) as rest:
            to[pixel * pitch + rest].store(0.0)


def index_table(task: Task, name: str) -> Pointer:
    """A table of the plan: whole numbers."""
    return task.pointer(name, INDEX)
