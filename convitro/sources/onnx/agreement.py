"""onnxruntime as the judge: every value between the nodes of a model, and how far the torch module is off."""

from __future__ import annotations

import html
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from convitro.errors import LoadError, ShapeError, first_line
from convitro.sources.graph import Graph
from convitro.sources.onnx.checking import checked, parse
from convitro.sources.onnx.packages import onnx_package, onnxruntime_package
from convitro.sources.onnx.reader import from_onnx
from convitro.sources.onnx.tensors import EXTERNAL, read_tensor

WIDTH = 80
NAME_WIDTH = 36


@dataclass(frozen=True)
class ValueAgreement:
    """One value of a model, computed twice.

    Args:
        name: what the model calls the value.
        step: the node that gives it.
        shape: its sizes.
        largest_difference: between the torch module and onnxruntime.
        scale: the largest absolute number in the value.
    """

    name: str
    step: str
    shape: tuple[int, ...]
    largest_difference: float
    scale: float

    @property
    def relative(self) -> float:
        """The largest difference as a part of the largest number."""
        return self.largest_difference / self.scale if self.scale else self.largest_difference


@dataclass(frozen=True)
class Agreement:
    """How far a torch module is from what onnxruntime computes, value by value in execution order.

    Args:
        model: what the model is called.
        values: each value that both have.
    """

    model: str
    values: tuple[ValueAgreement, ...]

    @property
    def relative(self) -> float:
        """The largest difference of all, as a part of the largest number of its value."""
        return max((value.relative for value in self.values), default=0.0)

    def to_dict(self) -> dict[str, Any]:
        """All values as JSON types."""
        values = [
            {**vars(value), "shape": list(value.shape), "relative": value.relative} for value in self.values
        ]
        return {"model": self.model, "relative": self.relative, "values": values}

    def __str__(self) -> str:
        head = f"{'value':<{NAME_WIDTH}}  {'shape':<16}  {'difference':>10}  {'relative':>9}"
        lines = [f"{self.model}: {len(self.values)} values against onnxruntime", head, "─" * len(head)]
        for value in self.values:
            name = value.name if len(value.name) <= NAME_WIDTH else "…" + value.name[1 - NAME_WIDTH :]
            shape = "x".join(map(str, value.shape))
            numbers = f"{value.largest_difference:>10.2g}  {value.relative:>9.1g}"
            lines.append(f"{name:<{NAME_WIDTH}}  {shape:<16}  {numbers}")
        return "\n".join([*lines, f"largest relative difference: {self.relative:.1g}"])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"


def compare_with_onnxruntime(model: Any, *inputs: Tensor) -> Agreement:
    """Run a model here and in onnxruntime, and compare every value between its nodes.

    Args:
        model: an `onnx.ModelProto`, or the path of a file.
        inputs: the model's arguments in order.

    Returns:
        An `Agreement`: its `str()` is the table. Values that this package computes once and for all, or takes
        together with the next one (a bias added behind a convolution), are not in it.

    Raises:
        LoadError, UnsupportedError: as `from_onnx`; or onnxruntime refuses the model.
        ShapeError: the model does not run on these inputs.

    Source: own.

    Example:
        >>> from onnx import parser
        >>> text = '<ir_version: 8, opset_import: ["": 17]> tiny (float[1,1,4,4] x) => (float[1,1,2,2] y)'
        >>> text += "{ a = Relu(x) y = MaxPool<kernel_shape=[2,2], strides=[2,2]>(a) }"
        >>> print(compare_with_onnxruntime(parser.parse_model(text), torch.ones(1, 1, 4, 4)))
        tiny: 2 values against onnxruntime
        value                                 shape             difference   relative
        ─────────────────────────────────────────────────────────────────────────────
        a                                     1x1x4x4                    0          0
        y                                     1x1x2x2                    0          0
        largest relative difference: 0
    """
    graph = from_onnx(model)
    judged = runtime_values(model, *inputs)
    rows = []
    for step, name, value in step_values(graph, *inputs):
        if name in judged and isinstance(value, Tensor):
            rows.append(compared(name, step, value, judged[name]))
    return Agreement(graph.own_name, tuple(rows))


