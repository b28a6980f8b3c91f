"""What torch has no function for is computed by onnxruntime; a model's own functions are written out."""

from __future__ import annotations

import copy
from typing import Any

import torch
from onnx import helper

from convitro.anatomy import dissect
from convitro.sources.onnx import compare_with_onnxruntime, from_onnx
from convitro.sources.onnx.fallback import RuntimeStep
from tests.sources.onnx.building import model, node


def with_hardmax() -> Any:
    nodes = [
        node("Conv", "x w", "c", "conv"),
        node("Hardmax", "c", "h", "winner", axis=1),
        node("CenterCropPad", "h target", "y", "cut"),
    ]
    weights = {"w": torch.randn(4, 3, 3, 3), "target": torch.tensor([1, 4, 5, 5])}
    return model(nodes, {"x": (1, 3, 9, 9)}, ["y"], weights, opset=18)


def test_other_operations_are_computed_by_onnxruntime() -> None:
    proto, picture = with_hardmax(), torch.randn(1, 3, 9, 9)
    graph = from_onnx(proto)
    assert [isinstance(step, RuntimeStep) for step in graph.steps] == [False, True, True]
    assert "Hardmax, by onnxruntime, without gradient" in repr(graph)
    agreement = compare_with_onnxruntime(proto, picture)
    assert [value.name for value in agreement.values] == ["c", "h", "y"]
    assert agreement.relative < 1e-5
    assert list(dissect(graph, picture)) == ["conv"]


def test_no_gradient_passes_through_onnxruntime() -> None:
    assert not from_onnx(with_hardmax())(torch.randn(1, 3, 9, 9)).requires_grad


def test_sessions_stay_behind_when_a_graph_is_copied() -> None:
    graph, picture = from_onnx(with_hardmax()), torch.randn(1, 3, 9, 9)
    expected = graph(picture)
    torch.testing.assert_close(copy.deepcopy(graph)(picture), expected, rtol=0, atol=0)


def test_several_dtypes_have_a_session_each() -> None:
    kept = {"kept": torch.tensor([True, False, True])}
    graph = from_onnx(model([node("Compress", "x kept", "y", axis=0)], {"x": (3, 3)}, ["y"], kept))
    for dtype in (torch.float32, torch.float64, torch.int32):
        values = torch.arange(9, dtype=dtype).reshape(3, 3)
        torch.testing.assert_close(graph(values), values[[0, 2]], rtol=0, atol=0)


def test_functions_of_the_model_are_written_out() -> None:
    body = [node("Mul", "a a", "s"), helper.make_node("Relu", ["s"], ["b"])]
    function = helper.make_function("own", "Square", ["a"], ["b"], body, [helper.make_opsetid("", 17)])
    nodes = [node("Conv", "x w", "c", "conv"), helper.make_node("Square", ["c"], ["y"], domain="own")]
    proto = model(nodes, {"x": (1, 3, 6, 6)}, ["y"], {"w": torch.randn(4, 3, 3, 3)})
    proto.opset_import.append(helper.make_opsetid("own", 1))
    proto.functions.append(function)
    graph = from_onnx(proto)
    assert [step.kind for step in graph.steps] == ["Conv", "Mul", "Relu"]
    assert compare_with_onnxruntime(proto, torch.randn(1, 3, 6, 6)).relative < 1e-5
