"""The document of the answer: scores, shares, and what every last map adds to the scores of some classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from convitro.anatomy import Anatomy, Answer, LayerAnatomy
from convitro.anatomy.answers.result import ENDINGS
from convitro.view.document import Document
from convitro.view.values import float_array, number, quantise

BEST = 10  # classes whose scores are taken apart in any case
MOST_CLASSES = 2000  # of which the page can show scores
NEARLY = 1e-4  # of the largest value
MOST_PARTS = 4096  # of a score; the weakest beyond are one number
SIDES = ((256, 40), (1024, 20), (MOST_PARTS, 12))  # thumbnails: with so many maps at most so large


def answer_document(found: Answer, anatomy: Anatomy, asked: Sequence[int] = ()) -> Document:
    """How the answer of a network comes about.

    Args:
        found: the answer on a picture.
        anatomy: the network on the same picture: whose maps the last ones are.
        asked: classes to take apart besides the best ten.
    """
    shown = list(dict.fromkeys([*found.order[:MOST_CLASSES], *asked]))
    powers, scores = found.powers, found.scores
    manifest: dict[str, Any] = {
        "ending": found.ending,
        "words": ENDINGS[found.ending],
        "reason": found.reason,
        "count": len(found.returned),
        "classes": [{"index": index, "name": found.name(index)} for index in shown],
        "largest": None if scores is None else number(float(scores.max())),
        "sum": None if powers is None else number(float(powers.sum())),
        "parts": None,
    }
    arrays = {"shares": float_array(found.shares[shown])}
    arrays |= {} if scores is None else {"scores": float_array(scores[shown])}
    arrays |= {} if powers is None else {"powers": float_array(powers[shown])}
    if found.linear is not None:
        rows = list(dict.fromkeys([*found.order[:BEST], *asked]))
        manifest["parts"], more = parts_of(found, anatomy, rows)
        arrays |= more
    return Document(manifest, arrays)


def parts_of(
    found: Answer, anatomy: Anatomy, rows: Sequence[int]
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The scores of some classes as sums: facts, and arrays with a row for each class."""
    assert found.linear is not None
    contributions = torch.stack([found.contributions(index) for index in rows])  # (R, P)
    maps = found.linear.maps
    count = contributions.shape[1]
    strongest = contributions.abs().amax(dim=0).nan_to_num(0.0).topk(min(count, MOST_PARTS)).indices
    kept = strongest.sort().values
    facts: dict[str, Any] = {
        "unit": found.unit,
        "layer": found.linear.name,
        "how": None if maps is None else maps.how,
        "rows": list(rows),
        "biases": [number(found.bias(index)) for index in rows],
        "has_bias": found.linear.bias is not None,
        "count": count,
        "kept": None if len(kept) == count else kept.tolist(),
        "rest": [number(float(row.sum() - row[kept].sum())) for row in contributions],
        "origins": [] if maps is None else origins(maps.values, anatomy),
    }
    arrays: dict[str, NDArray[Any]] = {"contributions": float_array(contributions[:, kept])}
    if found.features.shape[0] == count:  # one input for each part: the product can be written out
        arrays["features"] = float_array(found.features[kept])
        arrays["weights"] = float_array(found.linear.weight[list(rows)][:, kept])
    if maps is not None:
        facts["size"] = list(maps.values.shape[1:])
        arrays["maps"], arrays["limits"] = quantise(small(maps.values[0, kept]))
        places = [found.places(index) for index in rows]
        if places[0] is not None and places[0].numel() > 1:
            arrays["places"] = float_array(torch.stack([place for place in places if place is not None]))
    return facts, arrays


def small(maps: Tensor) -> Tensor:
    """Maps (C, H, W) as thumbnails, the smaller the more there are."""
    largest = next(side for count, side in SIDES if len(maps) <= count)
    height, width = maps.shape[1:]
    side = (min(height, largest), min(width, largest))
    return maps if side == (height, width) else adaptive_avg_pool2d(maps.float(), side)


def origins(maps: Tensor, anatomy: Anatomy) -> list[dict[str, Any]]:
    """Which layers' filters made the maps (1, C, H, W), by their values; else the layer that did most.

    Returns:
        Runs of maps: {layer, first (map), count, filter (the first), exact}. Where a sum makes them, such as
        in a residual network, the last layer of as many filters that goes into it, with `exact` false.
    """
    found: list[dict[str, Any]] = []
    for layer in anatomy.values():
        unlike = layer.pool is None and layer.output_size != tuple(maps.shape[2:])
        made = None if unlike else handed_on(layer)
        first = None if made is None or made.shape[2:] != maps.shape[2:] else place_of(made[:1], maps)
        taken = any(
            first is not None and run["first"] <= first < run["first"] + run["count"] for run in found
        )
        if made is not None and first is not None and not taken:
            found.append(
                {"layer": layer.name, "first": first, "count": made.shape[1], "filter": 0, "exact": True}
            )
    return found or summed(maps.shape[1], anatomy)


def handed_on(layer: LayerAnatomy) -> Tensor | None:
    """The maps that a layer hands on; None where those of a filter are kept apart."""
    if layer.aggregation.separate:
        return None
    return layer.activated if layer.pooled is None else layer.pooled


def place_of(made: Tensor, maps: Tensor) -> int | None:
    """Where the maps of a layer stand among others, (1, C, H, W) each; None where they do not.

    A dissected layer is computed anew, and so may differ by rounding.
    """
    made, count = made[0].to(maps), made.shape[1]
    allowed = NEARLY * float(maps.abs().amax())
    starts = ((maps[0] - made[0]).abs().flatten(1).amax(dim=1) <= allowed).nonzero().flatten().tolist()
    fits = (at for at in starts if at + count <= maps.shape[1])
    return next((at for at in fits if (maps[0, at : at + count] - made).abs().amax() <= allowed), None)


def summed(count: int, anatomy: Anatomy) -> list[dict[str, Any]]:
    """The last layer with so many filters that goes into the last sum of the network."""
    nodes = {node.name: node for node in anatomy.nodes}
    last = nodes["output"].sources if "output" in nodes else ()
    node = nodes.get(last[0]) if len(last) == 1 else None
    if node is None or node.kind != "add":
        return []
    layers = [name for name in anatomy if name in node.sources and anatomy[name].filters == count]
    return [{"layer": name, "first": 0, "count": count, "filter": 0, "exact": False} for name in layers[-1:]]
