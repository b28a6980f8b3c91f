"""From a convolution to the numbers that its kernel is called with: sizes, tables of indices, places in memory."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import ceil, prod

import numpy as np

from convitro.engine.cpu.blocking import Block, Costs, Sliding, best_block
from convitro.engine.cpu.isa import Isa
from convitro.engine.cpu.multiply import Tile

RUN = 384
"""A run of products is at most so long where it can be cut evenly: its weights then stay in the nearest cache."""
PASS_BYTES = 20 * 1024
"""Weights that stay in the nearest cache while all pixels of a block meet them."""
LINE = 64


@dataclass(frozen=True)
class Layout:
    """The numbers of one call.

    Attributes:
        sizes: by the names that kernels use.
        tables: index tables, by name; their addresses are sizes too.
        block: the block they are for.
    """

    sizes: dict[str, int]
    tables: dict[str, np.ndarray]
    block: Block
    scratch_bytes: int


def run_length(sliding: Sliding) -> int:
    """How many products follow each other, in the window as in the weights."""
    run = sliding.channels * (sliding.kernel[1] if sliding.dilation[1] == 1 else 1)
    cuts = [parts for parts in range(1, ceil(run / 64) + 1) if run % parts == 0 and run // parts <= RUN]
    return run // cuts[0] if cuts else run


def direct_layout(sliding: Sliding, tile: Tile, isa: Isa, size_bytes: int, threads: int) -> Layout:
    """The layout of the direct algorithm: runs of products along rows, channels innermost."""
    filters = tile.vectors * isa.lanes(8 * size_bytes)
    reduction = sliding.taps * sliding.channels
    costs = _costs(sliding, tile, filters, reduction, sliding.channels, size_bytes)
    block, length = best_block(sliding, costs, threads), run_length(sliding)
    segments = _segments(sliding, block.window(sliding)[1], length)
    sizes = _sums(segments, length * filters * size_bytes) | {"weights_in_block": reduction * filters}
    return _finished(sliding, tile, block, sliding.channels, (filters, size_bytes), segments, sizes)


def depthwise_layout(sliding: Sliding, tile: Tile, isa: Isa, size_bytes: int, threads: int) -> Layout:
    """The layout for depthwise layers, whose channels lie side by side in the lanes: one run for a row of taps."""
    filters = tile.vectors * isa.lanes(8 * size_bytes)
    pitch = ceil(sliding.filters / filters) * filters
    costs = _costs(sliding, tile, filters, sliding.taps, pitch, size_bytes)
    block = best_block(sliding, costs, threads)
    row = sliding.dilation[0] * block.window(sliding)[1] * pitch
    segments = [tap * row for tap in range(sliding.kernel[0])]
    sizes = _sums(segments, sliding.kernel[1] * filters * size_bytes)
    sizes |= {"weights_in_block": sliding.taps * filters, "tap_step": sliding.dilation[1] * pitch}
    return _finished(sliding, tile, block, pitch, (filters, size_bytes), segments, sizes)


def _costs(sliding: Sliding, tile: Tile, filters: int, reduction: int, pitch: int, size_bytes: int) -> Costs:
    vectors = ceil(sliding.filters / filters) * tile.vectors
    return Costs(
        pixel_rows=tile.rows,
        multiple=1,
        cycles=reduction * vectors / 2,
        weights=reduction * vectors * 2,
        pixel_bytes=pitch * size_bytes,
        sum_bytes=filters * size_bytes,
    )


def _sums(segments: list[int], segment_bytes: int) -> dict[str, int]:
    """How many segments make a pass, whose weights stay in the nearest cache."""
    total = len(segments)
    fitting = (n for n in range(total, 1, -1) if total % n == 0 and n * segment_bytes <= PASS_BYTES)
    return {"segments_total": total, "segments_in_pass": next(fitting, 1)}


def _finished(
    sliding: Sliding,
    tile: Tile,
    block: Block,
    pitch: int,
    filters: tuple[int, int],
    segments: list[int],
    sizes: dict[str, int],
) -> Layout:
    """The layout with its tables and memory; `filters` of a block, and bytes of a number."""
    pixels = _pixels(sliding, block, pitch)
    padded = ceil(len(pixels) / tile.rows) * tile.rows
    pixels += [pixels[-1]] * (padded - len(pixels))
    tables = {"pixels": np.array(pixels, np.int64), "segments": np.array(segments, np.int64)}
    common = common_sizes(sliding, block, pitch, filters[0])
    window = block.images * prod(block.window(sliding)) * pitch
    memory = {
        "bias": sliding.groups * common["filters_padded"],
        "window": window,
        "sums": padded * filters[0],
    }
    return placed(common | sizes | {"pixels_total": padded}, tables, memory, block, filters[1])


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


def _pixels(sliding: Sliding, block: Block, pitch: int) -> list[int]:
    """Where the products of each pixel of a block begin in the window."""
    (rows, columns), (down, right) = block.sums(sliding), sliding.stride
    height, width = block.window(sliding)
    return [
        ((image * height + row * down) * width + column * right) * pitch
        for image, row, column in product(range(block.images), range(rows), range(columns))
    ]


def _segments(sliding: Sliding, width: int, length: int) -> list[int]:
    """Where the runs of products lie, from the first number of a pixel on."""
    (kh, kw), (dh, dw), channels = sliding.kernel, sliding.dilation, sliding.channels
    across = [0] if dw == 1 else [column * dw * channels for column in range(kw)]
    run = channels * kw if dw == 1 else channels
    return [
        row * dh * width * channels + start + part
        for row, start, part in product(range(kh), across, range(0, run, length))
    ]
