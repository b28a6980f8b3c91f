"""The gradients of weight and bias: sums over pixels of the input times the convolution's output gradient.

Work is cut twice. A chunk is a part of the result, some filters and some channels; a split is a part of the
pixels. An item, one split of one chunk, has sums of its own, so nothing depends on which thread does what.
What is left is to add the splits and to write the weight's own order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from convitro.engine.cpu.gradient_source import GradientSource
from convitro.engine.cpu.isa import Isa
from convitro.engine.cpu.jit import Program
from convitro.engine.cpu.multiply import Tile
from convitro.engine.cpu.program import Task, program
from convitro.engine.cpu.source import ELEMENTS, TensorSource, fill_zeros, index_table
from convitro.engine.cpu.vector import BYTE, INDEX, Kernel, Pointer, Value, Variable
from convitro.engine.cpu.weight_gradient_store import store_bias, store_unit

POINTERS = (
    *("input", "gradient", "pooled", "input_switches"),
    *("weight_gradient", "bias_gradient", "scratch"),
)
CHAINS = 4
"""Sums over the same numbers that do not wait for each other."""


@dataclass(frozen=True)
class WeightGradient:
    """Everything about the kernel that is compiled in.

    Attributes:
        dtype: what is computed with, "float32" or "float64".
        source: where the input comes from.
        gradient: where the gradient comes from; its tensor is "gradient", its prefix "dz_".
        tile: rows = products of a pixel, vectors = vectors of filters.
        depthwise: channels lie side by side in the lanes, and products are the taps alone.
        weight, bias: dtype of each result, None where it is not wanted.
    """

    dtype: str
    source: TensorSource
    gradient: GradientSource
    tile: Tile
    depthwise: bool
    weight: str | None
    bias: str | None


@dataclass(frozen=True)
class Memory:
    """A thread's own window and gradient, and the sums of all items. [item][unit][product][filter]"""

    window: Pointer
    gradient: Pointer
    sums: Pointer
    biases: Pointer


@dataclass(frozen=True)
class Block:
    """Some pixels: the first image, row and column, and how many of each there are."""

    starts: tuple[Value, Value, Value]
    counts: tuple[Value, Value, Value]

    @property
    def pixels(self) -> Value:
        """How many they are. A block of several rows has all columns, one of several images all rows."""
        images, rows, columns = self.counts
        return images * rows * columns


def weight_gradient(kernel: WeightGradient, isa: Isa) -> Program:
    """Write the kernel. Phase 0 sums, and writes what needs no more sums; phase 1 adds splits and writes."""
    return program(isa, ELEMENTS[kernel.dtype], POINTERS, lambda task: _write(task, kernel))