def runtime_values(model: Any, *inputs: Tensor) -> dict[str, Tensor]:
    """Every tensor between the nodes of an ONNX model, as onnxruntime computes it without optimisations.

    A copy of the graph gets all its values as outputs; the model itself stays as it is.

    Args:
        model: an `onnx.ModelProto`, or the path of a file.
        inputs: the model's arguments in order.

    Raises:
        LoadError: the model is damaged, or onnxruntime refuses it.
        ShapeError: onnxruntime cannot run it on these inputs.

    Example:
        >>> from onnx import parser
        >>> text = '<ir_version: 8, opset_import: ["": 17]> tiny (float[2] x) => (float[2] y)'
        >>> runtime_values(parser.parse_model(text + "{ a = Neg(x) y = Relu(a) }"), torch.tensor([1.0, -2.0]))
        {'y': tensor([0., 2.]), 'a': tensor([-1.,  2.])}
    """
    onnx, runtime = onnx_package(), onnxruntime_package()
    path = Path(model) if isinstance(model, (str, Path)) else None
    stored = checked(model if path is None else parse(path))
    opened = onnx.ModelProto()
    opened.CopyFrom(stored)
    for initializer in opened.graph.initializer:
        if initializer.data_location == EXTERNAL:
            numbers = read_tensor(initializer, None if path is None else path.parent)
            whole = onnx.TensorProto(data_type=initializer.data_type, dims=initializer.dims)
            whole.name = initializer.name
            whole.raw_data = numbers.reshape(-1).view(torch.uint8).numpy().tobytes()
            initializer.CopyFrom(whole)
    known = {value.name for value in opened.graph.output}
    between = [name for node in opened.graph.node for name in node.output if name and name not in known]
    opened.graph.output.extend(onnx.ValueInfoProto(name=name) for name in between)
    options = runtime.SessionOptions()
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    try:
        content = opened.SerializeToString()
        session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has no common error of its own
        raise LoadError("onnxruntime refuses the model.", received=first_line(error)) from error
    fixed = {initializer.name for initializer in opened.graph.initializer}
    names = [value.name for value in opened.graph.input if value.name not in fixed]
    feeds = {name: value.detach().cpu().numpy() for name, value in zip(names, inputs, strict=False)}
    try:
        found = session.run(None, feeds)
    except Exception as error:
        raise ShapeError(
            "onnxruntime cannot run the model on these inputs.",
            expected=", ".join(f"{entry.name} {entry.shape}" for entry in session.get_inputs()),
            received=first_line(error),
        ) from error
    outputs = [entry.name for entry in session.get_outputs()]
    return {
        name: torch.from_numpy(value)
        for name, value in zip(outputs, found, strict=True)
        if hasattr(value, "dtype") and value.dtype.kind in "biufc"
    }


def step_values(graph: Graph, *inputs: Tensor) -> list[tuple[str, str, Any]]:
    """What every step of a graph gives in one run: its name, the value's name, the value."""
    found: list[tuple[str, str, Any]] = []

    def note(step: Any, arguments: Any, result: Any) -> None:
        results = (result,) if len(step.outputs) == 1 else result
        found.extend((step.own_name, name, value) for name, value in zip(step.outputs, results, strict=False))

    handles = [step.register_forward_hook(note) for step in graph.steps]
    try:
        with torch.no_grad():
            graph(*inputs)
    finally:
        for handle in handles:
            handle.remove()
    return found


def compared(name: str, step: str, ours: Tensor, theirs: Tensor) -> ValueAgreement:
    """One value of both; equal infinities and NaN differ by nothing, other sizes by everything."""
    first, second = ours.double(), theirs.double()
    if first.shape != second.shape:
        return ValueAgreement(name, step, tuple(ours.shape), float("inf"), 0.0)
    same = (first == second) | (first.isnan() & second.isnan())
    difference = torch.where(same, torch.zeros_like(first), (first - second).abs()).nan_to_num(float("inf"))
    finite = second[second.isfinite()].abs()
    scale = float(finite.max()) if finite.numel() else 0.0
    largest = float(difference.max()) if difference.numel() else 0.0
    return ValueAgreement(name, step, tuple(ours.shape), largest, scale)
