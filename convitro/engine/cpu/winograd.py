"""Winograd's algorithm for small kernels: numbers and weights are transformed, multiplied, transformed back.

A tile of 6x6 numbers gives 4x4 results of 3x3 kernels, or 2x2 results of 5x5 kernels. In the transformed
domain each of the 36 numbers is multiplied on its own: 36 small matrix products, tiles x channels times
channels x filters, take the place of the convolution. A plane is what lies in one place of all tiles.
Where few tiles meet many weights, tiles of 4x4 numbers give 2x2 results of 3x3 kernels: more products, with
less than half the weights.

A number that is not finite spreads over its tile. The kernel then sets the flag of the call, and the results
have to be computed by another algorithm.

Accuracy:
    |error| <= (channels + 40) eps A * the sum over channels of max |tile| max |filter|, where eps is the unit
    roundoff and A, `Transform.amplification`, is 330, 537, 793 and 1156 for kernels of 2x2, 3x3, 4x4 and 5x5,
    and 64 for 3x3 with the small tiles. For normal numbers the rms error is 3.2, 1.9, 1.4 and 1.2 times the
    direct sum's, and 0.7 times with the small tiles.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import llvmlite.ir as ir

from convitro.engine.cpu.fetch import SECOND, fetch, fetch_numbers
from convitro.engine.cpu.finish import Origin
from convitro.engine.cpu.layout import LINE
from convitro.engine.cpu.multiply import UNROLL, Tile, multiply
from convitro.engine.cpu.program import Task
from convitro.engine.cpu.vector import INDEX, Pointer, Value, Variable
from convitro.engine.cpu.winograd_transforms import Transform, both_sides

Packing: TypeAlias = Callable[[Pointer, Value, Value], None]
"""Packs one row of a window: where to, its image and its number."""


@dataclass(frozen=True)
class Scheme:
    """What is compiled in.

    Attributes:
        tile: rows = tiles, vectors = vectors of filters.
        channels: of a group.
        transform: the matrices.
    """

    tile: Tile
    channels: int
    transform: Transform

    @property
    def planes(self) -> int:
        """Products of a tile."""
        return self.transform.products


def padded_channels(channels: int, lanes: int) -> int:
    """Channels of a pixel in whole vectors."""
    return -(-channels // lanes) * lanes


def narrow(tile: Tile) -> Tile:
    """The register tile for the last tiles of a block: the two meet any number but a few small ones."""
    return Tile(tile.rows - 1, tile.vectors)


def transform_input(task: Task, scheme: Scheme, pack: Packing, memory: tuple[Pointer, Pointer]) -> None:
    """The window of a block in the transformed domain: [plane][tile][channel].

    Rows of the window are packed when their tiles are next, and are still in the nearest cache then.

    Args:
        scheme: what is compiled in.
        pack: packs a row of the window: where to, and which image and row of the block.
        memory: for as many rows as a tile has, [column][channel] and a vector each; and the scratch of this
            thread, the result lies at its `transformed_at`.
    """
    (rows, scratch), transform, pitch = memory, scheme.transform, padded_channels(scheme.channels, task.width)
    size, step, line = transform.size, transform.outputs, task.size("window_line")
    across, down, tiles = (task.size(name) for name in ("tile_columns", "tile_rows", "tiles_total"))
    planes = scratch[task.size("transformed_at")].to(task.dtype)
    with task.loop(0, task.size("block_images")) as image, task.loop(0, down) as row:
        end = row * step + size
        with task.loop(row.equals(0).choose(task.index(0), end - step), end) as y:
            pack(rows[y % size * line], image, y)
        lines = [rows[(row * step + i) % size * line] for i in range(size)]
        first = planes[(image * down + row) * across * pitch]
        with task.loop(0, across) as column, task.loop(0, pitch, task.width) as channel:
            corners = [line[column * (step * pitch) + channel] for line in lines]
            _one_input(task, transform, corners, first[column * pitch + channel], pitch)
    plane, padded = task.size("plane"), task.size("tiles_padded")
    with task.loop(0, scheme.planes) as e, task.loop(tiles * pitch, padded * pitch, task.width) as i:
        planes[e * plane + i].store(task.zero(task.dtype))


def _one_input(task: Task, transform: Transform, rows: list[Pointer], to: Pointer, pitch: int) -> None:
    """A vector of channels of one tile."""
    size, plane = transform.size, task.size("plane")
    both_sides(
        transform.input,
        lambda i, j: rows[i][j * pitch].load(task.width),
        lambda i, j, value: to[plane * (i * size + j)].store(value),
    )


def accumulate(
    task: Task,
    scheme: Scheme,
    weights: Pointer,
    memory: tuple[Pointer, Pointer, Pointer],
    results: tuple[Pointer, Origin],
) -> None:
    """The sums of all results of a block for one block of filters.

    Args:
        scheme: what is compiled in.
        weights: [plane][channel][filter], transformed.
        memory: the biases of the filters; the sums, [image][row][column][filter]; the scratch of this thread,
            where transformed numbers and products have their places.
        results: the output, and where in it the results will be written: its lines are fetched meanwhile.
    """
    biases, sums, scratch = memory
    tile = scheme.tile
    transformed, products = (
        scratch[task.size(f"{name}_at")].to(task.dtype) for name in ("transformed", "products")
    )
    plane, weights_plane = task.size("plane"), task.size("weights_plane")
    wide, padded = task.size("tiles_wide"), task.size("tiles_padded")
    with task.loop(0, scheme.planes) as e:
        here = transformed[e * plane], weights[e * weights_plane], products[e * (tile.vectors * task.width)]
        parts = ((tile, task.index(0), wide), (narrow(tile), wide, padded))
        for part, begin, end in parts:
            with task.loop(begin, end, part.rows) as first:
                number = begin // tile.rows + (first - begin) // part.rows
                _fetch_output(task, scheme, part, (e, first), results)
                _multiply(task, scheme, part, here, (first, number))
    _transform_output(task, scheme, (biases, products, sums))


def _fetch_output(
    task: Task, scheme: Scheme, tile: Tile, done: tuple[Value, Value], results: tuple[Pointer, Origin]
) -> None:
    """Each plane fetches one row of results (some planes more), each of its tiles some pixels of it."""
    (plane, first), (output, origin), pixels = done, results, task.size("fetched_pixels")
    with task.loop(plane, origin.images * origin.rows, scheme.planes) as line:
        here = output[origin.place(task, line // origin.rows, line % origin.rows, task.index(0))]
        with task.loop(first * pixels, ((first + tile.rows) * pixels).minimum(origin.columns)) as column:
            fetch_numbers(here[column * task.size("output_column")], origin.vectors * task.width, write=True)


def _multiply(
    task: Task,
    scheme: Scheme,
    tile: Tile,
    where: tuple[Pointer, Pointer, Pointer],
    begin: tuple[Value, Value],
) -> None:
    """The products of some tiles in one plane: [tile][plane][filter], so that a tile's own lie together.

    Args:
        scheme: what is compiled in.
        tile: how many tiles there are.
        where: the plane's numbers, weights and products.
        begin: the first tile, and how many times this was done before in this plane.
    """
    (first, before), length, lanes = begin, scheme.channels, task.width
    filters, pitch = tile.vectors * lanes, padded_channels(length, lanes)
    step = scheme.planes * filters
    numbers, weights, products = where[0][first * pitch], where[1], where[2][first * step]
    held = [[task.variable(task.zero(task.dtype)) for _ in range(tile.vectors)] for _ in range(tile.rows)]
    next_tiles, next_weights = numbers[tile.rows * pitch], weights[task.size("weights_plane")]
    lines, in_line = task.size("fetched_lines"), LINE // next_weights.size_bytes

    def ahead(i: Value) -> None:
        """The next tiles' numbers, and a part of the next plane's weights: all of them in time."""
        fetch_numbers(next_tiles[i * tile.rows], tile.rows * UNROLL)
        done = (before * length + i) // UNROLL * lines
        with task.loop(0, lines, 2) as line:  # by twos, for the loop itself takes time
            for place in (done + line, done + line + 1):
                fetch(next_weights[place * in_line], SECOND)

    rows = [numbers[row * pitch] for row in range(tile.rows)]
    multiply(held, rows, weights, length, step=filters, ahead=ahead)
    for row, variables in enumerate(held):
        for v, variable in enumerate(variables):
            products[row * step + v * lanes].store(variable.value)


def _transform_output(task: Task, scheme: Scheme, memory: tuple[Pointer, Pointer, Pointer]) -> None:
    """Products back to sums, [tile][plane][filter] to [image][row][column][filter]; the biases are added."""
    (biases, products, sums), outputs = memory, scheme.transform.outputs
    lanes, filters, columns = task.width, scheme.tile.vectors * task.width, task.size("sum_columns")
    rows, across = task.size("tile_rows") * task.size("block_images"), task.size("tile_columns")
    spread = task.variable(task.zero(task.dtype))
    with task.loop(0, rows) as row, task.loop(0, across) as column, task.loop(0, filters, lanes) as filter_:
        here = products[(row * across + column) * (scheme.planes * filters) + filter_]
        to = sums[(row * columns + column) * (outputs * filters) + filter_]
        _one_output(task, scheme.transform, (here, to), (biases[filter_].load(lanes), spread), filters)
    raise_flag(task, spread)


def _one_output(
    task: Task,
    transform: Transform,
    memory: tuple[Pointer, Pointer],
    values: tuple[Value, Variable],
    filters: int,
) -> None:
    """A vector of filters of one tile."""
    (products, to), (bias, spread) = memory, values
    rows = [to[task.size("sum_columns") * (i * filters)] for i in range(transform.outputs)]

    def store(i: int, j: int, value: Value) -> None:
        spread.value = value.fma(0.0, spread.value)  # stays zero as long as all values are finite
        rows[i][j * filters].store(value + bias)

    both_sides(
        transform.output,
        lambda i, j: products[(i * transform.size + j) * filters].load(task.width),
        store,
    )


def raise_flag(task: Task, spread: Variable) -> None:
    """Tell the caller of a number that is not finite: it has spread further than it may."""
    found = task.builder.bitcast(spread.value.is_nan().ir, ir.IntType(task.width))
    with task.when(Value(task, task.builder.icmp_unsigned("!=", found, found.type(0)))):
        task.pointer("flag", INDEX).store(1)
