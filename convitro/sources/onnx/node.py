"""A node of an ONNX graph in plain Python values, and the table of functions that compute nodes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Function = Callable[..., Any]


@dataclass(frozen=True, eq=False)
class Node:
    """What one node says: which operation, what it reads and writes, and how it is to be done.

    Args:
        op, domain: the operation; the domain of ONNX itself is "".
        name: what the model calls the node.
        inputs, outputs: names of values; "" for one that is left out.
        attributes: numbers, text, lists and tensors.
        opset: the version of the domain's operations that the model was written for.
    """

    op: str
    domain: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    opset: int = 0

    def get(self, name: str, default: Any = None) -> Any:
        """The attribute of that name, or `default`."""
        return self.attributes.get(name, default)


@dataclass(frozen=True)
class Operator:
    """How nodes of one kind are computed.

    Args:
        compute: takes the node and its input values in order, and returns one value or a tuple of several.
        weights: position of an input -> what its numbers are called, where it is trained.
        served: whether `compute` can do this very node; others are left to onnxruntime.
    """

    compute: Function
    weights: Mapping[int, str] = field(default_factory=dict)
    served: Callable[[Node], bool] = lambda node: True


OPERATORS: dict[str, Operator] = {}


def computes(
    *operations: str,
    weights: Mapping[int, str] | None = None,
    served: Callable[[Node], bool] = lambda node: True,
) -> Callable[[Function], Function]:
    """Enter a function into the table as the one that computes these operations."""

    def enter(compute: Function) -> Function:
        for operation in operations:
            OPERATORS[operation] = Operator(compute, weights or {}, served)
        return compute

    return enter
