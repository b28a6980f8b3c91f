"""Winograd's algorithm for small kernels: numbers and weights are transformed, multiplied, transformed back.

A tile of 6x6 numbers gives 4x4 results of 3x3 kernels, or 2x2 results of 5x5 kernels. In the transformed
domain each of the 36 numbers is multiplied on its own: 36 small matrix products, tiles x channels times
channels x filters, take the place of the convolution. A plane is what lies in one place of all tiles.

A number that is not finite spreads over its tile. The kernel then sets the flag of the call, and the results
have to be computed by another algorithm.

Accuracy:
    |error| <= (channels + 40) eps A * the sum over channels of max |tile| max |filter|, where eps is the unit
    roundoff and A, `Transform.amplification`, is 330, 537, 793 and 1156 for kernels of 2x2, 3x3, 4x4 and 5x5.
    For normal numbers the rms error is 3.2, 1.9, 1.4 and 1.2 times the direct sum's.
"""

from __future__ import annotations

from dataclasses import dataclass

import llvmlite.ir as ir

from convitro.engine.cpu.fetch import SECOND, fetch_numbers
from convitro.engine.cpu.finish import Origin
from convitro.engine.cpu.multiply import UNROLL, Tile, multiply
from convitro.engine.cpu.program import Task
from convitro.engine.cpu.vector import INDEX, Pointer, Value, Variable
from convitro.engine.cpu.winograd_transforms import FOUR, TRANSFORMS, Matrix, Transform, both_sides

SIZE, PLANES = FOUR.size, FOUR.products
"""The same for all kernels."""


@dataclass(frozen=True)
class Scheme:
    """What is compiled in.

    Attributes:
        tile: rows = tiles, vectors = vectors of filters.
        channels: of a group.
        taps: rows and columns of the kernel.
    """

    tile: Tile
    channels: int
    taps: int

    @property
    def transform(self) -> Transform:
        """The matrices."""
        return TRANSFORMS[self.taps]


