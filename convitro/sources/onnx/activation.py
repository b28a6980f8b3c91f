"""ONNX activations, as the torch functions that dissecting knows wherever they are the same."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from convitro.sources.onnx.node import Function, Node, computes

SIMPLE: dict[str, Function] = {
    "Relu": F.relu,
    "Sigmoid": torch.sigmoid,
    "Tanh": torch.tanh,
    "Softplus": F.softplus,
    "Softsign": F.softsign,
    "Mish": F.mish,
    "HardSwish": F.hardswish,
}
SIXTH = 1 / 6


@computes(*SIMPLE)
def simple(node: Node, input: Tensor) -> Tensor:
    """Each of torch's own; HardSwish since opset 14, Mish since 18, Relu of whole numbers as a limit."""
    if node.op == "Relu" and not input.is_floating_point():
        return input.clamp_min(0)
    return SIMPLE[node.op](input)


@computes("LeakyRelu")
def leaky_relu(node: Node, input: Tensor) -> Tensor:
    """LeakyRelu: the slope below 0 is 0.01 unless the node says otherwise."""
    return F.leaky_relu(input, node.get("alpha", 0.01))


@computes("PRelu", weights={1: "weight"})
def prelu(node: Node, input: Tensor, slope: Tensor) -> Tensor:
    """One slope for all or one per channel is torch's PReLU; other shapes spread as ONNX says."""
    per_channel = input.ndim > 1 and slope.shape == (input.shape[1], *(1,) * (input.ndim - 2))
    per_channel = per_channel or (node.opset < 7 and slope.ndim == 1)
    if input.is_floating_point() and (slope.numel() == 1 or per_channel):
        return F.prelu(input, slope.reshape(-1))
    return torch.where(input < 0, slope * input, input)


@computes("Elu")
def elu(node: Node, input: Tensor) -> Tensor:
    """Elu: towards -alpha, which is 1 unless the node says otherwise."""
    return F.elu(input, node.get("alpha", 1.0))


@computes("Celu")
def celu(node: Node, input: Tensor) -> Tensor:
    """Celu, since opset 12: smooth at 0 for every alpha."""
    return F.celu(input, node.get("alpha", 1.0))


@computes("Selu")
def selu(node: Node, input: Tensor) -> Tensor:
    """Selu: torch's own with the constants of the paper, written out with others."""
    alpha, gamma = node.get("alpha", 1.6732632423543772), node.get("gamma", 1.0507009873554805)
    if math.isclose(alpha, 1.6732632423543772, rel_tol=1e-6) and math.isclose(
        gamma, 1.0507009873554805, rel_tol=1e-6
    ):
        return F.selu(input)
    return gamma * F.elu(input, alpha)


@computes("Gelu")
def gelu(node: Node, input: Tensor) -> Tensor:
    """Gelu, since opset 20: by erf, or by tanh where the node says so."""
    return F.gelu(input, approximate=node.get("approximate", "none"))


@computes("Swish")
def swish(node: Node, input: Tensor) -> Tensor:
    """Swish, since opset 24: x * sigmoid(alpha * x); torch's silu where alpha is 1."""
    alpha = node.get("alpha", 1.0)
    return F.silu(input) if alpha == 1 else input * torch.sigmoid(alpha * input)


@computes("HardSigmoid")
def hard_sigmoid(node: Node, input: Tensor) -> Tensor:
    """HardSigmoid: a line between 0 and 1; torch's own has a slope of 1/6, ONNX's usual one is 0.2."""
    alpha, beta = node.get("alpha", 0.2), node.get("beta", 0.5)
    if math.isclose(alpha, SIXTH, rel_tol=1e-6) and beta == 0.5:
        return F.hardsigmoid(input)
    return torch.clamp(alpha * input + beta, 0, 1)


@computes("ThresholdedRelu")
def thresholded_relu(node: Node, input: Tensor) -> Tensor:
    """ThresholdedRelu, since opset 10: 0 up to alpha, the number itself above."""
    return F.threshold(input, node.get("alpha", 1.0), 0)


@computes("Shrink")
def shrink(node: Node, input: Tensor) -> Tensor:
    """Shrink, since opset 9: 0 between -lambd and lambd, drawn towards 0 by the bias elsewhere."""
    limit, bias = node.get("lambd", 0.5), node.get("bias", 0.0)
    if not input.is_floating_point():
        limit, bias = math.floor(limit), int(bias)
    low, high = input + bias, input - bias
    return torch.where(input < -limit, low, torch.where(input > limit, high, torch.zeros_like(input)))


@computes("Clip")
def clip(node: Node, input: Tensor, low: Tensor | None = None, high: Tensor | None = None) -> Tensor:
    """Limits are attributes in old models and values in new ones; as numbers, dissecting shows them."""
    least = node.get("min") if low is None else low.item()
    most = node.get("max") if high is None else high.item()
    if least is None and most is None:
        return input
    if not input.is_floating_point():
        return torch.clamp(input.long(), least, most).to(input.dtype)
    return torch.clamp(input, least, most)


@computes("Softmax", "LogSoftmax")
def softmax(node: Node, input: Tensor) -> Tensor:
    """Along one axis; before version 13 over all axes from that one on."""
    function = F.softmax if node.op == "Softmax" else F.log_softmax
    if node.opset >= 13:
        return function(input, dim=node.get("axis", -1))
    axis = node.get("axis", 1) % max(input.ndim, 1)
    return function(input.flatten(axis), dim=axis).reshape(input.shape)


@computes("Dropout")
def dropout(
    node: Node, input: Tensor, ratio: Tensor | None = None, training: Tensor | None = None
) -> Tensor | tuple[Tensor, Tensor]:
    """Nothing is dropped when a trained model answers; what is kept was not said before version 12."""
    share = node.get("ratio", 0.5) if ratio is None else float(ratio)
    if training is not None and bool(training) and share > 0:
        kept = torch.rand_like(input) >= share
        result = input * kept / (1 - share)
    else:
        kept = torch.full_like(input, node.opset >= 12, dtype=torch.bool if node.opset >= 10 else None)
        result = input
    return (result, kept) if len(node.outputs) > 1 else result
