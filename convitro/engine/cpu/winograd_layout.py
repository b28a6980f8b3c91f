"""From a convolution to the numbers that the kernels of Winograd's algorithm are called with."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, prod

from convitro.engine.cpu.blocking import Block, Costs, Sliding, best_block
from convitro.engine.cpu.isa import Isa
from convitro.engine.cpu.layout import LINE, Layout, common_sizes, placed
from convitro.engine.cpu.multiply import Tile
from convitro.engine.cpu.winograd import OUTPUTS, PLANES, narrow, padded_channels
from convitro.engine.cpu.winograd_weights import packing as packing

ROOM_BYTES = 384 * 1024
"""A block's transformed numbers and the products of a block of filters should fit the second-level cache."""


def winograd_layout(sliding: Sliding, tile: Tile, isa: Isa, size_bytes: int, threads: int) -> Layout:
    """The layout of Winograd's algorithm."""
    costs = costs_of(sliding, tile, isa, size_bytes)
    return layout_for(sliding, tile, isa, size_bytes, best_block(sliding, costs, threads))


def layout_for(sliding: Sliding, tile: Tile, isa: Isa, size_bytes: int, block: Block) -> Layout:
    """The layout with a given block."""
    lanes = isa.lanes(8 * size_bytes)
    filters, pitch = tile.vectors * lanes, padded_channels(sliding.channels, lanes)
    blocks = ceil(sliding.filters / filters)
    rows, columns = (count // OUTPUTS for count in block.sums(sliding, OUTPUTS))
    tiles = block.images * rows * columns
    wide, padded = split_rows(tiles, tile)
    plane = odd_lines(padded * pitch, size_bytes)
    weights_plane = odd_lines(sliding.channels * filters, size_bytes)
    sizes = common_sizes(sliding, block, pitch, filters, OUTPUTS) | {
        "tile_rows": rows,
        "tile_columns": columns,
        "tiles_total": tiles,
        "tiles_wide": wide,
        "tiles_padded": padded,
        "plane": plane,
        "weights_plane": weights_plane,
        "fetched": ceil(filters * tile.rows / padded),
        "weights_in_block": PLANES * weights_plane,
    }
    memory = {
        "bias": sliding.groups * blocks * filters,
        "window": block.images * prod(block.window(sliding, OUTPUTS)) * pitch,
        "sums": tiles * OUTPUTS**2 * filters,
        "transformed": PLANES * plane,
        "products": padded * PLANES * filters,
    }
    return placed(sizes, {}, memory, block, size_bytes)


def split_rows(tiles: int, tile: Tile) -> tuple[int, int]:
    """How many tiles the wide register tile does, and how many are done with those that fill up the last."""
    small = narrow(tile).rows
    options = [
        (wide * tile.rows + ceil(max(0, tiles - wide * tile.rows) / small) * small, wide * tile.rows)
        for wide in range(ceil(tiles / tile.rows) + 1)
    ]
    padded = min(total for total, _ in options)
    return max(wide for total, wide in options if total == padded), padded


def odd_lines(count: int, size_bytes: int) -> int:
    """Room for so many numbers, an odd number of lines of the cache: planes then do not evict each other."""
    return (ceil(count * size_bytes / LINE) | 1) * LINE // size_bytes


@dataclass(frozen=True)
class WinogradCosts(Costs):
    """Costs of a block when its unit is a tile.

    Attributes:
        tile: of registers.
        unit_bytes: what a tile takes of the second-level cache.
    """

    tile: Tile
    unit_bytes: int

    def of(self, block: Block, sliding: Sliding, threads: int) -> float:
        """Cycles of the busiest thread, roughly."""
        rows, columns = block.sums(sliding, self.multiple)
        units = block.images * (rows // self.multiple) * (columns // self.multiple)
        window = block.images * prod(block.window(sliding, self.multiple)) * self.pixel_bytes
        cost = split_rows(units, self.tile)[1] * self.cycles + self.weights + window / 16 + 200
        cost *= 1 + 0.05 * max(0.0, units * self.unit_bytes / ROOM_BYTES - 1)
        tasks = ceil(sliding.images / block.images) * prod(
            ceil(total / size)
            for total, size in zip(sliding.pooled, (block.rows, block.columns), strict=True)
        )
        return cost * ceil(tasks * sliding.groups / threads)


def costs_of(sliding: Sliding, tile: Tile, isa: Isa, size_bytes: int) -> WinogradCosts:
    """What decides about the blocks of a convolution, in cycles per tile."""
    lanes = isa.lanes(8 * size_bytes)
    vectors, channels = (
        ceil(sliding.filters / (tile.vectors * lanes)) * tile.vectors,
        ceil(sliding.channels / lanes),
    )
    return WinogradCosts(
        pixel_rows=tile.rows,
        multiple=OUTPUTS,
        cycles=PLANES * sliding.channels * vectors / 2 + 80 * channels + 120 * vectors,
        weights=PLANES * sliding.channels * vectors * lanes * size_bytes / 16,
        pixel_bytes=channels * lanes * size_bytes,
        sum_bytes=0,
        tile=tile,
        unit_bytes=PLANES * (channels + tile.vectors) * lanes * size_bytes,
    )


def winograd_reasons(sliding: Sliding, element: str) -> list[str]:
    """Why Winograd's algorithm should not compute a convolution; none where it may and pays."""
    reasons = []
    if sliding.kernel != (3, 3):
        reasons.append(f"the kernel is {sliding.kernel[0]} x {sliding.kernel[1]}, not 3 x 3")
    if sliding.stride != (1, 1):
        reasons.append("the stride is not 1")
    if sliding.dilation != (1, 1):
        reasons.append("the dilation is not 1")
    return reasons
