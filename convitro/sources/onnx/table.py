"""All operations that torch functions compute: importing their files enters them."""

from __future__ import annotations

from convitro.sources.onnx import (
    activation,
    arithmetic,
    convolution,
    normalization,
    pooling,
    quantization,
    reduction,
    resize,
    shaping,
)
from convitro.sources.onnx.node import OPERATORS

FAMILIES = (
    activation,
    arithmetic,
    convolution,
    normalization,
    pooling,
    quantization,
    reduction,
    resize,
    shaping,
)

__all__ = ["FAMILIES", "OPERATORS"]
