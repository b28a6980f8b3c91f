"""The gradient of a convolution's output, made while it is packed from the gradient of what came after it.

Pooling and activation are undone on the way, so that gradient never exists as a tensor: a number goes to the
pixel that won its pooling window, times the slope of the activation there, and every other pixel gets zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import llvmlite.ir as ir

from convitro.engine.cpu.mathematics import ACTIVATIONS
from convitro.engine.cpu.program import Task
from convitro.engine.cpu.source import ELEMENTS, fill_zeros, load_first_real, load_real
from convitro.engine.cpu.vector import BYTE, Pointer, Value


@dataclass(frozen=True)
class GradientSource:
    """What a block's gradient (N, C, H, W), channels side by side, says about the output of its convolution.

    Attributes:
        element: dtype of the gradient.
        activation: a name of `mathematics.ACTIVATIONS`.
        pool, pool_stride: rows and columns; (1, 1) for no pooling.
        switches: whether the winners of the windows were stored; needed for pooling, and for relu where
            nothing was saved.
        saved: dtype of what the activation needs for its slope, None where it needs nothing.
        tensor: the name of the gradient.
        prefix: comes before the names of the window's sizes.
        clean: whether what lies between the channels of a pixel and its pitch becomes zero, or anything.

    Its pointers are `tensor`, "pooled" (what was saved) and "input_switches", of one shape and one layout.
    Its sizes are theirs, `tensor`_height, _width, _image, _row and _column, and those of the window and its
    channels as other sources have them.
    """

    element: str
    activation: str = "none"
    pool: tuple[int, int] = (1, 1)
    pool_stride: tuple[int, int] = (1, 1)
    switches: bool = False
    saved: str | None = None
    tensor: str = "input"
    prefix: str = ""
    clean: bool = True

    def pack_row(self, task: Task, row: Pointer, corner: tuple[Value, Value, Value], channel: Value) -> None:
        """One row of a window, see `source.TensorSource.pack_row`."""
        image, y, x = corner
        (high, _), (down, _) = self.pool, self.pool_stride
        first = _at_least(y - (high - 1), down)
        last = (y.maximum(0) // down + 1).minimum(task.size(f"{self.tensor}_height"))
        inside = (y >= 0) & (first < last) & (image < task.size("images"))
        start = image * task.size(f"{self.tensor}_image") + channel
        with task.when(inside):
            if self._overlapping:
                fill_zeros(task, row, self._columns(task) * self._pitch(task))
                with task.loop(first, last) as pooled:
                    self._spread_row(task, row, start, (pooled, y - pooled * down, x))
            else:
                self._spread_row(task, row, start, (first, y - first * down, x))
        with task.when(~inside):
            fill_zeros(task, row, self._columns(task) * self._pitch(task))

    @property
    def _overlapping(self) -> bool:
        """Whether a pixel may have won several windows."""
        return any(pool > step for pool, step in zip(self.pool, self.pool_stride, strict=True))

    def _columns(self, task: Task) -> Value:
        return task.size(f"{self.prefix}window_columns")

    def _pitch(self, task: Task) -> Value:
        return task.size(f"{self.prefix}pitch")

    def _spread_row(self, task: Task, row: Pointer, start: Value, place: tuple[Value, Value, Value]) -> None:
        """What one pooled row says about a row of the window.

        Args:
            start: where its image begins.
            place: the pooled row, which row of its windows this one is, and the first column.
        """
        pooled, down, x = place
        columns, pitch = self._columns(task), self._pitch(task)
        wide, right = self.pool[1], self.pool_stride[1]
        first = _at_least(x - (wide - 1), right)
        last = _at_least(x + columns, right).minimum(task.size(f"{self.tensor}_width"))
        last = last.maximum(first)
        begin = (first * right - x).maximum(0).minimum(columns)
        end = (last > first).choose(((last - 1) * right + wide - x).minimum(columns), begin)
        if not self._overlapping:
            fill_zeros(task, row, (begin if right == wide else columns) * pitch)  # all of it: there are gaps
        start_of_row = start + pooled * task.size(f"{self.tensor}_row")
        with task.loop(first, last) as column:
            pixel = start_of_row + column * task.size(f"{self.tensor}_column")
            self._spread(task, row, column * right - x, (pixel, down * wide))
        if right == wide and not self._overlapping:
            fill_zeros(task, row[end * pitch], (columns - end) * pitch)

    def _spread(self, task: Task, row: Pointer, at: Value, window: tuple[Value, Value]) -> None:
        """Give one pooled pixel to the pixels of a row of its window, `at` and those right of it.

        Args:
            window: the index of the pooled pixel, and the switch's number for the first of the pixels.
        """
        lanes, wide, pitch = task.width, self.pool[1], self._pitch(task)
        channels = task.size(f"{self.prefix}channels")
        whole = (at >= 0) & (at + wide <= self._columns(task)) & (channels >= lanes)
        end = whole.choose(channels - channels % lanes if self._overlapping else channels, 0)
        with task.loop(0, end, lanes) as i:
            # the last vector may meet numbers of the one before again, unless they are added
            channel = i if self._overlapping else i.minimum(channels - lanes)
            value, switch = self._loaded(task, window[0] + channel, None)
            for column in range(wide):
                place = row[(at + column) * pitch + channel]
                self._store(task, place, value, switch, window[1] + column)
        with task.when(end < channels):
            self._spread_carefully(task, row, at, window, end)
        if self.clean and not self._overlapping:
            inside = (-at).maximum(0), (self._columns(task) - at).minimum(wide)
            with task.loop(*inside) as k, task.loop(channels, pitch) as gap:
                row[(at + k) * pitch + gap].store(0.0)

    def _spread_carefully(
        self, task: Task, row: Pointer, at: Value, window: tuple[Value, Value], begin: Value
    ) -> None:
        """The same for windows that are not all inside the row, and for vectors that are not full.

        A last vector's zeros are written behind it, over pixels that come later.
        """
        lanes, channels = task.width, task.size(f"{self.prefix}channels")
        first, last = (-at).maximum(0), (self._columns(task) - at).minimum(self.pool[1])
        with task.loop(first, last) as k, task.loop(begin, channels, lanes) as i:
            value, switch = self._loaded(task, window[0] + i, (channels - i).minimum(lanes))
            self._store(task, row[(at + k) * self._pitch(task) + i], value, switch, window[1] + k)

    def _store(self, task: Task, to: Pointer, value: Value, switch: Value | None, number: Value) -> None:
        """The gradient where the switch has this number, else zeros; added where windows overlap."""
        if switch is not None:
            value = switch.equals(number.cast(switch.element)).choose(value, 0.0)
        to.store(value + to.load(task.width) if self._overlapping else value)

    def _loaded(self, task: Task, place: Value, count: Value | None) -> tuple[Value, Value | None]:
        """A vector of the gradient and its switches, or the first `count` numbers of it."""
        value = self._gradient(task, place, count)
        return value, self._switch(task, place, count) if self.switches else None

    def _gradient(self, task: Task, place: Value, count: Value | None) -> Value:
        """The gradient before the activation."""
        activation = ACTIVATIONS[self.activation]
        value = _load(task, task.pointer(self.tensor, ELEMENTS[self.element])[place], count)
        if self.saved is None:
            return value
        return activation.backward(
            value, _load(task, task.pointer("pooled", ELEMENTS[self.saved])[place], count)
        )

    def _switch(self, task: Task, place: Value, count: Value | None) -> Value:
        """Which pixel of a window won, in integers as wide as the numbers."""
        numbers = task.pointer("input_switches", BYTE)[place]
        loaded = numbers.load(task.width) if count is None else numbers.load_first(count, task.width)
        return loaded.cast(ir.IntType(64 if str(task.dtype) == "double" else 32))


def _load(task: Task, place: Pointer, count: Value | None) -> Value:
    if count is None:
        return load_real(place, task.dtype, task.width)
    return load_first_real(place, task.dtype, count, task.width)


def _at_least(number: Value, step: int) -> Value:
    """The first of 0, 1, 2 … which times `step` is not below `number`."""
    return (number.maximum(0) + (step - 1)) // step
