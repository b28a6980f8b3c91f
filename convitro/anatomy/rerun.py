"""Run a model again with some of its convolution layers combining their channels another way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from convitro.aggregation import Aggregation, resolve
from convitro.anatomy.convolution import Convolution
from convitro.anatomy.dissection import check_seen
from convitro.anatomy.observe import check_input, check_model
from convitro.anatomy.tables import by
from convitro.anatomy.trace import Tracer
from convitro.errors import UnsupportedError


class Recombiner(Tracer):
    """Lets a model go on with what some of its convolutions return under other aggregations.

    Args:
        model: what will run.
        aggregations: the other aggregation of each of those layers.
    """

    def __init__(self, model: nn.Module, aggregations: Mapping[str, Aggregation]) -> None:
        super().__init__(model, aggregations)
        self.aggregations = aggregations

    def recorded(self, convolution: Convolution, result: Tensor) -> None:
        """Overwrite `result`, which nobody has seen yet: its strides and dtype are what the model expects."""
        layer, aggregation = convolution, self.aggregations[convolution.name]
        maps = layer.convolve(layer.input, layer.weight, layer.bias, layer.problem.groups, aggregation)
        if maps.shape != layer.output_shape:
            raise UnsupportedError(
                f"rerun: under {aggregation.spec} layer {layer.name} makes another number of maps, "
                "with which the model cannot go on.",
                expected=by(layer.output_shape),
                received=by(maps.shape),
                hint="an aggregation that keeps the maps apart fits only a layer that was built with it",
            )
        result.copy_(maps.reshape(result.shape))


def rerun(model: nn.Module, input: Any, aggregations: Mapping[str, str | Aggregation]) -> Any:
    """Run `model` once with some of its convolution layers combining their channels another way.

    What such a layer returns is replaced by what it would have made of the same weights under the other
    aggregation; everything after it computes with that. The weights were found for the layer's own way, so
    the result says how much hangs on it, not how good the other one would be after training.

    Layers may be modules or function calls, used once or several times; the model is afterwards exactly
    what it was, also if its forward raised (as with `dissect`).

    Args:
        model: any torch.nn.Module, or what `load` takes; in the mode in which it shall run.
        input: what it is called with: a tensor, a tuple of arguments, or a dict of named ones; not changed.
        aggregations: for each layer, by its name in `dissect`, the aggregation to combine its channels with.
            Of a layer that is used again ("conv", "conv#2") only the named calls change.

    Returns:
        A detached copy of what the model returned.

    Raises:
        ArgumentError: `model` is no module, `input` holds no tensor, or there is no such aggregation.
        UnknownLayerError: there is no layer of that name.
        UnsupportedError: the layer would return another number of maps (under "none"), or the model is
            compiled TorchScript.

    Source: own.

    Example:
        >>> import torch
        >>> conv = nn.Conv2d(2, 1, 1, bias=False)
        >>> conv.weight.data = torch.ones(1, 2, 1, 1)
        >>> model, image = nn.Sequential(conv, nn.Flatten()), torch.tensor([[[[3.0]], [[4.0]]]])
        >>> model(image).item(), rerun(model, image, {"0": "max"}).item()
        (7.0, 4.0)
    """
    model = check_model(model, "rerun")
    input = check_input(input, "rerun", model)
    recombiner = Recombiner(model, {name: resolve(chosen) for name, chosen in aggregations.items()})
    output = recombiner.run(input)
    check_seen(recombiner, "rerun")
    return output
