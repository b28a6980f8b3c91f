"""The last step of the weight's gradient: sums of splits are added and written in the order of the weight."""

from __future__ import annotations

import llvmlite.ir as ir

from convitro.engine.cpu.mathematics import to_bfloat16
from convitro.engine.cpu.program import Task
from convitro.engine.cpu.source import index_table
from convitro.engine.cpu.transpose import transposed
from convitro.engine.cpu.vector import Pointer, Value


def add_splits(task: Task, sums: Pointer, count: Value, step: Value) -> None:
    """Add those of the other splits, each `step` further, to `count` sums, in their order; whole vectors."""
    with task.loop(1, task.size("splits")) as split, task.loop(0, count, task.width) as i:
        total = sums[i].load(task.width) + sums[split * step + i].load(task.width)
        sums[i].store(total)


def store_unit(task: Task, vectors: int, element: ir.Type, sums: Pointer, where: tuple[Value, Value]) -> None:
    """Write one block of filters of one group.

    Products that follow each other in the weight as well are turned in registers and written as vectors.

    Args:
        vectors: of filters.
        element: LLVM's type of the result's numbers.
        sums: [product][filter]
        where: the chunk, and the unit in it.
    """
    chunk, unit = where
    lanes, width, blocks = task.width, vectors * task.width, task.size("filter_blocks")
    products = task.size("products_in_chunk")
    group, first = unit // blocks, unit % blocks * width
    chunks = task.size("channel_chunks")
    filters, first_product = chunk // chunks * task.size("dz_channels"), chunk % chunks * products
    to = task.pointer("weight_gradient", element)[
        (filters + group * task.size("filters_in_group") + first) * task.size("weight_filter")
    ]
    places = index_table(task, "places")[first_product]
    left = (task.size("filters_in_group") - first).minimum(width)
    whole = task.size("weight_dense") * (products - products % lanes)
    with task.loop(0, left, lanes) as filter_:
        here, target = sums[filter_], to[task.size("weight_filter") * filter_]
        count = (left - filter_).minimum(lanes)
        with task.loop(0, whole, lanes) as product:
            _store_square(task, here[product * width], (target[places[product].load()], width), count)
        with task.loop(whole, products) as product, task.loop(0, count) as one:
            place = target[places[product].load() + one * task.size("weight_filter")]
            place.store(_converted(here[product * width + one].load(), element))


def _store_square(task: Task, sums: Pointer, to: tuple[Pointer, int], count: Value) -> None:
    """As many products as lanes, for the first `count` filters of a vector; `to[1]` filters in a row."""
    target, width = to
    rows = [sums[i * width].load(task.width) for i in range(task.width)]
    for i, row in enumerate(transposed(rows)):
        with task.when(count > i):
            target[task.size("weight_filter") * i].store(_converted(row, target.element))


def store_bias(task: Task, element: ir.Type, sums: Pointer, chunk: Value) -> None:
    """Write the bias of a chunk's filters."""
    filters = task.size("dz_channels")
    first = chunk // task.size("channel_chunks") * filters
    with task.loop(0, filters) as i:
        task.pointer("bias_gradient", element)[first + i].store(_converted(sums[i].load(), element))


def _converted(value: Value, element: ir.Type) -> Value:
    return to_bfloat16(value) if isinstance(element, ir.IntType) else value.cast(element)
