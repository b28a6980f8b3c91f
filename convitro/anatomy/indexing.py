"""Which of many: a filter, channel, image or pixel that exists, or an error; a few to stand for all."""

from __future__ import annotations

import operator
from typing import Any

from convitro.errors import ArgumentError


def checked_index(value: Any, count: int, what: str, place: str) -> int:
    """`value` as an integer in 0..count-1.

    Args:
        value: what a user gave.
        count: how many there are.
        what: the argument's name, such as "filter".
        place: where it is counted, such as "conv1"; the error begins with it.

    Raises:
        ArgumentError: no integer, or out of range.

    Example:
        >>> checked_index(3, 8, "filter", "conv1")
        3
    """
    try:
        index = operator.index(value)
    except TypeError:
        index = -1
    if isinstance(value, bool) or not 0 <= index < count:
        raise ArgumentError(
            f"{place}: there is no such {what}.",
            expected=f"{what} 0 to {count - 1}" if count else f"nothing: {place} has no {what}",
            received=f"{what}={value!r}",
        )
    return index


def evenly(count: int, most: int) -> list[int]:
    """Up to `most` of the indices 0..count-1, evenly spread, the first and the last among them.

    Example:
        >>> evenly(9, 3), evenly(2, 3)
        ([0, 4, 8], [0, 1])
    """
    shown = min(count, most)
    return [round(place * (count - 1) / max(shown - 1, 1)) for place in range(shown)]
