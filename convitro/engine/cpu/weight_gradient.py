"""The gradients of weight and bias: sums over pixels of the input times the convolution's output gradient.

Work is cut twice. A chunk is a part of the result, some filters and some channels; a split is a part of the
pixels. An item, one split of one chunk, has sums of its own, so nothing depends on which thread does what.
What is left is to add the splits and to write the weight's own order.
"""

from __future__ import annotations

from dataclasses import dataclass

import convitro.engine.cpu.winograd_weight_gradient as winograd
from convitro.engine.cpu.gradient_source import GradientSource
from convitro.engine.cpu.isa import Isa
from convitro.engine.cpu.jit import Program
from convitro.engine.cpu.multiply import Tile
from convitro.engine.cpu.program import Task, program
from convitro.engine.cpu.source import ELEMENTS, TensorSource, fill_zeros, index_table
from convitro.engine.cpu.vector import BYTE, Pointer, Value, Variable
from convitro.engine.cpu.weight_gradient_store import add_splits, store_bias, store_unit
from convitro.engine.cpu.weight_gradient_sums import product_sums

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
        winograd: products are summed in the domain of Winograd's transforms. Then there is one pointer
            more, "flag", to an int64 that becomes one if a result is not finite: it has spread too far.
    """

    dtype: str
    source: TensorSource
    gradient: GradientSource
    tile: Tile
    depthwise: bool
    weight: str | None
    bias: str | None
    winograd: bool = False


@dataclass(frozen=True)
class Memory:
    """A thread's own window and gradient, and the sums of items. [slot][unit][product][filter]"""

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
    pointers = (*POINTERS, "flag") if kernel.winograd else POINTERS
    return program(isa, ELEMENTS[kernel.dtype], pointers, lambda task: _write(task, kernel))


def _write(task: Task, kernel: WeightGradient) -> None:
    memory, splits, units = _memory(task), task.size("splits"), task.size("units")
    summing = task.size("phase").equals(0)
    parts = summing.choose(splits, units)  # of a chunk
    begin, end = task.share(task.size("chunks") * parts)
    with task.loop(begin, end) as number:
        chunk, part = number // parts, number % parts
        slot = splits.equals(1).choose(task.thread, chunk)
        with task.when(summing):
            _sum_item(task, kernel, memory, (chunk, part, part * task.size("chunks") + slot))
        first = summing.choose(task.index(0), part)
        last = summing.choose(splits.equals(1).choose(units, 0), part + 1)
        with task.loop(first, last) as unit:
            _store(task, kernel, memory, (chunk, unit, slot))


def _memory(task: Task) -> Memory:
    own = task.pointer("scratch", BYTE)[task.thread * task.size("scratch_bytes")]
    shared = task.pointer("scratch", BYTE)
    return Memory(
        own[task.size("window_at")].to(task.dtype),
        own[task.size("gradient_at")].to(task.dtype),
        shared[task.size("sums_at")].to(task.dtype),
        shared[task.size("biases_at")].to(task.dtype),
    )


def _store(task: Task, kernel: WeightGradient, memory: Memory, where: tuple[Value, Value, Value]) -> None:
    """Write a unit of a chunk whose sums lie in a slot, and with the first one the biases."""
    chunk, unit, slot = where
    chunks, width = task.size("chunks"), kernel.tile.vectors * task.width
    if kernel.weight is not None:
        step = task.size("sums_in_item")
        count = task.size("rows_padded") * (width * (winograd.PLANES if kernel.winograd else 1))
        sums = memory.sums[slot * step + unit * count]
        add_splits(task, sums, count, chunks * step)
        if kernel.winograd:
            sums = winograd.finish_unit(task, kernel.tile, sums, unit)
        store_unit(task, kernel.tile.vectors, ELEMENTS[kernel.weight], sums, (chunk, unit))
    if kernel.bias is not None:
        step = task.size("biases_in_item")
        with task.when(unit.equals(0) & (chunk % task.size("channel_chunks")).equals(0)):
            biases = memory.biases[slot * step]
            add_splits(task, biases, step, chunks * step)
            store_bias(task, ELEMENTS[kernel.bias], biases, chunk)


