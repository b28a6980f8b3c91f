"""The numbers of a call of an operator's kernels: sizes, tables, places in memory."""

from __future__ import annotations

from dataclasses import replace
from math import ceil, prod

from convitro.engine.cpu.blocking import Sliding
from convitro.engine.cpu.isa import Isa
from convitro.engine.cpu.layout import LINE, Layout, direct_layout
from convitro.engine.cpu.multiply import Tile
from convitro.engine.fold.kernel import Fold

MOST_ITEMS = 1500
"""More items are not written into the body of a kernel."""


def best_tile(sliding: Sliding, lanes: int, *, winners: bool, streams: bool) -> Tile:
    """Pixels and vectors of filters: the windows' states in registers.

    Those of the aggregation are met once for all items of a channel, and may be in memory as well. Winners,
    which are kept beside them, want a smaller tile; so does what keeps all items.
    """
    if not streams:
        return Tile(2, 1)
    vectors = 2 if sliding.filters > lanes else 1
    rows = (5 if winners else 6) if vectors > 1 else 8
    return Tile(max(1, min(rows, MOST_ITEMS // (sliding.taps * vectors))), vectors)


def forward_layout(sliding: Sliding, fold: Fold, isa: Isa, size_bytes: int, threads: int) -> Layout:
    """The layout of a direct convolution, with room for masks and for what is saved."""
    lanes = isa.lanes(8 * size_bytes)
    layout = direct_layout(sliding, fold.tile, isa, size_bytes, threads)
    sizes, block = dict(layout.sizes), layout.block
    filters, pixels = fold.tile.vectors * lanes, sizes["pixels_total"]
    window = block.images * prod(block.window(sliding))
    at = layout.scratch_bytes
    items = sliding.channels * fold.tile.rows * filters if fold.gathers else 0
    saved = pixels * filters * max(1, fold.extras())
    for name, count in (("inside", window), ("extras", saved), ("items", items)):
        sizes[f"{name}_at"] = at
        at += ceil((count * size_bytes + LINE) / LINE) * LINE
    sizes |= {
        "scratch_bytes": at,
        "extra_room": pixels * filters,
        "tap_row": sliding.dilation[0] * sizes["window_columns"] * sizes["pitch"],
    }
    return replace(layout, sizes=sizes, scratch_bytes=at)


BAND_BYTES = 128 * 1024
"""The packed window of a band of rows should leave room for the rest in the second-level cache."""


def backward_sizes(sliding: Sliding, fold: Fold, lanes: int, size_bytes: int, threads: int) -> dict[str, int]:
    """The numbers of both backward kernels, which go through the output in bands of whole rows."""
    columns = (sliding.columns - 1) * sliding.stride[1] + (sliding.kernel[1] - 1) * sliding.dilation[1] + 1
    extent = (sliding.kernel[0] - 1) * sliding.dilation[0] + 1
    line = columns * sliding.channels * size_bytes
    band = max(1, min(sliding.rows, (BAND_BYTES // line - extent) // sliding.stride[0] + 1))
    rows = (band - 1) * sliding.stride[0] + extent
    filter_parts, channel_parts = ceil(sliding.filters / lanes), ceil(sliding.channels / lanes)
    chunks = max(1, min(sliding.channels, ceil(2 * threads / (filter_parts * sliding.groups))))
    pixels = band * sliding.columns
    sizes = {
        "images": sliding.images,
        "height": sliding.height,
        "width": sliding.width,
        "channels": sliding.channels,
        "filters": sliding.filters,
        "out_channels": sliding.filters * sliding.groups,
        "groups": sliding.groups,
        "rows": sliding.rows,
        "columns": sliding.columns,
        "band_rows": band,
        "bands": ceil(sliding.rows / band),
        "block_images": 1,
        "window_rows": rows,
        "window_columns": columns,
        "pitch": sliding.channels,
        "row_step": sliding.stride[0],
        "column_step": sliding.stride[1],
        "top": sliding.top,
        "left": sliding.left,
        "tap_row": sliding.dilation[0] * columns * sliding.channels,
        "pixel_row": sliding.stride[0] * columns * sliding.channels,
        "pixel_column": sliding.stride[1] * sliding.channels,
        "above_room": pixels * lanes,
        "filter_parts": filter_parts,
        "filters_padded": filter_parts * lanes,
        "channel_parts": channel_parts,
        "chunks": chunks if threads > 1 else 1,
        "input_tasks": sliding.images * sliding.groups * channel_parts,
    }
    sizes["weight_tasks"] = sliding.groups * filter_parts * sizes["chunks"]
    memory = {
        "window": rows * columns * sliding.channels,
        "sums": max(rows * columns, sliding.channels * sliding.taps) * lanes,
        "above": pixels * lanes * (2 + fold.extras()),
        "inside": rows * columns,
    }
    at = 0
    for name, count in memory.items():
        sizes[f"{name}_at"] = at
        at += ceil(((count + lanes) * size_bytes + LINE) / LINE) * LINE
    return sizes | {"scratch_bytes": at}
