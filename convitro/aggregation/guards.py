"""What keeps the built-in aggregations out of trouble: parameters in range, no 0 / 0 and no inf - inf."""

from __future__ import annotations

import math
from typing import Any

from convitro.aggregation.base import Item
from convitro.errors import ArgumentError

INFINITY = math.inf


def checked_number(
    owner: str, name: str, value: Any, *, positive: bool = False, nonzero: bool = False
) -> float:
    """`value` as a float; an ArgumentError unless it is a finite number of the asked kind."""
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if not good or (positive and value <= 0) or (nonzero and value == 0):
        kind = "a finite number" + (" above 0" if positive else " other than 0" if nonzero else "")
        raise ArgumentError(f"{owner}: `{name}` is out of range.", expected=kind, received=repr(value))
    return float(value)


def fixed(value: Item, *numbers: float) -> bool:
    """Whether a parameter is one of these numbers; never while it is learned, and differs by filter."""
    return isinstance(value, (int, float)) and value in numbers


def finite_or_zero(x: Item) -> Item:
    """x, or 0 where it is infinite: a shift that never makes inf - inf."""
    return x.where(x.abs() != INFINITY, 0.0)


def nonzero_or_one(x: Item) -> Item:
    """x, or 1 where it is 0: a divisor that never makes 0 / 0."""
    return x.where(x != 0, 1.0)
