"""How far a long piece of work is: one line at the bottom of a terminal, and nothing anywhere else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import TypeVar

T = TypeVar("T")


def track(
    items: Iterable[T], doing: str, total: int | None = None, size: Callable[[T], int] | None = None
) -> Iterator[T]:
    """Pass `items` on, and show on a terminal how many of them are done and how long the rest will take.

    The bar is written to stderr and wiped away at the end, so output that is piped stays as it is. Where
    stderr is no terminal nothing is written.

    Args:
        items: what is worked on.
        doing: what is done with them, such as "patches of conv1".
        total: how many there are; None takes `len(items)`, and shows only a count where there is none.
        size: how much an item counts, such as the images of a batch; None counts each as 1.

    Yields:
        The items, unchanged.

    Example:
        >>> list(track(["a", "b"], "letters"))
        ['a', 'b']
    """
    if not sys.stderr.isatty():
        yield from items
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    if total is None and size is None and isinstance(items, Sized):
        total = len(items)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True, markup=False, emoji=False, highlight=False)
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(doing, total=total)
        for item in items:
            yield item
            bar.advance(task, 1 if size is None else size(item))
