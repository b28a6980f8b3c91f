"""From a convolution to the numbers that its kernel is called with: sizes, index tables, places in memory."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from math import ceil, prod
from typing import NamedTuple

import numpy as np

from convitro.engine.cpu.blocking import Block, Costs, Sliding, best_block
from convitro.engine.cpu.isa import Isa
from convitro.engine.cpu.multiply import Tile, best_tile
from convitro.engine.cpu.short import Patch

RUN = 384
"""A run of products is at most so long where it can be cut evenly."""
PASS_BYTES = 128 * 1024
"""Weights that all pixels of a block meet before the next ones: a part of the second-level cache.

The nearest one would be too small: storing and loading a tile's sums again for each pass costs more than
weights that arrive from the second level, a few bytes in a cycle.
"""
SHORT = 48
"""Sums are short where a row of the kernel meets so many numbers, or fewer."""
ROOM = 24
"""Registers for such sums; the others hold weights, and what is read once for all tiles."""
FINISHED = 256
"""So many products, or fewer, do not suffer from a tile that holds whole windows of the pooling."""
LINE = 64


class Access(NamedTuple):
    """Which tensors a kernel reads or writes itself, without memory of its own between: strides of both.

    Attributes:
        input: of images, rows and columns, in numbers; None where windows are packed.
        output: the same, of the pooled output; None where sums are stored before they are finished.
    """

    input: tuple[int, int, int] | None = None
    output: tuple[int, int, int] | None = None

    @property
    def uses(self) -> tuple[bool, bool]:
        """Whether it is the input, and the output."""
        return self.input is not None, self.output is not None


PACKED = Access()


@dataclass(frozen=True)
class Layout:
    """The numbers of one call.

    Attributes:
        sizes: by the names that kernels use.
        tables: index tables, by name; their addresses are sizes too.
        block: the block they are for.
        scratch_bytes: a thread's own memory.
        access: which tensors the kernel uses itself.
        patch: the tile of sums of few products, else None.
    """

    sizes: dict[str, int]
    tables: dict[str, np.ndarray]
    block: Block
    scratch_bytes: int
    access: Access = PACKED
    patch: Patch | None = None


def direct_tile(sliding: Sliding, isa: Isa, lanes: int) -> Tile:
    """Pixels and vectors of filters that are summed at once, for depthwise kernels and direct ones.

    Long sums want as many accumulators as there can be; shorter ones are worth finishing in registers, with
    whole windows of the pooling in a tile.
    """
    if sliding.beside:
        columns = (sliding.pooled[1] - 1) * sliding.pool_stride[1] + sliding.pool[1]
        return depthwise_tile(isa, lanes, sliding.filters, columns, sliding.beside)
    tile, window = best_tile(isa, ceil(sliding.filters / lanes)), prod(sliding.pool)
    if sliding.pools_apart and window <= tile.rows and sliding.reduction <= FINISHED:
        return Tile(tile.rows - tile.rows % window, tile.vectors)
    return tile


def depthwise_tile(isa: Isa, lanes: int, filters: int, columns: int, beside: int) -> Tile:
    """Pixels that cut rows of `columns` with little waste; their sums and a row of taps fit the registers."""
    many = isa.registers >= 32
    vectors = 2 if many and beside == 1 and filters % (2 * lanes) == 0 else 1
    most = min(12 if many and vectors == 1 else 8, columns)
    sizes = range(most, most // 2, -1)
    return Tile(min(sizes, key=lambda size: -(-columns // size) * size), vectors)


def is_short(sliding: Sliding, isa: Isa) -> bool:
    """Whether sums have few products, of numbers that follow each other, and registers are many.

    With sixteen a tile of `direct` holds as many sums, and may go on in the next row.
    """
    run, rows = sliding.channels * sliding.kernel[1], sliding.kernel[1] > 1 and sliding.dilation[1] == 1
    return isa.registers >= 32 and rows and run <= SHORT and not sliding.beside


def short_patch(sliding: Sliding, lanes: int, *, pooled: bool) -> Patch:
    """The tile for such sums, of whole windows of the pooling if they are `pooled` in registers."""
    vectors = _short_vectors(sliding, lanes)
    room, (rows, unit) = ROOM // vectors, sliding.pool if pooled else (1, 1)
    columns = (sliding.pooled[1] - 1) * sliding.pool_stride[1] + sliding.pool[1]
    work = rows * sliding.reduction * vectors / 2

    def cycles(size: int) -> float:
        return ceil(columns / size) * (size * work + 40)

    size = min(range(unit, min(room // rows, columns) + 1, unit), key=cycles)
    run, apart = sliding.channels * sliding.kernel[1], sliding.stride[1] * sliding.channels
    return Patch(rows, size, vectors, (sliding.kernel[0], run), apart)


def pools_shortly(sliding: Sliding, lanes: int) -> bool:
    """Whether such a tile can hold whole windows of the pooling."""
    room = ROOM // _short_vectors(sliding, lanes)
    return sliding.pool == sliding.pool_stride and prod(sliding.pool) <= room


def _short_vectors(sliding: Sliding, lanes: int) -> int:
    return 2 - ceil(sliding.filters / lanes) % 2


def run_length(sliding: Sliding) -> int:
    """How many products follow each other, in the window as in the weights."""
    run = sliding.channels * (sliding.kernel[1] if sliding.dilation[1] == 1 else 1)
    cuts = [parts for parts in range(1, ceil(run / 64) + 1) if run % parts == 0 and run // parts <= RUN]
    return run // cuts[0] if cuts else run


def direct_layout(
    sliding: Sliding, tile: Tile, isa: Isa, size_bytes: int, threads: int, access: Access = PACKED
) -> Layout:
    """The layout of the direct algorithm: runs of products along rows, channels innermost."""
    filters = tile.vectors * isa.lanes(8 * size_bytes)
    reduction = sliding.reduction
    costs = _costs(sliding, tile, (filters, size_bytes), (reduction, sliding.channels), access)
    block, length = best_block(sliding, costs, threads), run_length(sliding)
    window = access.input or _window_strides(sliding, block, sliding.channels)
    segments = _segments(sliding, window, length)
    sizes = _sums(segments, length * filters * size_bytes) | {"weights_in_block": reduction * filters}
    sizes["expected_cycles"] = round(costs.of(block, sliding, threads))
    tables = {"segments": segments} | _pixel_tables(sliding, block, tile, window, access)
    layout = _finished(sliding, block, sliding.channels, (filters, size_bytes), tables, sizes)
    return replace(layout, access=access)


def short_layout(
    sliding: Sliding, patch: Patch, isa: Isa, size_bytes: int, threads: int, access: Access = PACKED
) -> Layout:
    """The layout for sums of few products."""
    tile = Tile(patch.rows * patch.columns, patch.vectors)
    products = sliding.reduction, sliding.channels
    layout = _rows_layout(sliding, tile, (isa, size_bytes, threads), products, patch.columns, access)
    return replace(layout, patch=patch)


def depthwise_layout(
    sliding: Sliding, tile: Tile, isa: Isa, size_bytes: int, threads: int, access: Access = PACKED
) -> Layout:
    """The layout for channels side by side in the lanes, each met by few filters."""
    filters = tile.vectors * isa.lanes(8 * size_bytes)
    products = sliding.reduction, ceil(sliding.filters / filters) * filters
    return _rows_layout(sliding, tile, (isa, size_bytes, threads), products, tile.rows, access)


def _rows_layout(
    sliding: Sliding,
    tile: Tile,
    machine: tuple[Isa, int, int],
    products: tuple[int, int],
    columns: int,
    access: Access,
) -> Layout:
    """The layout of tiles along rows, which need no tables: window and sums are addressed by their strides.

    Args:
        machine: vectors, bytes of a number, and threads.
        products: of a pixel, and how many numbers of the input are packed for one.
        columns: of a tile; no block has fewer.
    """
    (isa, size_bytes, threads), (reduction, pitch) = machine, products
    filters = tile.vectors * isa.lanes(8 * size_bytes)
    costs = replace(_costs(sliding, tile, (filters, size_bytes), products, access), across=columns)
    block = best_block(sliding, costs, threads)
    window = access.input or _window_strides(sliding, block, pitch)
    sizes = {f"window_{axis}": step for axis, step in zip(("image", "row", "column"), window, strict=True)}
    sizes |= {"row_stride": sliding.stride[0], "row_dilation": sliding.dilation[0]}
    sizes |= {"column_stride": sliding.stride[1], "pixel_step": sliding.stride[1] * window[2]}
    sizes |= {"weights_in_block": reduction * filters}
    sizes["expected_cycles"] = round(costs.of(block, sliding, threads))
    layout = _finished(sliding, block, 0 if access.input else pitch, (filters, size_bytes), {}, sizes)
    return replace(layout, access=access)


def _costs(
    sliding: Sliding, tile: Tile, filters: tuple[int, int], products: tuple[int, int], access: Access
) -> Costs:
    """What blocks cost; `filters` of a block and bytes of a number, `products` of a pixel and its pitch."""
    (in_block, size_bytes), (reduction, pitch) = filters, products
    vectors, whole = (
        ceil(sliding.filters / in_block) * tile.vectors,
        reduction * size_bytes * in_block <= PASS_BYTES,
    )
    return Costs(
        pixel_rows=tile.rows,
        multiple=1,
        cycles=reduction * vectors / 2,
        weights=reduction * vectors * 2,
        pixel_bytes=0 if access.input else pitch * size_bytes,
        sum_bytes=32 if access.output and whole else in_block * size_bytes + 8,
    )


def _sums(segments: list[int], segment_bytes: int) -> dict[str, int]:
    """How many segments make a pass, whose weights stay in the nearest cache."""
    total = len(segments)
    fitting = (n for n in range(total, 1, -1) if total % n == 0 and n * segment_bytes <= PASS_BYTES)
    return {"segments_total": total, "segments_in_pass": next(fitting, 1)}


def _finished(
    sliding: Sliding,
    block: Block,
    pitch: int,
    filters: tuple[int, int],
    tables: dict[str, list[int]],
    sizes: dict[str, int],
) -> Layout:
    """The layout with its tables and memory; `filters` of a block, and bytes of a number."""
    common = common_sizes(sliding, block, pitch, filters[0])
    pixels = len(tables["pixels"]) if tables else block.images * prod(block.sums(sliding))
    memory = {
        "bias": sliding.groups * common["filters_padded"],
        "window": block.images * prod(block.window(sliding)) * pitch,
        "sums": pixels * filters[0],
        "zeros": filters[0],
    }
    arrays = {name: np.array(table, np.int64) for name, table in tables.items()}
    return placed(common | sizes | {"pixels_total": pixels}, arrays, memory, block, filters[1])


def placed(
    sizes: dict[str, int],
    tables: dict[str, np.ndarray],
    memory: dict[str, int],
    block: Block,
    size_bytes: int,
) -> Layout:
    """Add the places of a thread's own buffers: `memory` is how many numbers each has room for."""
    at = 0
    for name, count in memory.items():
        sizes[f"{name}_at"] = at
        at += ceil((count * size_bytes + LINE) / LINE) * LINE  # a vector behind each may be overwritten
    at += 256 - (at % 4096 == 0) * 64
    sizes["scratch_bytes"] = at
    sizes |= {name: table.ctypes.data for name, table in tables.items()}
    return Layout(sizes, tables, block, at)


