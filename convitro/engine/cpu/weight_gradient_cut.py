"""How the work of a weight's gradient is cut: by a small model of what it costs, in cycles."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from math import ceil, prod

from convitro.engine.cpu.blocking import Block, Sliding
from convitro.engine.cpu.isa import Isa
from convitro.engine.cpu.multiply import Tile, best_width
from convitro.engine.cpu.winograd_weight_gradient import PLANES, STEP

STRIP_BYTES = 8 * 1024
"""The gradient of a block, for one tile's filters, should leave most of the nearest cache to the input."""
BLOCK_BYTES = 320 * 1024
"""Input and gradient of a block should stay in the second-level cache."""
SUMS_BYTES = 64 * 2**20
"""More memory than this is not spent on sums of threads of their own."""
ROWS = 9
"""More rows have more addresses than there are registers for them."""
TILES = 96
"""So many tiles of 4x4 pixels are transformed and multiplied together."""
TRANSFORM_CYCLES = (300, 200)
"""To pack and transform a vector of a tile of the input, of the gradient."""
PLANES_BYTES, ITEM_BYTES = 2**20, 8 * 2**20
"""A block's transformed numbers, and an item's sums, should not take more of the third-level cache."""
LEAST_TILES, LEAST_PIXELS = 24, 8
"""With fewer tiles the larger sums, with fewer pixels in a tile the unused ones cost what products save."""
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
        winograd: pixels come in tiles, and a plane's products are the channels alone.
    """

    sliding: Sliding
    tile: Tile
    lanes: int
    size_bytes: int
    depthwise: bool
    strides: tuple[int, ...]
    winograd: bool = False

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
        lines = ceil(numbers * self.size_bytes / LINE)
        if lines >= 4:
            return self.odd_lines(numbers)
        return ceil(numbers / self.lanes) * self.lanes if self.winograd else numbers

    def odd_lines(self, numbers: int) -> int:
        """Room for so many numbers in an odd number of lines of the cache."""
        return (ceil(numbers * self.size_bytes / LINE) | 1) * LINE // self.size_bytes

    @property
    def planes(self) -> int:
        """How many sums there are of one product of a row."""
        return PLANES if self.winograd else 1

    @property
    def multiple(self) -> int:
        """Blocks have whole tiles of so many rows and columns."""
        return STEP if self.winograd else 1

    def rounded(self, count: int) -> int:
        """Rows or columns in whole tiles."""
        return ceil(count / self.multiple) * self.multiple

    def rows(self, cut: Cut) -> int:
        """Rows of sums that the tiles of one unit make, of one plane if there are several."""
        _, channels, products = self.chunk(cut)
        rows = channels // self._groups(cut) if self.winograd else products
        return ceil(rows / self.tile.rows) * self.tile.rows


def best_tile(sliding: Sliding, isa: Isa, lanes: int, *, depthwise: bool, winograd: bool = False) -> Tile:
    """The tile: as many sums as registers hold, with few rows to spare."""
    products = (1 if winograd else sliding.taps) * (1 if depthwise else sliding.channels)
    vectors = 1 if depthwise else best_width(isa, ceil(sliding.filters / lanes))
    most = min((isa.registers - 1 - vectors) // vectors, ROWS)
    rows = min(
        range(1, most + 1), key=lambda rows: ceil(products / rows) * _pixel_cycles(Tile(rows, vectors))
    )
    return Tile(rows, vectors)


def _pixel_cycles(tile: Tile) -> float:
    """Of one pixel in one tile: two multiply-adds at once, each result four cycles later; or two loads."""
    return max(tile.rows * tile.vectors / 2, 4, (tile.rows + tile.vectors + 1) / 2) + 0.6


def best_cut(shape: Shape, team: int) -> Cut:
    """The cut that takes the busiest thread the fewest cycles, roughly; of equal ones the first."""
    return min(_cuts(shape, team), key=lambda cut: _cycles(shape, cut, team))


def _cuts(shape: Shape, team: int) -> Iterator[Cut]:
    blocks = list(_candidates(shape))
    for filter_chunks, channel_chunks in product(_filter_chunks(shape), _channel_chunks(shape)):
        for block, splits in product(blocks, sorted({1, team})):
            cut = Cut(
                filter_chunks, channel_chunks, max(1, min(splits, block_count(shape.sliding, block))), block
            )
            groups, filter_blocks = shape.units(cut)
            sums = groups * filter_blocks * shape.planes * shape.rows(cut) * shape.width * shape.size_bytes
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
    """Several images, or several rows of one, or a part of a row; in whole tiles."""
    sliding, step = shape.sliding, shape.multiple
    rows, columns = ceil(sliding.rows / step), ceil(sliding.columns / step)
    most = TILES if shape.winograd else STRIP_BYTES // (shape.width * shape.size_bytes)
    for pixels in (most, most // 2, most * 2):
        if pixels >= rows * columns:
            yield Block(_even(sliding.images, pixels // (rows * columns)), rows * step, columns * step)
        elif pixels >= columns:
            yield Block(1, _even(rows, pixels // columns) * step, columns * step)
        else:
            yield Block(1, step, _even(columns, pixels) * step)


def _even(total: int, most: int) -> int:
    """The size of parts that are alike and not larger than `most`; one if there is nothing to cut."""
    return ceil(total / ceil(total / most)) if total else 1


def _cycles(shape: Shape, cut: Cut, team: int) -> float:
    """Of the busiest thread."""
    items = cut.filter_chunks * cut.channel_chunks * cut.splits
    groups, filter_blocks = shape.units(cut)
    vectors = groups * filter_blocks * shape.rows(cut) * shape.tile.vectors * shape.planes
    blocks = ceil(block_count(shape.sliding, cut.block) / cut.splits)
    adding = 4 * vectors * items / min(team, items) + (cut.splits > 1) * 5000
    return ceil(items / team) * (blocks * _block_cycles(shape, cut) + vectors) + adding


def _block_cycles(shape: Shape, cut: Cut) -> float:
    """Of one block: packing it, and all its products; more where it crowds a cache."""
    sliding, block, tile = shape.sliding, cut.block, shape.tile
    filters, channels, _ = shape.chunk(cut)
    groups, filter_blocks = shape.units(cut)
    tiles = groups * filter_blocks * shape.rows(cut) // tile.rows
    pixels = block.images * block.rows * block.columns
    window = block.images * prod(block.window(plain(sliding)))
    packing = window * (5 + 2 * channels / shape.lanes) + pixels * (10 + 4 * filters / shape.lanes)
    size_bytes = (window * shape.pitch(channels) + pixels * shape.pitch(filters)) * shape.size_bytes
    crowding = 0.2 * max(0.0, size_bytes / BLOCK_BYTES - 1)
    if shape.winograd:
        pixels //= STEP**2
        packing += pixels * (TRANSFORM_CYCLES[0] * channels + TRANSFORM_CYCLES[1] * filters) / shape.lanes
        planes_bytes = PLANES * pixels * (channels + filters) * shape.size_bytes
        crowding = 0.05 * max(0.0, planes_bytes / PLANES_BYTES - 1)
    summing = shape.planes * tiles * (pixels * _pixel_cycles(tile) + TILE_CYCLES)
    sums_bytes = shape.planes * tiles * tile.rows * shape.width * shape.size_bytes
    crowding += 0.1 * max(0.0, sums_bytes / ITEM_BYTES - 1)
    crowding += 0.05 * max(0.0, pixels * shape.width * shape.size_bytes / STRIP_BYTES - 1)
    return (summing + packing) * (1 + crowding)


def winograd_pays(sliding: Sliding) -> bool:
    """Whether Winograd's algorithm is faster for the gradient of 3x3 kernels of stride and dilation 1."""
    tiles = sliding.images * ceil(sliding.rows / STEP) * ceil(sliding.columns / STEP)
    used = sliding.images * sliding.rows * sliding.columns / (tiles or 1)
    return min(sliding.channels, sliding.filters) >= 4 and tiles >= LEAST_TILES and used >= LEAST_PIXELS


def plain(sliding: Sliding) -> Sliding:
    """Blocks are of the convolution's own pixels, not of pooled ones."""
    return replace(sliding, pool=(1, 1), pool_stride=(1, 1))


def block_count(sliding: Sliding, block: Block) -> int:
    """How many blocks of this size cover the pixels of a convolution."""
    totals = (sliding.images, sliding.rows, sliding.columns)
    sizes = (block.images, block.rows, block.columns)
    return prod(ceil(total / size) for total, size in zip(totals, sizes, strict=True))
