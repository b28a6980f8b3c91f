"""Many small pictures on one sheet: tiles in blocks, with their captions, a colour bar and notes.

Everything is placed in inches, so that the text has the same size whatever the number of tiles.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from convitro.plots.colours import Pixels, Scale, ramp
from convitro.plots.display import INK, MUTED, Display

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH, MARGIN, GAP, BLOCK_GAP = 10.0, 0.18, 0.05, 0.22
LARGEST, SMALLEST = 3.2, 0.14
POINT = 1 / 72
LETTER = 0.58  # width of a letter, in heights of the font
TITLE_POINTS, TEXT_POINTS, LEAST_POINTS = 10.5, 7.5, 4.5
LINE = 1.35
BAR = 0.5  # height of a colour bar with its numbers


@dataclass(frozen=True, eq=False)
class Tile:
    """One small picture: RGB bytes (H, W, 3), and a few words below it."""

    pixels: Pixels
    caption: str = ""


@dataclass(frozen=True, eq=False)
class Block:
    """Tiles in rows and columns.

    Args:
        rows: the tiles; None leaves a place empty.
        title: a line above.
        row_labels, column_labels: words beside and above; as many as rows and columns, or none.
        breaks: columns before which there is a wider gap.
    """

    rows: tuple[tuple[Tile | None, ...], ...]
    title: str = ""
    row_labels: tuple[str, ...] = ()
    column_labels: tuple[str, ...] = ()
    breaks: frozenset[int] = frozenset()

    @property
    def columns(self) -> int:
        """The length of the longest row."""
        return max((len(row) for row in self.rows), default=0)

    @property
    def tiles(self) -> Iterator[Tile]:
        """All tiles, row by row."""
        return (tile for row in self.rows for tile in row if tile is not None)


@dataclass(frozen=True)
class Layout:
    """Sizes of a sheet in inches; all blocks are alike."""

    cell: tuple[float, float]
    block: tuple[float, float]
    blocks_in_a_row: int
    label: float
    head: float
    column_head: float
    caption: float
    caption_points: float
    width: float
    height: float
    body: float


@dataclass(frozen=True, eq=False, repr=False)
class Sheet(Display):
    """Blocks of tiles under a title.

    Args:
        blocks: what is shown; tiles have one size, and keep their proportions.
        title: a line above all.
        description: what a reader who does not see the picture is told.
        scale: the colour bar; None shows none.
        scale_text: words beside the bar.
        notes: lines below.

    Example:
        >>> import numpy
        >>> tile = Tile(numpy.zeros((4, 4, 3), dtype=numpy.uint8), "black")
        >>> print(Sheet((Block(((tile,),)),), "one tile", "A black square."))
        A black square.
    """

    blocks: tuple[Block, ...]
    title: str
    description: str
    scale: Scale | None = None
    scale_text: str = ""
    notes: tuple[str, ...] = ()
    largest: float = field(default=LARGEST)

    @property
    def alt(self) -> str:
        return self.description

    @property
    def size(self) -> tuple[float, float]:
        return self.layout.width, self.layout.height

    @cached_property
    def layout(self) -> Layout:
        """Where everything goes."""
        columns = max((block.columns for block in self.blocks), default=1) or 1
        rows = max((len(block.rows) for block in self.blocks), default=1) or 1
        across = blocks_across(len(self.blocks), columns, rows)
        labels = [label for block in self.blocks for label in block.row_labels]
        label = max((len(text) for text in labels), default=0) * LETTER * TEXT_POINTS * POINT + 0.08 * bool(
            labels
        )
        breaks = max((len(block.breaks) for block in self.blocks), default=0) * 2 * GAP
        free = (WIDTH - 2 * MARGIN - (across - 1) * BLOCK_GAP) / across - label - breaks
        side = min(max(free / columns - GAP, SMALLEST), self._largest_tile(columns * rows * across))
        cell = self._cell(side)
        captions = [tile.caption for block in self.blocks for tile in block.tiles]
        points = fitting_points(captions, cell[0] + GAP)
        caption = LINE * points * POINT if any(captions) else 0.0
        head = LINE * TEXT_POINTS * POINT + 0.04 if any(block.title for block in self.blocks) else 0.0
        column_head = LINE * TEXT_POINTS * POINT if any(block.column_labels for block in self.blocks) else 0.0
        block_size = (
            label + breaks + columns * (cell[0] + GAP) - GAP,
            head + column_head + rows * (cell[1] + caption + GAP) - GAP,
        )
        lines = math.ceil(len(self.blocks) / across)
        inner = across * (block_size[0] + BLOCK_GAP) - BLOCK_GAP
        width = max(inner, 3.4) + 2 * MARGIN
        body = MARGIN + LINE * TITLE_POINTS * POINT * len(self._lines(self.title, width, TITLE_POINTS)) + 0.1
        below = BAR * (self.scale is not None) + self._notes_height(width)
        height = body + lines * (block_size[1] + BLOCK_GAP) - BLOCK_GAP + below + MARGIN
        return Layout(
            cell, block_size, across, label, head, column_head, caption, points, width, height, body
        )

    def _largest_tile(self, count: int) -> float:
        """Few tiles may be large, many need not be."""
        return min(self.largest, max(4.2 / math.sqrt(count), 0.32))

    def _cell(self, side: float) -> tuple[float, float]:
        """Width and height of a tile's place, in the proportions of the tiles."""
        shapes = [tile.pixels.shape for block in self.blocks for tile in block.tiles] or [(1, 1, 3)]
        height, width = max(shape[0] for shape in shapes), max(shape[1] for shape in shapes)
        longest = max(height, width)
        return max(side * width / longest, 0.05), max(side * height / longest, 0.05)

    def _lines(self, text: str, width: float, points: float) -> list[str]:
        letters = int((width - 2 * MARGIN) / (LETTER * points * POINT))
        return textwrap.wrap(text, max(letters, 20)) or [""]

    def _notes_height(self, width: float) -> float:
        count = sum(len(self._lines(note, width, TEXT_POINTS)) for note in self.notes)
        return count * LINE * TEXT_POINTS * POINT + 0.08 * bool(count)

    def _draw(self, ax: Axes) -> None:
        layout = self.layout
        ax.set_axis_off()
        ax.set_xlim(0, layout.width)
        ax.set_ylim(layout.height, 0)
        ax.set_aspect("equal")
        pen = Pen(ax, layout.width)
        y = MARGIN
        for line in self._lines(self.title, layout.width, TITLE_POINTS):
            pen.write(MARGIN, y, line, TITLE_POINTS, va="top", weight="bold")
            y += LINE * TITLE_POINTS * POINT
        for index, block in enumerate(self.blocks):
            row, column = divmod(index, layout.blocks_in_a_row)
            left = MARGIN + column * (layout.block[0] + BLOCK_GAP)
            self._draw_block(pen, block, left, layout.body + row * (layout.block[1] + BLOCK_GAP))
        y = layout.height - MARGIN - self._notes_height(layout.width) + 0.08
        if self.scale is not None:
            pen.bar(self.scale, self.scale_text, y - BAR + 0.1)
        for note in self.notes:
            for line in self._lines(note, layout.width, TEXT_POINTS):
                pen.write(MARGIN, y, line, TEXT_POINTS, va="top", color=MUTED)
                y += LINE * TEXT_POINTS * POINT

    def _draw_block(self, pen: Pen, block: Block, left: float, top: float) -> None:
        layout = self.layout
        if block.title:
            pen.write(left, top, block.title, TEXT_POINTS, va="top")
        top += layout.head + layout.column_head
        places, x = [], left + layout.label
        for column in range(block.columns):
            x += 2 * GAP * (column in block.breaks)
            places.append(x)
            x += layout.cell[0] + GAP
        points = fitting_points(block.column_labels, layout.cell[0] + GAP)
        for x, label in zip(places, block.column_labels, strict=False):
            pen.write(
                x + layout.cell[0] / 2, top - 0.03, label, points, ha="center", va="bottom", color=MUTED
            )
        for row, tiles in enumerate(block.rows):
            y = top + row * (layout.cell[1] + layout.caption + GAP)
            if row < len(block.row_labels):
                middle = y + layout.cell[1] / 2
                pen.write(
                    left + layout.label - 0.07,
                    middle,
                    block.row_labels[row],
                    TEXT_POINTS,
                    ha="right",
                    color=MUTED,
                )
            for x, tile in zip(places, tiles, strict=False):
                if tile is not None:
                    pen.tile(tile, x, y, layout)


