"""What the kernels of an operator are written for, and the window that all of them compute: item by item."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import TypeAlias

import llvmlite.ir as ir

from convitro.aggregation import COMBINES, Operator
from convitro.aggregation.learned import WithTangent
from convitro.engine.cpu.finish import Epilogue
from convitro.engine.cpu.isa import Isa, isa
from convitro.engine.cpu.jit import Program
from convitro.engine.cpu.multiply import Tile
from convitro.engine.cpu.program import Task, program
from convitro.engine.cpu.source import ELEMENTS, TensorSource
from convitro.engine.cpu.vector import Kernel, Pointer, Value
from convitro.engine.fold.item import Item
from convitro.engine.fold.traced import Reduction, traced

Tap: TypeAlias = "tuple[int, int]"
Cell: TypeAlias = "tuple[int, int]"
"""A row and a vector of a tile."""
Grid: TypeAlias = "list[list[list[Value]]]"
"""The states of a tile: rows x vectors x numbers of a state."""


MOST_SORTED = 32
"""A sorted state has at most so many items; among more the one of a rank is searched."""


@dataclass(frozen=True)
class Fold:
    """Everything about an operator's kernels that is compiled in.

    Attributes:
        operator: combine, window and aggregation.
        dtype: what is computed with, "float32" or "float64".
        source: where the input comes from.
        tile: rows = pixels, vectors = vectors of filters.
        channels: of a group.
        kernel: rows and columns of a filter.
        dilation: of its columns; that of its rows is a size.
        skips: whether items outside the input have to be left out; with a plain sum of products zeros do.
        epilogue: what is done to the result.
        bias: dtype of the bias, None without one.
        saves: whether what backward needs is stored.
        learned: whether the aggregation's parameter comes with the call, one number for each filter.
        tangent: whether the derivative of the result by it is stored as well, as the last of the extras.
    """

    operator: Operator
    dtype: str
    source: TensorSource
    tile: Tile
    channels: int
    kernel: tuple[int, int]
    dilation: int
    skips: bool
    epilogue: Epilogue = field(default_factory=Epilogue)
    bias: str | None = None
    saves: bool = False
    learned: bool = False
    tangent: bool = False

    @property
    def taps(self) -> list[Tap]:
        """Rows and columns of the weights, in the order in which items are folded."""
        return list(product(range(self.kernel[0]), range(self.kernel[1])))

    @property
    def selects(self) -> bool:
        """Backward needs to know which item won, and nothing else."""
        return self.operator.aggregation.selects

    @property
    def gathers(self) -> bool:
        """All items of a pixel are kept until the last one is known: more than a sorted state can hold."""
        return not self.operator.aggregation.streams and self.channels > MOST_SORTED

    @property
    def flat(self) -> bool:
        """A sum (or mean) of sums is one sum."""
        sums = all(part.name in ("sum", "mean") for part in (self.operator.window, self.operator.aggregation))
        return sums and self.operator.window.name == "sum"

    @property
    def own(self) -> bool:
        """Whether all of its functions are Convitro's."""
        parts = (self.operator.window, self.operator.aggregation)
        return COMBINES.get(self.operator.combine.name) is self.operator.combine and all(
            type(part).__module__.startswith("convitro.aggregation") for part in parts
        )

    def extras(self) -> int:
        """How many numbers of a pixel are stored besides the result, which tracing tells."""
        if not self.saves or self.selects:
            return int(self.saves)
        kernel = Kernel(ir.Module("probe"), "probe", ["pointer"], isa("x86-64"))
        like = kernel.zero(ELEMENTS[self.dtype])
        reduction = self.aggregation(like)
        state = reduction.step(reduction.init(), Item(like))
        return len(reduction.extra(state, reduction.finish(state)))

    def window(self, like: Value) -> Reduction:
        """The reduction of a window."""
        return Reduction(self.operator.window, like, len(self.taps))

    def aggregation(self, like: Value, parameter: Value | None = None) -> Reduction:
        """The reduction of the channels; `parameter` is the filters' where it is learned."""
        aggregation = self.operator.aggregation
        if self.learned:
            item = Item(like if parameter is None else parameter)
            aggregation = WithTangent(aggregation, item) if self.tangent else aggregation.with_parameter(item)
        return Reduction(aggregation, like, self.channels)

    def combined(self, part: str, x: Value, w: Value) -> Item:
        """A function of the combine: its "value", or "input_slope" or "weight_slope"."""
        combine = self.operator.combine
        found: Item = traced(combine.name, getattr(combine, part), Item(x), Item(w))
        return found

    def word(self) -> str:
        """Tells kernels apart; two operators of one spec are the same."""
        operator, aggregation = self.operator, self.operator.aggregation
        if self.learned:  # its own value is of no matter
            aggregation = aggregation.with_parameter("learned")
        names = (operator.combine.name, operator.window.spec, aggregation.spec)
        parts = (self.dtype, self.source, self.tile, self.channels, self.kernel, self.dilation, self.skips)
        return repr((names, parts, self.epilogue, self.bias, self.saves, self.tangent))


