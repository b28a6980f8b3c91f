"""`from_onnx`: an ONNX model as a torch module, node by node."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from convitro.errors import LoadError
from convitro.sources.graph import Graph, Port, Step
from convitro.sources.onnx.checking import checked, parse
from convitro.sources.onnx.fallback import RuntimeStep, unsupported
from convitro.sources.onnx.folding import Constant, fold, with_biases
from convitro.sources.onnx.node import Node
from convitro.sources.onnx.operation import Operation
from convitro.sources.onnx.packages import onnx_package
from convitro.sources.onnx.table import OPERATORS
from convitro.sources.onnx.tensors import read_tensor

ARITHMETIC = {"Add", "Sub", "Mul", "Div", "Gather"}  # their numbers are weights only where they are trained
DOMAINS = {"ai.onnx": ""}
TEXT = 8  # ONNX's number of the dtype
MOST_INPUT_NUMBERS = 2**31


def from_onnx(model: Any, *, channels_first: bool = False) -> Graph:
    """An ONNX model as a torch module, in evaluation mode.

    Each node is a step with the node's own name, computed by torch functions, so that everything here works
    on it as on any other model, gradients included. Operations that no torch function serves are computed
    by onnxruntime, one by one and without gradient. Stored numbers of convolutions, matrix products,
    normalisations and sums are parameters. What a model computes from constants is computed once, and an Add
    of one number per filter right behind a convolution is its bias. A model that was saved for one picture
    takes a batch as well, where nothing but the shape of a Reshape stands against it.

    Args:
        model: an `onnx.ModelProto`, or the path of a file. Numbers in files of their own must lie beside it.
        channels_first: take pictures (N, C, H, W) even where the model takes (N, H, W, C), as those that come
            from TensorFlow do: arguments that it only ever turns to (N, C, H, W).

    Returns:
        The network. Its arguments and results stand in the model's order.

    Raises:
        LoadError: the file is damaged, contradicts itself or points to files elsewhere; onnx is missing.
        UnsupportedError: an operation that is computed neither here nor by onnxruntime: control flow,
            sequences, operations of other packages.

    Accuracy: each value equals onnxruntime's within rounding: about 1e-6 of the largest number for each step.

    Source: the ONNX operator specification, versions 7 to 28.

    Example:
        >>> from onnx import parser
        >>> text = '<ir_version: 8, opset_import: ["": 17]> tiny (float[1,1,4,4] x) => (float[1,1,2,2] y)'
        >>> text += "{ y = MaxPool<kernel_shape=[2,2], strides=[2,2]>(x) }"
        >>> graph = from_onnx(parser.parse_model(text))
        >>> graph.steps, graph.input_size
        ((Operation('y', MaxPool),), (1, 4, 4))
    """
    path = Path(model) if isinstance(model, (str, Path)) else None
    stored = checked(model if path is None else parse(path))
    folder = None if path is None else path.parent
    constants = {
        initializer.name: Constant(read_tensor(initializer, folder), trained=True)
        for initializer in stored.graph.initializer
    }
    opsets = {DOMAINS.get(entry.domain, entry.domain): entry.version for entry in stored.opset_import}
    nodes = [read_node(node, opsets, folder) for node in stored.graph.node]
    arguments = [value for value in stored.graph.input if value.name not in constants]
    outputs = [value.name for value in stored.graph.output]
    last = {value.name for value in arguments if channels_last(value, nodes, outputs)}
    size = input_size(arguments, last, channels_first=channels_first)
    maker = StepMaker(constants, opsets, stored)
    remaining = with_biases(fold(nodes, constants), constants, outputs)
    steps: list[Step] = [maker.step(node, taken_in) for node, taken_in in remaining]
    kept = maker.read_elsewhere | (constants.keys() & set(outputs))
    values = {name: constants[name].numbers for name in sorted(kept)}
    name = stored.graph.name or (path.stem if path else "graph")
    inputs = [value.name for value in arguments]
    if channels_first:
        steps = [Door(argument) for argument in sorted(last)] + steps
        inputs = [outside(argument) if argument in last else argument for argument in inputs]
    graph = Graph(name, inputs, steps, outputs, values, size).eval()
    if last and not channels_first:
        graph.ports_in = tuple(port(value, last) for value in arguments)
    return graph


def port(value: Any, last: Collection[str]) -> Port:
    """What a live model says of an argument: its sizes, and whether channels come last."""
    sizes = tuple(dimension.dim_value or None for dimension in value.type.tensor_type.shape.dim)
    turn = (0, 3, 1, 2) if value.name in last else None
    return Port(value.name, sizes, turn, channels_first=turn is None)


class Door(Step):
    """Turns pictures (N, C, H, W) to the order that the model takes."""

    def __init__(self, argument: str) -> None:
        super().__init__(f"{argument} as NHWC", "Transpose", [outside(argument)], [argument])

    def forward(self, *values: Any) -> Any:
        return values[0].permute(0, 2, 3, 1)


def outside(argument: str) -> str:
    """The name of an argument on this side of the door."""
    return f"{argument} as NCHW"


def channels_last(value: Any, nodes: Iterable[Node], outputs: Iterable[str]) -> bool:
    """Whether a model takes an argument as (N, H, W, C): all that it does is to turn it to (N, C, H, W)."""
    readers = [node for node in nodes if value.name in node.inputs]
    return (
        bool(readers)
        and value.name not in outputs
        and all(node.op == "Transpose" and node.get("perm") == [0, 3, 1, 2] for node in readers)
    )


class StepMaker:
    """Makes the steps of a graph; those that read the same stored numbers share one parameter.

    Args:
        constants: all values that never change.
        opsets: domain -> version.
        stored: the ModelProto.
    """

    def __init__(self, constants: Mapping[str, Constant], opsets: Mapping[str, int], stored: Any) -> None:
        self.constants, self.opsets = constants, opsets
        self.stored = {name: node for node in stored.graph.node for name in node.output if name}
        self.read_elsewhere: set[str] = set()
        self._parameters: dict[str, nn.Parameter] = {}

    def step(self, node: Node, taken_in: tuple[str, ...]) -> Step:
        """The step that computes a node.

        Raises:
            UnsupportedError: nothing computes it.
        """
        operator = OPERATORS.get(node.op) if node.domain == "" else None
        if operator is None or not operator.served(node):
            return self.by_onnxruntime(node)
        held = {
            index: self.held(node, index, operator.weights.get(index, ""))
            for index, name in enumerate(node.inputs)
            if name in self.constants
        }
        return Operation(node, operator, held, taken_in)

    def held(self, node: Node, index: int, role: str) -> Tensor:
        """Numbers that always stand at one input: trained ones as the one parameter that they are."""
        name = node.inputs[index]
        constant = self.constants[name]
        numbers = constant.numbers
        trained = constant.trained and numbers.numel() > 1 if node.op in ARITHMETIC else True
        if not role or role.startswith("running") or not trained or not numbers.is_floating_point():
            return numbers
        return self._parameters.setdefault(name, nn.Parameter(numbers))

    def by_onnxruntime(self, node: Node) -> RuntimeStep:
        """A step for what only onnxruntime computes."""
        for name, value in node.attributes.items():
            if isinstance(value, Subgraph):
                raise unsupported(node.op, node.name, f"`{name}` is a graph of its own: control flow")
        self.read_elsewhere |= {name for name in node.inputs if name in self.constants}
        original = self.stored[next(name for name in node.outputs if name)]
        step = RuntimeStep(original, node.name, self.opsets)
        step.check_known()
        return step


class Subgraph:
    """An attribute that is a graph, or several."""


def read_node(stored: Any, opsets: Mapping[str, int], folder: Path | None) -> Node:
    """A node in plain values; its name is that of its first output where it has none."""
    outputs = tuple(stored.output)
    name = stored.name or next((output for output in outputs if output), stored.op_type)
    domain = DOMAINS.get(stored.domain, stored.domain)
    attributes = {entry.name: read_attribute(entry, folder) for entry in stored.attribute}
    if stored.op_type == "Constant" and not domain:
        attributes = {"value": constant_value(attributes)}
    return Node(stored.op_type, domain, name, tuple(stored.input), outputs, attributes, opsets.get(domain, 0))


def read_attribute(stored: Any, folder: Path | None) -> Any:
    """The value of an attribute: numbers and text as Python's, tensors as torch's."""
    kinds = onnx_package().AttributeProto
    if stored.type in (kinds.GRAPH, kinds.GRAPHS):
        return Subgraph()
    if stored.type == kinds.TENSOR:
        return read_tensor(stored.t, folder) if stored.t.data_type != TEXT else stored.t
    if stored.type == kinds.STRING:
        return stored.s.decode("utf-8", "replace")
    if stored.type == kinds.FLOAT:
        return stored.f
    if stored.type == kinds.INT:
        return stored.i
    if stored.type in (kinds.FLOATS, kinds.INTS):
        return list(stored.floats if stored.type == kinds.FLOATS else stored.ints)
    return stored


def constant_value(attributes: Mapping[str, Any]) -> Any:
    """What a node "Constant" holds, however it says it."""
    (name, value), *_ = attributes.items()
    if name in ("value_float", "value_floats"):
        return torch.tensor(value, dtype=torch.float32)
    return torch.tensor(value, dtype=torch.int64) if name in ("value_int", "value_ints") else value


def input_size(
    arguments: Iterable[Any], last: Collection[str], *, channels_first: bool
) -> tuple[int, int, int] | None:
    """(C, H, W) of the first argument that is a batch of pictures of one size, and is taken in that order.

    Raises:
        LoadError: an argument has more numbers than any memory.
    """
    found = None
    for value in arguments:
        sizes = [dimension.dim_value for dimension in value.type.tensor_type.shape.dim]
        if math.prod(max(size, 1) for size in sizes) > MOST_INPUT_NUMBERS or min(sizes, default=0) < 0:
            raise LoadError(
                f'load: the argument "{value.name}" of the ONNX model has an impossible size.',
                expected=f"at most {MOST_INPUT_NUMBERS:,} numbers",
                received="x".join(map(str, sizes)),
            )
        turned = value.name in last
        if found is None and len(sizes) == 4 and min(sizes[1:]) > 0 and (channels_first or not turned):
            found = (sizes[3], sizes[1], sizes[2]) if turned else (sizes[1], sizes[2], sizes[3])
    return found