def padded_channels(channels: int, lanes: int) -> int:
    """Channels of a pixel in whole vectors."""
    return -(-channels // lanes) * lanes


def narrow(tile: Tile) -> Tile:
    """The register tile for the last tiles of a block: the two meet any even number from 4 on."""
    return Tile(tile.rows - 2, tile.vectors)


def transform_input(task: Task, scheme: Scheme, window: Pointer, scratch: Pointer) -> None:
    """The packed window of a block in the transformed domain: [plane][tile][channel].

    Args:
        scheme: what is compiled in.
        window: [image][row][column][channel]; tiles overlap by all but `outputs` rows and columns.
        scratch: of this thread; the result lies at `transformed_at`.
    """
    pitch, plane, columns = (
        padded_channels(scheme.channels, task.width),
        task.size("plane"),
        task.size("window_columns"),
    )
    across, down, tiles = (task.size(name) for name in ("tile_columns", "tile_rows", "tiles_total"))
    planes, step = scratch[task.size("transformed_at")].to(task.dtype), scheme.transform.outputs
    with task.loop(0, tiles) as tile:
        image, row, column = tile // (across * down), tile // across % down, tile % across
        y = image * task.size("window_rows") + row * step
        corner = window[(y * columns + column * step) * pitch]
        with task.loop(0, pitch, task.width) as channel:
            _one_input(task, corner[channel], planes[tile * pitch + channel], columns * pitch, pitch)
    with (
        task.loop(0, PLANES) as e,
        task.loop(tiles * pitch, task.size("tiles_padded") * pitch, task.width) as i,
    ):
        planes[e * plane + i].store(task.zero(task.dtype))


def _one_input(task: Task, corner: Pointer, to: Pointer, row_step: Value, pitch: int) -> None:
    """A vector of channels of one tile."""
    rows, plane = [corner[row_step * i] for i in range(SIZE)], task.size("plane")
    both_sides(
        FOUR.input,
        lambda i, j: rows[i][j * pitch].load(task.width),
        lambda i, j, value: to[plane * (i * SIZE + j)].store(value),
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
    tile, length = scheme.tile, scheme.channels
    transformed, products = (
        scratch[task.size(f"{name}_at")].to(task.dtype) for name in ("transformed", "products")
    )
    plane, weights_plane = task.size("plane"), task.size("weights_plane")
    wide, padded = task.size("tiles_wide"), task.size("tiles_padded")
    with task.loop(0, PLANES) as e:
        here = transformed[e * plane], weights[e * weights_plane], products[e * (tile.vectors * task.width)]
        with task.loop(0, wide, tile.rows) as first:
            _fetch_output(task, tile, (e, first), results)
            _multiply(task, tile, length, here, first)
        with task.loop(wide, padded, narrow(tile).rows) as first:
            _fetch_output(task, narrow(tile), (e, first), results)
            _multiply(task, narrow(tile), length, here, first)
    _transform_output(task, scheme, (biases, products, sums))


def _fetch_output(task: Task, tile: Tile, done: tuple[Value, Value], results: tuple[Pointer, Origin]) -> None:
    """Each plane fetches one row of results (some planes more), each of its tiles some pixels of it."""
    (plane, first), (output, origin), pixels = done, results, task.size("fetched_pixels")
    with task.loop(plane, origin.images * origin.rows, PLANES) as line:
        here = output[origin.place(task, line // origin.rows, line % origin.rows, task.index(0))]
        with task.loop(first * pixels, ((first + tile.rows) * pixels).minimum(origin.columns)) as column:
            fetch_numbers(here[column * task.size("output_column")], origin.vectors * task.width, write=True)


def _multiply(
    task: Task, tile: Tile, length: int, where: tuple[Pointer, Pointer, Pointer], first: Value
) -> None:
    """The products of some tiles in one plane: [tile][plane][filter], so that a tile's own lie together."""
    lanes, filters, pitch = task.width, tile.vectors * task.width, padded_channels(length, task.width)
    numbers, weights, products = where[0][first * pitch], where[1], where[2][first * (PLANES * filters)]
    held = [[task.variable(task.zero(task.dtype)) for _ in range(tile.vectors)] for _ in range(tile.rows)]
    next_tiles, next_weights = numbers[tile.rows * pitch], weights[task.size("weights_plane")]
    share, done = task.size("fetched"), first // tile.rows * length
    lines = max(1, filters * UNROLL // 64)

    def ahead(i: Value) -> None:
        fetch_numbers(next_tiles[i * tile.rows], tile.rows * UNROLL)
        fetch_numbers(next_weights[(done + i) * share], lines * 16, SECOND)

    rows = [numbers[row * pitch] for row in range(tile.rows)]
    multiply(held, rows, weights, length, step=filters, ahead=ahead)
    for row, variables in enumerate(held):
        for v, variable in enumerate(variables):
            products[row * (PLANES * filters) + v * lanes].store(variable.value)


def _transform_output(task: Task, scheme: Scheme, memory: tuple[Pointer, Pointer, Pointer]) -> None:
    """Products back to sums, [tile][plane][filter] to [image][row][column][filter]; the biases are added."""
    (biases, products, sums), matrix = memory, scheme.transform.output
    lanes, filters, columns = task.width, scheme.tile.vectors * task.width, task.size("sum_columns")
    rows, across = task.size("tile_rows") * task.size("block_images"), task.size("tile_columns")
    spread = task.variable(task.zero(task.dtype))
    with task.loop(0, rows) as row, task.loop(0, across) as column, task.loop(0, filters, lanes) as filter_:
        here = products[(row * across + column) * (PLANES * filters) + filter_]
        to = sums[(row * columns + column) * (len(matrix) * filters) + filter_]
        _one_output(task, matrix, (here, to), (biases[filter_].load(lanes), spread), filters)
    _raise_flag(task, spread)


def _one_output(
    task: Task,
    matrix: Matrix,
    memory: tuple[Pointer, Pointer],
    values: tuple[Value, Variable],
    filters: int,
) -> None:
    """A vector of filters of one tile."""
    (products, to), (bias, spread) = memory, values
    rows = [to[task.size("sum_columns") * (i * filters)] for i in range(len(matrix))]

    def store(i: int, j: int, value: Value) -> None:
        spread.value = value.fma(0.0, spread.value)  # stays zero as long as all values are finite
        rows[i][j * filters].store(value + bias)

    both_sides(matrix, lambda i, j: products[(i * SIZE + j) * filters].load(task.width), store)


def _raise_flag(task: Task, spread: Variable) -> None:
    """Tell the caller of a number that is not finite: it has spread over its tile, where it must not."""
    found = task.builder.bitcast(spread.value.is_nan().ir, ir.IntType(task.width))
    with task.when(Value(task, task.builder.icmp_unsigned("!=", found, found.type(0)))):
        task.pointer("flag", INDEX).store(1)
