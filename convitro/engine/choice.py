"""Which engine serves a layer: the kernels for the CPU where they can, PyTorch elsewhere, and why."""

from __future__ import annotations

import torch
from torch import Tensor

import convitro.engine.cpu.choice as cpu
import convitro.engine.cpu.isa as instruction_sets
from convitro.engine.cpu.convolver import NAMES
from convitro.engine.cpu.finish import CLOSED
from convitro.engine.cpu.layer import sliding_of
from convitro.geometry import BlockProblem

ALGORITHMS = ("auto", "direct", "winograd", "depthwise", "fold", "aten", "reference")
"""The names that `algorithm` may be: the first takes the best of those that can."""
AVAILABLE = bool(instruction_sets.supported())
"""Whether there are kernels for this processor."""


def engine_reasons(
    block: BlockProblem, algorithm: str, input: Tensor, weight: Tensor, bias: Tensor | None
) -> list[str]:
    """Why the kernels for the CPU cannot compute this layer, or not by this algorithm; empty if they can."""
    tensors = [tensor for tensor in (input, weight, bias) if tensor is not None]
    reasons = []
    if any(tensor.device.type != "cpu" for tensor in tensors):
        reasons.append(f"tensors are on {', '.join(sorted({tensor.device.type for tensor in tensors}))}")
    if any(tensor.dtype not in NAMES for tensor in tensors) or len({tensor.dtype for tensor in tensors}) > 1:
        reasons.append(dtype_reason({tensor.dtype for tensor in tensors}))
    if any(tensor.layout != torch.strided for tensor in tensors):
        reasons.append("a tensor is not dense")
    return reasons + block_reasons(block, algorithm, tuple(input.shape))


def dtype_reason(dtypes: set[torch.dtype]) -> str:
    """That these dtypes are not served, or not together."""
    received = " with ".join(sorted(str(dtype).removeprefix("torch.") for dtype in dtypes))
    return f"the kernels compute {', '.join(sorted(NAMES.values()))}, not {received}"


def block_reasons(block: BlockProblem, algorithm: str, input_shape: tuple[int, ...]) -> list[str]:
    """The same for what does not depend on the tensors themselves."""
    reasons = []
    if not AVAILABLE:
        reasons.append("this processor is neither x86-64 nor arm64")
    if block.pool[0] * block.pool[1] >= CLOSED:
        reasons.append(f"a pooling window has more than {CLOSED - 1} pixels")
    images, _, height, width = input_shape
    if 0 in input_shape:
        reasons.append("there is nothing to compute")
    elif algorithm in cpu.ALGORITHMS:
        reasons += cpu.impossible(algorithm, sliding_of(block, images, height, width))
    return reasons
