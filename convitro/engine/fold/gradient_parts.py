"""What both backward kernels do with a window: compute its item again, and weigh each product's gradient."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from convitro.engine.cpu.program import Task
from convitro.engine.cpu.source import TensorSource
from convitro.engine.cpu.vector import Kernel, Pointer, Value, Variable
from convitro.engine.fold.item import Item
from convitro.engine.fold.kernel import Fold, Tap, fold_windows


@dataclass(frozen=True)
class Upstream:
    """What comes from above for one output pixel, or for one filter of it.

    Attributes:
        gradient: of the result.
        saved: the result and what else the slope needs; the winner's number alone
            where the aggregation selects.
        channel: the number of the channel in every lane, as a real number.
        parameter: of the filters, where it is learned.
    """

    gradient: Value
    saved: Sequence[Value]
    channel: Value
    parameter: Value | None = None


def product_gradients(
    fold: Fold,
    upstream: Upstream,
    numbers: Callable[[Tap], Value],
    weights: Callable[[Tap], Value],
    inside: Callable[[Tap], Value] | None = None,
    count: Value | None = None,
) -> Iterator[tuple[Tap, Item]]:
    """The gradient of every product of one window.

    Args:
        fold: the operator.
        upstream: what comes from above.
        numbers, weights: the two sides of a product.
        inside, count: whether a product counts, and how many do; all without them.
    """
    guard = None if inside is None else lambda tap, _: inside(tap)
    first = upstream.gradient.like(0.0 if inside is None else -1.0)
    winners = [[[first]]] if fold.operator.window.selects else None
    grid = fold_windows(
        fold, (1, 1), lambda tap, _: numbers(tap), lambda tap, _: weights(tap), guard, winners=winners
    )
    state, window = grid[0][0], fold.window(upstream.gradient)
    reduced = window.finish(state, count)
    item = reduced if count is None else (count > 0.0).choose(reduced, 0.0)
    gradient, saved = _of_item(fold, upstream, item), [reduced, *window.extra(state, reduced, count)]
    for number, tap in enumerate(fold.taps):
        if winners is not None:
            yield tap, gradient.where(Item(winners[0][0][0].equals(float(number))), 0.0)
            continue
        combined = fold.combined("value", numbers(tap), weights(tap))
        found = weighed(gradient, window.slope(combined, saved, count))
        yield tap, found if inside is None else found.where(Item(inside(tap)), 0.0)


def _of_item(fold: Fold, upstream: Upstream, item: Value) -> Item:
    """The gradient of one item of the aggregation."""
    if fold.selects:
        return weighed(Item(upstream.gradient), Item(upstream.saved[0].equals(upstream.channel)))
    aggregation = fold.aggregation(upstream.gradient, upstream.parameter)
    slope = aggregation.slope(Item(item), upstream.saved)
    return weighed(Item(upstream.gradient), slope)


def weighed(gradient: Item, slope: Item | float) -> Item:
    """gradient times slope; a condition passes the gradient or stops it, also if it is infinite."""
    if isinstance(slope, Item) and not slope.value.real:
        return gradient.where(slope, 0.0)
    return gradient * slope


def add_gradients(
    totals: dict[Tap, Variable],
    found: Iterator[tuple[Tap, Item]],
    slope: Callable[[Tap], Item | float],
) -> None:
    """Add what every product of a window gives back to one of its sides.

    Args:
        totals: the sums, by tap.
        found: the gradient of every product.
        slope: that of a product for this side.
    """
    for tap, of_product in found:
        total = totals[tap]
        total.value = (weighed(of_product, slope(tap)) + Item(total.value)).number()


def pack_band(
    task: Task, source: TensorSource, window: Pointer, place: tuple[Value, Value], group: Value
) -> None:
    """The padded input rows that a band of output rows sees. [row][column][channel]

    Args:
        place: the image, and the band's first output row.
    """
    image, row = place
    y = row * task.size("row_step") - task.size("top")
    pitch = task.size("window_columns") * task.size("pitch")
    with task.loop(0, task.size("window_rows")) as line:
        corner = (image, y + line, -task.size("left"))
        source.pack_row(task, window[line * pitch], corner, group * task.size("channels"))


class Masks:
    """Which products of a pixel lie inside the input, in every lane."""

    def __init__(self, kernel: Kernel, fold: Fold, start: Pointer, row_step: Value, lanes: int) -> None:
        self._kernel, self._fold, self._start, self._row_step, self._lanes = (
            kernel,
            fold,
            start,
            row_step,
            lanes,
        )
        self._known: dict[Tap, Value] = {}

    def _load(self, tap: Tap) -> Value:
        return self._start[self._row_step * tap[0]][tap[1] * self._fold.dilation].load()

    def __call__(self, tap: Tap) -> Value:
        """Whether this tap does."""
        if tap not in self._known:
            self._known[tap] = self._kernel.broadcast(self._load(tap), self._lanes) > 0.0
        return self._known[tap]

    def count(self) -> Value:
        """How many do."""
        total = self._load(self._fold.taps[0])
        for tap in self._fold.taps[1:]:
            total = total + self._load(tap)
        return self._kernel.broadcast(total, self._lanes)
