"""How results are shown: tables as text of 80 columns and as plain HTML, numbers and sizes in one format."""

from __future__ import annotations

import html
import io
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from torch import Tensor

WIDTH = 80


@dataclass(frozen=True)
class Table:
    """A title, column names, rows of text, and notes below.

    Args:
        numeric: the columns that are aligned to the right.
        whole: further columns whose cells are never broken into lines.

    Example:
        >>> print(Table("two layers", ("layer", "filters"), (("conv1", "8"), ("conv2", "16")), numeric=(1,)))
        two layers
         layer   filters
        ─────────────────
         conv1         8
         conv2        16
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
    numeric: tuple[int, ...] = ()
    whole: tuple[int, ...] = ()

    def __str__(self) -> str:
        table = RichTable(box=box.SIMPLE_HEAD, show_edge=False, header_style="")
        for index, name in enumerate(self.columns):
            table.add_column(
                name,
                justify="right" if index in self.numeric else "left",
                overflow="fold",
                no_wrap=index in (*self.numeric, *self.whole),
            )
        for row in self.rows:
            table.add_row(*row)
        page = io.StringIO()
        plain = Console(file=page, width=WIDTH, color_system=None, markup=False, emoji=False, highlight=False)
        plain.print(self.title)
        if self.rows:
            plain.print(table)
        for note in self.notes:
            plain.print(note)
        return "\n".join(line.rstrip() for line in page.getvalue().splitlines())

    def html(self) -> str:
        """The same as an HTML table: no script, no style sheet, no network; everything escaped."""
        head = "".join(self._cell("th", index, name) for index, name in enumerate(self.columns))
        lines = (
            "".join(self._cell("td", index, text) for index, text in enumerate(row)) for row in self.rows
        )
        body = "".join(f"<tr>{line}</tr>" for line in lines)
        notes = "".join(f"<p>{html.escape(note)}</p>" for note in self.notes)
        caption = f'<caption style="text-align:left">{html.escape(self.title)}</caption>'
        return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{notes}"

    def _cell(self, tag: str, column: int, text: str) -> str:
        side = "right" if column in self.numeric else "left"
        return f'<{tag} style="text-align:{side}">{html.escape(text)}</{tag}>'


class Tabled(ABC):
    """A result that is one table: as text where it is printed, as HTML in a notebook."""

    @abstractmethod
    def table(self) -> Table:
        """The result as a table."""

    def __str__(self) -> str:
        return str(self.table())

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return self.table().html()


def number(value: float) -> str:
    """A number with at most six significant digits: 40404, 0.125, 1.23457e+06."""
    return f"{value:.6g}"


def by(sizes: Sequence[int], *, always: bool = False) -> str:
    """Sizes in short: "3x8x8"; a pair of equal ones as one number unless `always`.

    Example:
        >>> by((2, 2)), by((2, 1)), by((2, 2), always=True)
        ('2', '2x1', '2x2')
    """
    if len(sizes) == 2 and sizes[0] == sizes[1] and not always:
        return str(sizes[0])
    return "x".join(map(str, sizes))


def json_numbers(value: Any) -> Any:
    """Floats, and nested lists of them, as strict JSON can hold them."""
    if isinstance(value, Tensor):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [json_numbers(item) for item in value]
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
