"""What stands below the page of a report: results as tables and pictures, each under a heading."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import torch

from convitro.sources import Network


@dataclass(frozen=True)
class Section:
    """One part of a report.

    Args:
        title: its heading.
        content: in one line, what it holds.
        html: tables and pictures; no script, no address.
        filters: filters that it speaks of, by layer: the page should be able to open them.
    """

    title: str
    content: str
    html: str
    filters: Mapping[str, Sequence[int]] = field(default_factory=dict)

    @property
    def anchor(self) -> str:
        """Where a link to it leads."""
        return "-".join(self.title.lower().split())


def contents(sections: Sequence[Section]) -> str:
    """All sections as HTML, with links to each on top."""
    links = "".join(f'<li><a href="#{part.anchor}">{html.escape(part.title)}</a></li>' for part in sections)
    parts = "".join(
        f'<section id="{part.anchor}"><h2>{html.escape(part.title)}</h2>'
        f'<p>{html.escape(part.content)}</p><div class="scrolled">{part.html}</div></section>'
        for part in sections
    )
    return (f'<nav aria-label="Sections"><ul>{links}</ul></nav>' if sections else "") + parts


def result_section(
    title: str, content: str, result: Any, filters: Mapping[str, Sequence[int]] | None = None
) -> Section:
    """A section that shows a result as a notebook would."""
    return Section(title, content, result._repr_html_(), filters or {})


def origin_section(network: Network) -> Section:
    """How the report was made: what was given to the network, and with which versions."""
    facts = {
        "network": network.name,
        "input": "x".join(map(str, network.input_size)),
        "subtracted, then divided by": f"{numbers(network.mean)}; {numbers(network.std)}",
        "made with": f"convitro {version('convitro')}, torch {torch.__version__}",
    }
    rows = "".join(
        f"<tr><th>{html.escape(key)}</th><td>{html.escape(value)}</td></tr>" for key, value in facts.items()
    )
    return Section("About this report", "What was run, and with what.", f"<table>{rows}</table>")


def numbers(values: Sequence[float]) -> str:
    """Numbers between commas."""
    return ", ".join(f"{value:g}" for value in values)
