"""The documents of one filter: the channels that it reads, and its chain from kernels to pooled map."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray
from torch import Tensor

from convitro.anatomy import FilterAnatomy, LayerAnatomy
from convitro.anatomy.stages import Activation, BatchNorm
from convitro.view.document import Document
from convitro.view.values import byte_array, float_array, limit, number

MAX_CHANNELS = 64
MAX_VALUES = 2**20  # per page of channels, inputs and partial maps each


def channels_per_page(layer: LayerAnatomy) -> int:
    """How many channels of a layer one document holds: 64, or fewer where the maps are large; at least 4."""
    height, width = layer.input.shape[-2:]
    rows, columns = layer.output_size
    largest = max(height * width, rows * columns, 1)
    return max(4, min(MAX_CHANNELS, MAX_VALUES // largest))


def input_document(layer: LayerAnatomy, filter: int, start: int) -> Document:
    """A page of the input channels that `filter` reads; all filters of a group read the same ones.

    Args:
        layer: the dissected layer, image 0 is shown.
        filter: index of the filter.
        start: position of the first channel among those that the filter reads.
    """
    seen = layer.channels_of(filter)
    page = seen[start : start + channels_per_page(layer)]
    channels = layer.input[0, seen.start : seen.stop]
    manifest = {
        "layer": layer.name,
        "start": start,
        "channels": list(page),
        "limit": limit(channels),
        "lowest": number(float(channels.min())),
        "highest": number(float(channels.max())),
    }
    return Document(manifest, {"inputs": float_array(layer.input[0, page.start : page.stop])})


def filter_document(layer: LayerAnatomy, filter: int, start: int, aggregation: str | None = None) -> Document:
    """A filter's chain on image 0: kernels and partial maps of a page of channels, then the maps made of all.

    Args:
        layer: the dissected layer.
        filter: index of the filter.
        start: position of the first channel among those that the filter reads.
        aggregation: how the channels are combined; None is the layer's own way. With another one the document
            also holds the trained result, under the same names with "trained_" before them.
    """
    trained = layer.filter(filter)
    other = aggregation is not None and aggregation != layer.aggregation.spec
    shown = layer.filter(filter, aggregation) if other else trained
    page = slice(start, start + channels_per_page(layer))
    partial_maps = trained.partial_maps[0]  # (C_in/groups, H_out, W_out)
    manifest: dict[str, Any] = {
        "layer": layer.name,
        "filter": filter,
        "start": start,
        "aggregation": aggregation if other else layer.aggregation.spec,
        "trained": not other,
        "bias": number(float(trained.bias)),
        "constants": constants(layer, filter),
        "limits": {
            "kernels": limit(trained.kernels),
            "partial_maps": limit(partial_maps),
            "results": limits_of_results(shown),
            "trained_results": limits_of_results(trained),
        },
    }
    arrays = {
        "kernels": float_array(trained.kernels[page]),
        "partial_maps": float_array(partial_maps[page]),
        "strengths": float_array(partial_maps.float().abs().mean(dim=(1, 2))),
        **result_arrays(shown, ""),
        **(result_arrays(trained, "trained_") if other else {}),
    }
    return Document(manifest, arrays)


def constants(layer: LayerAnatomy, filter: int) -> dict[str, Any]:
    """The numbers of a filter in what follows it: four and eps of a BatchNorm, the slope of a PReLU."""
    found: dict[str, Any] = {"normalization": None, "slope": None}

    def own(values: Tensor | None, usual: float) -> float:
        return usual if values is None else float(values[filter if len(values) > 1 else 0])

    for stage in () if layer.aggregation.separate else layer.chain.stages:
        if isinstance(stage, BatchNorm) and stage.mean is not None and stage.variance is not None:
            values = (stage.mean, 0.0), (stage.variance, 1.0), (stage.weight, 1.0), (stage.bias, 0.0)
            names = ("mean", "variance", "weight", "bias")
            numbers = {name: number(own(*value)) for name, value in zip(names, values, strict=True)}
            if all(each is not None for each in numbers.values()):
                found["normalization"] = {**numbers, "eps": stage.eps}
        elif isinstance(stage, Activation) and stage.weight is not None:
            found["slope"] = number(own(stage.weight, 0.0))
    return found


def results(part: FilterAnatomy) -> dict[str, Tensor]:
    """The maps after the partial maps, those that there are: none where the channels are kept apart."""
    if part.aggregation.separate:
        return {}
    maps = {
        "aggregated": part.aggregated,
        "output": part.output,
        "activated": part.activated,
        "pooled": part.pooled,
    }
    return {name: value[0] for name, value in maps.items() if value is not None}


def limits_of_results(part: FilterAnatomy) -> float:
    """The end of the colour scale that the maps of a result share."""
    return max((limit(value) for value in results(part).values()), default=0.0)


def result_arrays(part: FilterAnatomy, prefix: str) -> dict[str, NDArray[Any]]:
    """The maps of a result as arrays, and the pooling's switches."""
    arrays: dict[str, NDArray[Any]] = {
        prefix + name: float_array(value) for name, value in results(part).items()
    }
    if arrays and part.switches is not None:
        arrays[prefix + "switches"] = byte_array(part.switches[0])
    return arrays
