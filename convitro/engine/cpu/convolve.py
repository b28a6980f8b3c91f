"""The convolution of a layer as one kernel: blocks of the output are shared out, packed, summed, finished."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

from convitro.engine.cpu import depthwise, direct, short, winograd
from convitro.engine.cpu.finish import Epilogue, Origin, finish_rows, finish_tile, store_results
from convitro.engine.cpu.isa import Isa
from convitro.engine.cpu.jit import Program
from convitro.engine.cpu.multiply import Tile
from convitro.engine.cpu.program import Task, program
from convitro.engine.cpu.source import ELEMENTS, TensorSource, fill_zeros, load_real
from convitro.engine.cpu.vector import BYTE, Pointer, Value
from convitro.engine.cpu.winograd_transforms import transform_of

POINTERS = ("input", "weight", "bias", "output", "scratch")
"""What every kernel is called with."""

Place: TypeAlias = tuple[Value, Value, Value]

ENDS = ("images", "pooled_rows", "pooled_columns")


@dataclass(frozen=True)
class Convolution:
    """Everything about a convolution that is compiled in; all sizes are given when it is called.

    Attributes:
        dtype: what is computed with, "float32" or "float64".
        source: where its numbers come from.
        algorithm: "direct", "depthwise" or "winograd".
        tile: rows and vectors of accumulators.
        length: products in a run, for Winograd's algorithm and long direct sums.
        epilogue: what is done to the sums.
        bias: dtype of the bias, None without one.
        reads: whether the kernel reads the input itself, see `layout.Access`; else windows of it are packed.
        writes: whether sums are finished in registers.
        lanes, patch: what depthwise layers, and direct ones with sums of few products, have to know.
        taps, outputs: rows and columns of filters and of a tile's results, for Winograd's algorithm only.
    """

    dtype: str
    source: TensorSource
    algorithm: str
    tile: Tile
    length: int
    epilogue: Epilogue = field(default_factory=Epilogue)
    bias: str | None = None
    reads: bool = False
    writes: bool = False
    lanes: depthwise.Lanes | None = None
    patch: short.Patch | None = None
    taps: int = 3
    outputs: int = 4

    @property
    def pointers(self) -> tuple[str, ...]:
        """What the kernel is called with: besides `POINTERS` what it saves, what its source reads, a flag."""
        saves = self.epilogue.switches or self.epilogue.before
        saved = ("switches", "before") if saves else ()
        read = () if isinstance(self.source, TensorSource) else ("pooled", "input_switches")
        return (*POINTERS, *saved, *read, *(("flag",) if self.algorithm == "winograd" else ()))

    @property
    def scheme(self) -> winograd.Scheme:
        """What Winograd's algorithm has to know."""
        return winograd.Scheme(self.tile, self.length, transform_of(self.taps, self.outputs))


@dataclass(frozen=True)
class Block:
    """A part of the output: its first image, pooled row and column, and its group."""

    image: Value
    row: Value
    column: Value
    group: Value


def convolution(kernel: Convolution, isa: Isa) -> Program:
    """Write the kernel of a convolution."""
    return program(isa, ELEMENTS[kernel.dtype], kernel.pointers, lambda task: _write(task, kernel))


def _write(task: Task, kernel: Convolution) -> None:
    begin, end = task.share(task.size("tasks"))
    scratch = task.pointer("scratch", BYTE)[task.thread * task.size("scratch_bytes")]
    packed, sums, bias = (
        scratch[task.size(f"{name}_at")].to(task.dtype) for name in ("window", "sums", "bias")
    )
    pack_bias(task, kernel.bias, bias)
    with task.loop(begin, end) as number:
        block, chunk = decode(task, number, whole=kernel.algorithm != "winograd")
        if kernel.algorithm == "winograd":
            window, pack = packed, partial(_pack_row, task, kernel.source, block)
            winograd.transform_input(task, kernel.scheme, pack, (window, scratch))
        else:
            window = _window(task, kernel, packed, block)
        work = _filters if kernel.lanes is None and kernel.patch is None else _rows
        work(task, kernel, (window, sums, bias, scratch), (block, chunk))
    if kernel.epilogue.streams:
        task.fence()


def decode(task: Task, number: Value, *, whole: bool) -> tuple[Block, Value]:
    """The block of a task, and the chunk of its filters.

    Where blocks are to be `whole` the last ones of an axis begin early enough, and share results with others.
    """
    rest, chunk = number // task.size("chunks"), number % task.size("chunks")
    rest, group = rest // task.size("groups"), rest % task.size("groups")
    rest, column = rest // task.size("column_blocks"), rest % task.size("column_blocks")
    image, row = rest // task.size("row_blocks"), rest % task.size("row_blocks")
    sizes = [task.size(f"block_{name}") for name in ("images", "rows", "columns")]
    image, row, column = (part * size for part, size in zip((image, row, column), sizes, strict=True))
    if whole:
        lasts = (task.size(end) - size for end, size in zip(ENDS, sizes, strict=True))
        image, row, column = (at.minimum(last) for at, last in zip((image, row, column), lasts, strict=True))
    return Block(image, row, column, group), chunk


def _window(task: Task, kernel: Convolution, window: Pointer, block: Block) -> Pointer:
    """The part of the padded input that a block sees: [image][row][column][pitch], or where it lies."""
    y, x = _corner(task, block)
    if kernel.reads:
        return task.pointer("input")[
            block.image * task.size("input_image")
            + y * task.size("input_row")
            + x * task.size("input_column")
            + block.group * task.size("channels")
        ]
    pack_window(task, kernel.source, window, block)
    return window


