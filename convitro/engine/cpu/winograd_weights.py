"""Weights in the transformed domain, packed in the order in which Winograd's algorithm reads them."""

from __future__ import annotations

import llvmlite.ir as ir

from convitro.engine.cpu.isa import Isa
from convitro.engine.cpu.jit import Program
from convitro.engine.cpu.program import Task, program
from convitro.engine.cpu.source import ELEMENTS, load_real
from convitro.engine.cpu.vector import Pointer, Value
from convitro.engine.cpu.winograd_transforms import TRANSFORMS, Transform, both_sides

POINTERS = ("weight", "packed")


def packing(isa: Isa, dtype: str, element: str, filters: int, taps: int = 3) -> Program:
    """Write the kernel that packs a weight: [group][filter block][plane][channel][filter].

    Its sizes are those of `weights.WeightView`, any strides, negative ones too.

    Args:
        isa: the vectors to use.
        dtype: of the packed numbers, "float32" or "float64"; the transform is computed in it.
        element: of the weight.
        filters: in a block; zeros fill the last one.
        taps: rows and columns of the kernel.
    """
    transform = TRANSFORMS[taps]
    return program(
        isa, ELEMENTS[dtype], POINTERS, lambda task: _write(task, ELEMENTS[element], filters, transform)
    )


def _write(task: Task, element: ir.Type, filters: int, transform: Transform) -> None:
    blocks, channels = task.size("filter_blocks"), task.size("channels")
    begin, end = task.share(task.size("groups") * blocks * channels)
    weight = task.pointer("weight", element)[task.size("weight_base")]
    with task.loop(begin, end) as number:
        block, channel = number // channels, number % channels
        start = weight[block // blocks * task.size("weight_group") + channel * task.size("weight_channel")]
        packed = task.pointer("packed")[block * task.size("weights_in_block") + channel * filters]
        first = block % blocks * filters
        with task.loop(0, filters, task.width) as lane:
            _transform(task, transform, (start, packed[lane]), first + lane)


def _transform(task: Task, transform: Transform, memory: tuple[Pointer, Pointer], first: Value) -> None:
    """One channel of as many filters as a vector has lanes."""
    (start, packed), taps = memory, transform.taps
    filters, plane = task.size("filters"), task.size("weights_plane")
    places = [start[(first + i).minimum(filters - 1) * task.size("weight_filter")] for i in range(task.width)]
    there = task.first((filters - first).maximum(0).minimum(task.width), task.width)
    square = task.memory(task.dtype, taps**2 * task.width)
    with task.loop(0, taps) as row, task.loop(0, taps) as column:
        tap = task.size("weight_row") * row + task.size("weight_column") * column
        numbers = [load_real(place[tap], task.dtype) for place in places]
        square[(row * taps + column) * task.width].store(there.choose(_side_by_side(task, numbers), 0.0))
    both_sides(
        transform.weight,
        lambda row, column: square[(row * taps + column) * task.width].load(task.width),
        lambda row, column, value: packed[plane * (row * transform.size + column)].store(value),
    )


def _side_by_side(task: Task, numbers: list[Value]) -> Value:
    vector = task.zero(task.dtype).ir
    for lane, number in enumerate(numbers):
        vector = task.builder.insert_element(vector, number.ir, ir.Constant(ir.IntType(32), lane))
    return Value(task, vector)
