"""From the calls that Keras has noted to the steps of a graph."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from convitro.errors import UnsupportedError
from convitro.sources.keras.convolutions import CONVERTERS as CONVOLUTIONS
from convitro.sources.keras.foreign import Foreign, Slot, weights_of
from convitro.sources.keras.pointwise import CONVERTERS as POINTWISE
from convitro.sources.keras.pointwise import Keep, torch_activation
from convitro.sources.keras.pools import CONVERTERS as POOLS
from convitro.sources.keras.recipe import KEPT, MAPS, Call, KerasStep, Recipe, Value, turn
from convitro.sources.keras.shapes import CONVERTERS as SHAPES

CONVERTERS: dict[str, Callable[[Any, Call], Any]] = {
    **CONVOLUTIONS,
    **POOLS,
    **POINTWISE,
    **SHAPES,
}
LARGEST = 10_000
"""Calls in a model: in nested ones that call each other they can be exponentially many."""
USUAL_KEYWORDS = {"training": (None, False), "mask": (None,)}


class Builder:
    """Writes the steps of a Keras model, nested ones in line.

    Args:
        bound: the largest number of values that one item of a batch may take anywhere; None for any.
    """

    def __init__(self, bound: int | None = None) -> None:
        self.steps: list[KerasStep] = []
        self.bound, self.calls = bound, 0
        self._weights: dict[tuple[int, str], dict[str, Tensor]] = {}
        self._held: list[Any] = []  # so that no id is used twice

    def inline(self, function: Any, values: list[Value], prefix: str = "") -> list[Value]:
        """Add the steps of a keras.Function called on `values`; returns its outputs."""
        known = {id(tensor): value for tensor, value in zip(function.inputs, values, strict=True)}
        for depth in sorted(function._nodes_by_depth, reverse=True):
            for node in function._nodes_by_depth[depth]:
                inputs = node.arguments.keras_tensors
                if node.is_input or any(id(tensor) not in known for tensor in inputs):
                    continue
                made = self.call(node, [known[id(tensor)] for tensor in inputs], prefix)
                known.update(zip(map(id, node.outputs), made, strict=True))
        return [known[id(tensor)] for tensor in function.outputs]

    def call(self, node: Any, values: list[Value], prefix: str) -> list[Value]:
        """Add the steps of one call; returns its results."""
        operation, name = node.operation, prefix + node.operation.name
        self._check(node, name)
        with inner_function(operation, node) as function:
            if function is not None:
                return self.inline(function, values, f"{name}/")
        call = simple_call(node, values)
        key = key_of(operation)
        recipes = CONVERTERS[key](operation, call) if call is not None and key in CONVERTERS else None
        ranks = [len(tensor.shape) for tensor in node.outputs]
        if recipes is None:
            return self._foreign(operation, name, node, values, ranks)
        for recipe in recipes if isinstance(recipes, list) else [recipes]:
            assert call is not None
            call = Call((self._add(operation, name, recipe, call, ranks[0]),))
        assert call is not None
        return list(call.values)

    def _check(self, node: Any, name: str) -> None:
        self.calls += 1
        if self.calls > LARGEST:
            raise UnsupportedError(f"keras: the model has more than {LARGEST:,} operations.")
        if any(getattr(tensor, "_keras_mask", None) is not None for tensor in node.outputs):
            raise UnsupportedError(
                f'keras: the layer "{name}" makes a mask.',
                expected="a model without masks",
                hint="masks of Keras travel beside its tensors, where they cannot be followed",
            )
        sizes = [math.prod(size or 1 for size in tensor.shape[1:]) for tensor in node.outputs]
        if self.bound is not None and max(sizes, default=0) > self.bound:
            raise UnsupportedError(
                f'keras: the layer "{name}" makes {max(sizes):,} numbers of one item.',
                expected=f"at most {self.bound:,} in a model from a file",
            )

    def _add(self, operation: Any, name: str, recipe: Recipe, call: Call, rank: int) -> Value:
        """Add the step of a recipe, and that of its activation if torch has no function for it."""
        wants = call.channels_first if recipe.order == KEPT else recipe.order == MAPS
        gives = wants if recipe.gives is None else recipe.gives == MAPS
        result = self._value(rank, channels_first=gives and rank > 2)
        function, known = recipe.activation, None
        if function is not None:
            known = torch_activation(function, Call((result,)))
        step = KerasStep(
            name + recipe.suffix,
            type(operation).__name__,
            [value.name for value in call.values],
            [result.name],
            recipe.compute,
            self._registered(operation, recipe),
            [turn_for(value, channels_first=wants) for value in call.values],
            None if isinstance(known, Keep) else known,
        )
        self.steps.append(step)
        if function is None or known is not None:
            return result
        return self._activated(function, name, result)

    def _activated(self, function: Any, name: str, value: Value) -> Value:
        """An activation of the user's own, or a layer used as one."""
        key, call = key_of(function), Call((value,))
        recipe = CONVERTERS[key](function, call) if key in CONVERTERS else None
        if isinstance(recipe, Recipe):
            return self._add(function, f"{name}/activation", recipe, call, value.rank)
        compute = Foreign(function, name, (Slot(0),), {})
        kind = getattr(function, "__name__", type(function).__name__)
        return self._step(f"{name}/activation", kind, [value], compute, weights_of(function), [value.rank])[0]

    def _foreign(
        self, operation: Any, name: str, node: Any, values: list[Value], ranks: list[int]
    ) -> list[Value]:
        """Add a step that calls Keras itself."""
        slots = iter([Slot(index) for index in range(len(values))])

        def emptied(item: Any) -> Any:
            return next(slots) if is_symbolic(item) else item

        arguments, keywords = node.arguments.convert(emptied)
        compute = Foreign(operation, name, arguments, keywords)
        self._held.append(operation)
        return self._step(name, type(operation).__name__, values, compute, weights_of(operation), ranks)

    def _step(
        self,
        name: str,
        kind: str,
        values: list[Value],
        compute: Foreign,
        weights: dict[str, Tensor],
        ranks: list[int],
    ) -> list[Value]:
        results = [self._value(rank, channels_first=False, index=at) for at, rank in enumerate(ranks)]
        turns = [turn_for(value, channels_first=False) for value in values]
        inputs, outputs = [value.name for value in values], [value.name for value in results]
        self.steps.append(KerasStep(name, kind, inputs, outputs, compute, weights, turns))
        return results

    def _value(self, rank: int, *, channels_first: bool, index: int = 0) -> Value:
        return Value(f"{len(self.steps)}:{index}", rank, channels_first)

    def _registered(self, operation: Any, recipe: Recipe) -> dict[str, Tensor]:
        """The weights of a recipe; those of a layer that is called again are the same."""
        key = (id(operation), recipe.suffix)
        if key not in self._weights or not recipe.trained:
            self._held.append(operation)
            trainable = bool(getattr(operation, "trainable", False))
            self._weights[key] = {
                name: nn.Parameter(weight, requires_grad=trainable) if name in recipe.trained else weight
                for name, weight in recipe.weights.items()
            }
        return self._weights[key]


