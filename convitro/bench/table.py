"""Results as text: a table of 80 columns for the terminal, Markdown for a page. Losses look like wins."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from io import StringIO
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from convitro.bench.results import Row, Run, is_ours
from convitro.bench.targets import Verdict, verdicts

WIDTH = 80
NOTES = (
    "ratio: the best peer's time over ours. roofline: the direct algorithm's least time on this processor "
    "over ours; Winograd does less work than the direct algorithm and may exceed 1. / sum: our time over "
    "that of our plain sum by the direct algorithm. MB: what a call of ours adds to the peak of memory."
)


def text(run: Run) -> str:
    """Everything that one run measured, in 80 columns."""
    console = Console(file=StringIO(), width=WIDTH, color_system=None, legacy_windows=False)
    console.print(conditions(run), highlight=False)
    for group, rows in run.groups().items():
        console.print(_group(group, rows))
    for line in (*refusals(run), *figures(run)):
        console.print(line, highlight=False, markup=False)
    console.print(f"\n{NOTES}\n", highlight=False)
    for verdict in verdicts(run):
        console.print(str(verdict), highlight=False, markup=False)
    assert isinstance(console.file, StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())


def conditions(run: Run) -> str:
    """Processor, threads, limits, date and versions in a few lines."""
    machine, limits = run.machine, run.roofline
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    return (
        f"{machine['processor']}, {machine['isa'] or 'no vector kernels'}, {run.threads} of "
        f"{machine['cores']} cores; measured peak {limits['flops_per_s'] / 1e9:.0f} GFLOP/s, "
        f"{limits['bytes_per_s'] / 1e9:.0f} GB/s; {run.settings['date']}.\n{versions}."
    )


def refusals(run: Run) -> list[str]:
    """Who was not timed, where and why; the same reason once."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for row in run.rows:
        for name, reason in row.refused.items():
            reasons.setdefault((name, reason), []).append(row.name)
    total = len(run.rows)
    places = {key: "everywhere" if len(rows) == total else ", ".join(rows) for key, rows in reasons.items()}
    return [f"not timed: {name} ({places[name, reason]}): {reason}" for name, reason in reasons]


def figures(run: Run) -> list[str]:
    """The single numbers, and what each network keeps for backward."""
    lines = [f"{figure.name}: {figure.value:.3g} {figure.unit}" for figure in run.figures]
    for row in run.rows:
        kept = ", ".join(f"{name} {size / 1e6:.2f} MB" for name, size in row.saved_bytes.items())
        lines += [f"saved for backward, {row.name}: {kept}"] if kept else []
        own = ", ".join(
            f"{name} {row.own_bytes[name] / 1e6:.2f} MB"
            for name, size in row.saved_bytes.items()
            if row.own_bytes.get(name, size) != size
        )
        lines += [f"of these not inputs of layers, {row.name}: {own}"] if own else []
    return lines


def markdown(run: Run) -> str:
    """The verdicts, and one table per group with everybody in it."""
    lines = [conditions(run).replace("\n", " "), "", "| target | measured | wanted | |", "|---|--:|--:|---|"]
    lines += [_verdict(verdict) for verdict in verdicts(run)]
    for group, rows in run.groups().items():
        lines += ["", f"**{group[0].upper()}{group[1:]}**, milliseconds", "", *_markdown_group(rows)]
    extra = [*refusals(run), *figures(run)]
    return "\n".join([*lines, "", *(f"- {line}" for line in extra)]).rstrip() + "\n"


def milliseconds(value: float) -> str:
    """Three digits, whatever the size.

    Example:
        >>> [milliseconds(value) for value in (0.01234, 1.234, 12.34, 1234.5)]
        ['0.0123', '1.23', '12.3', '1234']
    """
    if not math.isfinite(value):
        return "-"
    digits = 2 - math.floor(math.log10(value)) if value > 0 else 2
    return f"{value:.{min(max(digits, 0), 4)}f}"


def number(value: float, unit: str = "") -> str:
    """Two decimals, or a dash for what is not there."""
    return f"{value:.2f}{unit}" if math.isfinite(value) and value > 0 else "-"


def _group(group: str, rows: Sequence[Row]) -> Table:
    table = Table(title=group, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), expand=False)
    heads: dict[str, Any] = {"layer": "left", "ours ms": "right", "best ms": "right", "best peer": "left"}
    beside = _beside(rows)
    heads |= {"ratio": "right", **dict.fromkeys(beside, "right")}
    for head, justify in heads.items():
        table.add_column(head, justify=justify, no_wrap=True, overflow="ellipsis")
    for row in rows:
        best = row.best_peer()
        cells = (milliseconds(row.ms()), milliseconds(row.ms(best)), best or "-")
        table.add_row(row.name, *cells, number(row.ratio(), "x"), *(tell(row) for tell in beside.values()))
    return table


def _beside(rows: Sequence[Row]) -> dict[str, Callable[[Row], str]]:
    """The columns behind the ratio: what a row is compared with besides its peers."""
    if any(row.output_bytes for row in rows):
        return {"/ sum": lambda row: number(row.over_sum()), "MB": lambda row: number(row.extra_mb())}
    return {"roofline": lambda row: number(row.share())}


def _markdown_group(rows: Sequence[Row]) -> Iterator[str]:
    names = list(dict.fromkeys(name for row in rows for name in row.timings))
    names.sort(key=lambda name: not is_ours(name))
    beside = _beside(rows)
    yield "| layer | " + " | ".join([*names, "ratio", *beside]) + " |"
    yield "|---|" + "--:|" * (len(names) + 1 + len(beside))
    for row in rows:
        cells = [milliseconds(row.ms(name)) for name in names]
        best = row.best_peer()
        cells = [f"*{cell}*" if name == best else cell for name, cell in zip(names, cells, strict=True)]
        ratio = f"**{number(row.ratio(), 'x')}**"
        cells += [ratio, *(tell(row) for tell in beside.values())]
        yield f"| {row.name}<br>{row.shape} | {' | '.join(cells)} |"


def _verdict(verdict: Verdict) -> str:
    value, target = verdict.numbers()
    return f"| {verdict.what} | {value} | {target} | {'met' if verdict.met else '**missed**'} |"
