"""All operations that torch functions compute: importing their files enters them."""

from __future__ import annotations

import convitro.sources.onnx.activation as activation
import convitro.sources.onnx.arithmetic as arithmetic
import convitro.sources.onnx.convolution as convolution
import convitro.sources.onnx.normalization as normalization
import convitro.sources.onnx.pooling as pooling
import convitro.sources.onnx.quantization as quantization
import convitro.sources.onnx.reduction as reduction
import convitro.sources.onnx.resize as resize
import convitro.sources.onnx.shaping as shaping
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
