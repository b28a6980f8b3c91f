"""ONNX models written by hand, as exporters write them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import onnx
import torch
from onnx import TensorProto, helper
from torch import Tensor

from convitro.sources.onnx.tensors import onnx_dtype

Sizes = Sequence[int | str | None]


def node(op: str, inputs: str, outputs: str, name: str = "", **attributes: Any) -> Any:
    """A node; names of values are separated by blanks, "-" is one that is left out."""
    read, written = ([part.replace("-", "") for part in text.split()] for text in (inputs, outputs))
    return helper.make_node(op, read, written, name=name, **attributes)


def stored(name: str, numbers: Tensor) -> Any:
    """An initializer."""
    raw = numbers.reshape(-1).view(torch.uint8).numpy().tobytes() if numbers.numel() else b""
    return helper.make_tensor(name, onnx_dtype(numbers.dtype), numbers.shape, raw, raw=True)


def model(
    nodes: Sequence[Any],
    inputs: dict[str, Sizes],
    outputs: Sequence[str],
    weights: dict[str, Tensor] | None = None,
    opset: int = 17,
) -> Any:
    """A model of float32 arguments."""
    arguments = [helper.make_tensor_value_info(n, TensorProto.FLOAT, list(s)) for n, s in inputs.items()]
    results = [helper.make_empty_tensor_value_info(name) for name in outputs]
    for result in results:
        result.type.tensor_type.elem_type = TensorProto.FLOAT
    initializers = [stored(name, numbers) for name, numbers in (weights or {}).items()]
    graph = helper.make_graph(list(nodes), "by hand", arguments, results, initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def save(proto: Any, path: Any) -> Any:
    """Write a model to `path`, and return the path."""
    onnx.save(proto, str(path))
    return path
