"""How the work of a weight's gradient is cut, and the numbers that its kernel is called with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from math import ceil, prod

import numpy as np

from convitro.engine.cpu.blocking import Block, Sliding
from convitro.engine.cpu.isa import Isa
from convitro.engine.cpu.multiply import Tile

STRIP_BYTES = 8 * 1024
"""The gradient of a block, for one tile's filters, should leave most of the nearest cache to the input."""
BLOCK_BYTES = 320 * 1024
"""Input and gradient of a block should stay in the second-level cache."""
SUMS_BYTES = 64 * 2**20
"""More memory than this is not spent on sums of threads of their own."""
ROWS = 9
"""More rows have more addresses than there are registers for them."""
LINE = 64
TILE_CYCLES = 20
"""What it costs to begin and end a tile."""


@dataclass(frozen=True)
class Cut:
    """How the work is cut.

    Attributes:
        filter_chunks, channel_chunks: parts of the result; depthwise and with groups the first cuts filters
            and channels together.
        splits: parts of the pixels that have sums of their own.
        block: images, rows and columns that are packed at once.
    """

    filter_chunks: int
    channel_chunks: int
    splits: int
    block: Block


@dataclass(frozen=True)
class Shape:
    """What is summed, in the words of the kernel.

    Attributes:
        sliding: the forward pass.
        tile: rows = products, vectors = vectors of filters.
        lanes, size_bytes: of the numbers that are computed with.
        depthwise: channels lie side by side in the lanes.
        strides: of the weight, along filters, channels, rows and columns.
    """

    sliding: Sliding
    tile: Tile
    lanes: int
    size_bytes: int
    depthwise: bool
    strides: tuple[int, ...]

    @property
    def width(self) -> int:
        """Filters in a tile."""
        return self.tile.vectors * self.lanes

    @property
    def together(self) -> bool:
        """Whether filters and channels are cut together."""
        return self.depthwise or self.sliding.groups > 1

    @property
    def channels(self) -> int:
        """Of all groups."""
        return self.sliding.channels * self.sliding.groups

    @property
    def filters(self) -> int:
        """Of all groups."""
        return self.sliding.filters * self.sliding.groups

    def chunk(self, cut: Cut) -> tuple[int, int, int]:
        """Filters and channels of a chunk, and products of one of its filters."""
        filters = self.filters // cut.filter_chunks
        channels = self.channels // (cut.filter_chunks if self.together else cut.channel_chunks)
        taps = self.sliding.taps
        return filters, channels, taps if self.depthwise else taps * channels // self._groups(cut)

    def _groups(self, cut: Cut) -> int:
        return self.sliding.groups // cut.filter_chunks if self.together and not self.depthwise else 1

    def units(self, cut: Cut) -> tuple[int, int]:
        """Groups of a chunk, and tiles' widths of filters in a group."""
        groups, (filters, _, _) = self._groups(cut), self.chunk(cut)
        return groups, ceil(filters // groups / self.width)

    def pitch(self, numbers: int) -> int:
        """Room for the numbers of a pixel; lines of many pixels shall not share places in the cache."""
        line = LINE // self.size_bytes
        lines = ceil(numbers / line)
        return numbers if lines < 4 else (lines + 1 - lines % 2) * line


def best_tile(sliding: Sliding, isa: Isa, lanes: int, *, depthwise: bool) -> Tile:
    """The tile: as many sums as registers hold, with few rows to spare."""
    products = sliding.taps if depthwise else sliding.taps * sliding.channels
    vectors = 1 if depthwise else min(ceil(sliding.filters / lanes), 2)
    if isa.registers >= 32:
        vectors = vectors if depthwise or sliding.filters <= 3 * lanes else 4
    most = min((isa.registers - 1 - vectors) // vectors, ROWS)
    rows = min(
        range(1, most + 1), key=lambda rows: ceil(products / rows) * _pixel_cycles(Tile(rows, vectors))
    )
    return Tile(rows, vectors)


def _pixel_cycles(tile: Tile) -> float:
    """Of one pixel in one tile: two multiply-adds at once, each result four cycles later; or two loads."""
    return max(tile.rows * tile.vectors / 2, 4, (tile.rows + tile.vectors + 1) / 2) + 0.6


def weight_gradient_sizes(shape: Shape, cut: Cut, team: int) -> tuple[dict[str, int], dict[str, np.ndarray]]:
    """The kernel's numbers by name, and its tables, whose addresses are among them.

    "memory_bytes" is how much scratch memory a call needs. Not there: strides of tensors, and the "phase".
    """
    sliding, block = shape.sliding, cut.block
    filters, channels, products = shape.chunk(cut)
    groups, filter_blocks = shape.units(cut)
    padded = ceil(products / shape.tile.rows) * shape.tile.rows
    window_rows, window_columns = block.window(_plain(sliding))
    pitch, dz_pitch = shape.pitch(channels), shape.pitch(filters)
    tables = _tables(shape, cut, pitch, padded)
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
        "block_images": block.images,
        "block_rows": block.rows,
        "block_columns": block.columns,
        "row_blocks": ceil(sliding.rows / block.rows),
        "column_blocks": ceil(sliding.columns / block.columns),
        "blocks": _blocks(sliding, block),
        "chunks": cut.filter_chunks * cut.channel_chunks,
        "channel_chunks": cut.channel_chunks,
        "splits": cut.splits,
        "units": groups * filter_blocks,
        "filter_blocks": filter_blocks,
        "filters_in_group": filters // groups,
        "channels_in_group": channels // groups,
        "products_in_chunk": products,
        "products_padded": padded,
        "sums_in_item": groups * filter_blocks * padded * shape.width,
        "biases_in_item": ceil(filters / (2 * shape.lanes)) * 2 * shape.lanes,
        "weight_filter": shape.strides[0],
        "weight_dense": int(_dense(tables["places"], products, shape.lanes)),
    }
    spare = shape.width + 2 * shape.lanes
    own = {
        "window": block.images * window_rows * window_columns * pitch + spare,
        "gradient": block.images * block.rows * block.columns * dz_pitch + spare,
    }
    items = sizes["chunks"] * cut.splits
    shared = {"sums": items * sizes["sums_in_item"], "biases": items * sizes["biases_in_item"]}
    sizes |= _places(own, shared, shape.size_bytes, team)
    sizes |= {name: table.ctypes.data for name, table in tables.items()}
    return sizes, tables


def _places(own: dict[str, int], shared: dict[str, int], size_bytes: int, team: int) -> dict[str, int]:
    """Where each thread's own numbers lie in its part of the scratch memory, and those of all behind."""
    places, at = {}, 0
    for name, count in own.items():
        places[f"{name}_at"] = at
        at += (
            ceil(count * size_bytes / LINE) * LINE + 5 * LINE
        )  # neighbours should not share places in the cache
    places["scratch_bytes"] = at
    at *= team
    for name, count in shared.items():
        places[f"{name}_at"] = at
        at += ceil(count * size_bytes / LINE) * LINE + LINE
    places["memory_bytes"] = at
    return places


def _plain(sliding: Sliding) -> Sliding:
    """Blocks are of the convolution's own pixels, not of pooled ones."""
    return replace(sliding, pool=(1, 1), pool_stride=(1, 1))


def _blocks(sliding: Sliding, block: Block) -> int:
    totals, sizes = (sliding.images, sliding.rows, sliding.columns), (block.images, block.rows, block.columns)
    return prod(ceil(total / size) for total, size in zip(totals, sizes, strict=True))


def _tables(shape: Shape, cut: Cut, pitch: int, padded: int) -> dict[str, np.ndarray]:
    """Where pixels and products begin in the window, and where products lie in the weight."""
    sliding, block = shape.sliding, cut.block
    rows, columns = block.window(_plain(sliding))
    (down, right), (deep, wide) = sliding.stride, sliding.dilation
    pixels = [
        ((image * rows + y * down) * columns + x * right) * pitch
        for image, y, x in product(range(block.images), range(block.rows), range(block.columns))
    ]
    order = _order(shape)
    products = [(v * deep * columns + u * wide) * pitch + channel for channel, v, u in order]
    count = shape.chunk(cut)[2]
    products = products[:count] + [0] * (padded - count)
    _, channel_step, row_step, column_step = shape.strides
    places = [channel * channel_step + v * row_step + u * column_step for channel, v, u in order]
    tables = {"pixels": pixels, "products": products, "places": places}
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


def best_cut(shape: Shape, team: int) -> Cut:
    """The cut that takes the busiest thread the fewest cycles, roughly; of equal ones the first."""
    return min(_cuts(shape, team), key=lambda cut: _cycles(shape, cut, team))


def _cuts(shape: Shape, team: int) -> Iterator[Cut]:
    blocks = list(_candidates(shape))
    for filter_chunks, channel_chunks in product(_filter_chunks(shape), _channel_chunks(shape)):
        for block, splits in product(blocks, sorted({1, team})):
            cut = Cut(
                filter_chunks, channel_chunks, max(1, min(splits, _blocks(shape.sliding, block))), block
            )
            groups, filter_blocks = shape.units(cut)
            sums = groups * filter_blocks * shape.chunk(cut)[2] * shape.width * shape.size_bytes
            if cut.splits == 1 or sums * filter_chunks * channel_chunks * splits <= SUMS_BYTES:
                yield cut


def _filter_chunks(shape: Shape) -> list[int]:
    total = shape.sliding.groups if shape.together and not shape.depthwise else shape.filters
    multiple = shape.width if total == shape.filters else 1
    return _parts(total, multiple)


def _channel_chunks(shape: Shape) -> list[int]:
    return [1] if shape.together else _parts(shape.channels, LINE // shape.size_bytes)


def _parts(total: int, multiple: int) -> list[int]:
    """Into how many equal parts of whole multiples `total` can be cut."""
    return [parts for parts in range(1, min(total, 32) + 1) if parts == 1 or total % (parts * multiple) == 0]


def _candidates(shape: Shape) -> Iterator[Block]:
    """Several images, or several rows of one, or a part of a row."""
    sliding = shape.sliding
    most = STRIP_BYTES // (shape.width * shape.size_bytes)
    for pixels in (most, most // 2, most * 2):
        images, rows = pixels // (sliding.rows * sliding.columns), pixels // sliding.columns
        if images > 0:
            yield Block(_even(sliding.images, images), sliding.rows, sliding.columns)
        elif rows > 0:
            yield Block(1, _even(sliding.rows, rows), sliding.columns)
        else:
            yield Block(1, 1, _even(sliding.columns, pixels))


def _even(total: int, most: int) -> int:
    """The size of parts that are alike and not larger than `most`; one if there is nothing to cut."""
    return ceil(total / ceil(total / most)) if total else 1


def _cycles(shape: Shape, cut: Cut, team: int) -> float:
    sliding, block, tile = shape.sliding, cut.block, shape.tile
    filters, channels, products = shape.chunk(cut)
    groups, filter_blocks = shape.units(cut)
    pixels = block.images * block.rows * block.columns
    window = block.images * prod(block.window(_plain(sliding)))
    tiles = groups * filter_blocks * ceil(products / tile.rows)
    summing = tiles * (pixels * _pixel_cycles(tile) + TILE_CYCLES)
    packing = window * (5 + 2 * channels / shape.lanes) + pixels * (10 + 4 * filters / shape.lanes)
    size_bytes = (window * shape.pitch(channels) + pixels * shape.pitch(filters)) * shape.size_bytes
    crowding = 1 + 0.2 * max(0.0, size_bytes / BLOCK_BYTES - 1)
    crowding += 0.05 * max(0.0, pixels * shape.width * shape.size_bytes / STRIP_BYTES - 1)
    sums = tiles * tile.rows * tile.vectors
    items = cut.filter_chunks * cut.channel_chunks * cut.splits
    blocks = ceil(_blocks(sliding, block) / cut.splits)
    adding = 4 * sums * items / min(team, items) + (cut.splits > 1) * 5000
    return ceil(items / team) * (blocks * (summing + packing) * crowding + sums) + adding