def pack_window(task: Task, source: TensorSource, window: Pointer, block: Block) -> None:
    """[image][row][column][pitch], zeros around the input."""
    rows = task.size("window_rows")
    pitch = task.size("window_columns") * task.size("pitch")
    with task.loop(0, task.size("block_images")) as image, task.loop(0, rows) as row:
        _pack_row(task, source, block, window[(image * rows + row) * pitch], image, row)


def _pack_row(task: Task, source: TensorSource, block: Block, to: Pointer, image: Value, row: Value) -> None:
    """A row of the part of the padded input that a block sees."""
    y, x = _corner(task, block)
    channel = block.group * task.size("channels")
    source.pack_row(task, to, (block.image + image, y + row, x), channel)


def _corner(task: Task, block: Block) -> tuple[Value, Value]:
    """The row and column of the input where the window of a block begins."""
    return (
        block.row * task.size("row_step") - task.size("top"),
        block.column * task.size("column_step") - task.size("left"),
    )


def pack_bias(task: Task, element: str | None, bias: Pointer) -> None:
    """The biases of each group, zeros behind them up to a whole block of filters."""
    groups, filters, padded = task.size("groups"), task.size("filters"), task.size("filters_padded")
    with task.loop(0, groups * padded, task.width) as i:
        bias[i].store(task.zero(task.dtype))
    if element is not None:
        given = task.pointer("bias", ELEMENTS[element])
        with task.loop(0, groups) as group, task.loop(0, filters) as i:
            bias[group * padded + i].store(load_real(given[group * filters + i], task.dtype))


def _filters(
    task: Task,
    kernel: Convolution,
    memory: tuple[Pointer, Pointer, Pointer, Pointer],
    where: tuple[Block, Value],
) -> None:
    """Sum and finish one block of filters after the other."""
    (window, sums, bias, scratch), (block, chunk) = memory, where
    filters = kernel.tile.vectors * task.width
    blocks, chunks = task.size("filter_blocks"), task.size("chunks")
    with task.loop(blocks * chunk // chunks, blocks * (chunk + 1) // chunks) as part:
        packed = block.group * blocks + part
        weights = task.pointer("weight")[packed * task.size("weights_in_block")]
        biases = bias[block.group * task.size("filters_padded") + part * filters]
        origin = origin_of(task, kernel.tile, block, part)
        if kernel.algorithm == "winograd":
            results = task.pointer("output", ELEMENTS[kernel.epilogue.element]), origin
            winograd.accumulate(task, kernel.scheme, weights, (biases, sums, scratch), results)
        else:
            finish = partial(finish_tile, task, kernel.epilogue, origin) if kernel.writes else None
            direct.accumulate(task, kernel.tile, kernel.length, (window, weights, biases, sums), finish)
        if not kernel.writes:
            store_results(task, kernel.epilogue, sums, origin)


def _rows(
    task: Task,
    kernel: Convolution,
    memory: tuple[Pointer, Pointer, Pointer, Pointer],
    where: tuple[Block, Value],
) -> None:
    """Tiles along rows: all filters of each where they are finished in registers, else block by block."""
    (window, sums, bias, scratch), (block, chunk) = memory, where
    blocks, chunks, filters = (
        task.size("filter_blocks"),
        task.size("chunks"),
        kernel.tile.vectors * task.width,
    )
    weights = task.pointer("weight")[block.group * blocks * task.size("weights_in_block")]
    places = window, weights, bias[block.group * task.size("filters_padded")]
    columns = kernel.patch.columns if kernel.patch else kernel.tile.rows

    def finish(part: Value, at: Place, results: Sequence[Sequence[Value]]) -> None:
        finish_rows(task, kernel.epilogue, origin_of(task, kernel.tile, block, part), at, results, columns)

    def keep(part: Value, at: Place, results: Sequence[Sequence[Value]]) -> None:
        image, row, column = at
        first = (image * task.size("sum_rows") + row) * task.size("sum_columns") + column
        for i, vector in enumerate(vector for vectors in results for vector in vectors):
            sums[first * filters + i * task.width].store(vector)

    def accumulate(parts: tuple[Value, Value], leave: depthwise.Leave) -> None:
        if kernel.patch:
            short.accumulate(task, kernel.patch, places, parts, leave)
        elif kernel.lanes:
            zeros = scratch[task.size("zeros_at")].to(task.dtype)
            fill_zeros(task, zeros, task.index(filters))
            depthwise.accumulate(task, kernel.lanes, (*places, zeros), _corner(task, block), parts, leave)

    first, last = blocks * chunk // chunks, blocks * (chunk + 1) // chunks
    if kernel.writes:
        accumulate((first, last), finish)
        return
    with task.loop(first, last) as part:
        accumulate((part, part + 1), keep)
        store_results(task, kernel.epilogue, sums, origin_of(task, kernel.tile, block, part))


def origin_of(task: Task, tile: Tile, block: Block, part: Value) -> Origin:
    """Where the results of a block lie; at the borders there may be fewer of them than a block has."""
    starts = (block.image, block.row, block.column)
    sizes = (task.size(f"block_{name}") for name in ("images", "rows", "columns"))
    images, rows, columns = (
        (task.size(end) - start).minimum(size) for start, end, size in zip(starts, ENDS, sizes, strict=True)
    )
    first = part * (tile.vectors * task.width)
    channel, left = block.group * task.size("filters") + first, task.size("filters") - first
    return Origin(*starts, channel, images, rows, columns, left, tile.vectors)