class Pen:
    """Writes and pastes onto axes whose unit is an inch."""

    def __init__(self, ax: Axes, width: float) -> None:
        self.ax = ax
        shown = ax.get_window_extent().width / ax.figure.dpi
        self.shrink = min(1.0, shown / width)  # text shrinks with axes that are smaller than the sheet

    def write(self, x: float, y: float, text: str, points: float, **style: str) -> None:
        """Put a line of text; "$" and the like mean nothing special."""
        look: dict[str, Any] = {"va": "center", "color": INK, **style}
        self.ax.text(x, y, text, fontsize=points * self.shrink, parse_math=False, **look)

    def paste(self, pixels: Pixels, left: float, top: float, width: float, height: float) -> None:
        """Put a picture, if it has any pixels; they stay squares when they are large."""
        if not pixels.size:
            return
        self.ax.imshow(
            pixels, extent=(left, left + width, top + height, top), aspect="auto", interpolation="antialiased"
        )

    def tile(self, tile: Tile, x: float, y: float, layout: Layout) -> None:
        """A tile as large as its place allows, in the middle of it, with a fine edge and its caption."""
        from matplotlib.patches import Rectangle

        rows, columns = tile.pixels.shape[:2]
        each = min(layout.cell[0] / max(columns, 1), layout.cell[1] / max(rows, 1))
        width, height = columns * each, rows * each
        left, top = x + (layout.cell[0] - width) / 2, y + (layout.cell[1] - height) / 2
        self.paste(tile.pixels, left, top, width, height)
        self.ax.add_patch(
            Rectangle((left, top), width, height, fill=False, edgecolor="#c9cdd2", linewidth=0.4)
        )
        if tile.caption:
            most = int((layout.cell[0] + GAP) / (LETTER * layout.caption_points * POINT))
            text = tile.caption if len(tile.caption) <= most else tile.caption[: max(most - 1, 1)] + "…"
            middle = x + layout.cell[0] / 2
            self.write(
                middle,
                y + layout.cell[1] + 0.02,
                text,
                layout.caption_points,
                ha="center",
                va="top",
                color=MUTED,
            )

    def bar(self, scale: Scale, text: str, top: float) -> None:
        """The colours with the values at their ends, and zero."""
        low, high = scale.ends
        middle = len(ramp()) // 2
        first, last = (0 if low < 0 else middle), (len(ramp()) if high > 0 else middle + (low == 0))
        width, height = 1.0 * ((low < 0) + (high > 0)) or 1.0, 0.11
        self.paste(ramp()[None, first:last], MARGIN, top, width, height)
        marks = {low: 0.0, high: width} | ({0.0: width / 2} if low < 0 < high else {})
        sides = {low: "left", high: "right"}
        for value, x in marks.items():
            self.write(
                MARGIN + x,
                top + height + 0.03,
                f"{value:.3g}",
                TEXT_POINTS,
                ha=sides.get(value, "center"),
                va="top",
                color=MUTED,
            )
        self.write(MARGIN + width + 0.1, top + height / 2, text, TEXT_POINTS, color=MUTED)


