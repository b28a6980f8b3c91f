"""The weight's gradient of an operator, with filters in the lanes: a channel's sums stay in registers."""

from __future__ import annotations

import functools
from functools import partial
from typing import Any

import llvmlite.ir as ir

from convitro.engine.cpu.isa import Isa
from convitro.engine.cpu.jit import Program
from convitro.engine.cpu.program import Task, apart
from convitro.engine.cpu.source import fill_zeros, load_first_real
from convitro.engine.cpu.vector import BYTE, Kernel, Pointer, Value
from convitro.engine.fold.forward_kernel import SHORT, extra_pointer, mark_inside
from convitro.engine.fold.gradient_parts import Masks, Upstream, add_gradients, pack_band, product_gradients
from convitro.engine.fold.kernel import Fold, Tap, Weights, write

POINTERS = (
    "input",
    "weight",
    "gradient",
    "result",
    "extras",
    "winners",
    "weight_gradient",
    "scratch",
    "parameter",
)
UNROLL = 2
"""So many pixels are written into the body of the loop."""


def weight_program(fold: Fold, isa: Isa) -> Program:
    """Write the kernel of the weight's gradient."""
    return write(fold, isa, POINTERS, lambda task: _write(task, fold))


def _write(task: Task, fold: Fold) -> None:
    begin, end = task.share(task.size("weight_tasks"))
    scratch = task.pointer("scratch", BYTE)[task.thread * task.size("scratch_bytes")]
    window, sums, above, inside = (
        scratch[task.size(f"{name}_at")].to(task.dtype) for name in ("window", "sums", "above", "inside")
    )
    function, taps = _function(task, fold), len(fold.taps)
    parts, chunks, lanes = task.size("filter_parts"), task.size("chunks"), task.width
    with task.loop(begin, end) as number:
        rest, chunk = number // chunks, number % chunks
        group, part = rest // parts, rest % parts
        first, last = (task.size("channels") * c // chunks for c in (chunk, chunk + 1))
        fill_zeros(task, sums, (last - first) * (taps * lanes))
        weights = task.pointer("weight")[(group * parts + part) * (fold.channels * taps * lanes)]
        with task.loop(0, task.size("images")) as image, task.loop(0, task.size("bands")) as band:
            row = band * task.size("band_rows")
            rows = (task.size("rows") - row).minimum(task.size("band_rows"))
            pack_band(task, fold.source, window, (image, row), group)
            if fold.skips:
                mark_inside(task, inside, image, (row, task.index(0)))
            _pack_above(task, fold, above, (image, row, rows), (group, part))
            pointers = (window, weights, above, inside, sums)
            steps = ("tap_row", "pixel_row", "pixel_column", "above_room", "columns")
            numbers = (rows, first, last, *(task.size(step) for step in steps))
            arguments = [*(p.address for p in pointers), *(n.ir for n in numbers)]
            if fold.learned:
                start = group * task.size("filters_padded") + part * lanes
                arguments.append(task.pointer("parameter")[start].address)
            task.builder.call(function, arguments)
        _store(task, fold, sums, (group, part), (first, last))


def _pack_above(
    task: Task, fold: Fold, above: Pointer, rows: tuple[Value, Value, Value], where: tuple[Value, Value]
) -> None:
    """The gradient and what was saved of a band, for one vector of filters. [number][row][column][lane]"""
    (image, first, count), (group, part) = rows, where
    lanes, room, columns = task.width, task.size("above_room"), task.size("columns")
    filter_ = part * lanes
    left = (task.size("filters") - filter_).minimum(lanes)
    channel = group * task.size("filters") + filter_
    with task.loop(0, count) as row, task.loop(0, columns) as column:
        place = output_place(task, image, first + row, column) + channel
        to = above[(row * columns + column) * lanes]
        for number, source in enumerate(saved_pointers(task, fold)):
            to[room * number].store(
                load_first_real(source[place], task.dtype, left, lanes)
                if source.element is not SHORT
                else source[place].load_first(left, lanes).cast(task.dtype)
            )


def output_place(task: Task, image: Value, row: Value, column: Value) -> Value:
    """The index of an output pixel's first channel in tensors whose channels lie side by side."""
    pixel = (image * task.size("rows") + row) * task.size("columns") + column
    return pixel * task.size("out_channels")


def saved_pointers(task: Task, fold: Fold) -> list[Pointer]:
    """The gradient, then what the slope needs: the winners, or the result and the extras."""
    gradient = task.pointer("gradient")
    if fold.selects:
        return [gradient, task.pointer("winners", SHORT)]
    extras = [extra_pointer(task, number) for number in range(fold.extras())]
    return [gradient, task.pointer("result"), *extras]


def _function(task: Task, fold: Fold) -> Any:
    """The sums of some channels over the pixels of a band, for one vector of filters."""
    arguments = ["pointer"] * 5 + ["index"] * 8 + ["pointer"] * fold.learned
    inner = apart(task, "fold_weight", arguments)
    rows, first, last = (inner.argument(i) for i in range(5, 8))
    with inner.loop(first, last) as channel:
        _Channel(inner, fold, task.dtype, channel).write(rows, first)
    inner.finish()
    return inner.function


class _Channel:
    """What one channel's kernels get back from the pixels of a band, for one vector of filters."""

    def __init__(self, inner: Kernel, fold: Fold, dtype: Any, channel: Value) -> None:
        self.inner, self.fold, self.channel, self.lanes = inner, fold, channel, inner.lanes(dtype)
        self.window, weights, self.above, self.inside, self.sums = (
            inner.argument(i, dtype) for i in range(5)
        )
        self.tap_row, self.pixel_row, self.pixel_column, self.room, self.columns = (
            inner.argument(i) for i in range(8, 13)
        )
        self.parameter = inner.argument(13, dtype).load(self.lanes) if fold.learned else None
        start = weights[channel * (len(fold.taps) * self.lanes)]
        self.weight = partial(Weights(start, self.lanes, fold.kernel[1], self.lanes), cell=(0, 0))
        for tap in fold.taps:
            self.weight(tap)  # before the loops over pixels
        self.totals = {tap: inner.variable(inner.zero(dtype)) for tap in fold.taps}
        self.number = inner.broadcast(channel.cast(ir.IntType(32)).cast(dtype), self.lanes)

    def write(self, rows: Value, first: Value) -> None:
        """All pixels; the sums are added to those that are there, of which channel `first` has the first."""
        inner, whole = self.inner, self.columns - self.columns % UNROLL
        with inner.loop(0, rows) as row:
            with inner.loop(0, whole, UNROLL) as column:
                for i in range(UNROLL):
                    self._pixel(row, column + i)
            with inner.loop(whole, self.columns) as column:
                self._pixel(row, column)
        for number, tap in enumerate(self.fold.taps):
            to = self.sums[((self.channel - first) * len(self.fold.taps) + number) * self.lanes]
            to.store(to.load(self.lanes) + self.totals[tap].value)

    def _pixel(self, row: Value, column: Value) -> None:
        fold, lanes = self.fold, self.lanes
        at = row * self.pixel_row + column * self.pixel_column
        place = self.above[(row * self.columns + column) * lanes]
        gradient, *saved = (place[self.room * n].load(lanes) for n in range(1 + saved_count(fold)))
        numbers = functools.cache(partial(self._number, self.window[at + self.channel]))
        masks = count = None
        if fold.skips:
            masks = Masks(
                self.inner, fold, self.inside[at // fold.channels], self.tap_row // fold.channels, lanes
            )
            count = masks.count()
        upstream = Upstream(gradient, saved, self.number, self.parameter)
        found = product_gradients(fold, upstream, numbers, self.weight, masks, count)
        add_gradients(
            self.totals, found, lambda tap: fold.combined("weight_slope", numbers(tap), self.weight(tap))
        )

    def _number(self, start: Pointer, tap: Tap) -> Value:
        """The input under a tap of the pixel that begins there, in every lane."""
        row = start[self.tap_row * tap[0]] if tap[0] else start
        return row[tap[1] * self.fold.dilation * self.fold.channels].broadcast(self.lanes)


def saved_count(fold: Fold) -> int:
    """How many vectors come from above besides the gradient."""
    return 1 if fold.selects else 1 + fold.extras()


def _store(
    task: Task, fold: Fold, sums: Pointer, where: tuple[Value, Value], channels: tuple[Value, Value]
) -> None:
    """Write the sums in the order of the weight: (C_out, C_in/groups, KH, KW) without gaps."""
    (group, part), (first, last), taps, lanes = where, channels, len(fold.taps), task.width
    left = (task.size("filters") - part * lanes).minimum(lanes)
    start = (group * task.size("filters") + part * lanes) * (fold.channels * taps)
    to = task.pointer("weight_gradient")[start + first * taps]
    with task.loop(0, left) as filter_, task.loop(0, (last - first) * taps) as product:
        to[filter_ * (fold.channels * taps) + product].store(sums[product * lanes + filter_].load())
