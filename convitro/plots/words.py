"""Numbers in sentences: in titles, notes and tables."""

from __future__ import annotations


def counted(count: int, what: str, several: str = "") -> str:
    """A number and its noun.

    Args:
        count: how many there are.
        what: one of them.
        several: many of them, where that is more than `what` with an "s".

    Example:
        >>> counted(1, "map"), counted(2500, "map"), counted(0, "patch", "patches")
        ('1 map', '2,500 maps', '0 patches')
    """
    return f"{count:,} {what if count == 1 else several or what + 's'}"
