"""From a convolution to the numbers that the kernels of Winograd's algorithm are called with."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, inf, log2, prod

from convitro.engine.cpu.blocking import Block, Costs, Sliding, best_block
from convitro.engine.cpu.isa import Isa
from convitro.engine.cpu.layout import LINE, Layout, common_sizes, placed
from convitro.engine.cpu.multiply import UNROLL, Tile
from convitro.engine.cpu.winograd import narrow, padded_channels
from convitro.engine.cpu.winograd_transforms import TRANSFORMS, Transform, transforms
from convitro.engine.cpu.winograd_weights import packing as packing

ROOM_BYTES = 256 * 1024
"""A block's transformed numbers and the products of a block of filters should fit the second-level cache."""
NEAR_BYTES, NEAR_RATE, FAR_RATE = 16 * 1024 * 1024, 28, 9.5
"""Weights up to that size stay in some cache; bytes of them that arrive in a cycle."""
WAITED = 0.45
"""They arrive while products are computed, but so much of their time is waited for at least."""


def winograd_layout(
    sliding: Sliding,
    tile: Tile,
    isa: Isa,
    size_bytes: int,
    threads: int,
    options: Sequence[Transform] = (),
) -> Layout:
    """The layout of Winograd's algorithm by that transform which costs least, of all or of some `options`."""
    least, best = inf, None
    for transform in options or transforms(sliding.kernel[0]):
        costs = costs_of(sliding, tile, isa, size_bytes, transform)
        if costs.products(sliding) / threads >= least:
            continue
        block = best_block(sliding, costs, threads)
        cycles = costs.of(block, sliding, threads)
        if cycles < least:
            least, best = cycles, (transform, block, costs.chunks(block, sliding, threads))
    assert best is not None
    transform, block, chunks = best
    layout = layout_for(sliding, tile, isa, size_bytes, (block, chunks), transform)
    layout.sizes["expected_cycles"] = round(least)
    return layout


