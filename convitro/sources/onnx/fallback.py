"""What has no torch function here is computed by onnxruntime, as a model of one node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from convitro.errors import ShapeError, UnsupportedError, first_line
from convitro.sources.graph import Step
from convitro.sources.onnx.packages import onnx_package, onnxruntime_package
from convitro.sources.onnx.tensors import onnx_dtype

UNKNOWN = "is not a registered function/op"
IR_VERSION = 10  # of the models of one node: what is newer adds nothing that they need


class RuntimeStep(Step):
    """One node, computed by onnxruntime on the CPU. No gradient passes through it.

    A session is made for each combination of dtypes that comes along, and does not travel with copies of
    the step.

    Args:
        stored: the NodeProto.
        name: what the model calls it.
        opsets: domain -> version, as the model has them.
    """

    def __init__(self, stored: Any, name: str, opsets: Mapping[str, int]) -> None:
        super().__init__(name, stored.op_type, stored.input, stored.output)
        self.stored = stored.SerializeToString()
        self.opsets = dict(opsets) | unchanged_since(stored, opsets)
        self._sessions: dict[tuple[int, ...], Any] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_sessions": {}}

    def forward(self, *values: Any) -> Any:
        given = [(name, value) for name, value in zip(self.inputs, values, strict=True) if name]
        arrays = {name: value.detach().cpu().contiguous() for name, value in given}
        types = tuple(onnx_dtype(value.dtype) for value in arrays.values())
        if types not in self._sessions:
            self._sessions[types] = self.session(list(zip(arrays, types, strict=True)))
        runtime = onnxruntime_package()
        feeds = {
            name: runtime.OrtValue.ortvalue_from_numpy(value.view(torch.uint16).numpy(), 16)
            if value.dtype is torch.bfloat16
            else value.numpy()
            for name, value in arrays.items()
        }
        try:
            found = self._sessions[types].run(None, feeds)
        except Exception as error:  # onnxruntime has no common error of its own
            raise ShapeError(
                f"{self.kind} {self.own_name!r} cannot be computed.",
                received=", ".join(str(tuple(value.shape)) for value in arrays.values()),
                hint=f"onnxruntime says: {first_line(error)}",
            ) from error
        device = next((value.device for _, value in given), torch.device("cpu"))
        results = iter([self.as_tensor(value).to(device) for value in found])
        every = tuple(next(results) if name else None for name in self.outputs)
        return every[0] if len(every) == 1 else every

    def as_tensor(self, value: Any) -> Tensor:
        """A result of onnxruntime; an UnsupportedError for what is no tensor."""
        if not hasattr(value, "dtype") or value.dtype.kind not in "biufc":
            raise unsupported(self.kind, self.own_name, f"it gives {type(value).__name__}, not a tensor")
        return torch.from_numpy(value.copy())

    def session(self, types: list[tuple[str, int]]) -> Any:
        """onnxruntime's session for inputs of these dtypes.

        Raises:
            UnsupportedError: onnxruntime does not have this operation either.
        """
        onnx, runtime = onnx_package(), onnxruntime_package()
        node = onnx.NodeProto.FromString(self.stored)
        inputs = [
            onnx.helper.make_tensor_value_info(name, dtype, None) for name, dtype in dict(types).items()
        ]
        outputs = [onnx.helper.make_empty_tensor_value_info(name) for name in node.output if name]
        graph = onnx.helper.make_graph([node], "one node", inputs, outputs)
        versions = [onnx.helper.make_opsetid(domain, version) for domain, version in self.opsets.items()]
        model = onnx.helper.make_model(graph, opset_imports=versions, ir_version=IR_VERSION)
        options = runtime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = 1, 4
        try:
            return runtime.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            raise unsupported(self.kind, self.own_name, first_line(error)) from error

    def check_known(self) -> None:
        """An UnsupportedError where onnxruntime does not have this operation for any dtype."""
        try:
            self.session([(name, 1) for name in self.inputs if name])
        except UnsupportedError as error:
            if UNKNOWN in error.received:
                raise

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, by onnxruntime, without gradient"


def unchanged_since(stored: Any, opsets: Mapping[str, int]) -> dict[str, int]:
    """The version in which the operation last changed: onnxruntime need not know what came after it."""
    onnx = onnx_package()
    domain = "" if stored.domain == "ai.onnx" else stored.domain
    try:
        schema = onnx.defs.get_schema(stored.op_type, opsets.get(domain, 0), domain)
    except onnx.defs.SchemaError:  # an operation of another package
        return {}
    return {domain: schema.since_version}


def unsupported(operation: str, name: str, reason: str) -> UnsupportedError:
    """The error for an operation that neither this package nor onnxruntime computes."""
    return UnsupportedError(
        f"load: the operation {operation} ({name!r}) cannot be computed.",
        expected="operations on tensors, of ONNX or of onnxruntime",
        received=reason,
    )
