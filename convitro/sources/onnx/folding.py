"""Before the steps are made: what never changes is computed once, and a bias added behind becomes a bias."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from convitro.errors import ConvitroError
from convitro.sources.onnx.node import OPERATORS, Node

ARRANGING = """
    Reshape Flatten Transpose Squeeze Unsqueeze Identity Cast Slice Concat Split Shape Size
    Neg Sqrt Reciprocal Abs Floor Ceil Not ReduceProd DequantizeLinear
""".split()  # noqa: SIM905 - these give at most as many numbers as they get
GROWING = """
    Add Sub Mul Div Pow Gather Where Equal Less Greater And Or Min Max
""".split()  # noqa: SIM905 - at most as many as the product of what they get
VIEWS = {"ConstantOfShape", "Expand"}  # as many as they like, in no memory
FOLDED_NUMBERS = 2**24
VIEWED_NUMBERS = 2**31


@dataclass(frozen=True, eq=False)
class Constant:
    """A value that never changes.

    Args:
        numbers: the value.
        trained: it comes from the numbers that are stored with a model, not from its description.
    """

    numbers: Tensor
    trained: bool = False


def fold(nodes: Sequence[Node], constants: dict[str, Constant]) -> list[Node]:
    """The nodes that have to run; the values of the others are entered into `constants`."""
    remaining = []
    for node in nodes:
        results = folded(node, constants)
        if results is None:
            remaining.append(node)
            continue
        trained = any(constants[name].trained for name in node.inputs if name)
        for name, value in zip(node.outputs, results, strict=False):
            constants[name] = Constant(value, trained)
    return remaining


def folded(node: Node, constants: dict[str, Constant]) -> tuple[Tensor, ...] | None:
    """What a node always gives; None for one that has to run, or that would give very many numbers."""
    operator = OPERATORS.get(node.op) if node.domain == "" else None
    if operator is None or not operator.served(node) or not all(not n or n in constants for n in node.inputs):
        return None
    given = [constants[name].numbers if name else None for name in node.inputs]
    if node.op != "Constant" and not bounded(node, [value for value in given if value is not None]):
        return None
    try:
        with torch.no_grad():
            found = operator.compute(node, *given)
    except (ConvitroError, RuntimeError, ValueError, IndexError, TypeError):
        return None  # it will say so when it runs
    return tuple(found) if isinstance(found, (tuple, list)) else (found,)


def bounded(node: Node, given: Sequence[Tensor]) -> bool:
    """Whether the result of a node is known to be of moderate size."""
    if node.op in VIEWS:
        shape = [int(extent) for extent in given[-1].tolist()] if given[-1].ndim == 1 else [-1]
        if math.prod(max(extent, 1) for extent in shape) > VIEWED_NUMBERS or min(shape, default=0) < 0:
            return False
        return math.prod(value.numel() for value in given[:-1]) <= FOLDED_NUMBERS
    if node.op in GROWING:
        return math.prod(max(value.numel(), 1) for value in given) <= FOLDED_NUMBERS
    seen = sum(value.numel() for value in given)  # views of one number may be many, and a name may come often
    stored = {value.data_ptr(): value.untyped_storage().nbytes() // value.itemsize for value in given}
    return node.op in ARRANGING and seen <= max(FOLDED_NUMBERS, sum(stored.values()))


def with_biases(
    nodes: Sequence[Node], constants: dict[str, Constant], outputs: Collection[str]
) -> list[tuple[Node, tuple[str, ...]]]:
    """The nodes, with numbers that are added to a convolution and to nothing else as its bias.

    Returns:
        Each node with the names of those that it has taken in.
    """
    readers = Counter(name for node in nodes for name in node.inputs if name)
    adders = {name: node for node in nodes if node.op == "Add" and node.domain == "" for name in node.inputs}
    taken: dict[int, str] = {}
    merged: list[tuple[Node, tuple[str, ...]]] = []
    for node in nodes:
        if id(node) in taken:
            continue
        added = adders.get(node.outputs[0]) if node.outputs else None
        once = added is not None and readers[node.outputs[0]] == 1 and node.outputs[0] not in outputs
        bias = bias_of(node, added, constants) if added is not None and once else ""
        if added is None or not bias:
            merged.append((node, ()))
            continue
        taken[id(added)] = node.name
        inputs = (*node.inputs[:2], bias)
        merged.append((replace(node, inputs=inputs, outputs=added.outputs), (added.name,)))
    return merged


def bias_of(node: Node, added: Node, constants: dict[str, Constant]) -> str:
    """The name of the numbers that `added` adds to each channel of a convolution without bias; or "" ."""
    if node.op != "Conv" or node.domain or len([name for name in node.inputs if name]) != 2:
        return ""
    weight = constants.get(node.inputs[1])
    other = next((name for name in added.inputs if name != node.outputs[0]), "")
    found = constants.get(other)
    if (
        weight is None
        or found is None
        or len(added.inputs) != 2
        or (added.get("broadcast") and added.opset < 7)
    ):
        return ""
    filters, ndim = weight.numbers.shape[0], weight.numbers.ndim
    shape = (filters, *(1,) * (ndim - 2))
    if tuple(found.numbers.shape) not in (shape, (1, *shape)) or found.numbers.dtype != weight.numbers.dtype:
        return ""
    flat = f"{other}\0of each filter"  # no name in a model contains that character
    constants.setdefault(flat, Constant(found.numbers.reshape(-1), found.trained))
    return flat
