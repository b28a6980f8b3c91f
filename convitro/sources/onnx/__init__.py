"""ONNX models as torch modules: node by node, with the model's names, and onnxruntime to compare with.

The packages onnx and onnxruntime are needed only when a model is read.
"""

from convitro.sources.onnx.agreement import Agreement, compare_with_onnxruntime, runtime_values
from convitro.sources.onnx.reader import from_onnx

__all__ = ["Agreement", "compare_with_onnxruntime", "from_onnx", "runtime_values"]