def common_sizes(
    sliding: Sliding, block: Block, pitch: int, filters: int, multiple: int = 1
) -> dict[str, int]:
    """The sizes that every algorithm uses."""
    pooled_rows, pooled_columns = sliding.pooled
    rows, columns = block.window(sliding, multiple)
    sum_rows, sum_columns = block.sums(sliding, multiple)
    parts = (
        ceil(sliding.images / block.images),
        ceil(pooled_rows / block.rows),
        ceil(pooled_columns / block.columns),
    )
    blocks = ceil(sliding.filters / filters)
    return {
        "images": sliding.images,
        "height": sliding.height,
        "width": sliding.width,
        "channels": sliding.channels,
        "filters": sliding.filters,
        "groups": sliding.groups,
        "pooled_rows": pooled_rows,
        "pooled_columns": pooled_columns,
        "block_images": block.images,
        "block_rows": block.rows,
        "block_columns": block.columns,
        "row_blocks": parts[1],
        "column_blocks": parts[2],
        "filter_blocks": blocks,
        "filters_padded": blocks * filters,
        "window_rows": rows,
        "window_columns": columns,
        "pitch": pitch,
        "sum_rows": sum_rows,
        "sum_columns": sum_columns,
        "row_step": sliding.pool_stride[0] * sliding.stride[0],
        "column_step": sliding.pool_stride[1] * sliding.stride[1],
        "top": sliding.top,
        "left": sliding.left,
        "chunks": 1,
        "tasks": parts[0] * parts[1] * parts[2] * sliding.groups,
    }


