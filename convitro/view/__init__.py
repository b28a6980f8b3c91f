"""The explorer's page and the documents it reads.

Here: the files of the page (plain ES modules, styles, vendored libraries) by name, and the Python that turns
an anatomy into documents. Not here: how they travel; the server and the report each bring their own way.
"""

from __future__ import annotations

from convitro.view.aggregation import cancellation_document, combined_document, outcome_document
from convitro.view.compared import compared_document
from convitro.view.document import Document, read_document
from convitro.view.filters import channels_per_page, filter_document, input_document
from convitro.view.network import by_liveliness, maps_document, network_document, pictures_document
from convitro.view.page import PageFile, page_files
from convitro.view.seeing import health_document, patches_document, projection_document
from convitro.view.table import table_document
from convitro.view.training import (
    epoch_document,
    epoch_filter_document,
    epoch_maps_document,
    moved,
    movement_document,
    training_document,
)

__all__ = [
    "Document",
    "PageFile",
    "by_liveliness",
    "cancellation_document",
    "channels_per_page",
    "combined_document",
    "compared_document",
    "epoch_document",
    "epoch_filter_document",
    "epoch_maps_document",
    "filter_document",
    "health_document",
    "input_document",
    "maps_document",
    "moved",
    "movement_document",
    "network_document",
    "outcome_document",
    "page_files",
    "patches_document",
    "pictures_document",
    "projection_document",
    "read_document",
    "table_document",
    "training_document",
]
