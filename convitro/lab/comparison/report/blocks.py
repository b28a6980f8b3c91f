"""What a report is made of, before it becomes a page or Markdown: headings, words, grids, pictures."""

from __future__ import annotations

from dataclasses import dataclass

from convitro.plots import Display


@dataclass(frozen=True)
class Words:
    """A paragraph; `lead` stands before it, in bold."""

    text: str
    lead: str = ""


@dataclass(frozen=True)
class Bullets:
    """Sentences, one below the other."""

    sentences: tuple[str, ...]


@dataclass(frozen=True)
class Code:
    """Lines to be typed."""

    text: str


@dataclass(frozen=True)
class Item:
    """One place of a grid.

    Attributes:
        text: what stands there.
        below: smaller, after it.
        heat: -1..1, how orange (below 0) or blue the place is.
    """

    text: str
    below: str = ""
    heat: float = 0.0


NOTHING = Item("\u2013")
"""A place without a number: a dash."""


@dataclass(frozen=True)
class Grid:
    """A table: the first column names the rows, the others hold numbers.

    Attributes:
        caption: what it shows.
        columns: their names, that of the first one among them.
        rows: as many items each.
        groups: words above several columns, each with how many; the first column has none.
        stacked: what stands below an item gets a line of its own.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Item, ...], ...]
    groups: tuple[tuple[str, int], ...] = ()
    stacked: bool = False

    @property
    def facts(self) -> bool:
        """Names and what belongs to them, no numbers: columns without a name."""
        return not any(self.columns)


@dataclass(frozen=True)
class Picture:
    """A picture with a line below it."""

    display: Display
    caption: str = ""


Block = Words | Bullets | Code | Grid | Picture


@dataclass(frozen=True)
class Part:
    """A heading and what stands below it.

    Attributes:
        title: the heading.
        blocks: from top to bottom.
        under: whether it belongs to the part before it.
    """

    title: str
    blocks: tuple[Block, ...]
    under: bool = False

    @property
    def anchor(self) -> str:
        """Where a link to it leads."""
        return "-".join("".join(letter if letter.isalnum() else " " for letter in self.title.lower()).split())