def _sum_item(task: Task, kernel: WeightGradient, memory: Memory, item: tuple[Value, Value, Value]) -> None:
    """All sums of one chunk and one split, in a slot."""
    chunk, split, slot = item
    filters, channels = chunk // task.size("channel_chunks"), chunk % task.size("channel_chunks")
    sums = memory.sums[slot * task.size("sums_in_item")]
    biases = memory.biases[slot * task.size("biases_in_item")]
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
                _sum_biases(task, memory.gradient, biases, block)
        if kernel.weight is not None:
            _pack_input(task, kernel, memory.window, block, first_channel)
            numbers = (memory.window, memory.gradient, sums)
            if kernel.winograd:
                winograd.sum_units(task, kernel.tile, numbers, block.counts)
            else:
                _sum_units(task, kernel, numbers, block.pixels)


def _block(task: Task, number: Value) -> Block:
    """The pixels of a block; at the borders fewer than others have."""
    rest, column = number // task.size("column_blocks"), number % task.size("column_blocks")
    image, row = rest // task.size("row_blocks"), rest % task.size("row_blocks")
    sizes = [task.size(f"block_{name}") for name in ("images", "rows", "columns")]
    starts = [part * size for part, size in zip((image, row, column), sizes, strict=True)]
    ends = [task.size(name) for name in ("images", "end_row", "end_column")]
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


def _sum_biases(task: Task, gradient: Pointer, biases: Pointer, block: Block) -> None:
    """Add all pixels of a block to the sums of the bias; the last vectors may lie behind the filters."""
    images, rows, columns = block.counts
    pitch, room = task.size("dz_pitch"), task.size("block_columns")
    dense = columns.equals(room)  # else rows end early, and are summed one by one
    lines, length = dense.choose(task.index(1), images * rows), dense.choose(block.pixels, columns)
    with task.loop(0, lines) as line, task.loop(0, task.size("biases_in_item"), 2 * task.width) as first:
        _sum_line(task, gradient[line * room * pitch + first], biases[first], length)


def _sum_line(task: Task, pixels: Pointer, biases: Pointer, count: Value) -> None:
    """Add two vectors of `count` pixels that follow each other."""
    pitch, parts = task.size("dz_pitch"), (0, task.width)
    whole = count - count % CHAINS
    chains = [[task.variable(task.zero(task.dtype)) for _ in parts] for _ in range(CHAINS)]

    def add(pixel: Value, chain: list[Variable]) -> None:
        for part, total in zip(parts, chain, strict=True):
            total.value = total.value + pixels[pixel * pitch][part].load(task.width)

    with task.loop(0, whole, CHAINS) as pixel:
        for i, chain in enumerate(chains):
            add(pixel + i, chain)
    with task.loop(whole, count) as pixel:
        add(pixel, chains[0])
    for part, (a, b, c, d) in zip(parts, zip(*chains, strict=True), strict=True):
        total = (a.value + b.value) + (c.value + d.value)
        biases[part].store(biases[part].load(task.width) + total)


def _sum_units(
    task: Task, kernel: WeightGradient, memory: tuple[Pointer, Pointer, Pointer], pixels: Value
) -> None:
    """All products of the pixels of a block, for one block of filters of one group after the other."""
    window, gradient, sums = memory
    filters, blocks = kernel.tile.vectors * task.width, task.size("filter_blocks")
    products, tables = (
        task.size("rows_padded"),
        [index_table(task, name) for name in ("products", "pixels")],
    )
    function = product_sums(task, kernel.tile, broadcast=not kernel.depthwise)
    with task.loop(0, task.size("units")) as unit:
        group, first = unit // blocks, unit % blocks * filters
        strip = gradient[group * task.size("filters_in_group") + first]
        numbers = window[first if kernel.depthwise else group * task.size("channels_in_group")]
        pointers = (numbers, strip, sums[unit * (products * filters)], *tables)
        counts = (products, pixels, task.size("dz_pitch"))
        task.builder.call(function, [*(p.address for p in pointers), *(count.ir for count in counts)])
