"""`as_module`: whatever somebody calls a model, as a torch module."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from convitro.sources.keras import from_keras, is_keras_model
from convitro.sources.load import load
from convitro.sources.onnx import from_onnx


def as_module(model: Any) -> Any:
    """The torch module that `model` stands for; what stands for none is returned as it is.

    Args:
        model: an nn.Module; a live Keras model, or an `onnx.ModelProto`, which take their inputs in their own
            order of axes; a path or an import path, as for `convitro.load`.

    Raises:
        LoadError, UnsupportedError: as `convitro.load`.
    """
    if isinstance(model, (str, Path)):
        return load(model)
    if is_keras_model(model):  # before nn.Module: with torch underneath it is one
        return from_keras(model)
    onnx = sys.modules.get("onnx")  # whoever has such a model has imported it
    if onnx is not None and isinstance(model, onnx.ModelProto):
        return from_onnx(model)
    return model
