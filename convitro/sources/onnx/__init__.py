"""ONNX models as torch modules: node by node, with the model's names, and onnxruntime to compare with.

The package onnx is needed only when a model is read.
"""

from convitro.sources.onnx.reader import from_onnx

__all__ = ["from_onnx"]
