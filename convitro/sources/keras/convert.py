"""`from_keras`: a live Keras model as a torch module."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from convitro.errors import UnsupportedError
from convitro.sources.graph import Port
from convitro.sources.keras.builder import Builder, is_functional, noted
from convitro.sources.keras.network import KerasGraph
from convitro.sources.keras.recipe import Value, turn


def is_keras_model(model: Any) -> bool:
    """Whether it is a live layer or model of Keras; Keras is not imported to find out."""
    keras = sys.modules.get("keras")
    layers = getattr(keras, "layers", None)
    return layers is not None and isinstance(model, layers.Layer)


def from_keras(model: Any, *, channels_first: bool = False, bound: int | None = None) -> KerasGraph:
    """The torch module that computes what a Keras 3 model computes at inference, on whatever backend it is.

    Every layer becomes a step with its name ("inner/conv2d" in a nested model) and a copy of its weights, so
    that the model may change afterwards. Layers that torch has no counterpart for are called as they are:
    with torch under Keras their gradients flow, on other backends a gradient through them is refused.

    Args:
        model: Sequential, Functional, or a model of one's own that was built or called once.
        channels_first: take and give maps as (N, C, H, W), whatever order the model has; else as Keras does.
        bound: the largest number of values that one item of a batch may take anywhere; None for any.

    Returns:
        A `Graph` in evaluation mode, on the CPU.

    Raises:
        UnsupportedError: a model that has no inputs yet, that makes masks, or whose own `call` needs numbers.

    Shape: images (N, H, W, C), or (N, C, H, W) with `channels_first` and where the model has them so.

    Accuracy: torch's functions in the model's dtype; sums are rounded differently than on other backends.

    Source: own.

    Example:
        >>> from convitro.keras import Conv2D
        >>> import keras, torch
        >>> model = keras.Sequential([keras.Input((8, 8, 3)), Conv2D(4, 3, activation="relu", name="conv")])
        >>> from_keras(model)(torch.zeros(1, 8, 8, 3)).shape
        torch.Size([1, 6, 6, 4])
        >>> from_keras(model, channels_first=True)(torch.zeros(1, 3, 8, 8)).shape
        torch.Size([1, 4, 6, 6])
    """
    builder = Builder(bound)
    with own_names(), whole_function(model) as function:
        last = has_channels_last(model)
        inputs = [
            (tensor, Value(name, len(tensor.shape), last and len(tensor.shape) == 4))
            for name, tensor in zip(input_names(function), function.inputs, strict=True)
        ]
        results = builder.inline(function, [value for _, value in inputs])
        ports_in = [port(value, tensor.shape, last, channels_first) for tensor, value in inputs]
        ports_out = [
            port(value, tensor.shape, last, channels_first, leaving=True)
            for value, tensor in zip(results, function.outputs, strict=True)
        ]
    size = picture_size(ports_in, channels_first or not last)
    return KerasGraph(model.name, ports_in, builder.steps, ports_out, size).eval()


@contextmanager
def own_names() -> Iterator[None]:
    """Let Keras count the names that it makes ("add", "add_1") from the start, and go on as before."""
    from keras.src.backend.common import global_state

    counts = global_state.get_global_attribute("object_name_uids")
    global_state.set_global_attribute("object_name_uids", defaultdict(int))
    try:
        yield
    finally:
        global_state.set_global_attribute("object_name_uids", counts)


@contextmanager
def whole_function(model: Any) -> Iterator[Any]:
    """The graph of a model, or of a single layer."""
    import keras
    from keras import tree

    if is_functional(model):
        yield keras.Function(model.inputs, model.outputs)
        return
    shapes = input_shapes(model)
    symbols = tree.map_shape_structure(lambda shape: keras.Input(batch_shape=shape), shapes)
    own = isinstance(model, keras.Model) or any(True for _ in model._flatten_layers(include_self=False))
    if not own:  # a single layer
        inbound = list(model._inbound_nodes)
        try:
            yield keras.Function(tree.flatten(symbols), tree.flatten(model(symbols)))
        finally:
            model._inbound_nodes[:] = inbound
        return
    with noted(model, (symbols,), {}) as function:
        if function is None:
            raise UnsupportedError(
                f'keras: the model "{model.name}" cannot be called on symbols.',
                expected="a `call` made of layers, keras.ops and operators",
                hint="functions of torch, jax or numpy in `call` belong into a layer of their own",
            )
        yield function


def input_shapes(model: Any) -> Any:
    """The shapes that a model of one's own was built on; the size of the batch is left open."""
    from keras import tree

    config = model.get_build_config() if model.built else None
    shapes = None if config is None else config.get("input_shape")
    if shapes is None:
        raise UnsupportedError(
            f'keras: the model "{model.name}" has no inputs yet.',
            expected="a model that was built on a shape",
            hint="call it once on real data, or give it a keras.Input",
        )
    return tree.map_shape_structure(lambda shape: (None, *shape[1:]), shapes)


def has_channels_last(model: Any) -> bool:
    """Whether the layers that speak of an order have the channels last; Keras' own setting if none does."""
    import keras

    layers = list(model._flatten_layers())
    formats = [layer.data_format for layer in layers if isinstance(getattr(layer, "data_format", None), str)]
    return (formats[0] if formats else keras.config.image_data_format()) == "channels_last"


def input_names(function: Any) -> list[str]:
    """The names of the input layers, as the model's own dictionaries have them."""
    return [tensor._keras_history.operation.name for tensor in function.inputs]


def port(
    value: Value, shape: tuple[int | None, ...], last: bool, channels_first: bool, *, leaving: bool = False
) -> Port:
    """The door of a value: images go through it in the order that the caller speaks."""
    rank = len(shape)
    speaks_first = rank == 4 and (channels_first or not last)
    outside_turned = speaks_first and last  # the caller's order is not Keras' own
    if outside_turned:
        shape = tuple(shape[axis] for axis in turn(rank, channels_first=True))
    if value.channels_first == outside_turned:
        return Port(value.name, shape, None, speaks_first)
    inwards = value.channels_first
    return Port(value.name, shape, turn(rank, channels_first=inwards != leaving), speaks_first)


def picture_size(ports: list[Port], first: bool) -> tuple[int, int, int] | None:
    """(C, H, W) of the only input, if it takes images in that order and says their size."""
    if len(ports) != 1 or len(ports[0].shape) != 4 or not first:
        return None
    sizes = [size for size in ports[0].shape[1:] if size is not None]
    return (sizes[0], sizes[1], sizes[2]) if len(sizes) == 3 else None
