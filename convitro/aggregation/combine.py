"""How one value of the input and one weight become one product: the innermost choice of a layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from convitro.aggregation.base import Item
from convitro.errors import ArgumentError
from convitro.geometry import check_choice


@dataclass(frozen=True)
class Combine:
    """An element-wise function of an input x and a weight w, with both derivatives.

    A slope that is a condition stands for 1 where true and 0 elsewhere. Ties of `minimum` go to the input.

    Example:
        >>> COMBINES["subtract"].value(5.0, 3.0)
        2.0
    """

    name: str
    value: Callable[[Item, Item], Item]
    input_slope: Callable[[Item, Item], Item]
    weight_slope: Callable[[Item, Item], Item]


COMBINES = {
    combine.name: combine
    for combine in (
        Combine("multiply", lambda x, w: x * w, lambda x, w: w, lambda x, w: x),
        Combine("add", lambda x, w: x + w, lambda x, w: 1.0, lambda x, w: 1.0),
        Combine("subtract", lambda x, w: x - w, lambda x, w: 1.0, lambda x, w: -1.0),
        Combine(
            "squared_difference",
            lambda x, w: (x - w) ** 2,
            lambda x, w: 2 * (x - w),
            lambda x, w: 2 * (w - x),
        ),
        Combine(
            "absolute_difference",
            lambda x, w: (x - w).abs(),
            lambda x, w: (x - w).sign(),
            lambda x, w: (w - x).sign(),
        ),
        Combine("minimum", lambda x, w: x.minimum(w), lambda x, w: x <= w, lambda x, w: w < x),
    )
}


def resolve_combine(combine: Any) -> Combine:
    """The combine of that name.

    Raises:
        ArgumentError: there is none; the error lists all and the closest.
    """
    if isinstance(combine, Combine):
        return combine
    if not isinstance(combine, str):
        raise ArgumentError("conv2d: `combine` is not a name.", expected="a string", received=repr(combine))
    check_choice(combine, tuple(COMBINES), "conv2d: unknown combine.")
    return COMBINES[combine]
