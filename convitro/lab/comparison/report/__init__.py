"""A comparison as a page and as Markdown, for people who were not there."""

from __future__ import annotations

from pathlib import Path

from convitro.lab.comparison.report.markdown import markdown
from convitro.lab.comparison.report.page import page
from convitro.lab.comparison.report.sections import report_parts
from convitro.lab.comparison.result import Comparison
from convitro.lab.files import write_text
from convitro.plots.words import counted

PAGE, TEXT = "report.html", "report.md"


def write_report(comparison: Comparison, folder: str | Path) -> tuple[Path, Path]:
    """Write `report.html`, which holds all that it shows and asks nobody for anything, and `report.md`.

    Args:
        comparison: finished or not; the report says which.
        folder: where to; it is made. Older reports there are replaced, each at once.

    Returns:
        The two files.

    Raises:
        ExperimentError: the folder cannot be written to.
        LoadError: matplotlib is not installed.
    """
    arms, seeds = len(comparison.arms), len(comparison.design["seeds"])
    title = f"How should a convolution add up? {arms} ways on {comparison.design['data']}"
    lead = (
        f"{counted(arms, 'arm')} under {counted(len(comparison.regimes), 'regime')} with "
        f"{counted(seeds, 'seed')} each: {counted(len(comparison.content['cells']), 'training')}"
        + ("." if comparison.complete else ", and some are still missing: this is not the end of it.")
    )
    parts = report_parts(comparison)
    files = Path(folder) / PAGE, Path(folder) / TEXT
    write_text(files[0], page(title, lead, parts))
    write_text(files[1], markdown(title, lead, parts))
    return files
