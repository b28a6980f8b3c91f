"""The documents of what a filter sees: its projection into a picture, its strongest patches of a data set."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convitro.anatomy import Diagnosis, Projection, TopPatches
from convitro.sources import Network
from convitro.view.document import Document
from convitro.view.values import byte_array, number


def projection_document(projection: Projection) -> Document:
    """What came back from a filter to the picture; grey is nothing, the scale its own."""
    box = projection.region
    manifest = {
        "layer": projection.layer,
        "filter": projection.filter,
        "method": projection.method,
        "source": projection.source,
        "unit": None if projection.unit is None else list(projection.unit),
        "value": number(projection.value),
        "box": [box.top, box.left, box.bottom, box.right],
        "notes": list(projection.notes),
    }
    return Document(manifest, {"projection": around_grey(projection.image)})


def patches_document(network: Network, patches: TopPatches, filter: int, data: str) -> Document:
    """The pieces of a data set that made a filter most active, beside each what came back from it.

    Args:
        network: whose normalisation is taken back, so that patches look as their pictures do.
        patches: of the filter's layer.
        filter: which filter.
        data: what the data set is called.
    """
    row = patches.filters.index(filter)
    arrays: dict[str, NDArray[Any]] = {}
    found = []
    for rank in range(int((patches.images[row] >= 0).sum())):
        value = float(patches.values[row, rank])
        if value == 0:
            break  # a unit that is not active has seen nothing
        box = patches.region(filter, rank)
        piece = network.pixels(patches.patch(filter, rank)[None])[0]
        back = patches.projection(filter, rank).image[:, box.top : box.bottom, box.left : box.right]
        arrays[f"patch{rank}"], arrays[f"back{rank}"] = picture(piece), around_grey(back)
        y, x = patches.positions[row, rank].tolist()
        found.append({"value": number(value), "image": int(patches.images[row, rank]), "y": y, "x": x})
    manifest = {
        "layer": patches.layer,
        "filter": filter,
        "seen": patches.seen,
        "data": data,
        "patches": found,
    }
    return Document(manifest, arrays)


def health_document(diagnosis: Diagnosis, data: str) -> Document:
    """The findings of a diagnosis and the state of every layer."""
    return Document({**diagnosis.to_dict(), "data": data}, {})


def around_grey(image: Tensor) -> NDArray[np.uint8]:
    """Signed values (C, H, W) as a picture (H, W, 1 or 3): grey for zero, the largest at the end."""
    image = image.detach().float().nan_to_num(0.0, 0.0, 0.0)
    largest = image.abs().max().clamp_min(1e-30) if image.numel() else torch.ones(())
    return picture(image / largest / 2 + 0.5)


def picture(pixels: Tensor) -> NDArray[np.uint8]:
    """Pixels (C, H, W) of 0..1 as a picture (H, W, 3), or (H, W, 1) of their mean if they are no colours."""
    shown = pixels if pixels.shape[0] == 3 else pixels.mean(0, keepdim=True)
    return byte_array((shown.clamp(0, 1) * 255).round().permute(1, 2, 0))
