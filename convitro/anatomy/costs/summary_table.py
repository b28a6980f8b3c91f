"""`Summary`: the layers of a model and what they cost, as a table, a tree, JSON, CSV, Markdown and LaTeX."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from convitro.anatomy.costs.columns import (
    COLUMNS,
    FIELD,
    LONGEST_KIND,
    LONGEST_NAME,
    Column,
    in_blocks,
    size_text,
    tree_labels,
)
from convitro.anatomy.costs.exports import to_csv, to_latex, to_markdown
from convitro.anatomy.costs.rows import Node, Row
from convitro.anatomy.tables import Table

KEPT_ALONE = ("advice",)  # in a table of its own, only rows with something in it are shown


@dataclass(frozen=True, repr=False)
class Summary:
    """The layers of a model and what they cost.

    Args:
        model: name of the model's class.
        rows: one per layer, in execution order; without an input in the order of definition.
        nodes: the same as a tree: every module before its parts; empty without an input.
        parameters: all of the model's, each counted once.
        trainable_parameters: those that require a gradient.
        unused_parameters: those of modules that did not run.
        parameter_bytes: the memory that they take.
        macs: multiply-accumulates of one run in convolutions and linear layers; None if nothing ran.
        input_bytes, output_bytes: the memory of the input, and of the outputs of all rows.
        time_ms: median time of a run, where times were measured.
        warnings: what of the image could not be followed.
        hidden: modules whose calls nobody can see, and which are not among the MACs.
        columns: which columns the table shows.
        row_settings: as for `summary`; any makes the table a tree.
        name_width: the most characters of a name in a line.
    """

    model: str
    rows: tuple[Row, ...]
    nodes: tuple[Node, ...]
    parameters: int
    trainable_parameters: int
    unused_parameters: int
    parameter_bytes: int
    macs: int | None
    input_bytes: int | None
    output_bytes: int | None
    time_ms: float | None
    warnings: tuple[str, ...]
    columns: tuple[str, ...]
    row_settings: tuple[str, ...] = ()
    name_width: int | None = None
    hidden: tuple[str, ...] = ()

    @property
    def flops(self) -> int | None:
        """Floating point operations: 2 for each MAC."""
        return None if self.macs is None else 2 * self.macs

    @property
    def advice(self) -> dict[str, tuple[str, ...]]:
        """What can be said of layers, by name; only where it is certain."""
        return {row.name: row.advice for row in self.rows if row.advice}

    def to_dict(self) -> dict[str, Any]:
        """Rows and totals as JSON types."""
        names = (
            "parameters",
            "trainable_parameters",
            "unused_parameters",
            "parameter_bytes",
            "macs",
            "flops",
        )
        more = ("input_bytes", "output_bytes", "time_ms")
        totals = {name: getattr(self, name) for name in (*names, *more)}
        layers = [row.to_dict() for row in self.rows]
        warnings = [*self._hidden_parts(), *self.warnings]
        return {"model": self.model, "layers": layers, "totals": totals, "warnings": warnings}

    def to_csv(self) -> str:
        """The shown columns as comma separated values: plain numbers, bytes, no totals."""
        names = ("layer", "kind", *self.columns)
        rows = (
            (row.name, row.kind, *(COLUMNS[name].value(row, self.parameters) for name in self.columns))
            for row in self.rows
        )
        return to_csv(names, rows)

    def to_markdown(self) -> str:
        """The table in Markdown."""
        return to_markdown(self.table())

    def to_latex(self) -> str:
        """The table in LaTeX, for the package booktabs."""
        return to_latex(self.table())

    def table(self) -> Table:
        """All columns beside each other, and the totals below."""
        return self._table(self._shown, tuple(self._notes()), title=self.model)

    @property
    def _shown(self) -> list[Column]:
        return [COLUMNS[name] for name in self.columns]

    @property
    def _is_tree(self) -> bool:
        return bool(self.row_settings) and bool(self.nodes)

    def _lines(self) -> list[tuple[tuple[str, ...], Row]]:
        """Each row with the cells that name it."""
        if not self._is_tree:
            return [((self._folded(row.name), row.kind), row) for row in self.rows]
        hides = "hide_recursive_layers" in self.row_settings
        nodes = [node for node in self.nodes if not (hides and "#" in node.row.name)]
        labels = tree_labels(nodes, self.row_settings)
        return [((label,), node.row) for label, node in zip(labels, nodes, strict=True)]

    def _folded(self, name: str) -> str:
        return "\n".join(textwrap.wrap(name, self.name_width)) if self.name_width else name

    def _table(self, columns: Sequence[Column], notes: tuple[str, ...] = (), title: str = "") -> Table:
        lines = self._lines()
        if title != self.model:  # a further table names its rows in short
            lines = [((cells[0],), row) for cells, row in lines]
        alone = all(column.name in KEPT_ALONE for column in columns) and columns and title != self.model
        names = ("layer",) if self._is_tree or title != self.model else ("layer", "kind")
        rows = tuple(
            (*cells, *(column.text(row, self.parameters) for column in columns))
            for cells, row in lines
            if not alone or row.advice
        )
        start = len(names)
        numeric = tuple(at for at, column in enumerate(columns, start) if column.numeric)
        whole = tuple(at for at, column in enumerate(columns, start) if column.name != "advice")
        kept = (0, *whole) if self._is_tree else whole
        return Table(title, (*names, *(column.title for column in columns)), rows, notes, numeric, kept)

    def _notes(self) -> list[str]:
        notes = [
            f"parameters: {self.parameters:,} ({self.trainable_parameters:,} trainable), "
            f"{self.parameter_bytes / 2**20:.1f} MiB"
        ]
        if any(row.shared for row in self.rows):
            notes.append("(in brackets: used before, counted once)")
        if self.unused_parameters:
            notes.append(f"unused in this run: {self.unused_parameters:,} parameters")
        if self.macs is None:
            return [*notes, "give input_size or input_data to see output shapes and MACs"]
        notes.append(f"MACs: {self.macs:,} in convolutions and linear layers")
        notes.append(f"FLOPs: {self.flops:,} (2 for each MAC)")
        return notes + self._hidden_parts() + self._notes_on_columns()

    def _hidden_parts(self) -> list[str]:
        names = ", ".join(name or self.model for name in self.hidden)
        return [f"not counted: what runs inside of TorchScript ({names})"] if names else []

    def _notes_on_columns(self) -> list[str]:
        notes = []
        if "memory" in self.columns and self.output_bytes is not None:
            largest = max(self.rows, key=lambda row: row.output_bytes, default=None)
            most = ""
            if largest is not None:
                most = f", the largest {size_text(largest.output_bytes)} ({largest.name})"
            total = size_text(self.output_bytes) or "0 B"
            notes.append(f"memory: {total} for the outputs of the layers{most}")
        if any(name in self.columns for name in FIELD):
            loose = any(row.field is not None and not row.field.exact for row in self.rows)
            notes.append("field, stride, start: pixels of the image; rows, columns where they differ")
            notes += ["<=: at most, as not every function could be followed"] if loose else []
            notes += self.warnings
        if self.time_ms is not None:
            notes.append(f"time: {self.time_ms:.2f} ms for a run; medians of 5 runs under observation")
        if "advice" in self.columns and not self.advice:
            notes.append("advice: none")
        return notes

    def __str__(self) -> str:
        columns = [column for column in self._shown if column.name != "advice" or self.advice]
        lines = self._lines()
        cells = [[column.text(row, self.parameters) for _, row in lines] for column in columns]
        widths = [max(map(len, (column.title, *texts))) for column, texts in zip(columns, cells, strict=True)]
        name = max((len(part) for names, _ in lines for part in names[0].split("\n")), default=5)
        taken = 2 + (name if self._is_tree else min(name, LONGEST_NAME))
        taken += (
            0
            if self._is_tree
            else 3 + min(LONGEST_KIND, max((len(row.kind) for row in self.rows), default=4))
        )
        blocks = in_blocks(columns, widths, taken)
        texts = [
            str(
                self._table(
                    block, tuple(self._notes()) if block is blocks[-1] else (), self.model if not at else ""
                )
            )
            for at, block in enumerate(blocks)
        ]
        text = "\n".join(texts)
        return text.replace("─", "-") if "ascii_only" in self.row_settings else text

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return self.table().html()