def _window_strides(sliding: Sliding, block: Block, pitch: int) -> tuple[int, int, int]:
    """Those of a packed window: images, rows and columns."""
    height, width = block.window(sliding)
    return height * width * pitch, width * pitch, pitch


def _pixel_tables(
    sliding: Sliding, block: Block, tile: Tile, window: tuple[int, int, int], access: Access
) -> dict[str, list[int]]:
    """Where the products of each pixel of a block begin, and where what becomes of it is stored.

    Pixels that are finished in registers come window by window, else row by row.
    """
    if access.output is None:
        rows, columns = block.sums(sliding)
        order = list(product(range(block.images), range(rows), range(columns)))
    else:
        (down, right), pooled = (
            sliding.pool_stride,
            product(*map(range, (block.images, block.rows, block.columns))),
        )
        window_ = list(product(*map(range, sliding.pool)))
        order = [(i, row * down + y, column * right + x) for i, row, column in pooled for y, x in window_]
    last = order[-prod(sliding.pool) :] if access.output else order[-1:]
    order += last * (-len(order) % tile.rows // len(last))
    tables = {"pixels": [_at(pixel, (1, *sliding.stride), window) for pixel in order]}
    if access.output is not None:
        steps = [(i, y // sliding.pool_stride[0], x // sliding.pool_stride[1]) for i, y, x in order]
        tables["places"] = [_at(place, (1, 1, 1), access.output) for place in steps]
    return tables


def _at(pixel: tuple[int, int, int], steps: tuple[int, int, int], strides: tuple[int, int, int]) -> int:
    return sum(place * step * stride for place, step, stride in zip(pixel, steps, strides, strict=True))


def _segments(sliding: Sliding, window: tuple[int, int, int], length: int) -> list[int]:
    """Where the runs of products lie, from the first number of a pixel on."""
    (kh, kw), (dh, dw), channels = sliding.kernel, sliding.dilation, sliding.channels
    across = [0] if dw == 1 else [column * dw * window[2] for column in range(kw)]
    run = channels * kw if dw == 1 else channels
    return [
        row * dh * window[1] + start + part
        for row, start, part in product(range(kh), across, range(0, run, length))
    ]