def _write(task: Task, kernel: WeightGradient) -> None:
    memory, splits, chunks = _memory(task), task.size("splits"), task.size("chunks")
    units = task.size("units")
    with task.when(task.size("phase").equals(0)):
        begin, end = task.share(chunks * splits)
        with task.loop(begin, end) as item:
            _sum_item(task, kernel, memory, item)
            with task.when(splits.equals(1)), task.loop(0, units) as unit:
                _store(task, kernel, memory, item, unit)
    with task.when(task.size("phase").equals(1)):
        begin, end = task.share(chunks * units)
        with task.loop(begin, end) as part:
            _store(task, kernel, memory, part // units, part % units)


def _memory(task: Task) -> Memory:
    own = task.pointer("scratch", BYTE)[task.thread * task.size("scratch_bytes")]
    shared = task.pointer("scratch", BYTE)
    return Memory(
        own[task.size("window_at")].to(task.dtype),
        own[task.size("gradient_at")].to(task.dtype),
        shared[task.size("sums_at")].to(task.dtype),
        shared[task.size("biases_at")].to(task.dtype),
    )


def _store(task: Task, kernel: WeightGradient, memory: Memory, chunk: Value, unit: Value) -> None:
    item = task.size("chunks")
    if kernel.weight is not None:
        step = task.size("sums_in_item")
        sums = Sums(memory.sums[chunk * step], item * step)
        width = kernel.tile.vectors * task.width
        if kernel.winograd:
            sums = winograd.finish_unit(task, kernel.tile, sums, (memory.results, chunk, unit))
        else:
            sums = sums[unit * (task.size("products_padded") * width)]
        store_unit(task, kernel.tile.vectors, ELEMENTS[kernel.weight], sums, (chunk, unit))
    if kernel.bias is not None:
        step = task.size("biases_in_item")
        with task.when(unit.equals(0) & (chunk % task.size("channel_chunks")).equals(0)):
            store_bias(
                task, ELEMENTS[kernel.bias], Sums(memory.biases[chunk * step], item * step), chunk
            )


def _sum_item(task: Task, kernel: WeightGradient, memory: Memory, item: Value) -> None:
    """All sums of one item."""
    chunk, split = item // task.size("splits"), item % task.size("splits")
    filters, channels = chunk // task.size("channel_chunks"), chunk % task.size("channel_chunks")
    place = split * task.size("chunks") + chunk
    sums = memory.sums[place * task.size("sums_in_item")]
    biases = memory.biases[place * task.size("biases_in_item")]
    if kernel.weight is not None:
        fill_zeros(task, sums, task.size("sums_in_item"))
    if kernel.bias is not None:
        fill_zeros(task, biases, task.size("biases_in_item"))
    first_channel = filters * task.size("channel_step") + channels * task.size("channels")
    blocks = task.size("blocks")
    with task.loop(
        blocks * split // task.size("splits"), blocks * (split + 1) // task.size("splits")
    ) as number:
        block = _block(task, number)
        _pack_gradient(task, kernel, memory.gradient, block, filters * task.size("dz_channels"))
        if kernel.bias is not None:
            with task.when(channels.equals(0)):
                _sum_biases(task, memory.gradient, biases, block.pixels)
        if kernel.weight is not None:
            _pack_input(task, kernel, memory.window, block, first_channel)
            function = unit_function(task, kernel.tile, depthwise=kernel.depthwise)
            if kernel.winograd:
                winograd.sum_units(task, kernel.tile, function, memory, (sums, block.counts))
            else:
                _sum_units(task, kernel, function, (memory.window, memory.gradient, sums), block.pixels)


def _block(task: Task, number: Value) -> Block:
    """The pixels of a block; at the borders fewer than others have."""
    rest, column = number // task.size("column_blocks"), number % task.size("column_blocks")
    image, row = rest // task.size("row_blocks"), rest % task.size("row_blocks")
    sizes = [task.size(f"block_{name}") for name in ("images", "rows", "columns")]
    starts = [part * size for part, size in zip((image, row, column), sizes, strict=True)]
    ends = [task.size(name) for name in ("images", "dz_height", "dz_width")]
    counts = [(end - start).minimum(size) for start, end, size in zip(starts, ends, sizes, strict=True)]
    return Block((starts[0], starts[1], starts[2]), (counts[0], counts[1], counts[2]))


def _pack_gradient(task: Task, kernel: WeightGradient, to: Pointer, block: Block, channel: Value) -> None:
    """[image][row][column][filter]"""
    rows, pitch = task.size("block_rows"), task.size("dz_window_columns") * task.size("dz_pitch")
    image, y, x = block.starts
    with task.loop(0, block.counts[0]) as i, task.loop(0, block.counts[1]) as row:
        corner = (image + i, y + row, x)
        kernel.gradient.pack_row(task, to[(i * rows + row) * pitch], corner, channel)


def _pack_input(task: Task, kernel: WeightGradient, to: Pointer, block: Block, channel: Value) -> None:
    """The part of the padded input that the pixels see. [image][row][column][channel]"""
    rows, pitch = task.size("window_rows"), task.size("window_columns") * task.size("pitch")
    image, y, x = block.starts
    y = y * task.size("row_step") - task.size("top")
    x = x * task.size("column_step") - task.size("left")
    with task.loop(0, block.counts[0]) as i, task.loop(0, rows) as row:
        kernel.source.pack_row(task, to[(i * rows + row) * pitch], (image + i, y + row, x), channel)


def _sum_biases(task: Task, gradient: Pointer, biases: Pointer, pixels: Value) -> None:
    """Add all pixels of a block to the sums of the bias; the last vectors may lie behind the filters."""
    pitch, lanes = task.size("dz_pitch"), task.width
    whole = pixels - pixels % CHAINS
    with task.loop(0, task.size("biases_in_item"), 2 * lanes) as first:
        parts = (first, first + lanes)
        chains = [[task.variable(task.zero(task.dtype)) for _ in parts] for _ in range(CHAINS)]

        def add(pixel: Value, chain: list[Variable]) -> None:
            for part, total in zip(parts, chain, strict=True):
                total.value = total.value + gradient[pixel * pitch + part].load(lanes)

        with task.loop(0, whole, CHAINS) as pixel:
            for i, chain in enumerate(chains):
                add(pixel + i, chain)
        with task.loop(whole, pixels) as pixel:
            add(pixel, chains[0])
        for part, (a, b, c, d) in zip(parts, zip(*chains, strict=True), strict=True):
            total = (a.value + b.value) + (c.value + d.value)
            biases[part].store(biases[part].load(lanes) + total)


def _sum_units(
    task: Task, kernel: WeightGradient, memory: tuple[Pointer, Pointer, Pointer], pixels: Value
) -> None:
    """All products of the pixels of a block, for one block of filters of one group after the other."""
    window, gradient, sums = memory
    filters, blocks = kernel.tile.vectors * task.width, task.size("filter_blocks")
    products, tables = (
        task.size("products_padded"),
        [index_table(task, name) for name in ("products", "pixels")],
    )
    function = _unit_function(task, kernel)
    with task.loop(0, task.size("units")) as unit:
        group, first = unit // blocks, unit % blocks * filters
        strip = gradient[group * task.size("filters_in_group") + first]
        numbers = window[first if kernel.depthwise else group * task.size("channels_in_group")]
        pointers = (numbers, strip, sums[unit * (products * filters)], *tables)
        counts = (products, pixels, task.size("dz_pitch"))
        task.builder.call(function, [*(p.address for p in pointers), *(count.ir for count in counts)])


def _unit_function(task: Task, kernel: WeightGradient) -> Any:
    """The innermost loops, a function of their own so that they have all registers for themselves."""
    inner = Kernel(task.module, "sum_unit", ["pointer"] * 5 + ["index"] * 3, task.isa)
    inner.function.linkage = "internal"
    inner.function.attributes.add("noinline")
    numbers, strip, sums = (inner.argument(i, task.dtype) for i in range(3))
    offsets, places = inner.argument(3, INDEX), inner.argument(4, INDEX)
    products, pixels, pitch = (inner.argument(i) for i in range(5, 8))
    tile, lanes = kernel.tile, task.width
    with inner.loop(0, products, tile.rows) as product:
        starts = [numbers[offsets[product + row].load()] for row in range(tile.rows)]
        held = [[inner.variable(inner.zero(task.dtype)) for _ in range(tile.vectors)] for _ in starts]
        with inner.loop(0, pixels) as pixel:
            at, here = places[pixel].load(), strip[pixel * pitch]
            _add_pixel(held, [start[at] for start in starts], here, broadcast=not kernel.depthwise)
        for r, row in enumerate(held):
            for v, total in enumerate(row):
                place = sums[(product + r) * (tile.vectors * lanes) + v * lanes]
                place.store(place.load(lanes) + total.value)
    inner.finish()
    return inner.function


def _add_pixel(
    sums: list[list[Variable]], numbers: list[Pointer], gradient: Pointer, *, broadcast: bool
) -> None:
    """sums[row][vector] += numbers[row] * gradient[vector]."""
    lanes = sums[0][0].type.count
    filters = [gradient[v * lanes].load(lanes) for v in range(len(sums[0]))]
    for row, number in zip(sums, numbers, strict=True):
        shared = number.broadcast(lanes) if broadcast else None
        for v, total in enumerate(row):
            total.value = (shared or number[v * lanes].load(lanes)).fma(filters[v], total.value)
