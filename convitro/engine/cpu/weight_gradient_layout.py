"""The numbers that the kernel of a weight's gradient is called with: sizes, tables, places in memory."""

from __future__ import annotations

from itertools import product
from math import ceil

import numpy as np

from convitro.engine.cpu.weight_gradient_cut import LINE, Cut, Shape, block_count, plain
from convitro.engine.cpu.winograd_weight_gradient import PLANES, STEP


def weight_gradient_sizes(shape: Shape, cut: Cut, team: int) -> tuple[dict[str, int], dict[str, np.ndarray]]:
    """The kernel's numbers by name, and its tables, whose addresses are among them.

    "memory_bytes" is how much scratch memory a call needs. Not there: strides of tensors, and the "phase".
    """
    sliding, block = shape.sliding, cut.block
    filters, channels, products = shape.chunk(cut)
    groups, filter_blocks = shape.units(cut)
    rows = shape.rows(cut)
    window_rows, window_columns = block.window(plain(sliding))
    pitch, dz_pitch = shape.pitch(channels), shape.pitch(filters)
    tables = _tables(shape, cut, pitch)
    sizes = {
        "images": sliding.images,
        "height": sliding.height,
        "width": sliding.width,
        "channels": channels,
        "channel_step": channels if shape.together else 0,
        "pitch": pitch,
        "window_rows": window_rows,
        "window_columns": window_columns,
        "row_step": sliding.stride[0],
        "column_step": sliding.stride[1],
        "top": sliding.top,
        "left": sliding.left,
        "dz_height": sliding.rows,
        "dz_width": sliding.columns,
        "dz_channels": filters,
        "dz_pitch": dz_pitch,
        "dz_window_columns": block.columns,
        "gradient_height": sliding.pooled[0],
        "gradient_width": sliding.pooled[1],
        "end_row": shape.rounded(sliding.rows),
        "end_column": shape.rounded(sliding.columns),
        "block_images": block.images,
        "block_rows": block.rows,
        "block_columns": block.columns,
        "row_blocks": ceil(sliding.rows / block.rows),
        "column_blocks": ceil(sliding.columns / block.columns),
        "blocks": block_count(sliding, block),
        "chunks": cut.filter_chunks * cut.channel_chunks,
        "channel_chunks": cut.channel_chunks,
        "splits": cut.splits,
        "units": groups * filter_blocks,
        "filter_blocks": filter_blocks,
        "filters_in_group": filters // groups,
        "channels_in_group": channels // groups,
        "products_in_chunk": products,
        "rows_padded": rows,
        "sums_in_item": groups * filter_blocks * shape.planes * rows * shape.width,
        "biases_in_item": ceil(filters / (2 * shape.lanes)) * 2 * shape.lanes,
        "weight_filter": shape.strides[0],
        "weight_dense": int(_dense(tables["places"], products, shape.lanes)),
    }
    spare = shape.width + 2 * shape.lanes
    own = {
        "window": block.images * window_rows * window_columns * pitch + spare,
        "gradient": block.images * block.rows * block.columns * dz_pitch + spare,
    }
    if shape.winograd:
        tiles = block.images * block.rows * block.columns // STEP**2
        sizes |= {
            "window_plane": shape.odd_lines(tiles * pitch),
            "gradient_plane": shape.odd_lines(tiles * dz_pitch),
        }
        own |= {f"{name}_planes": PLANES * sizes[f"{name}_plane"] + spare for name in ("window", "gradient")}
        own["results"] = products * shape.width
    slots = sizes["chunks"] * cut.splits if cut.splits > 1 else team
    shared = {"sums": slots * sizes["sums_in_item"], "biases": slots * sizes["biases_in_item"]}
    sizes |= _places(own, shared, shape.size_bytes, team)
    sizes |= {name: table.ctypes.data for name, table in tables.items()}
    return sizes, tables


def _places(own: dict[str, int], shared: dict[str, int], size_bytes: int, team: int) -> dict[str, int]:
    """Where each thread's own numbers lie in its part of the scratch memory, and those of all behind."""
    places, at = {}, 0
    for name, count in own.items():
        places[f"{name}_at"] = at
        lines = ceil(count * size_bytes / LINE) + 5  # neighbours should not share places in the cache
        at += lines * LINE
    places["scratch_bytes"] = at
    at *= team
    for name, count in shared.items():
        places[f"{name}_at"] = at
        at += ceil(count * size_bytes / LINE) * LINE + LINE
    places["memory_bytes"] = at
    return places


def _tables(shape: Shape, cut: Cut, pitch: int) -> dict[str, np.ndarray]:
    """Where pixels (or tiles) and products begin in what is multiplied, and where products lie in the weight.

    "slots" are the places of products among the sums, which are in the weight's order.
    """
    sliding, block = shape.sliding, cut.block
    rows, columns = block.window(plain(sliding))
    (down, right), (deep, wide) = sliding.stride, sliding.dilation
    pixels = [
        ((image * rows + y * down) * columns + x * right) * pitch
        for image, y, x in product(range(block.images), range(block.rows), range(block.columns))
    ]
    order, count = _order(shape), shape.chunk(cut)[2]
    products = [(v * deep * columns + u * wide) * pitch + channel for channel, v, u in order][:count]
    _, channel_step, row_step, column_step = shape.strides
    places = [channel * channel_step + v * row_step + u * column_step for channel, v, u in order]
    slots = sorted(range(count), key=lambda slot: order[slot])
    if shape.winograd:
        pixels = [tile * pitch for tile in range(len(pixels) // STEP**2)]
        products = list(range(count // sliding.taps))
    products += [0] * (shape.rows(cut) - len(products))
    tables = {"pixels": pixels, "products": products, "places": places, "slots": slots}
    return {name: np.array(table, np.int64) for name, table in tables.items()}


def _order(shape: Shape) -> list[tuple[int, int, int]]:
    """The products of a filter: channel, row and column of each.

    Products of the same few channels follow each other, so that what they read stays in the nearest cache; if
    the weight has its channels innermost, so has a line of them.
    """
    sliding, line = shape.sliding, LINE // shape.size_bytes
    channels = 1 if shape.depthwise else sliding.channels
    taps = list(product(range(sliding.kernel[0]), range(sliding.kernel[1])))
    run = line if shape.strides[1] == 1 else 1
    return [
        (channel, v, u)
        for first in range(0, channels, run)
        for v, u in taps
        for channel in range(first, min(first + run, channels))
    ]


def _dense(places: np.ndarray, products: int, lanes: int) -> bool:
    """Whether so many products as there are lanes always follow each other in the weight."""
    whole = places.reshape(-1, products)[:, : products - products % lanes].reshape(-1, lanes)
    return bool((whole == whole[:, :1] + np.arange(lanes)).all())
