"""The documents of the overview: the network with its layers and its prediction; the maps of one layer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from convitro.aggregation import Aggregation, aggregations, resolve
from convitro.anatomy import Anatomy, LayerAnatomy, ReceptiveFields
from convitro.anatomy.stages import PoolGeometry
from convitro.view.document import Document
from convitro.view.filters import channels_per_page
from convitro.view.sight import sight
from convitro.view.values import byte_array, number, quantise

THUMBNAIL_SIDE = 40
BEST_CLASSES = 5


def network_document(
    network: Any,
    anatomy: Anatomy,
    picture: Mapping[str, Any],
    pixels: Tensor,
    fields: ReceptiveFields | None = None,
) -> Document:
    """The whole network on one picture: what the page needs before any layer is opened.

    Args:
        network: a `sources.Network`: name, input_size and classes are read.
        anatomy: the network dissected on the picture.
        picture: JSON facts about the picture ("id", "name").
        pixels: the picture as the network's size shows it, 0..1, before any mean is subtracted: (1, C, H, W).
        fields: what the layers see; None where that is not known.
    """
    layers = list(anatomy.values())
    manifest = {
        "name": network.name,
        "opening_filter": liveliest(layers[0]) if layers else 0,
        "input_size": list(network.input_size),
        "picture": dict(picture),
        "layers": [
            {**layer_manifest(layer, raw=is_raw(layer, anatomy)), "receptive": sight(layer, fields)}
            for layer in layers
        ],
        "nodes": [[node.name, node.kind, list(node.sources)] for node in anatomy.nodes],
        "aggregations": aggregation_words(layer.aggregation for layer in layers),
        **prediction_manifest(anatomy.output, network.classes, anatomy.ending),
        "answers": is_row(anatomy.output),
    }
    shown = (pixels[0].clamp(0, 1) * 255).round().permute(1, 2, 0)  # (H, W, C)
    return Document(manifest, {"picture": byte_array(shown)})


def pictures_document(pictures: Sequence[tuple[str, str, Tensor]]) -> Document:
    """The pictures to choose from: (id, name, pixels (1, 3, H, W) in 0..1), all of one size."""
    manifest = {"pictures": [{"id": id, "name": name} for id, name, _ in pictures]}
    shown = torch.cat([pixels for _, _, pixels in pictures]).clamp(0, 1).mul(255).round()
    return Document(manifest, {"pictures": byte_array(shown.permute(0, 2, 3, 1))})  # (P, H, W, 3)


def maps_document(layer: LayerAnatomy, side: int = THUMBNAIL_SIDE) -> Document:
    """What a layer hands on, small: its feature maps (pooled where it pools), of at most `side` pixels."""
    maps = (layer.activated if layer.pooled is None else layer.pooled)[0]
    height, width = maps.shape[-2:]
    size = (min(height, side), min(width, side))
    if size != (height, width):
        maps = adaptive_avg_pool2d(maps.float(), size)
    steps, limits = quantise(maps)
    return Document({"layer": layer.name, "liveliest": liveliest(layer)}, {"maps": steps, "limits": limits})


def liveliest(layer: LayerAnatomy) -> int:
    """The filter whose feature map varies most: a good one to open with, never a dead one."""
    return by_liveliness(layer)[0]


def by_liveliness(layer: LayerAnatomy) -> list[int]:
    """All filters of a layer, those whose feature maps vary most on image 0 first."""
    maps = layer.activated[0].float().nan_to_num(0.0, 0.0, 0.0)  # (C_maps, H_out, W_out)
    spread = maps.flatten(1).std(dim=1, correction=0).reshape(layer.filters, -1).amax(dim=1)
    ranked: list[int] = spread.argsort(descending=True, stable=True).tolist()
    return ranked


def layer_manifest(layer: LayerAnatomy, *, raw: bool) -> dict[str, Any]:
    """The facts of one layer, its sizes in (rows, columns)."""
    problem, pool = layer.problem, layer.pool
    height, width = layer.input.shape[-2:]
    return {
        "name": layer.name,
        "in_channels": problem.in_channels,
        "out_channels": problem.out_channels,
        "channels_per_filter": problem.channels_per_filter,
        "channels_per_page": channels_per_page(layer),
        "groups": problem.groups,
        "kernel_size": list(problem.kernel_size),
        "stride": list(problem.stride),
        "padding": list(problem.padding),
        "dilation": list(problem.dilation),
        "padding_mode": problem.padding_mode,
        "input_size": [height, width],
        "output_size": list(layer.output_size),
        "has_bias": layer.bias is not None,
        "parameters": layer.parameters,
        "macs": layer.macs,
        "aggregation": layer.aggregation.spec,
        "separate": layer.aggregation.separate,
        "window": layer.window.spec,
        "combine": layer.combine,
        "activation": layer.activation,
        "stages": [{"kind": stage.kind, "words": str(stage)} for stage in layer.chain.stages],
        "pool": None if pool is None else pool_manifest(pool, layer),
        "raw_input": raw,
    }


def pool_manifest(pool: PoolGeometry, layer: LayerAnatomy) -> dict[str, Any]:
    """The facts of the pooling after a layer."""
    pooled = layer.pooled
    return {
        "mode": pool.mode,
        "kernel_size": list(pool.kernel_size),
        "stride": list(pool.stride),
        "padding": list(pool.padding),
        "dilation": list(pool.dilation),
        "output_size": list(pooled.shape[-2:]) if pooled is not None else [],
    }


def is_raw(layer: LayerAnatomy, anatomy: Anatomy) -> bool:
    """Whether the layer reads the picture itself: then its channels are red, green and blue, or grey."""
    return layer is next(iter(anatomy.values())) and layer.problem.in_channels in (1, 3)


def aggregation_words(used: Iterable[Aggregation]) -> list[dict[str, Any]]:
    """Every registered aggregation, the sum first, and those that layers use with parameters of their own."""
    known = {word["spec"]: word for word in map(aggregation_word, map(resolve, aggregations()))}
    own = {aggregation.spec: aggregation_word(aggregation) for aggregation in used}
    return sorted((known | own).values(), key=lambda word: word["name"] != "sum")


def aggregation_word(aggregation: Aggregation) -> dict[str, Any]:
    """An aggregation in plain words: the first line of its own docstring."""
    return {
        "name": aggregation.name,
        "spec": aggregation.spec,
        "words": (type(aggregation).__doc__ or "").strip().partition("\n")[0],
        "selects": aggregation.selects,
        "separate": aggregation.separate,
    }


def prediction_manifest(output: Any, classes: Any, ending: str) -> dict[str, Any]:
    """The five best classes of a classifier's scores; none where the output is no row of scores.

    Args:
        output: what the network returned.
        classes: names of the classes, or none.
        ending: as `Anatomy` has it.
    """
    shares = shares_of(output, ending)
    if shares is None:
        return {"prediction": [], "ending": ending}
    best = shares.nan_to_num(0.0).topk(min(BEST_CLASSES, shares.numel()))
    rows = []
    for share, index in zip(best.values.tolist(), best.indices.tolist(), strict=True):
        score = number(float(output.flatten()[index]))
        rows.append({"index": index, "name": class_name(index, classes), "share": share, "score": score})
    return {"prediction": rows, "ending": ending}


def shares_of(output: Any, ending: str) -> Tensor | None:
    """A classifier's scores as shares; None where the output is no row of scores.

    They add up to 1, except where a sigmoid gave every class a share of its own: those are left as they are.
    """
    if not is_row(output) or output.numel() < 2:
        return None
    scores = output.detach().float().flatten()
    return scores if ending == "sigmoid" or is_distribution(scores) else torch.softmax(scores, dim=0)


def is_row(output: Any) -> bool:
    """Whether a network returned a row of scores: one for each class, for one picture."""
    row = isinstance(output, Tensor) and output.ndim >= 2 and output.shape[0] == 1
    return row and 0 < output.shape[1] == output.numel() and output.is_floating_point()


def class_name(index: int, classes: Any) -> str:
    """What a class is called."""
    return str(classes[index]) if classes and index < len(classes) else f"class {index}"


def is_distribution(scores: Tensor) -> bool:
    """Whether the network already returns probabilities: none negative, their sum 1."""
    return bool((scores >= 0).all()) and abs(float(scores.sum()) - 1) < 1e-3