def turn_for(value: Value, *, channels_first: bool) -> tuple[int, ...] | None:
    """The permutation that brings a value into an order; None where it travels in that order."""
    if value.channels_first == channels_first or value.rank < 3:
        return None
    return turn(value.rank, channels_first=channels_first)


def key_of(operation: Any) -> str:
    """Where a class of Keras itself is found in `CONVERTERS`; "" for one of the user's own."""
    cls = type(operation)
    if cls.__module__ == "convitro.keras.layer":
        return f"convitro.{cls.__name__}"
    area = cls.__module__.split(".")[2:3] if cls.__module__.startswith("keras.src.") else []
    return f"{area[0]}.{cls.__name__}" if area else ""


def is_symbolic(item: Any) -> bool:
    """Whether it is a tensor of Keras that stands for a value."""
    return type(item).__name__ == "KerasTensor"


def simple_call(node: Any, values: list[Value]) -> Call | None:
    """A call with positional arguments only, one of which may be a list; None for any other."""
    arguments, keywords = list(node.arguments.args), dict(node.arguments.kwargs)
    usual = all(
        name in USUAL_KEYWORDS and any(value is one for one in USUAL_KEYWORDS[name])
        for name, value in keywords.items()
        if not (name in ("inputs", "x") and not arguments)
    )
    if not usual:
        return None
    if not arguments:
        arguments = [value for name, value in keywords.items() if name in ("inputs", "x")]
    listed = bool(arguments) and isinstance(arguments[0], (list, tuple))
    flat = [*arguments[0], *arguments[1:]] if listed else arguments
    rest = iter(values)
    filled = tuple(next(rest) if is_symbolic(item) else item for item in flat)
    if next(rest, None) is not None or not any(isinstance(item, Value) for item in filled):
        return None
    return Call(filled, listed)


@contextmanager
def inner_function(operation: Any, node: Any) -> Iterator[Any]:
    """The keras.Function inside a nested model or a layer made of layers; None for any other operation."""
    import keras

    if not isinstance(operation, keras.layers.Layer):
        yield None
    elif is_functional(operation):
        yield keras.Function(operation.inputs, operation.outputs)
    elif key_of(operation) or not any(True for _ in operation._flatten_layers(include_self=False)):
        yield None
    else:
        with noted(operation, node.arguments.args, node.arguments.kwargs) as function:
            yield function


def is_functional(model: Any) -> bool:
    """Whether what a model computes is the graph that Keras has of it: nobody has written another `call`."""
    import keras

    if not isinstance(model, keras.Model):
        return False
    call = type(model).call
    own = call.__module__.startswith("keras.src.models.")
    return own and call is not keras.Model.call and bool(getattr(model, "inputs", None))


@contextmanager
def noted(layer: Any, args: Any, kwargs: Any) -> Iterator[Any]:
    """The graph that comes of calling `layer.call` on symbols; None if it cannot be called so.

    The layers inside note every call; what they note here is taken off again.
    """
    import keras
    from keras import tree

    inside = list(layer._flatten_layers(include_self=False))
    before = [(one, list(one._inbound_nodes), list(one._outbound_nodes)) for one in inside]
    inputs: list[Any] = []

    def fresh(item: Any) -> Any:
        if not is_symbolic(item):
            return item
        inputs.append(keras.Input(batch_shape=item.shape, dtype=item.dtype))
        return inputs[-1]

    try:
        arguments, keywords = tree.map_structure(fresh, args), tree.map_structure(fresh, dict(kwargs))
        if getattr(layer, "_call_has_training_arg", False):
            keywords.setdefault("training", False)
        try:
            outputs = tree.flatten(layer.call(*arguments, **keywords))
            function = keras.Function(inputs, outputs) if all(map(is_symbolic, outputs)) else None
        except Exception:  # the user's own code may need real numbers, and raise whatever it likes
            function = None
        yield function
    finally:
        for one, inbound, outbound in before:
            one._inbound_nodes[:], one._outbound_nodes[:] = inbound, outbound