def write(fold: Fold, machine: Isa, pointers: Sequence[str], body: Callable[[Task], None]) -> Program:
    """A program of this operator."""
    return program(machine, ELEMENTS[fold.dtype], pointers, body)


def fold_windows(
    fold: Fold,
    shape: tuple[int, int],
    numbers: Callable[[Tap, Cell], Value],
    weights: Callable[[Tap, Cell], Value],
    inside: Callable[[Tap, Cell], Value] | None = None,
    states: Grid | None = None,
    winners: Grid | None = None,
) -> Grid:
    """The states of the windows of a tile after all items of one channel.

    Args:
        shape: rows and vectors of the tile.
        numbers, weights: the two sides of an item, by tap and cell.
        inside: whether the item counts; all do without it.
        states: where to begin.
        winners: gets the number of the winning tap of each cell, if the window selects; begins with
            the first, or below zero if not all items count.
    """
    cells = list(product(range(shape[0]), range(shape[1])))
    for tap in fold.taps:
        for cell in cells:
            x, w = numbers(tap, cell), weights(tap, cell)
            window = fold.window(x)
            if states is None:
                states = [[[] for _ in range(shape[1])] for _ in range(shape[0])]
            before = states[cell[0]][cell[1]] or window.init()
            after = window.step(before, fold.combined("value", x, w))
            if inside is not None:
                holds = inside(tap, cell)
                after = [holds.choose(new, old) for new, old in zip(after, before, strict=True)]
            if winners is not None:
                held = winners[cell[0]][cell[1]]
                number = held[0].like(float(fold.taps.index(tap)))
                wins = changes(before[0], after[0])
                if inside is not None:  # where all are as the state began the first one wins
                    wins = wins | (inside(tap, cell) & (held[0] < 0.0))
                held[0] = wins.choose(number, held[0])
            states[cell[0]][cell[1]] = after
    assert states is not None
    return states


def changes(before: Value, after: Value) -> Value:
    """Whether an item became the result of what selects; the first NaN stays."""
    return ~before.equals(after) & ~before.is_nan()


class Weights:
    """The vectors of the weights of one channel, each loaded where it is first asked for."""

    def __init__(self, place: Pointer, filters: int, columns: int, lanes: int) -> None:
        self._place, self._filters, self._columns, self._lanes = place, filters, columns, lanes
        self._loaded: dict[tuple[Tap, int], Value] = {}

    def __call__(self, tap: Tap, cell: Cell) -> Value:
        """The vector `cell[1]` of a tap."""
        key = tap, cell[1]
        if key not in self._loaded:
            at = (tap[0] * self._columns + tap[1]) * self._filters + cell[1] * self._lanes
            self._loaded[key] = self._place[at].load(self._lanes)
        return self._loaded[key]
