"""The functions of an operator, called inside a kernel: vectors go in and come out."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from typing import Any

from convitro.aggregation import Aggregation, Operator
from convitro.engine.cpu.vector import Value
from convitro.engine.fold.item import Item
from convitro.errors import ArgumentError, UnsupportedError


class Reduction:
    """An aggregation inside a kernel.

    Args:
        aggregation: the definition.
        like: any vector of the kernel.
        count: how many items there are, where that is known when the kernel is written.
    """

    def __init__(self, aggregation: Aggregation, like: Value, count: int) -> None:
        self.aggregation, self._like, self._count = aggregation, like, count

    def init(self) -> list[Value]:
        """The state before any item."""
        return [self._vector("init", number) for number in self._call("init", self._count)]

    def step(self, state: Sequence[Value], item: Item) -> list[Value]:
        """The state after one more item."""
        return self._vectors("step", self._call("step", _items(state), item), len(state))

    def finish(self, state: Sequence[Value], count: Value | None = None) -> Value:
        """The result."""
        return self._vector("finish", self._call("finish", _items(state), self._n(count)))

    def extra(self, state: Sequence[Value], result: Value, count: Value | None = None) -> list[Value]:
        """What the slope needs besides the result."""
        found = self._call("extra", _items(state), Item(result), self._n(count))
        return self._vectors("extra", found)

    def slope(self, item: Item, saved: Sequence[Value], count: Value | None = None) -> Item:
        """The derivative of the result for one item: numbers, or a condition."""
        found = self._call("slope", item, _items(saved), self._n(count))
        return found if isinstance(found, Item) else Item(self._vector("slope", found))

    def _n(self, count: Value | None) -> Item:
        return Item(self._like.like(float(self._count)) if count is None else self._like.like(count))

    def _call(self, name: str, *arguments: Any) -> Any:
        return traced(self.aggregation.name, getattr(self.aggregation, name), *arguments)

    def _vectors(self, name: str, found: Any, wanted: int | None = None) -> list[Value]:
        if not isinstance(found, tuple) or (wanted is not None and len(found) != wanted):
            raise ArgumentError(
                f"{self.aggregation.name}.{name} does not return what it should.",
                expected="a tuple" + (f" of {wanted} numbers" if wanted is not None else ""),
                received=f"{type(found).__name__}"
                + (f" of {len(found)}" if isinstance(found, tuple) else ""),
            )
        return [self._vector(name, number) for number in found]

    def _vector(self, name: str, number: Any) -> Value:
        if isinstance(number, Item):
            return number.number()
        if isinstance(number, (int, float)):
            return self._like.like(float(number))
        raise ArgumentError(
            f"{self.aggregation.name}.{name} returns something else than numbers.",
            expected="items or Python's numbers",
            received=repr(number),
        )


def traced(owner: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function with items; what cannot become a kernel is named with its line."""
    try:
        return function(*arguments)
    except ArgumentError:
        raise
    except Exception as error:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != __file__]
        own = [frame for frame in frames if "convitro/engine/fold" not in frame.filename]
        place = own[-1] if own else None
        line = f"line {place.lineno}: {place.line}" if place is not None else ""
        told = error.problem if isinstance(error, UnsupportedError) else f"{type(error).__name__}: {error}"
        expected = error.expected if isinstance(error, UnsupportedError) else "element-wise arithmetic"
        raise UnsupportedError(
            f"{owner}.{function.__name__} cannot be traced into a kernel.",
            expected=expected,
            received=f"{line} ({told})" if line else told,
            hint='algorithm="reference" runs it in plain torch',
        ) from None


def _items(values: Sequence[Value]) -> tuple[Item, ...]:
    return tuple(Item(value) for value in values)


def specs(operator: Operator) -> str:
    """The operator as a word that tells kernels apart."""
    return "|".join((operator.combine.name, operator.window.spec, operator.aggregation.spec))
