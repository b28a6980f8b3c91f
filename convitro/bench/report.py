"""Results in a page: tables between two marks, and one picture per suite and number of threads beside it."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from convitro.bench.layers import OVERVIEW, SUITES
from convitro.bench.results import Row, Run
from convitro.bench.table import markdown, milliseconds
from convitro.errors import LoadError

BEGIN, END = "<!-- figures: written by `convitro bench --report` -->", "<!-- end of figures -->"
NEW_PAGE = f"# Speed\n\n{BEGIN}\n{END}\n"
COLOURS = {  # Okabe and Ito's, which the colour-blind can tell apart; the order of the bars says it again
    "convitro": "#D55E00",
    "convitro NCHW": "#E69F00",
    "torch": "#000000",
    "torch channels_last": "#999999",
    "torch.compile": "#56B4E9",
    "onnxruntime": "#0072B2",
    "openvino": "#009E73",
    "jax": "#CC79A7",
}
DARK = ("#000000", "#0072B2", "#009E73", "#D55E00")  # numbers on them are white
COLUMNS, PANEL_IN = 4, (2.6, 1.25)
LONGEST = 3.0  # bars are cut off at so many times the fastest peer


def write(runs: Sequence[Run], page: Path) -> Iterator[Path]:
    """Put the runs' tables into `page` and their pictures into `images` beside it; yield what was written.

    A page that is not there is made; of one that is, only what stands between the two marks changes.

    Raises:
        LoadError: matplotlib is missing, or the page has no marks.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise LoadError("bench: matplotlib is not installed.", hint='`pip install "convitro[plots]"` adds it')
    content = page.read_text(encoding="utf-8") if page.exists() else NEW_PAGE
    if BEGIN not in content or END not in content:
        raise LoadError(f'bench: "{page}" has no place for figures.', expected=f"the lines {BEGIN} and {END}")
    parts = []
    for run in runs:
        links = []
        for suite, rows in _pictured(run).items():
            file = page.parent / "images" / f"speed-{suite}-{run.threads}.png"
            picture(f"{suite}, {_threads(run)}", rows, file)
            links.append(f"![{suite}: milliseconds of ours and each peer](images/{file.name})\n")
            yield file
        parts.append("\n".join([f"## {_threads(run).capitalize()}\n", *links, markdown(run)]))
    before, after = content.split(BEGIN)[0], content.split(END)[1]
    page.write_text(f"{before}{BEGIN}\n" + "\n".join(parts) + f"{END}{after}", encoding="utf-8")
    yield page


def picture(title: str, rows: Sequence[Row], file: Path) -> None:
    """One panel per layer, one bar per contender: milliseconds, shorter is better."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    lines = -(-len(rows) // COLUMNS)
    size = (COLUMNS * PANEL_IN[0], lines * PANEL_IN[1] + 0.9)
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(lines, COLUMNS, squeeze=False).flatten()
    for panel in panels[len(rows) :]:
        panel.set_axis_off()
    for panel, row in zip(panels, rows, strict=False):
        bars(panel, row)
    shown = [name for name in COLOURS if any(name in row.timings for row in rows)]
    handles = [Patch(color=COLOURS[name], label=name) for name in shown]
    figure.suptitle(f"{title}: milliseconds, shorter is better", x=0.01, ha="left", fontsize=10)
    figure.legend(handles=handles, loc="outside lower left", ncols=len(shown), fontsize=7, frameon=False)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=130)


def bars(panel: Any, row: Row) -> None:
    """One layer; bars longer than `LONGEST` times the fastest peer end at the edge, with their number."""
    names = [name for name in COLOURS if name in row.timings]
    values = [row.ms(name) for name in names]
    edge = LONGEST * min(row.peers().values(), default=max(values))
    edge = min(edge, 1.3 * max(values)) if max(values) < edge else edge
    for place, (name, value) in enumerate(zip(names, values, strict=True)):
        panel.barh(place, min(value, edge), color=COLOURS[name], height=0.8)
        cut = " ▸" if value > edge else ""
        inside = value > 0.8 * edge
        panel.text(
            min(value, edge) + (-0.01 if inside else 0.01) * edge,
            place,
            milliseconds(value) + cut,
            va="center",
            ha="right" if inside else "left",
            fontsize=5.5,
            color="white" if inside and COLOURS[name] in DARK else "black",
        )
    panel.set_title(f"{row.name}  ({row.ratio():.2f}x)", fontsize=7, loc="left", pad=2)
    panel.set_xlim(0, edge)
    panel.set_ylim(len(names) - 0.4, -0.6)
    panel.set_yticks([])
    panel.tick_params(axis="x", labelsize=5.5, length=2, pad=1)
    panel.spines[["top", "right"]].set_visible(False)


def _pictured(run: Run) -> dict[str, list[Row]]:
    """Each suite with layers, and before them some layers of each kind where all of them are there."""
    shown = [row for row in run.rows if row.name in OVERVIEW and row.timings]
    suites = {"overview": shown} if len(shown) == len(OVERVIEW) else {}
    for row in run.rows:
        if row.suite in SUITES and row.timings:
            suites.setdefault(row.suite, []).append(row)
    return suites


def _threads(run: Run) -> str:
    return "one thread" if run.threads == 1 else f"{run.threads} threads"
