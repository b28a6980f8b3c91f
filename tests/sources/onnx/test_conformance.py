"""The conformance vectors of the package onnx: for every operation that is computed here."""

from __future__ import annotations

import warnings
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.backend.test
import pytest
import torch
from torch import Tensor

from convitro.sources.onnx import from_onnx
from convitro.sources.onnx.operation import Operation
from convitro.sources.onnx.table import OPERATORS
from convitro.sources.onnx.tensors import DTYPES, read_tensor

# Not followed, each for its reason.
RANDOM = {
    "test_training_dropout_default",
    "test_training_dropout_default_mask",
    "test_training_dropout",
    "test_training_dropout_mask",
}
OTHERWISE_IN_ONNXRUNTIME = {  # which counts whole cells there, as every other implementation does
    "test_resize_downsample_scales_linear_align_corners",
    "test_resize_downsample_scales_cubic_align_corners",
}
LEFT_OUT = RANDOM | OTHERWISE_IN_ONNXRUNTIME
UNSERVED = (np.dtype(np.uint64), np.dtype(object))  # torch hardly computes with these
DATA = Path(onnx.backend.test.__file__).parent / "data"
SAVED = ("pytorch-converted", "pytorch-operator", "simple")


@pytest.fixture(scope="session")
def vectors() -> dict[str, list[Any]]:
    """The vectors of single nodes, by operation."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from onnx.backend.test.case.node import collect_testcases

        cases = collect_testcases(None)
    found = defaultdict(list)
    for case in cases:
        assert case.model is not None
        if len(case.model.graph.node) == 1 and case.name not in LEFT_OUT:
            found[case.model.graph.node[0].op_type].append(case)
    return found


def computed_here(graph: Any) -> bool:
    return all(isinstance(step, Operation) for step in graph.steps)


def as_tensor(value: Any) -> Tensor | None:
    """A value of a vector; None for text, sequences and dtypes that torch does not compute with."""
    if isinstance(value, onnx.TensorProto):
        return read_tensor(value) if value.data_type in DTYPES else None
    plain = isinstance(value, (np.ndarray, np.generic)) and value.dtype.isbuiltin == 1
    return torch.from_numpy(np.array(value)) if plain and value.dtype not in UNSERVED else None


def check(graph: Any, inputs: list[Tensor], expected: list[Tensor], rtol: float) -> None:
    with torch.no_grad():
        results = graph(*inputs)
    results = results if isinstance(results, tuple) else (results,)
    assert len(results) == len(expected)
    for result, wanted in zip(results, expected, strict=True):
        torch.testing.assert_close(result, wanted, rtol=rtol, atol=1e-5, equal_nan=True)


@pytest.mark.parametrize("operation", sorted(OPERATORS))
def test_an_operation_gives_what_the_standard_says(operation: str, vectors: dict[str, list[Any]]) -> None:
    compared = 0
    for case in vectors[operation]:
        graph: Any = None
        for data in case.data_sets:
            inputs, expected = ([as_tensor(value) for value in values] for values in data)
            given, wanted = [v for v in inputs if v is not None], [v for v in expected if v is not None]
            if len(given) < len(inputs) or len(wanted) < len(expected):
                continue
            graph = graph or from_onnx(case.model)
            if computed_here(graph):
                check(graph, given, wanted, 1e-3)
                compared += 1
    assert compared > 0


def tensors(folder: Path, kind: str) -> list[Tensor]:
    files = sorted(folder.glob(f"{kind}_*.pb"), key=lambda file: int(file.stem.rpartition("_")[2]))
    return [read_tensor(onnx.TensorProto.FromString(file.read_bytes())) for file in files]


FAMILIES = ("Conv", "BatchNorm", "MaxPool", "AvgPool", "PReLU", "Linear", "operator")


@pytest.mark.parametrize("family", [*FAMILIES, ""])
def test_models_of_the_oldest_exporters(family: str) -> None:
    """Written for versions 6 to 12 of ONNX: attributes that later became values, broadcasting by axis."""
    compared = 0
    for kind in SAVED:
        for folder in sorted((DATA / kind).iterdir()):
            name = folder.name.removeprefix("test_")
            own = next((word for word in FAMILIES if name.startswith(word)), "")
            if own != family or "sequence" in name or "strnorm" in name or "gradient" in name:
                continue
            graph = from_onnx(folder / "model.onnx")
            for data in sorted(folder.glob("test_data_set_*")):
                check(graph, tensors(data, "input"), tensors(data, "output"), 1e-4)
                compared += 1
    assert compared > 0
