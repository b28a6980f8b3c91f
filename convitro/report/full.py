"""`full_report`: run a network on a few pictures, and put everything that was found into one page."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from convitro.errors import ArgumentError
from convitro.report.documents import PageDocuments, Runs
from convitro.report.result import Report
from convitro.report.sections import Section, contents
from convitro.sources import Network
from convitro.view.standalone import standalone_page

MAX_BYTES = 20 * 10**6
MAX_PICTURES = 8


def full_report(
    network: Network,
    pictures: Sequence[tuple[str, Tensor]],
    sections: Sequence[Section] = (),
    *,
    max_bytes: int = MAX_BYTES,
    runs: Runs | None = None,
    opening: str = "",
) -> Report:
    """The network on these pictures as one HTML page.

    On top is the explorer's page with every map of the pictures, below are the sections. The numbers of a
    network that is too large for `max_bytes` are there for some of its filters only; the page says which.

    Args:
        network: the model, its name and what it takes (`convitro.sources.Network`).
        pictures: (name, pixels (1, C, H, W) between 0 and 1), one to eight; not normalised.
        sections: tables and pictures, from top to bottom (`convitro.report.sections`).
        max_bytes: how large the page may become; its own files and the sections are never cut.
        runs: what the network gave on these pictures, where that is known; None runs it.
        opening: what the page shows first, as the explorer's address says it: "layer=conv1&filter=3".

    Returns:
        A `Report`; `save` writes it.

    Raises:
        ArgumentError: no picture, or more than eight.

    Source: own.

    Example:
        >>> import torch
        >>> network = Network(torch.nn.Conv2d(3, 8, 3), "one layer", (3, 16, 16))
        >>> full_report(network, [("noise", torch.rand(1, 3, 16, 16))]).size_bytes < 10**6
        True
    """
    if not 1 <= len(pictures) <= MAX_PICTURES:
        raise ArgumentError(
            "full_report: the number of pictures does not fit.",
            expected=f"1 to {MAX_PICTURES} pictures",
            received=str(len(pictures)),
        )
    wanted: dict[str, list[int]] = {}
    for section in sections:
        for layer, filters in section.filters.items():
            wanted.setdefault(layer, []).extend(filters)
    title, tables = f"{network.name}: convolution layers, taken apart", contents(sections)
    own = len(standalone_page({}, tables, title, opening).encode())
    runs = runs or Runs.of(network, pictures)
    documents = PageDocuments(network, pictures, wanted, runs).packed(max_bytes - own)
    names = ", ".join(name for name, _ in pictures)
    listed = [("The network", f"every layer on {names}: filters, maps, pixels")]
    listed += [(section.title, section.content) for section in sections]
    return Report(network.name, standalone_page(documents, tables, title, opening), tuple(listed))
