"""How every command behaves: what takes its time is said, what is refused becomes one plain message."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console

from convitro.errors import ConvitroError


@contextmanager
def plain_errors() -> Iterator[None]:
    """What Convitro refuses becomes one message on stderr and exit code 2; Ctrl-C ends without a word."""
    try:
        yield
    except ConvitroError as error:
        typer.echo(f"{type(error).__name__}: {error}", err=True)
        raise typer.Exit(2) from error
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


@contextmanager
def progress(doing: str) -> Iterator[None]:
    """Say what takes its time, on stderr, and only where somebody looks."""
    console = Console(stderr=True)
    if console.is_terminal:
        with console.status(doing):
            yield
    else:
        yield
