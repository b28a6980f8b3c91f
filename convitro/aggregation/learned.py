"""An aggregation whose parameter is learned: its result, and how the result moves with the parameter."""

from __future__ import annotations

from typing import ClassVar

from convitro.aggregation.base import Aggregation, Item, State
from convitro.aggregation.dual import Dual, zero
from convitro.aggregation.guards import INFINITY


class WithTangent(Aggregation):
    """The same results; the derivative by the parameter is the last of the `extra` numbers.

    Every number of the state has its derivative beside it: first come all numbers, then all derivatives.
    An infinite result does not move with the parameter.

    Args:
        aggregation: any with a `learnable` parameter.
        parameter: an item, its value.

    Source: own; forward-mode differentiation, see `Dual`.
    """

    name: ClassVar[str]

    def __init__(self, aggregation: Aggregation, parameter: Item) -> None:
        self.name = aggregation.name  # type: ignore[misc]
        self._plain = aggregation.with_parameter(parameter)
        self._moving = aggregation.with_parameter(Dual(parameter, 1.0))

    def init(self, n: int) -> tuple[float, ...]:
        numbers = self._plain.init(n)
        return numbers + (0.0,) * len(numbers)

    def step(self, state: State, p: Item) -> State:
        parts = self._moving.step(_dual(state), Dual(p))
        values = tuple(part.value if isinstance(part, Dual) else part for part in parts)
        return values + tuple(_tangent(part, p) for part in parts)

    def finish(self, state: State, n: Item) -> Item:
        return self._plain.finish(state[: len(state) // 2], n)

    def extra(self, state: State, result: Item, n: Item) -> tuple[Item, ...]:
        tangent = _tangent(self._moving.finish(_dual(state), Dual(n)), result)
        stays = tangent.where(result.abs() != INFINITY, 0.0)
        return (*self._plain.extra(state[: len(state) // 2], result, n), stays)


def _dual(state: State) -> State:
    """The numbers with their derivatives."""
    half = len(state) // 2
    return tuple(map(Dual, state[:half], state[half:]))


def _tangent(part: Item, like: Item) -> Item:
    tangent = part.tangent if isinstance(part, Dual) else 0.0
    return zero(like) + tangent if isinstance(tangent, (int, float)) else tangent
