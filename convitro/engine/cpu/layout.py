"""From a convolution to the numbers that its kernel is called with: sizes, tables of indices, places in memory."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import ceil

import numpy as np

from convitro.engine.cpu.blocking import Block, Costs, Sliding, best_block
from convitro.engine.cpu.isa import Isa
from convitro.engine.cpu.multiply import Tile

RUN = 384
"""A run of products is at most so long where it can be cut evenly: its weights then stay in the nearest cache."""
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
    parts = next((parts for parts in range(ceil(run / RUN), run + 1) if run % parts == 0), 1)
    return run // parts if run // parts * 4 > RUN or run <= RUN else run


def direct_layout(sliding: Sliding, tile: Tile, isa: Isa, size_bytes: int, threads: int) -> Layout:
    """The layout of the direct algorithm."""
    lanes = isa.lanes(8 * size_bytes)
    filters = tile.vectors * lanes
    blocks = ceil(sliding.filters / filters)
    reduction = sliding.taps * sliding.channels
    costs = Costs(
        pixel_rows=tile.rows,
        multiple=1,
        cycles=reduction * blocks * tile.vectors / 2,
        weights=reduction * blocks * tile.vectors * 2,
        pixel_bytes=sliding.channels * size_bytes,
        sum_bytes=filters * size_bytes,
    )
    block = best_block(sliding, costs, threads)
    length = run_length(sliding)
    segments = _segments(sliding, block.window(sliding)[1], length)
    pixels = _pixels(sliding, block)
    in_pass = max(
        n
        for n in range(1, len(segments) + 1)
        if len(segments) % n == 0 and (n == 1 or n * length * filters * size_bytes <= 20480)
    )
    padded = ceil(len(pixels) / tile.rows) * tile.rows
    pixels += [pixels[-1]] * (padded - len(pixels))
    tables = {"pixels": np.array(pixels, np.int64), "segments": np.array(segments, np.int64)}
    sizes = common_sizes(sliding, block, sliding.channels, filters) | {
        "pixels_total": padded,
        "segments_total": len(segments),
        "segments_in_pass": in_pass,
        "weights_in_block": reduction * filters,
    }
    window = block.images * int(np.prod(block.window(sliding))) * sliding.channels
    memory = {"bias": sliding.groups * blocks * filters, "window": window, "sums": padded * filters}
    return placed(sizes, tables, memory, block, size_bytes)


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


def _pixels(sliding: Sliding, block: Block) -> list[int]:
    """Where the products of each pixel of a block begin in the window."""
    (rows, columns), (down, right) = block.sums(sliding), sliding.stride
    height, width = block.window(sliding)
    return [
        ((image * height + row * down) * width + column * right) * sliding.channels
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
