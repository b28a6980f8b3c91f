"""How one Keras operation is computed in torch: a function, its weights, and the order of axes it speaks.

Keras' own order is usually (N, H, W, C). Maps travel through a graph as (N, C, H, W), so that torch's
functions see them as they are. The builder of the graph knows of every value in which order it travels, and
turns it only where an operation needs the other one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from convitro.sources.graph import Step

OWN, MAPS, KEPT = "own", "maps", "kept"
"""What an operation wants and gives: Keras' own order, channels first, or whatever comes."""


class Value(NamedTuple):
    """A value of the graph while it is built.

    Args:
        name: in the graph.
        rank: number of axes.
        channels_first: it travels with its last axis in Keras' order moved to axis 1.
    """

    name: str
    rank: int
    channels_first: bool = False


@dataclass(frozen=True)
class Call:
    """One call of a Keras operation: its arguments in order, a `Value` for each tensor.

    Args:
        arguments: the positional ones, lists taken apart; what is no Value is a constant.
        listed: the tensors were given as one list.
    """

    arguments: tuple[Any, ...]
    listed: bool = False

    @property
    def values(self) -> tuple[Value, ...]:
        """The tensors among the arguments."""
        return tuple(item for item in self.arguments if isinstance(item, Value))

    @property
    def rank(self) -> int:
        """Axes of the largest tensor."""
        return max(value.rank for value in self.values)

    @property
    def channels_first(self) -> bool:
        """Whether an operation of any order gets channels first: one is so, and all are of one rank."""
        alike = len({value.rank for value in self.values}) == 1
        return alike and any(value.channels_first for value in self.values)

    def axis(self, axis: int) -> int:
        """Where an axis of Keras' order stands in the order in which the tensors come."""
        return to_travelling(axis % self.rank, self.rank) if self.channels_first else axis % self.rank

    def shaped(self, array: Any) -> Tensor:
        """A constant that is broadcast over a tensor, in the order in which the tensors come."""
        constant = as_tensor(array)
        if constant.ndim == 0 or not self.channels_first:
            return constant
        constant = constant.reshape((1,) * (self.rank - constant.ndim) + tuple(constant.shape))
        return constant.permute(turn(self.rank, channels_first=True)).contiguous()


def to_travelling(axis: int, rank: int) -> int:
    """Where an axis of Keras' order stands when channels come first."""
    return 0 if axis == 0 else 1 if axis == rank - 1 else axis + 1


def turn(rank: int, *, channels_first: bool) -> tuple[int, ...]:
    """The permutation to channels first, or back to Keras' own order.

    Example:
        >>> turn(4, channels_first=True), turn(4, channels_first=False)
        ((0, 3, 1, 2), (0, 2, 3, 1))
    """
    inner = tuple(range(1, rank - 1)) if channels_first else tuple(range(2, rank))
    return (0, rank - 1, *inner) if channels_first else (0, *inner, 1)


@dataclass(frozen=True)
class Recipe:
    """How an operation is computed.

    Args:
        compute: a function of the tensors in order, and of the weights by name.
        weights: tensors by name; parameters of the step if they are `trained` by Keras, else buffers.
        order: what the tensors have to be: OWN, MAPS or KEPT.
        gives: the order of the result; None for the same.
        activation: the Keras function that follows, if any.
        trained: names of the weights that a training changes.
        suffix: appended to the layer's name where it takes several steps.
    """

    compute: Callable[..., Any]
    weights: Mapping[str, Any] = field(default_factory=dict)
    order: str = KEPT
    gives: str | None = None
    activation: Any = None
    trained: tuple[str, ...] = ("weight", "bias")
    suffix: str = ""


class KerasStep(Step):
    """One operation of a Keras model.

    Args:
        own_name, kind, inputs, outputs: as for any `Step`.
        compute: of a recipe.
        weights: parameters and buffers by name.
        turns: for each input the permutation that it needs first, or None.
        activation: what is done with the result, or None.
    """

    def __init__(
        self,
        own_name: str,
        kind: str,
        inputs: Sequence[str],
        outputs: Sequence[str],
        compute: Callable[..., Any],
        weights: Mapping[str, Tensor],
        turns: Sequence[tuple[int, ...] | None],
        activation: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        super().__init__(own_name, kind, inputs, outputs)
        self.compute, self.activation, self.turns = compute, activation, tuple(turns)
        self.weight_names = tuple(weights)
        for name, weight in weights.items():
            if isinstance(weight, nn.Parameter):
                self.register_parameter(name, weight)
            else:
                self.register_buffer(name, weight)

    def forward(self, *values: Any) -> Any:
        turned = (
            value if order is None else value.permute(order)
            for value, order in zip(values, self.turns, strict=True)
        )
        result = self.compute(*turned, **{name: getattr(self, name) for name in self.weight_names})
        return result if self.activation is None else self.activation(result)


def as_tensor(value: Any) -> Tensor:
    """A copy of a variable, a tensor of any backend, or an array, as a torch tensor on the CPU."""
    inside = getattr(value, "value", value)  # with torch under Keras a variable holds a tensor
    if isinstance(inside, Tensor):
        return inside.detach().cpu().clone()
    import keras

    array = np.asarray(keras.ops.convert_to_numpy(value))
    if array.dtype.name == "bfloat16":  # which numpy knows only by an extension
        return torch.from_numpy(array.astype(np.float32)).to(torch.bfloat16)
    return torch.from_numpy(np.array(array))
