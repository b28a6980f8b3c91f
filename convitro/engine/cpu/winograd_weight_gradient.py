"""The weight's gradient by Winograd's algorithm: for 3x3 kernels, a quarter of the multiplications.

The convolution is A'((G g G') * (B' d B))A for tiles d of 6x6 numbers. What is linear in g has its own
transpose as the gradient: G'((A dz A') * (B' d B))G. The products are summed over all tiles before the last
transform, which is done once for each kernel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from convitro.engine.cpu.multiply import Tile
from convitro.engine.cpu.program import Task, apart
from convitro.engine.cpu.source import index_table
from convitro.engine.cpu.vector import BYTE, Pointer, Value
from convitro.engine.cpu.weight_gradient_sums import product_sums
from convitro.engine.cpu.winograd import raise_flag
from convitro.engine.cpu.winograd_transforms import FOUR, Matrix, both_sides

TRANSFORM = FOUR
PLANES = TRANSFORM.products
STEP = TRANSFORM.outputs


def transposed(matrix: Matrix) -> Matrix:
    """Rows become columns."""
    return tuple(zip(*matrix, strict=True))


@dataclass(frozen=True)
class Grid:
    """How packed numbers lie, and where their transforms go.

    Attributes:
        channels: numbers of a pixel that mean something.
        rows, columns: of an image in the packed window.
        pitch: numbers of a pixel.
        plane: from one plane of transformed numbers to the next.
    """

    channels: Value
    rows: Value
    columns: Value
    pitch: Value
    plane: Value


def sum_units(
    task: Task, tile: Tile, memory: tuple[Pointer, Pointer, Pointer], counts: tuple[Value, Value, Value]
) -> None:
    """Add the products of a block to the sums [unit][plane][channel][filter] of its item.

    Args:
        tile: rows = channels, vectors = vectors of filters.
        memory: the packed input, the packed gradient and the sums.
        counts: images, rows and columns of the gradient's block; rows and columns are multiples of four.
    """
    window, gradient, sums = memory
    images, rows, columns = counts
    tiles = (images, rows // STEP, columns // STEP)
    own = task.pointer("scratch", BYTE)[task.thread * task.size("scratch_bytes")]
    numbers, strips = (own[task.size(f"{name}_planes_at")].to(task.dtype) for name in ("window", "gradient"))
    of_window = Grid(
        *(task.size(name) for name in ("channels", "window_rows", "window_columns", "pitch", "window_plane"))
    )
    of_gradient = Grid(
        *(
            task.size(name)
            for name in ("dz_channels", "block_rows", "block_columns", "dz_pitch", "gradient_plane")
        )
    )
    _transform(task, TRANSFORM.input, (window, numbers), of_window, tiles)
    _transform(task, transposed(TRANSFORM.output), (gradient, strips), of_gradient, tiles)
    _multiply(task, tile, (numbers, strips, sums), tiles[0] * tiles[1] * tiles[2])


def _transform(
    task: Task, matrix: Matrix, memory: tuple[Pointer, Pointer], grid: Grid, tiles: tuple[Value, Value, Value]
) -> None:
    """All tiles of a block into their planes. [plane][tile][channel]"""
    source, to = memory
    function = _tile_function(task, matrix)
    down, across = task.size("block_rows") // STEP, task.size("block_columns") // STEP
    with (
        task.loop(0, tiles[0]) as image,
        task.loop(0, tiles[1]) as row,
        task.loop(0, tiles[2]) as column,
    ):
        pixel = (image * grid.rows + row * STEP) * grid.columns + column * STEP
        tile = (image * down + row) * across + column
        pointers = (source[pixel * grid.pitch], to[tile * grid.pitch])
        numbers = (grid.channels, grid.columns * grid.pitch, grid.pitch, grid.plane)
        task.builder.call(function, [*(p.address for p in pointers), *(number.ir for number in numbers)])


def _tile_function(task: Task, matrix: Matrix) -> Any:
    """Transform all channels of a tile: from, to, how many, and the steps of a row, a pixel and a plane."""
    inner = apart(task, f"transform_{len(matrix[0])}", ["pointer"] * 2 + ["index"] * 4)
    source, to = inner.argument(0, task.dtype), inner.argument(1, task.dtype)
    channels, row_step, pitch, plane = (inner.argument(i) for i in range(2, 6))
    with inner.loop(0, channels, task.width) as channel:
        both_sides(
            matrix,
            _entry(source[channel], row_step, pitch, task.width),
            lambda row, column, value: to[channel + plane * (row * len(matrix) + column)].store(value),
        )
    inner.finish()
    return inner.function


def _entry(corner: Pointer, row_step: Value, pitch: Value, lanes: int) -> Callable[[int, int], Value]:
    return lambda row, column: corner[row_step * row + pitch * column].load(lanes)


def _multiply(task: Task, tile: Tile, memory: tuple[Pointer, Pointer, Pointer], tiles: Value) -> None:
    """The products of all tiles, plane by plane."""
    numbers, strips, sums = memory
    filters, blocks = tile.vectors * task.width, task.size("filter_blocks")
    channels = task.size("rows_padded")
    tables = [index_table(task, name).address for name in ("products", "pixels")]
    function = product_sums(task, tile, broadcast=True)
    with task.loop(0, PLANES) as plane, task.loop(0, task.size("units")) as unit:
        group, first = unit // blocks, unit % blocks * filters
        strip = strips[plane * task.size("gradient_plane") + group * task.size("filters_in_group") + first]
        start = numbers[plane * task.size("window_plane") + group * task.size("channels_in_group")]
        pointers = (start, strip, sums[(unit * PLANES + plane) * (channels * filters)])
        counts = (channels, tiles, task.size("dz_pitch"))
        task.builder.call(function, [*(p.address for p in pointers), *tables, *(c.ir for c in counts)])


def finish_unit(task: Task, tile: Tile, sums: Pointer, unit: Value) -> Pointer:
    """The sums of one unit of a chunk, transformed back to [product][filter]."""
    lanes, filters = task.width, tile.vectors * task.width
    plane, order = task.size("rows_padded") * filters, index_table(task, "slots")
    spread = task.variable(task.zero(task.dtype))
    own = task.pointer("scratch", BYTE)[task.thread * task.size("scratch_bytes")]
    room = own[task.size("results_at")].to(task.dtype)
    left = task.size("filters_in_group") - unit % task.size("filter_blocks") * filters
    with (
        task.loop(0, task.size("channels_in_group")) as channel,
        task.loop(0, left.minimum(filters), lanes) as filter_,
    ):
        here, slots = sums[channel * filters + filter_], order[channel * TRANSFORM.taps**2]
        valid = task.first(left - filter_, lanes)

        def store(row: int, column: int, value: Value) -> None:
            spread.value = valid.choose(value, 0.0).fma(0.0, spread.value)  # zero while all are finite
            room[slots[row * TRANSFORM.taps + column].load() * filters + filter_].store(value)

        both_sides(
            transposed(TRANSFORM.weight),
            lambda row, column: here[plane * (row * TRANSFORM.size + column)].load(lanes),
            store,
        )
    raise_flag(task, spread)
    return room
