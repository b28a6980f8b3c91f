"""Weights in the order in which kernels read them: filters side by side in blocks, zeros behind the last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import llvmlite.ir as ir

from convitro.engine.cpu.isa import Isa
from convitro.engine.cpu.jit import Program
from convitro.engine.cpu.program import Task, program
from convitro.engine.cpu.source import ELEMENTS, load_real

POINTERS = ("weight", "packed")


@dataclass(frozen=True)
class WeightView:
    """A weight seen as [group][filter][channel][row][column], wherever its numbers lie.

    Attributes:
        base: the index of the first number.
        group, filter, channel, row, column: how far the index advances with each; may be negative.
        kernel: rows and columns.
    """

    base: int
    group: int
    filter: int
    channel: int
    row: int
    column: int
    kernel: tuple[int, int]

    @classmethod
    def of(cls, shape: Sequence[int], strides: Sequence[int], groups: int) -> WeightView:
        """A weight (C_out, C_in/groups, KH, KW) as it is."""
        filter_, channel, row, column = strides
        return cls(0, shape[0] // groups * filter_, filter_, channel, row, column, (shape[2], shape[3]))

    def turned(self, rows: range, columns: range) -> WeightView:
        """Filters and channels exchanged, and the taps `rows` x `columns` only, in that order."""
        return replace(
            self,
            base=self.base + rows.start * self.row + columns.start * self.column,
            filter=self.channel,
            channel=self.filter,
            row=rows.step * self.row,
            column=columns.step * self.column,
            kernel=(len(rows), len(columns)),
        )

    def sizes(self) -> dict[str, int]:
        """By the names that kernels use."""
        return {
            "weight_base": self.base,
            "weight_group": self.group,
            "weight_filter": self.filter,
            "weight_channel": self.channel,
            "weight_row": self.row,
            "weight_column": self.column,
            "kernel_rows": self.kernel[0],
            "kernel_columns": self.kernel[1],
        }


def packing(isa: Isa, dtype: str, element: str, filters: int, *, by_channel: bool = False) -> Program:
    """Write the kernel that packs a weight: [group][filter block][row][column][channel][filter].

    Args:
        isa: the vectors to use.
        dtype: of the packed numbers, "float32" or "float64".
        element: of the weight.
        filters: in a block.
        by_channel: [group][filter block][channel][row][column][filter] instead.
    """
    return program(
        isa, ELEMENTS[dtype], POINTERS, lambda task: _write(task, ELEMENTS[element], filters, by_channel)
    )


def _write(task: Task, element: ir.Type, filters: int, by_channel: bool) -> None:
    blocks, channels = task.size("filter_blocks"), task.size("channels")
    rows, columns = task.size("kernel_rows"), task.size("kernel_columns")
    begin, end = task.share(task.size("groups") * blocks)
    weight = task.pointer("weight", element)[task.size("weight_base")]
    with task.loop(begin, end) as number:
        group, block = number // blocks, number % blocks
        start = weight[group * task.size("weight_group") + block * filters * task.size("weight_filter")]
        packed = task.pointer("packed")[number * (rows * columns * channels * filters)]
        here = (task.size("filters") - block * filters).minimum(filters)
        with (
            task.loop(0, channels) as channel,
            task.loop(0, rows) as row,
            task.loop(0, columns) as column,
        ):
            tap = channel * task.size("weight_channel") + row * task.size("weight_row")
            source = start[tap + column * task.size("weight_column")]
            by_tap = (row * columns + column) * channels + channel
            to = packed[((channel * rows + row) * columns + column if by_channel else by_tap) * filters]
            with task.loop(0, here) as i:
                to[i].store(load_real(source[i * task.size("weight_filter")], task.dtype))
            with task.loop(here, filters) as i:
                to[i].store(0.0)
