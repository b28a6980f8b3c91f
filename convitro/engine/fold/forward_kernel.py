"""The forward pass of an operator: for every pixel and filter, items are folded channel after channel.

The state of a tile of pixels and filters stays in registers from the first channel to the last.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import llvmlite.ir as ir

from convitro.engine.cpu.convolve import decode, origin_of, pack_bias, pack_window
from convitro.engine.cpu.finish import Origin, store_results
from convitro.engine.cpu.isa import Isa
from convitro.engine.cpu.jit import Program
from convitro.engine.cpu.program import Task, apart
from convitro.engine.cpu.source import index_table
from convitro.engine.cpu.vector import BYTE, INDEX, POINTER, Kernel, Pointer, Value, Variable
from convitro.engine.fold.bisection import ranked
from convitro.engine.fold.item import Item
from convitro.engine.fold.kernel import Cell, Fold, Tap, Weights, changes, fold_windows, write

POINTERS = (
    "input",
    "weight",
    "bias",
    "output",
    "switches",
    "before",
    "scratch",
    "extras",
    "winners",
    "parameter",
)
SHORT = ir.IntType(16)
Step: TypeAlias = Callable[[Cell, list[Value], Value, bool], None]
"""Does something with the window of a cell in a channel; at last, whether some of its items do not count."""


def forward_program(fold: Fold, isa: Isa) -> Program:
    """Write the kernel of the forward pass."""
    return write(fold, isa, POINTERS, lambda task: _write(task, fold))


def _write(task: Task, fold: Fold) -> None:
    begin, end = task.share(task.size("tasks"))
    scratch = task.pointer("scratch", BYTE)[task.thread * task.size("scratch_bytes")]
    window, sums, bias, inside, extras, items = (
        scratch[task.size(f"{name}_at")].to(task.dtype)
        for name in ("window", "sums", "bias", "inside", "extras", "items")
    )
    pack_bias(task, fold.bias, bias)
    function = tile_function(task, fold)
    filters = fold.tile.vectors * task.width
    with task.loop(begin, end) as number:
        block, _ = decode(task, number, whole=True)
        pack_window(task, fold.source, window, block)
        if fold.skips:
            mark_inside(task, inside, block.image, (block.row, block.column))
        with task.loop(0, task.size("filter_blocks")) as part:
            weights = task.pointer("weight")[
                (block.group * task.size("filter_blocks") + part) * task.size("weights_in_block")
            ]
            biases = bias[block.group * task.size("filters_padded") + part * filters]
            origin = origin_of(task, fold.tile, block, part)
            with task.loop(0, task.size("pixels_total"), fold.tile.rows) as pixel:
                starts = index_table(task, "pixels")[pixel]
                to, more = sums[pixel * filters], extras[pixel * filters]
                pointers = (window, starts, weights, biases, to, more, inside, items)
                steps = (task.size("tap_row"), task.size("extra_room"))
                arguments = [*(p.address for p in pointers), *(s.ir for s in steps)]
                if fold.learned:
                    first = block.group * task.size("filters_padded") + part * filters
                    arguments.append(task.pointer("parameter")[first].address)
                task.builder.call(function, arguments)
            store_results(task, fold.epilogue, sums, origin)
            if fold.saves:
                _store_saved(task, fold, extras, origin)


def mark_inside(task: Task, inside: Pointer, image: Value, corner: tuple[Value, Value]) -> None:
    """One for each pixel of a packed window that lies in the input, zero for all around."""
    rows, columns = task.size("window_rows"), task.size("window_columns")
    y = corner[0] * task.size("row_step") - task.size("top")
    x = corner[1] * task.size("column_step") - task.size("left")
    one = task.constant(1.0, task.dtype)
    with (
        task.loop(0, task.size("block_images")) as i,
        task.loop(0, rows) as row,
        task.loop(0, columns) as column,
    ):
        down = (y + row >= 0) & (y + row < task.size("height")) & (image + i < task.size("images"))
        across = (x + column >= 0) & (x + column < task.size("width"))
        inside[(i * rows + row) * columns + column].store((down & across).choose(one, 0.0))


class Tile:
    """The function of one tile, being written.

    Attributes:
        states, winners: variables, rows x vectors; winners are whole numbers as real ones.
        reductions: of the channels, one for each vector of filters, whose parameters may differ.
    """

    def __init__(self, inner: Kernel, fold: Fold, dtype: Any) -> None:
        self.inner, self.fold, self.dtype = inner, fold, dtype
        self.lanes = inner.lanes(dtype)
        self.window, self.weights, self.bias, self.sums, self.extras, self.inside, self.items = (
            inner.argument(i, dtype) for i in (0, 2, 3, 4, 5, 6, 7)
        )
        self.row_step, self.room = inner.argument(8), inner.argument(9)
        starts = inner.argument(1, INDEX)
        self.starts = [starts[row].load() for row in range(fold.tile.rows)]
        self.zero = inner.zero(dtype)
        self.reductions = [
            fold.aggregation(
                self.zero,
                inner.argument(10, dtype)[vector * self.lanes].load(self.lanes) if fold.learned else None,
            )
            for vector in range(fold.tile.vectors)
        ]
        folded = fold.window(self.zero) if fold.flat else self.reductions[0]
        first = [] if fold.gathers else folded.init()
        self.states = self._grid(lambda: [inner.variable(number) for number in first])
        start = 0.0 if fold.operator.aggregation.streams else -1.0
        self.winners = self._grid(lambda: inner.variable(self.zero.like(start)))
        self.counts: list[Value] = []

    def _grid(self, make: Any) -> Any:
        return [[make() for _ in range(self.fold.tile.vectors)] for _ in range(self.fold.tile.rows)]

    def write(self) -> None:
        """All channels, then the result; a second time where only the result tells who won."""
        if self.fold.skips:
            self.counts = [self._count(row) for row in range(self.fold.tile.rows)]
        self._sweep(self._step)
        results = self._finish()
        if self.fold.saves and self.fold.selects and not self.fold.operator.aggregation.streams:
            self._sweep(partial(self._ask, results))
        if self.fold.saves:
            self._save(results)

    def _sweep(self, step: Step) -> None:
        """Do something with each item of each channel."""
        if not self.fold.skips:
            self._channels(step, masked=False)
            return
        whole = self.counts[0].equals(float(len(self.fold.taps)))
        for count in self.counts[1:]:
            whole = whole & count.equals(float(len(self.fold.taps)))
        with self.inner.when(whole):
            self._channels(step, masked=False)
        with self.inner.when(~whole):
            self._channels(step, masked=True)

    def _mask(self, tap: Tap, row: int) -> Pointer:
        """Where it is said whether a tap of a pixel lies inside."""
        fold = self.fold
        start = self.inside[self.starts[row] // fold.channels]
        return start[self.row_step // fold.channels * tap[0]][tap[1] * fold.dilation]

    def _count(self, row: int) -> Value:
        counts = [self._mask(tap, row).load() for tap in self.fold.taps]
        total = counts[0]
        for count in counts[1:]:
            total = total + count
        return total

    def _channels(self, step: Step, *, masked: bool) -> None:
        """One channel after the other."""
        fold, inner = self.fold, self.inner
        filters, taps = fold.tile.vectors * self.lanes, len(fold.taps)
        pointers = [self.window[start] for start in self.starts]
        rows = {u: self.row_step * u for u in range(1, fold.kernel[0])}
        with inner.loop(0, fold.channels) as channel:
            weights = Weights(self.weights[channel * (taps * filters)], filters, fold.kernel[1], self.lanes)
            loaded: dict[tuple[Tap, int], Value] = {}
            masks: dict[tuple[Tap, int], Value] = {}

            def number(tap: Tap, cell: Cell) -> Value:
                key = tap, cell[0]
                if key not in loaded:
                    place = pointers[cell[0]][channel]
                    place = place[rows[tap[0]]] if tap[0] else place
                    loaded[key] = place[tap[1] * fold.dilation * fold.channels].broadcast(self.lanes)
                return loaded[key]

            def inside(tap: Tap, cell: Cell) -> Value:
                key = tap, cell[0]
                if key not in masks:
                    masks[key] = self._mask(tap, cell[0]).broadcast(self.lanes) > 0.0
                return masks[key]

            shape = (fold.tile.rows, fold.tile.vectors)
            begin = [[[v.value for v in cell] for cell in row] for row in self.states] if fold.flat else None
            windows = fold_windows(fold, shape, number, weights, inside if masked else None, begin)
            for row, cells in enumerate(windows):
                for vector, state in enumerate(cells):
                    step((row, vector), state, channel, masked)

    def _step(self, cell: Cell, window: list[Value], channel: Value, masked: bool) -> None:
        """One more item of a cell: what became of its window."""
        fold, (row, vector) = self.fold, cell
        places = self.states[row][vector]
        if fold.flat:
            for place, value in zip(places, window, strict=True):
                place.value = value
            return
        item = self._item(row, window, masked=masked)
        if fold.gathers:
            self._gathered(cell)[channel * self.lanes].store(item)
            return
        before = [place.value for place in places]
        after = self.reductions[vector].step(before, Item(item))
        if fold.saves and fold.selects and fold.operator.aggregation.streams:
            winner: Variable = self.winners[row][vector]
            winner.value = changes(before[0], after[0]).choose(self._real(channel), winner.value)
        for place, value in zip(places, after, strict=True):
            place.value = value

    def _gathered(self, cell: Cell) -> Pointer:
        """Where all items of a cell are kept. [channel][lane]"""
        number = cell[0] * self.fold.tile.vectors + cell[1]
        return self.items[number * self.fold.channels * self.lanes]

    def _item(self, row: int, window: list[Value], *, masked: bool) -> Value:
        reduction = self.fold.window(self.zero)
        if not masked:
            return reduction.finish(window)
        count = self.inner.broadcast(self.counts[row], self.lanes)
        return (count > 0.0).choose(reduction.finish(window, count), 0.0)

    def _real(self, channel: Value) -> Value:
        """The number of a channel in every lane."""
        return self.inner.broadcast(channel.cast(ir.IntType(32)).cast(self.dtype), self.lanes)

    def _ask(
        self,
        results: list[list[Value]],
        cell: Cell,
        window: list[Value],
        channel: Value,
        masked: bool,
    ) -> None:
        """Whether this item is the first that is the result."""
        item, winner = self._item(cell[0], window, masked=masked), self.winners[cell[0]][cell[1]]
        is_it = (item.equals(results[cell[0]][cell[1]]) | item.is_nan()) & (winner.value < 0.0)
        winner.value = is_it.choose(self._real(channel), winner.value)

    def _finish(self) -> list[list[Value]]:
        """The results, which are stored with their biases."""
        results: list[list[Value]] = []
        for row, cells in enumerate(self.states):
            results.append([])
            for vector in range(len(cells)):
                result = self._result((row, vector))
                results[row].append(result)
                if self.fold.bias is not None:
                    result = result + self.bias[vector * self.lanes].load(self.lanes)
                self.sums[(row * len(cells) + vector) * self.lanes].store(result)
        return results

    def _result(self, cell: Cell) -> Value:
        reduction = self.reductions[cell[1]]
        if not self.fold.gathers:
            return reduction.finish([place.value for place in self.states[cell[0]][cell[1]]])
        rank = self.fold.operator.aggregation.rank(self.fold.channels)  # type: ignore[attr-defined]
        return ranked(self.inner, self._gathered(cell), self.fold.channels, rank)

    def _save(self, results: list[list[Value]]) -> None:
        """What backward needs."""
        for row, cells in enumerate(self.states):
            for vector, places in enumerate(cells):
                kept = [self.winners[row][vector].value]
                if not self.fold.selects:
                    kept = self.reductions[vector].extra(
                        [place.value for place in places], results[row][vector]
                    )
                at = (row * len(cells) + vector) * self.lanes
                for number, value in enumerate(kept):
                    self.extras[self.room * number][at].store(value)


def tile_function(task: Task, fold: Fold) -> Any:
    """A function of its own, so that a tile has all registers for itself."""
    arguments = ["pointer"] * 8 + ["index"] * 2 + ["pointer"] * fold.learned
    inner = apart(task, "fold_tile", arguments)
    Tile(inner, fold, task.dtype).write()
    inner.finish()
    return inner.function


def _store_saved(task: Task, fold: Fold, extras: Pointer, origin: Origin) -> None:
    """What backward needs, as it is, or the winners as short numbers."""
    columns, rows, lanes = task.size("sum_columns"), task.size("sum_rows"), task.width
    with (
        task.loop(0, origin.images) as image,
        task.loop(0, origin.rows) as row,
        task.loop(0, origin.columns) as column,
        task.loop(0, origin.channels.minimum(origin.vectors * lanes), lanes) as filter_,
    ):
        at = ((image * rows + row) * columns + column) * (origin.vectors * lanes) + filter_
        place = origin.place(task, image, row, column) + filter_
        left = (origin.channels - filter_).minimum(lanes)
        for number in range(fold.extras()):
            value = extras[task.size("extra_room") * number][at].load(lanes)
            if fold.selects:
                task.pointer("winners", SHORT)[place].store_first(value.cast(SHORT), left)
            else:
                extra_pointer(task, number)[place].store_first(value, left)


def extra_pointer(task: Task, number: int) -> Pointer:
    """One of the saved tensors: "extras" is a table of their addresses."""
    address = task.builder.inttoptr(task.pointer("extras", INDEX)[number].load().ir, POINTER)
    return Pointer(task, address, task.dtype)
