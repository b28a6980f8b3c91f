"""The columns of a summary: what each shows of a layer, as text and as a value, and which stand together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from convitro.anatomy.costs.rows import Node, Row
from convitro.anatomy.receptive.field import short
from convitro.anatomy.tables import WIDTH, by

Total = int
Text = Callable[[Row, Total], str]


@dataclass(frozen=True)
class Column:
    """One column.

    Args:
        name: torchinfo's word, where it has one.
        title: what stands above it.
        text: a row's cell, given the parameters of the whole model; empty for what is zero or missing.
        value: the same as a number, or as text where it is none; for CSV.
        numeric: aligned to the right.
    """

    name: str
    title: str
    text: Text
    value: Callable[[Row, Total], Any]
    numeric: bool = False


def shape(values: Sequence[int] | None) -> str:
    """ "1x3x8x8"; empty for none."""
    return "" if values is None else by(values, always=True)


def count(value: int) -> str:
    """ "1,234"; empty for zero."""
    return f"{value:,}" if value else ""


def parameters(row: Row, total: Total) -> str:
    """New ones, and in brackets those that stand in an earlier row."""
    if row.shared:
        return f"({row.shared:,})" if not row.parameters else f"{row.parameters:,} ({row.shared:,})"
    return count(row.parameters)


def share(row: Row, total: Total) -> str:
    """Of all parameters."""
    return f"{row.parameters / total:.2%}" if row.parameters else ""


def trainable(row: Row, total: Total) -> str:
    """Yes or no; empty without parameters."""
    return "yes" if row.trainable else "no" if row.parameters or row.shared else ""


def field_text(row: Row, total: Total) -> str:
    """The size of what a unit sees; "<=" where it may be less."""
    if row.field is None:
        return ""
    sign = "" if row.field.exact else "<="
    return f"{sign}all" if row.field.whole else sign + short(row.field.size)


def field_pair(name: str) -> Text:
    """Stride or start of the field; empty where a unit sees everything."""

    def text(row: Row, total: Total) -> str:
        return "" if row.field is None or row.field.whole else short(getattr(row.field, name))

    return text


def size_text(size: int) -> str:
    """Bytes in short.

    Example:
        >>> size_text(0), size_text(900), size_text(3 * 2**20)
        ('', '900 B', '3.0 MiB')
    """
    if not size:
        return ""
    for unit, power in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if size >= 2**power:
            return f"{size / 2**power:.1f} {unit}"
    return f"{size} B"


COLUMNS: dict[str, Column] = {
    column.name: column
    for column in (
        Column("input_size", "input", lambda r, t: shape(r.input_shape), lambda r, t: shape(r.input_shape)),
        Column(
            "output_size", "output", lambda r, t: shape(r.output_shape), lambda r, t: shape(r.output_shape)
        ),
        Column("kernel_size", "kernel", lambda r, t: shape(r.kernel_size), lambda r, t: shape(r.kernel_size)),
        Column("groups", "groups", lambda r, t: str(r.groups or ""), lambda r, t: r.groups or "", True),
        Column("num_params", "parameters", parameters, lambda r, t: r.parameters, True),
        Column("params_percent", "share", share, lambda r, t: 100 * r.parameters / max(1, t), True),
        Column("mult_adds", "MACs", lambda r, t: count(r.macs), lambda r, t: r.macs, True),
        Column("flops", "FLOPs", lambda r, t: count(r.flops), lambda r, t: r.flops, True),
        Column("memory", "memory", lambda r, t: size_text(r.output_bytes), lambda r, t: r.output_bytes, True),
        Column("receptive_field", "field", field_text, field_text, True),
        Column("field_stride", "stride", field_pair("stride"), field_pair("stride"), True),
        Column("field_start", "start", field_pair("start"), field_pair("start"), True),
        Column(
            "time_ms",
            "ms",
            lambda r, t: "" if r.time_ms is None else f"{r.time_ms:.2f}",
            lambda r, t: "" if r.time_ms is None else r.time_ms,
            True,
        ),
        Column("trainable", "trainable", trainable, trainable),
        Column("advice", "advice", lambda r, t: "; ".join(r.advice), lambda r, t: "; ".join(r.advice)),
    )
}
FIELD = ("receptive_field", "field_stride", "field_start")
ROW_SETTINGS = ("depth", "var_names", "ascii_only", "hide_recursive_layers")
LONGEST_NAME, LONGEST_KIND, ADVICE = 24, 12, 40


def in_blocks(columns: Sequence[Column], widths: Sequence[int], taken: int) -> list[list[Column]]:
    """The columns in tables that fit a terminal: as many in each as there is room for.

    Args:
        columns, widths: what stands beside the names, and how wide its longest cell is.
        taken: the width of the names.
    """
    blocks: list[list[Column]] = [[]]
    room = WIDTH - taken
    for column, width in zip(columns, widths, strict=True):
        needed = 3 + (min(width, ADVICE) if column.name == "advice" else width)
        if needed > room and blocks[-1]:
            blocks.append([])
            room = WIDTH - taken
        blocks[-1].append(column)
        room -= needed
    return blocks


def tree_labels(nodes: Sequence[Node], settings: Sequence[str]) -> list[str]:
    """The first column of a tree: kinds, variable names and places, as torchinfo writes them."""
    bar, tee, corner = ("|  ", "+- ", "+- ") if "ascii_only" in settings else ("│  ", "├─ ", "└─ ")
    gap = "   "
    labels, seen = [], dict.fromkeys(range(1 + max((node.level for node in nodes), default=0)), 0)
    for index, node in enumerate(nodes):
        seen[node.level] += 1
        later = [other.level for other in nodes[index + 1 :]]
        stem = "".join(bar if goes_on(later, level) else gap for level in range(1, node.level))
        branch = "" if not node.level else tee if goes_on(later, node.level) else corner
        text = node.row.kind
        text += f" ({node.variable})" if "var_names" in settings else ""
        text += f": {node.level}-{seen[node.level]}" if "depth" in settings and node.level else ""
        labels.append(stem + branch + text)
    return labels


def goes_on(levels: Sequence[int], level: int) -> bool:
    """Whether another row of this level comes before one that stands further out."""
    return next((other == level for other in levels if other <= level), False)
