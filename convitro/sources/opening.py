"""`as_module`: whatever somebody calls a model, as a torch module."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from convitro.sources.load import load
from convitro.sources.onnx import from_onnx


def as_module(model: Any) -> Any:
    """The torch module that `model` stands for; what stands for none is returned as it is.

    Args:
        model: an nn.Module; a path or an import path, as for `convitro.load`; an `onnx.ModelProto`, which
            keeps its own order of axes.

    Raises:
        LoadError, UnsupportedError: as `convitro.load`.
    """
    if isinstance(model, (str, Path)):
        return load(model)
    onnx = sys.modules.get("onnx")  # whoever has such a model has imported it
    if onnx is not None and isinstance(model, onnx.ModelProto):
        return from_onnx(model)
    return model
