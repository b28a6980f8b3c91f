"""A table in the formats of other programs: CSV, Markdown, LaTeX."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from convitro.anatomy.tables import Table

LATEX = {
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "\\": r"\textbackslash{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "│": "|",
}


def to_csv(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Comma separated values, with a line of names.

    Example:
        >>> print(to_csv(("layer", "advice"), [("0", "a, b")]), end="")
        layer,advice
        0,"a, b"
    """
    page = io.StringIO()
    writer = csv.writer(page, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return page.getvalue()


def to_markdown(table: Table) -> str:
    """A table as GitHub and most others read it, the title above and the notes below.

    Example:
        >>> print(to_markdown(Table("", ("layer", "filters"), (("a|b", "8"),), numeric=(1,))), end="")
        | layer | filters |
        | :-- | --: |
        | a\\|b | 8 |
    """
    rule = ["--:" if index in table.numeric else ":--" for index in range(len(table.columns))]
    lines = [f"**{table.title}**\n"] if table.title else []
    for cells in (table.columns, rule, *table.rows):
        texts = [text.replace("|", "\\|").replace("\n", " ") if cells is not rule else text for text in cells]
        lines.append(f"| {' | '.join(texts)} |")
    lines += ["", *(f"{note}  " for note in table.notes)] if table.notes else []
    return "\n".join(lines) + "\n"


def to_latex(table: Table) -> str:
    """A `tabular` with the rules of the package booktabs, its notes as comments above.

    Example:
        >>> print(to_latex(Table("t", ("layer", "%"), (("conv_1", "8"),), numeric=(1,))), end="")
        % t
        \\begin{tabular}{lr}
        \\toprule
        layer & \\% \\\\
        \\midrule
        conv\\_1 & 8 \\\\
        \\bottomrule
        \\end{tabular}
    """
    sides = "".join("r" if index in table.numeric else "l" for index in range(len(table.columns)))
    head, *body = (
        " & ".join(escaped(text) for text in cells) + r" \\" for cells in (table.columns, *table.rows)
    )
    above = [f"% {line}" for line in (table.title, *table.notes)]
    start, end = [rf"\begin{{tabular}}{{{sides}}}", r"\toprule"], [r"\bottomrule", r"\end{tabular}"]
    return "\n".join([*above, *start, head, r"\midrule", *body, *end]) + "\n"


def escaped(text: str) -> str:
    """Text in which LaTeX finds no commands."""
    return "".join(LATEX.get(sign, sign) for sign in text.replace("\n", " "))
