"""The documents of one filter under several aggregations: its maps, their cancellation, and what follows."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils._pytree import tree_leaves

from convitro.aggregation import Aggregation
from convitro.anatomy import LayerAnatomy
from convitro.view.document import Document
from convitro.view.filters import results
from convitro.view.network import class_name, shares_of
from convitro.view.values import byte_array, float_array, limit, number

OPPONENTS = 3  # pairs that are named at a pixel


def combined_document(
    layer: LayerAnatomy, filter: int, aggregation: str | Aggregation | None, *, whole: bool = False
) -> Document:
    """The maps of one filter on image 0, its channels combined that way; None is the layer's own way.

    Args:
        layer: the dissected layer.
        filter: index of the filter.
        aggregation: how its channels are combined.
        whole: all maps up to the pooled one and its switches; else the two that are compared.
    """
    part = layer.filter(filter, aggregation)
    maps = results(part) if whole else {"aggregated": part.aggregated[0], "activated": part.activated[0]}
    arrays: dict[str, NDArray[Any]] = {name: float_array(values) for name, values in maps.items()}
    if whole and part.switches is not None:
        arrays["switches"] = byte_array(part.switches[0])
    manifest = {
        "layer": layer.name,
        "filter": filter,
        "aggregation": part.aggregation.spec,
        "limits": {name: limit(values) for name, values in maps.items()},
    }
    return Document(manifest, arrays)


def cancellation_document(layer: LayerAnatomy, filter: int) -> Document:
    """How far the channels of a filter cancel out on image 0, and at every pixel which ones most.

    `plus` and `minus` hold the largest and the lowest partial values of each pixel, the outermost first, `up`
    and `down` the channels that they come from (as floats: a document has no larger integers).
    """
    part = layer.filter(filter)
    found = part.cancellation
    maps = found.partial_maps[0].float()  # (C_in/groups, H_out, W_out)
    count = min(OPPONENTS, maps.shape[0])
    plus, up = maps.topk(count, dim=0)
    minus, down = maps.topk(count, dim=0, largest=False)
    first = found.channels.start
    manifest = {
        "layer": layer.name,
        "filter": filter,
        "value": number(found.value),
        "baseline": None if found.baseline is None else number(found.baseline),
    }
    arrays = {
        "cancellation": found.map[0],
        "brought": maps.abs().sum(0),
        "kept": maps.sum(0).abs(),
        "plus": plus,
        "up": up + first,
        "minus": minus,
        "down": down + first,
    }
    return Document(manifest, {name: float_array(values) for name, values in arrays.items()})


def outcome_document(before: Any, after: Any, classes: Any, ending: str) -> Document:
    """What becomes of the answer when a layer combines another way: the first class then and now.

    Args:
        before: what the network returned as it was trained.
        after: what it returns now.
        classes: names of the classes, or none.
        ending: as `Anatomy` has it.
    """
    manifest: dict[str, Any] = {"change": relative_change(before, after), "then": None, "now": None}
    old, new = shares_of(before, ending), shares_of(after, ending)
    if old is not None and new is not None:
        manifest["then"] = class_row(int(old.argmax()), old, new, classes)
        if bool(new.isfinite().all()):
            manifest["now"] = class_row(int(new.argmax()), old, new, classes)
    return Document(manifest, {})


def class_row(index: int, old: Tensor, new: Tensor, classes: Any) -> dict[str, Any]:
    """One class with its share as trained and now."""
    before, after = number(float(old[index])), number(float(new[index]))
    return {"index": index, "name": class_name(index, classes), "before": before, "after": after}


def relative_change(before: Any, after: Any) -> float | None:
    """The length of the difference by the length of what was, of all numbers that the network returns.

    Returns:
        None where they cannot be compared: no numbers, other shapes (of found objects, say), or not finite.
    """
    old, new = numbers_in(before), numbers_in(after)
    if [tensor.shape for tensor in old] != [tensor.shape for tensor in new]:
        return None
    difference = sum(float((n - o).square().sum()) for o, n in zip(old, new, strict=True))
    length = sum(float(o.square().sum()) for o in old)
    return number((difference / length) ** 0.5) if length > 0 else None


def numbers_in(output: Any) -> list[Tensor]:
    """The floating tensors of an output, wherever they stand in it."""
    leaves = (leaf for leaf in tree_leaves(output) if isinstance(leaf, Tensor))
    return [leaf.detach().to(torch.float64) for leaf in leaves if leaf.is_floating_point()]
