"""How far a long piece of work is: one line at the bottom of a terminal, and nothing anywhere else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn

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
    from rich.progress import MofNCompleteColumn, TimeRemainingColumn

    if total is None and size is None and isinstance(items, Sized):
        total = len(items)
    with line(MofNCompleteColumn(), TimeRemainingColumn()) as shown:
        task = shown.add_task(doing, total=total)
        for item in items:
            yield item
            shown.advance(task, 1 if size is None else size(item))


def line(*columns: ProgressColumn, bar_width: int | None = 40) -> Progress:
    """The line itself, for a task of rich: its description, a bar, and `columns`; wiped away at the end.

    It is drawn wherever stderr leads: whoever starts it has asked whether that is a terminal.

    Args:
        columns: what stands behind the bar.
        bar_width: in characters; None takes what the others leave.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    console = Console(stderr=True, markup=False, emoji=False, highlight=False)
    description = TextColumn("{task.description}", markup=False)
    return Progress(description, BarColumn(bar_width), *columns, console=console, transient=True)
