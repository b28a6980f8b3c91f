"""The documents of a training: its numbers so far, and the filters of a layer as they were after an epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from convitro.anatomy import Anatomy, LayerAnatomy
from convitro.view.document import Document
from convitro.view.network import prediction_manifest
from convitro.view.values import float_array, limit, number, quantise

FILTERS_PER_PAGE = 32
MOST_KERNELS = 64  # of a filter; the page says how many there are besides
SIDE = 40  # of the small maps
MEASURES = ("loss", "accuracy", "validation_loss", "validation_accuracy", "learning_rate")


def training_document(facts: Mapping[str, Any] | None, epochs: Sequence[int]) -> Document:
    """Where a training stands: the page's curves, and the epochs that its slider can go to.

    Args:
        facts: of the training, as JSON; `history` holds a mapping of measures for every finished epoch, in
            which infinities and NaN may stand as words. None where there is no training to follow.
        epochs: those whose network was kept.
    """
    if facts is None:
        return Document({"followed": False, "epochs": []}, {})
    rows = [
        {"epoch": row["epoch"], "seconds": number(float(row["seconds"]))}
        | {name: None if row[name] is None else number(float(row[name])) for name in MEASURES}
        for row in facts["history"]
    ]
    measured = {
        name: None if facts[name] is None else number(float(facts[name]))
        for name in ("test_loss", "test_accuracy")
    }
    return Document({**facts, **measured, "history": rows, "followed": True, "epochs": list(epochs)}, {})


def epoch_document(
    layer: LayerAnatomy, epoch: int, start: int, weight: Tensor, answer: Mapping[str, Any]
) -> Document:
    """A page of a layer's filters after an epoch, without maps: all that an early version kept.

    Args:
        layer: the layer as it is opened, for its sizes.
        epoch: after how many epochs.
        start: the first filter of the page.
        weight: of the layer then: (C_out, C_in/groups, KH, KW).
        answer: what stands in the manifest besides.
    """
    page = slice(start, start + FILTERS_PER_PAGE)
    manifest = {
        "layer": layer.name,
        "epoch": epoch,
        "start": start,
        "filters": list(range(layer.filters))[page],
        "filters_per_page": FILTERS_PER_PAGE,
        "kernel_limit": limit(weight),
        "kernels_hidden": max(0, weight.shape[1] - MOST_KERNELS),
        "prediction": [],
        **answer,
    }
    return Document(manifest, {"kernels": float_array(weight[page, :MOST_KERNELS])})


def epoch_maps_document(
    anatomy: Anatomy, name: str, epoch: int, start: int, classes: Sequence[str] | None
) -> Document:
    """A page of a layer's filters after an epoch: kernels, small feature maps, and what the network said.

    Args:
        anatomy: the network of that epoch, dissected on the open picture.
        name: of the layer.
        epoch, start: as for `epoch_document`.
        classes: names of the scores; None where the network was not kept to its end.
    """
    layer = anatomy[name]
    maps = first_maps(layer)
    answer: dict[str, Any] = {"map_limit": limit(maps)}
    if classes is not None:
        answer |= prediction_manifest(anatomy.output, classes, anatomy.ending)
    page = epoch_document(layer, epoch, start, layer.weight, answer)
    shown = maps[start : start + FILTERS_PER_PAGE]
    side = (min(shown.shape[1], SIDE), min(shown.shape[2], SIDE))
    steps, limits = quantise(adaptive_avg_pool2d(shown, side) if side != tuple(shown.shape[1:]) else shown)
    return Document(page.manifest, {**page.arrays, "maps": steps, "limits": limits})


def epoch_filter_document(
    layer: LayerAnatomy, epoch: int, filter: int, weight: Tensor, *, mapped: bool
) -> Document:
    """One filter after an epoch: its kernels, its bias, and its feature map in full.

    Args:
        layer: of the network of that epoch, dissected on the open picture; where only weights were kept, the
            layer as it is opened.
        epoch, weight: as for `epoch_document`.
        filter: which filter.
        mapped: whether `layer` is of that epoch, so that it has its bias and map.
    """
    arrays: dict[str, NDArray[Any]] = {"kernels": float_array(weight[filter, :MOST_KERNELS])}
    manifest: dict[str, Any] = {"layer": layer.name, "epoch": epoch, "filter": filter, "bias": None}
    if mapped:
        map = first_maps(layer)[filter]
        arrays["map"] = float_array(map)
        manifest["map_limit"] = limit(map)
        manifest["bias"] = None if layer.bias is None else number(float(layer.bias[filter]))
    return Document(manifest, arrays)


def movement_document(layer: str, epochs: Sequence[int], moved: Sequence[Tensor]) -> Document:
    """How far each filter of a layer has moved from where it began, epoch by epoch.

    Args:
        layer: its name.
        epochs: of the rows.
        moved: for each epoch ‖w - w₀‖ / ‖w₀‖ of every filter: (C_out,).
    """
    rows = torch.stack(list(moved)) if moved else torch.zeros(0, 0)
    return Document({"layer": layer, "epochs": list(epochs)}, {"moved": float_array(rows)})


def first_maps(layer: LayerAnatomy) -> Tensor:
    """One feature map of each filter on image 0; the first where a filter hands on several: (C_out, H, W)."""
    maps = layer.activated[0].float()
    return maps[:: maps.shape[0] // layer.filters]


def moved(weight: Tensor, start: Tensor) -> Tensor:
    """‖w - w₀‖ / ‖w₀‖ of every filter (C_out,), float64; NaN where it began with zeros.

    Example:
        >>> moved(torch.full((1, 1, 2, 2), 3.0), torch.full((1, 1, 2, 2), 2.0))
        tensor([0.5000], dtype=torch.float64)
    """
    now, then = weight.double().flatten(1), start.double().flatten(1)
    return (now - then).norm(dim=1) / then.norm(dim=1).where(then.norm(dim=1) > 0, torch.nan)
