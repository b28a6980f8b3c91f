"""Arithmetic as text: sums, means and maxima written out, shortened where there are too many terms."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from convitro.aggregation import Aggregation
from convitro.anatomy.tables import WIDTH, number

FORMS = {
    "multiply": "{x}*{w}",
    "add": "({x} + {w})",
    "subtract": "({x} - {w})",
    "squared_difference": "({x} - {w})²",
    "absolute_difference": "|{x} - {w}|",
    "minimum": "min({x}, {w})",
}


def combined(combine: str, x: float, w: float) -> str:
    """A pixel and a weight, the second in brackets where its sign would stand beside another.

    Example:
        >>> combined("multiply", 3.0, -0.5), combined("minimum", 3.0, -0.5)
        ('3*(-0.5)', 'min(3, -0.5)')
    """
    weight = number(w)
    if weight.startswith("-") and combine != "minimum":
        weight = f"({weight})"
    return FORMS.get(combine, combine + "({x}, {w})").format(x=number(x), w=weight)


def reduced(aggregation: Aggregation, terms: Sequence[str], most: int) -> str:
    """The terms as a sum with its signs, or as arguments of the aggregation; of more than `most` only some.

    Example:
        >>> from convitro.aggregation import LogSumExp, Sum
        >>> reduced(Sum(), ["4", "-3", "2"], most=8)
        '4 - 3 + 2'
        >>> reduced(LogSumExp(beta=5.0), ["4", "-3"], most=8)
        'logsumexp(4, -3; beta=5.0)'
        >>> reduced(Sum(), [str(term) for term in range(100)], most=4)
        '0 + 1 + 2 + … 96 more … + 99'
    """
    shown = shortened(terms, most)
    if aggregation.name == "sum":
        return added(shown)
    parameters = aggregation.spec[len(aggregation.name) :].strip("()")
    return f"{aggregation.name}({', '.join(shown)}{'; ' * bool(parameters)}{parameters})"


def shortened(terms: Sequence[str], most: int) -> list[str]:
    """At most `most` terms, and before the last of more a word on how many are left out."""
    shown = list(terms)
    if len(shown) > most:
        shown[most - 1 : -1] = [f"… {len(shown) - most} more …"]
    return shown


def added(terms: Sequence[str]) -> str:
    """a + b - c"""
    text = terms[0]
    for term in terms[1:]:
        text += f" - {term[1:]}" if term.startswith("-") else f" + {term}"
    return text


def wrapped(text: str, indent: str) -> str:
    """`text` in lines of at most 80 columns; what continues a line stands deeper."""
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent + "    ",
        break_long_words=False,
        break_on_hyphens=False,
    )
