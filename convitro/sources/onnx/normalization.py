"""ONNX normalisations."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from convitro.sources.onnx.node import Node, computes

SCALES = {1: "weight", 2: "bias"}
EPSILON = 1e-5


@computes("BatchNormalization", weights={**SCALES, 3: "running_mean", 4: "running_var"})
def batch_normalization(
    node: Node, input: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, variance: Tensor
) -> Tensor | tuple[Tensor, ...]:
    """With the trained statistics; in a model saved for training with those of the batch."""
    epsilon = node.get("epsilon", EPSILON)
    if not node.get("training_mode", 0):
        result = F.batch_norm(input, mean, variance, scale, bias, False, 0.0, epsilon)
        return (
            (result, *(mean, variance, mean, variance)[: len(node.outputs) - 1])
            if len(node.outputs) > 1
            else result
        )
    result = F.batch_norm(input, None, None, scale, bias, True, 0.0, epsilon)
    if len(node.outputs) == 1:
        return result
    momentum = node.get("momentum", 0.9)
    others = [axis for axis in range(input.ndim) if axis != 1]
    new_mean = momentum * mean + (1 - momentum) * input.mean(others)
    new_variance = momentum * variance + (1 - momentum) * input.var(others, correction=0)
    return result, new_mean, new_variance


@computes("InstanceNormalization", weights=SCALES)
def instance_normalization(node: Node, input: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    """InstanceNormalization: every channel of every image with its own mean and deviation."""
    return F.instance_norm(input, weight=scale, bias=bias, eps=node.get("epsilon", EPSILON))


@computes("GroupNormalization", weights=SCALES)
def group_normalization(node: Node, input: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    """Before version 21 there was one scale for each group, since then one for each channel."""
    groups, epsilon = node.get("num_groups", 1), node.get("epsilon", EPSILON)
    if node.opset < 21 and len(scale) == groups:
        each = input.shape[1] // groups
        scale, bias = scale.repeat_interleave(each), bias.repeat_interleave(each)
    return F.group_norm(input, groups, scale, bias, epsilon)


@computes("LayerNormalization", weights=SCALES, served=lambda node: node.get("stash_type", 1) == 1)
def layer_normalization(
    node: Node, input: Tensor, scale: Tensor, bias: Tensor | None = None
) -> Tensor | tuple[Tensor, ...]:
    """Over all axes from one on; also the mean and the inverse deviation, where they are asked for."""
    axis, epsilon = node.get("axis", -1) % max(input.ndim, 1), node.get("epsilon", EPSILON)
    over = input.shape[axis:]
    if scale.shape == over and (bias is None or bias.shape == over):
        result = F.layer_norm(input, over, scale, bias, epsilon)
    else:
        result = F.layer_norm(input, over, None, None, epsilon) * scale
        result = result if bias is None else result + bias
    if len(node.outputs) == 1:
        return result
    axes = list(range(axis, input.ndim))
    mean = input.float().mean(axes, keepdim=True)
    inverse = torch.rsqrt(input.float().var(axes, correction=0, keepdim=True) + epsilon)
    return (result, mean, inverse)[: len(node.outputs)]


@computes("RMSNormalization", weights={1: "weight"}, served=lambda node: node.get("stash_type", 1) == 1)
def rms_normalization(node: Node, input: Tensor, scale: Tensor) -> Tensor:
    """RMSNormalization, since opset 23: over all axes from one on; half precision is squared in float32."""
    axes = list(range(node.get("axis", -1) % max(input.ndim, 1), input.ndim))
    wide = input.float() if input.dtype in (torch.float16, torch.bfloat16) else input
    inverse = torch.rsqrt(wide.square().mean(axes, keepdim=True) + node.get("epsilon", EPSILON))
    return (wide * inverse).to(input.dtype) * scale


@computes("LRN")
def local_response(node: Node, input: Tensor) -> Tensor:
    """torch counts windows of even size from another channel on, so those are written out."""
    size, bias = node.get("size"), node.get("bias", 1.0)
    alpha, beta = node.get("alpha", 1e-4), node.get("beta", 0.75)
    if size % 2:
        return F.local_response_norm(input, size, alpha, beta, bias)
    squares = F.pad(input.square(), [0, 0] * (input.ndim - 2) + [(size - 1) // 2, size // 2])
    sums = squares.unfold(1, size, 1).sum(-1)
    return input / (bias + alpha / size * sums) ** beta


@computes("LpNormalization")
def lp_normalization(node: Node, input: Tensor) -> Tensor:
    """LpNormalization: along one axis; what has no length stays 0."""
    norms = input.norm(node.get("p", 2), dim=node.get("axis", -1), keepdim=True)
    return torch.where(norms == 0, torch.zeros_like(input), input / norms)


@computes("MeanVarianceNormalization")
def mean_variance(node: Node, input: Tensor) -> Tensor:
    """MeanVarianceNormalization, since opset 9: over images, rows and columns unless the node names axes."""
    axes = list(node.get("axes") or (0, 2, 3))
    mean = input.mean(axes, keepdim=True)
    deviation = input.var(axes, correction=0, keepdim=True).sqrt()
    return (input - mean) / (deviation + 1e-9)
