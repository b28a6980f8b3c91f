"""ONNX numbers of few bits: weights that are stored so become weights again, maps are rounded."""

from __future__ import annotations

import torch
from torch import Tensor

from convitro.errors import ShapeError
from convitro.sources.onnx.arithmetic import plain_cast
from convitro.sources.onnx.node import Node, computes
from convitro.sources.onnx.tensors import torch_dtype


def plain_dtypes(node: Node) -> bool:
    """One scale for all or one per channel, and a dtype that torch has."""
    wanted = node.get("output_dtype", 0)
    return not node.get("block_size", 0) and (not wanted or plain_cast(wanted))


def along(node: Node, scale: Tensor, input: Tensor) -> list[int]:
    """The shape in which one number per channel stands beside the input."""
    if scale.numel() == 1:
        return [1] * input.ndim
    axis = node.get("axis", 1) % input.ndim
    if scale.ndim != 1 or scale.numel() != input.shape[axis]:
        raise ShapeError(f"{node.op} {node.name!r}: the scales do not fit axis {axis} of the input.")
    return [-1 if other == axis else 1 for other in range(input.ndim)]


@computes("DequantizeLinear", served=plain_dtypes)
def dequantize(node: Node, input: Tensor, scale: Tensor, zero: Tensor | None = None) -> Tensor:
    """(input - zero) * scale."""
    shape = along(node, scale, input)
    whole = input.long() if zero is None else input.long() - zero.long().reshape(shape)
    result = whole.to(scale.dtype) * scale.reshape(shape)
    return result.to(torch_dtype(node.get("output_dtype"))) if node.get("output_dtype", 0) else result


@computes("QuantizeLinear", served=plain_dtypes)
def quantize(node: Node, input: Tensor, scale: Tensor, zero: Tensor | None = None) -> Tensor:
    """input / scale rounded to even, plus zero, held within the numbers that there are."""
    shape = along(node, scale, input)
    wanted = node.get("output_dtype", 0)
    dtype = zero.dtype if zero is not None else torch_dtype(wanted) if wanted else torch.uint8
    rounded = torch.round(input.to(scale.dtype) / scale.reshape(shape))
    moved = rounded if zero is None else rounded + zero.to(scale.dtype).reshape(shape)
    limits = torch.iinfo(dtype)
    return moved.clamp(limits.min, limits.max).to(dtype)
