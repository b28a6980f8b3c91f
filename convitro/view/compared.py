"""The document of one filter on one more picture: its maps, and what the network says of that picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from convitro.aggregation import Aggregation
from convitro.anatomy import Anatomy, LayerAnatomy
from convitro.view.document import Document
from convitro.view.filters import results
from convitro.view.network import prediction_manifest
from convitro.view.values import byte_array, float_array, limit

SIDE = 112  # of the picture, at most
FIRST_CLASSES = 3


def compared_document(
    anatomy: Anatomy,
    layer: LayerAnatomy,
    filter: int,
    aggregation: str | Aggregation | None,
    pixels: Tensor,
    facts: Mapping[str, Any],
) -> Document:
    """What a filter makes of a picture, to stand beside what it makes of another one.

    Args:
        anatomy: the network on the picture.
        layer, filter: of the network.
        aggregation: how the channels are combined; None is the layer's own way. Kept apart, there is no map.
        pixels: the picture, 0..1: (1, C, H, W).
        facts: of the picture ("id", "name") and of the network ("classes").
    """
    maps = results(layer.filter(filter, aggregation))
    maps.pop("output", None)  # the page shows what the activation makes of it
    said = prediction_manifest(anatomy.output, facts["classes"], anatomy.ending)
    manifest = {
        "picture": {"id": facts["id"], "name": facts["name"]},
        "layer": layer.name,
        "filter": filter,
        "prediction": said["prediction"][:FIRST_CLASSES],
        "limits": {name: limit(values) for name, values in maps.items()},
    }
    side = (min(SIDE, pixels.shape[-2]), min(SIDE, pixels.shape[-1]))
    small = adaptive_avg_pool2d(pixels.float(), side)[0].clamp(0, 1).mul(255).round().permute(1, 2, 0)
    return Document(manifest, {"picture": byte_array(small)} | {k: float_array(v) for k, v in maps.items()})
