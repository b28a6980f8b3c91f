"""What has no counterpart in torch here: the Keras operation itself, called on converted arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from convitro.errors import UnsupportedError
from convitro.sources.keras.recipe import as_tensor


class Slot:
    """The place of a tensor in the arguments of a call."""

    def __init__(self, index: int) -> None:
        self.index = index


class Foreign:
    """A Keras operation in Keras' own order of axes.

    With torch under Keras it runs as any torch code does, gradients included. On another backend the arrays
    are copied there and back, and a gradient that would have to pass is refused.

    Args:
        operation: a layer, an operation, or a function.
        name: for the error.
        arguments, keywords: of the call, with a `Slot` for each tensor.
    """

    def __init__(self, operation: Any, name: str, arguments: Any, keywords: Any) -> None:
        self.operation, self.name = operation, name
        self.arguments, self.keywords = arguments, keywords

    def __call__(self, *values: Tensor, **weights: Tensor) -> Any:
        import keras

        if keras.config.backend() == "torch":
            results = tuple(self._call(*values))
        elif torch.is_grad_enabled() and any(value.requires_grad for value in values):
            results = Sealed.apply(self._call_elsewhere, self.name, *values)
        else:
            results = self._call_elsewhere(*values)
        return results[0] if len(results) == 1 else results

    def _call(self, *values: Any) -> list[Any]:
        """The results in one row."""
        from keras import tree

        def filled(item: Any) -> Any:
            return values[item.index] if isinstance(item, Slot) else item

        arguments = tree.map_structure(filled, self.arguments)
        keywords = tree.map_structure(filled, self.keywords)
        return list(tree.flatten(self.operation(*arguments, **keywords)))

    def _call_elsewhere(self, *values: Tensor) -> tuple[Tensor, ...]:
        results = self._call(*(value.detach().cpu().numpy() for value in values))
        return tuple(as_tensor(result).to(values[0].device) for result in results)


class Sealed(torch.autograd.Function):
    """A function whose gradient is known only to another framework."""

    @staticmethod
    def forward(ctx: Any, run: Callable[..., tuple[Tensor, ...]], name: str, *values: Tensor) -> Any:
        ctx.name = name
        return run(*values)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        import keras

        raise UnsupportedError(
            f'keras: no gradient passes the layer "{ctx.name}", which runs on {keras.config.backend()}.',
            expected="torch under Keras, where every layer has its gradient",
            hint="set the environment variable KERAS_BACKEND=torch before Keras is imported",
        )


def weights_of(operation: Any) -> dict[str, Tensor]:
    """The weights of a Keras layer: torch's own parameters where it has them, else copies to be counted."""
    found: dict[str, Tensor] = {}
    for index, variable in enumerate(getattr(operation, "weights", ())):
        value = getattr(variable, "value", None)
        if not isinstance(value, nn.Parameter):
            value = as_tensor(variable)
            if value.is_floating_point() and variable.trainable:
                value = nn.Parameter(value)
        found[f"weight{index}"] = value
    return found
