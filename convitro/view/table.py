"""The document of the Table view: every layer of the network and what it costs."""

from __future__ import annotations

from convitro.anatomy import Summary
from convitro.view.document import Document


def table_document(summary: Summary) -> Document:
    """The layers with their sizes, costs and advice, as `Summary.to_dict` has them."""
    return Document(summary.to_dict(), {})
