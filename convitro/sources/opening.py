"""`as_module`: whatever somebody calls a model, as a torch module."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import nn

from convitro.sources.exported import from_exported
from convitro.sources.keras import from_keras, is_keras_model
from convitro.sources.load import load
from convitro.sources.onnx import from_onnx


def as_module(model: Any) -> Any:
    """The torch module that `model` stands for; what stands for none is returned as it is.

    Args:
        model: an nn.Module; a live Keras model, or an `onnx.ModelProto`, which take their inputs in their own
            order of axes; a program of torch.export; a path or an import path, as for `convitro.load`.

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
    export = sys.modules.get("torch.export")
    if export is not None and isinstance(model, export.ExportedProgram):
        return as_loaded(model)
    return model


def as_loaded(program: Any) -> nn.Module:
    """A program of torch.export as it is read from a file: with the names that its layers had."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "program.pt2"
        torch.export.save(program, path)
        return from_exported(path)
