"""How results are shown: a table as plain text of at most 80 columns, and as HTML that needs nothing else."""

from __future__ import annotations

import html
import io
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table as RichTable

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
        align = [
            'style="text-align:' + ("right" if i in self.numeric else "left") + '"'
            for i in range(len(self.columns))
        ]
        head = "".join(
            f"<th {how}>{html.escape(name)}</th>" for how, name in zip(align, self.columns, strict=True)
        )
        body = "".join(
            "<tr>"
            + "".join(f"<td {how}>{html.escape(cell)}</td>" for how, cell in zip(align, row, strict=True))
            + "</tr>"
            for row in self.rows
        )
        notes = "".join(f"<p>{html.escape(note)}</p>" for note in self.notes)
        caption = f'<caption style="text-align:left">{html.escape(self.title)}</caption>'
        return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{notes}"


def number(value: float) -> str:
    """A number with at most six significant digits: 40404, 0.125, 1.23457e+06."""
    return f"{value:.6g}"
