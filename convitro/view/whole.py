"""A layer in one document, for a page without a server: what the browser cannot compute from it is in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from numpy.typing import NDArray

from convitro.anatomy import LayerAnatomy
from convitro.view.document import Document
from convitro.view.filters import constants
from convitro.view.values import byte_array, float_array, number

STAGES = ("aggregated", "output", "activated", "pooled")


def channels_document(layer: LayerAnatomy) -> Document:
    """The channels that a layer reads on image 0."""
    return Document({"layer": layer.name}, {"inputs": float_array(layer.input[0])})


def layer_document(layer: LayerAnatomy, filters: Sequence[int]) -> Document:
    """Some filters of a layer on image 0: with its channels, all that the page's documents are made of.

    The partial maps are left out, for they are many: the page convolves each channel with its kernel again.
    Only those of a layer that does something else to its windows are here (`is_plain`).

    Args:
        layer: the dissected layer.
        filters: which of its filters; in ascending order.
    """
    chosen = list(filters)
    together = not layer.aggregation.separate
    maps = {name: stage_of(layer, name) for name in STAGES} if together else {}
    manifest: dict[str, Any] = {
        "layer": layer.name,
        "filters": chosen,
        "biases": [number(float(layer.bias[index])) if layer.bias is not None else 0.0 for index in chosen],
        "constants": [constants(layer, index) for index in chosen],
    }
    arrays: dict[str, NDArray[Any]] = {
        "kernels": float_array(layer.weight[chosen]),
        **{name: float_array(value[0, chosen]) for name, value in maps.items() if value is not None},
    }
    if not is_plain(layer):
        arrays["partial_maps"] = float_array(torch.stack([layer.partial_maps(index)[0] for index in chosen]))
    if together and layer.switches is not None:
        arrays["switches"] = byte_array(layer.switches[0, chosen])
    return Document(manifest, arrays)


def stage_of(layer: LayerAnatomy, name: str) -> torch.Tensor | None:
    """The maps of a layer after one of its stages (1, C_out, H, W); None without pooling."""
    maps: torch.Tensor | None = layer.aggregated() if name == "aggregated" else getattr(layer, name)
    return maps


def is_plain(layer: LayerAnatomy) -> bool:
    """Whether a page can convolve as the layer does: products summed over each window, zeros around."""
    products = layer.combine == "multiply" and layer.window.name == "sum"
    return products and layer.problem.padding_mode == "zeros"


def filter_bytes(layer: LayerAnatomy) -> int:
    """About how many bytes one filter of a layer takes, before it is packed."""
    rows, columns = layer.output_size
    stages = 3 + (0.5 if layer.pool is not None else 0)  # of the usual pooling a quarter, and its switches
    channel = layer.weight[0, 0].numel() + (0 if is_plain(layer) else rows * columns)
    return 4 * int(layer.problem.channels_per_filter * channel + stages * rows * columns)
