"""How the output is cut into blocks: by a small model of what a block costs, in cycles."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import ceil, prod

WINDOW_BYTES = 192 * 1024
"""A block's packed input should stay in the second-level cache."""
SUMS_BYTES = 320 * 1024
"""So should its sums for one block of filters, which are met less often."""


@dataclass(frozen=True)
class Sliding:
    """A convolution with its pooling, seen as windows that slide over a padded input; one of `groups` alike.

    Attributes:
        images, height, width: of the input.
        channels, filters: of one group.
        kernel, stride, dilation: rows and columns.
        top, left: rows and columns of zeros before the input.
        rows, columns: of the convolution.
        pool, pool_stride: rows and columns of the pooling windows.
        beside: how many channels a filter sees, those around its own lane; 0 for all of them.
    """

    images: int
    height: int
    width: int
    channels: int
    filters: int
    groups: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    top: int
    left: int
    rows: int
    columns: int
    pool: tuple[int, int] = (1, 1)
    pool_stride: tuple[int, int] = (1, 1)
    beside: int = 0

    @property
    def pooled(self) -> tuple[int, int]:
        """Rows and columns after the pooling."""
        return (
            (self.rows - self.pool[0]) // self.pool_stride[0] + 1,
            (self.columns - self.pool[1]) // self.pool_stride[1] + 1,
        )

    @property
    def reduction(self) -> int:
        """Products of a result."""
        return self.taps * (self.beside or self.channels)

    @property
    def padded(self) -> bool:
        """Whether a window reaches beyond the input."""
        sides = zip((self.rows, self.columns), self.stride, self.kernel, self.dilation, strict=True)
        height, width = ((count - 1) * s + (k - 1) * d + 1 for count, s, k, d in sides)
        return bool(self.top or self.left) or height > self.height or width > self.width

    @property
    def pools_apart(self) -> bool:
        """Whether no pixel of the convolution is in two windows of the pooling."""
        return all(step >= size for size, step in zip(self.pool, self.pool_stride, strict=True))

    @property
    def taps(self) -> int:
        """Products of one channel."""
        return self.kernel[0] * self.kernel[1]


@dataclass(frozen=True)
class Block:
    """So many images, pooled rows and pooled columns are computed together."""

    images: int
    rows: int
    columns: int

    def sums(self, sliding: Sliding, multiple: int = 1) -> tuple[int, int]:
        """Rows and columns of the convolution under a block, rounded up to a multiple."""
        size = (self.rows, self.columns)
        return tuple(  # type: ignore[return-value]
            ceil(((count - 1) * step + pool) / multiple) * multiple
            for count, step, pool in zip(size, sliding.pool_stride, sliding.pool, strict=True)
        )

    def window(self, sliding: Sliding, multiple: int = 1) -> tuple[int, int]:
        """Rows and columns of the padded input under a block."""
        sides = zip(
            self.sums(sliding, multiple), sliding.stride, sliding.kernel, sliding.dilation, strict=True
        )
        return tuple((count - 1) * s + (k - 1) * d + 1 for count, s, k, d in sides)  # type: ignore[return-value]


@dataclass(frozen=True)
class Costs:
    """What decides about blocks.

    Attributes:
        pixel_rows: a block's pixels, or tiles of pixels, are computed in multiples of this.
        multiple: rows and columns of sums that are computed at once (4 for Winograd).
        cycles: of one pixel (or tile) against all filters.
        weights: cycles to stream all weights once.
        pixel_bytes, sum_bytes: of a packed pixel; of the sums of a pixel for one block of filters.
        across: columns of a tile that lies in a row, 1 where it may go on in the next row.
    """

    pixel_rows: int
    multiple: int
    cycles: float
    weights: float
    pixel_bytes: int
    sum_bytes: int
    across: int = field(default=1, kw_only=True)

    def of(self, block: Block, sliding: Sliding, threads: int) -> float:
        """Cycles of the busiest thread, roughly."""
        rows, columns = block.sums(sliding, self.multiple)
        window = block.images * prod(block.window(sliding, self.multiple))
        whole = ceil(columns / self.across) * self.across
        units = block.images * (rows // self.multiple) * (whole // self.multiple)
        padded = ceil(units / self.pixel_rows) * self.pixel_rows
        cost = padded * self.cycles + self.weights + window * self.pixel_bytes / 16 + 100
        for used, room in ((window * self.pixel_bytes, WINDOW_BYTES), (units * self.sum_bytes, SUMS_BYTES)):
            cost *= 1 + 0.25 * max(0.0, used / room - 1)
        tasks = ceil(sliding.images / block.images) * prod(
            ceil(total / size)
            for total, size in zip(sliding.pooled, (block.rows, block.columns), strict=True)
        )
        return cost * ceil(tasks * sliding.groups / threads)


def best_block(sliding: Sliding, costs: Costs, threads: int) -> Block:
    """The block that costs least, of those that a tile fits into; of equal ones the first."""
    wide = (block for block in _candidates(sliding) if block.sums(sliding)[1] >= costs.across)
    return min(wide, key=lambda block: costs.of(block, sliding, threads))


def _candidates(sliding: Sliding) -> Iterator[Block]:
    rows, columns = sliding.pooled
    for across in _sizes(columns):
        for down in _sizes(rows):
            yield Block(1, down, across)
    for images in range(2, min(sliding.images, 64) + 1):
        yield Block(images, rows, columns)


def _sizes(total: int) -> list[int]:
    """Ways to cut `total` into parts that are alike, larger parts first."""
    return sorted({ceil(total / parts) for parts in range(1, min(total, 64) + 1)}, reverse=True)