def layout_for(
    sliding: Sliding,
    tile: Tile,
    isa: Isa,
    size_bytes: int,
    parts: tuple[Block, int],
    transform: Transform,
) -> Layout:
    """The layout with a given block; the filters of each are shared out in so many chunks."""
    block, chunks = parts
    lanes = isa.lanes(8 * size_bytes)
    filters, pitch = tile.vectors * lanes, padded_channels(sliding.channels, lanes)
    blocks = ceil(sliding.filters / filters)
    outputs, planes = transform.outputs, transform.products
    rows, columns = (count // outputs for count in block.sums(sliding, outputs))
    tiles = block.images * rows * columns
    wide, padded = split_rows(tiles, tile)
    register_tiles = wide // tile.rows + (padded - wide) // narrow(tile).rows
    plane = odd_lines(padded * pitch, size_bytes)
    weights_plane = odd_lines(sliding.channels * filters, size_bytes)
    sizes = common_sizes(sliding, block, pitch, filters, outputs) | {
        "tile_outputs": outputs,
        "window_line": block.window(sliding, outputs)[1] * pitch + lanes,
        "chunks": chunks,
        "tile_rows": rows,
        "tile_columns": columns,
        "tiles_total": tiles,
        "tiles_wide": wide,
        "tiles_padded": padded,
        "plane": plane,
        "weights_plane": weights_plane,
        "fetched_pixels": ceil(block.columns / tiles),
        "fetched_lines": ceil(UNROLL * filters * size_bytes / LINE / register_tiles),
        "weights_in_block": planes * weights_plane,
    }
    sizes["tasks"] *= chunks
    memory = {
        "bias": sliding.groups * blocks * filters,
        "window": transform.size * sizes["window_line"],
        "sums": tiles * outputs**2 * filters,
        "transformed": planes * plane,
        "products": padded * planes * filters,
    }
    return placed(sizes, {}, memory, block, size_bytes)


@functools.cache
def split_rows(tiles: int, tile: Tile) -> tuple[int, int]:
    """How many tiles the wide register tile does, and how many are done with those that fill up the last."""
    small = narrow(tile).rows
    options = [
        (wide * tile.rows + ceil(max(0, tiles - wide * tile.rows) / small) * small, wide * tile.rows)
        for wide in range(max(0, tiles // tile.rows - tile.rows), ceil(tiles / tile.rows) + 1)
    ]
    padded = min(total for total, _ in options)
    return max(wide for total, wide in options if total == padded), padded


def odd_lines(count: int, size_bytes: int) -> int:
    """Room for so many numbers, an odd number of lines of the cache: planes then do not evict each other."""
    return (ceil(count * size_bytes / LINE) | 1) * LINE // size_bytes


@dataclass(frozen=True)
class WinogradCosts(Costs):
    """Costs of a block when its unit is a tile: `cycles` are those of its products.

    Attributes:
        tile: of registers.
        blocks: of filters.
        input, output: cycles to transform a tile's numbers, and its sums for all filters.
        unit_bytes: what a tile takes of the second-level cache.
    """

    tile: Tile
    blocks: int
    input: float
    output: float
    unit_bytes: int

    def of(self, block: Block, sliding: Sliding, threads: int) -> float:
        """Cycles of the busiest thread, roughly."""
        if not same_tiles(block, sliding, self.multiple):
            return inf
        return min(self._of(block, sliding, threads, chunks) for chunks in {1, min(threads, self.blocks)})

    def products(self, sliding: Sliding) -> float:
        """Cycles of all products, the least that a convolution can take."""
        tiles = ceil(sliding.rows / self.multiple) * ceil(sliding.columns / self.multiple)
        return sliding.images * sliding.groups * tiles * self.cycles

    def chunks(self, block: Block, sliding: Sliding, threads: int) -> int:
        """In how many parts the filters of a block are best shared out; each transforms the input again."""
        choices = (1, min(threads, self.blocks))
        return min(choices, key=lambda chunks: self._of(block, sliding, threads, chunks))

    def _of(self, block: Block, sliding: Sliding, threads: int, chunks: int) -> float:
        rows, columns = block.sums(sliding, self.multiple)
        units = block.images * (rows // self.multiple) * (columns // self.multiple)
        window = block.images * prod(block.window(sliding, self.multiple)) * self.pixel_bytes
        products = split_rows(units, self.tile)[1] * self.cycles
        waiting = max(self.weights - products, WAITED * self.weights)
        shared = products + units * self.output + waiting
        cost = units * self.input + window / 16 + 300 + shared / chunks
        cost *= 1 + 0.04 * log2(max(1.0, units * self.unit_bytes / ROOM_BYTES))
        tasks = ceil(sliding.images / block.images) * prod(
            ceil(total / size)
            for total, size in zip(sliding.pooled, (block.rows, block.columns), strict=True)
        )
        return cost * ceil(tasks * sliding.groups * chunks / threads)


def same_tiles(block: Block, sliding: Sliding, outputs: int) -> bool:
    """Whether results that two blocks share lie in the same tiles of both, and so get the same bits."""
    sides = zip((block.rows, block.columns), sliding.pooled, sliding.pool_stride, strict=True)
    return all(total % size * stride % outputs == 0 for size, total, stride in sides)


def costs_of(sliding: Sliding, tile: Tile, isa: Isa, size_bytes: int, transform: Transform) -> WinogradCosts:
    """What decides about the blocks of a convolution."""
    lanes = isa.lanes(8 * size_bytes)
    blocks, channels = ceil(sliding.filters / (tile.vectors * lanes)), ceil(sliding.channels / lanes)
    vectors = blocks * tile.vectors
    outputs, planes = transform.outputs, transform.products
    weights = planes * sliding.channels * vectors * lanes * size_bytes
    return WinogradCosts(
        pixel_rows=tile.rows,
        multiple=outputs,
        tile=tile,
        cycles=planes * (sliding.channels + 6) * vectors / 2,
        weights=weights / (NEAR_RATE if weights <= NEAR_BYTES else FAR_RATE),
        pixel_bytes=channels * lanes * size_bytes,
        sum_bytes=0,
        blocks=blocks,
        input=100 * channels * planes / 36,
        output=30 * (1 + outputs) * vectors * planes / 36,
        unit_bytes=planes * (channels + tile.vectors) * lanes * size_bytes,
    )


LEAST_CHANNELS, LEAST_TILES, LEAST_SAVED = {2: 24, 3: 8, 4: 8, 5: 12}, 4, 1.5
"""Below so many channels, by the rows of the kernel, the transforms, below so many tiles the larger weights
cost what the products save. One product must replace so many of the definition, which unused results
of tiles make fewer. Measured against the direct algorithm."""
SQUARES = tuple((taps, taps) for taps in TRANSFORMS)
KERNELS = "2 x 2, 3 x 3, 4 x 4 or 5 x 5"
ELEMENTS = ("float32", "float64", "bfloat16")


def winograd_reasons(sliding: Sliding, element: str) -> list[str]:
    """Why Winograd's algorithm should not compute a convolution; none where it can and pays."""
    height, width = sliding.kernel
    found = {
        f"the kernel is {height} x {width}, not {KERNELS}": sliding.kernel not in SQUARES,
        f"the stride is {sliding.stride}, not 1": sliding.stride != (1, 1),
        f"the dilation is {sliding.dilation}, not 1": sliding.dilation != (1, 1),
        f"no kernels for {element}": element not in ELEMENTS,
    }
    reasons = [reason for reason, holds in found.items() if holds]
    return reasons + (_small(sliding) if sliding.kernel in SQUARES else [])


def _small(sliding: Sliding) -> list[str]:
    """Why a layer is too small for the algorithm to pay."""
    channels, least = sliding.channels, LEAST_CHANNELS[sliding.kernel[0]]
    reasons = []
    if channels < least:
        reasons.append(f"too few channels: {channels} in a group, at least {least} pay")
    results = [_few_results(sliding, transform) for transform in transforms(sliding.kernel[0])]
    return reasons + (results[-1] if all(results) else [])


def _few_results(sliding: Sliding, transform: Transform) -> list[str]:
    """Why the results are too few for these tiles."""
    results, outputs = sliding.images * sliding.rows * sliding.columns, transform.outputs
    tiles = sliding.images * ceil(sliding.rows / outputs) * ceil(sliding.columns / outputs)
    if tiles >= LEAST_TILES and results * sliding.taps >= LEAST_SAVED * transform.products * tiles:
        return []
    return [f"too few results: {results} in {tiles} tiles of {outputs} x {outputs}"]
