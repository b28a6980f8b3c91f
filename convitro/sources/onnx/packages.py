"""The packages onnx and onnxruntime, imported where they are needed, and missed in plain words."""

from __future__ import annotations

import importlib
from typing import Any

from convitro.errors import LoadError


def onnx_package() -> Any:
    """The package onnx."""
    return wanted("onnx")


def onnxruntime_package() -> Any:
    """The package onnxruntime, silent about what it thinks of a model."""
    runtime = wanted("onnxruntime")
    runtime.set_default_logger_severity(4)
    return runtime


def wanted(name: str) -> Any:
    """The package of that name; a LoadError says how it is installed."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise LoadError(
            f"load: models of ONNX need the package {name}.",
            received=str(error),
            hint='pip install "convitro[onnx]"',
        ) from error