def fitting_points(texts: Sequence[str], width: float) -> float:
    """The size of letters at which the longest text is no wider than `width` inches, within limits."""
    longest = max((len(text) for text in texts), default=0)
    return min(max(width / (POINT * LETTER * max(longest, 1)), LEAST_POINTS), TEXT_POINTS)


def blocks_across(blocks: int, columns: int, rows: int) -> int:
    """How many blocks stand side by side: as many as leave tiles a good size, and fill their rows well."""
    most = min(blocks, max(1, int(WIDTH / (columns * 0.42 + BLOCK_GAP))))
    return (
        min(
            range(1, most + 1),
            key=lambda n: (abs(math.log(n * columns / (math.ceil(blocks / n) * rows) / 1.6)), -n),
        )
        if most
        else 1
    )


def grid_columns(count: int, shape: tuple[int, int]) -> int:
    """How many tiles (H, W) a row has, so that the whole is somewhat wider than high, with few places empty.

    Example:
        >>> [grid_columns(count, (8, 8)) for count in (1, 3, 10, 32, 64)]
        [1, 3, 5, 8, 8]
    """

    def cost(columns: int) -> float:
        rows = math.ceil(count / columns)
        wide = columns * shape[1] / (rows * shape[0])
        empty = rows * columns - count
        return abs(math.log(wide / 1.6)) + 1.5 * empty / count + 0.3 * (empty > 0)

    return min(range(1, min(count, 48) + 1), key=cost) if count else 1
