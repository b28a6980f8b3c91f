"""AdderNet's own gradients: what its paper trains with in place of the derivative of the L1 distance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

import convitro.engine.fold.execute as fold
import convitro.reference as reference
from convitro.aggregation import Combine, Operator, Sum
from convitro.checks import autocasts, padded
from convitro.functional import conv2d
from convitro.geometry import BlockProblem, ConvProblem, conv_problem
from convitro.presets.windows import Geometry


def _cut(x: Any, w: Any) -> Any:
    return (w - x).clamp(-1.0, 1.0)


CUT_DIFFERENCE = Operator(Combine("adder_surrogate", lambda x, w: (x - w).abs(), _cut, _cut), Sum(), Sum())
"""Its slope for the input is w - x, cut off at -1 and 1; values and the other slope are not asked for."""


class _Distance(torch.autograd.Function):
    """-sum |x - w| with the gradients x - w for the weight and hardtanh(w - x) for the input."""

    @staticmethod
    def forward(ctx: Any, input: Tensor, weight: Tensor, bias: Tensor | None, problem: ConvProblem) -> Tensor:
        ctx.save_for_backward(input, weight)
        ctx.problem = problem
        stride, dilation, groups = problem.stride, problem.dilation, problem.groups
        top, bottom, left, right = problem.padding
        if (top, left) == (bottom, right):
            padding: Any = (top, left)
        else:
            padding = "same"  # the only padding whose sides differ
        negative = None if bias is None else -bias
        return -conv2d(
            input, weight, negative, stride, padding, dilation, groups, combine="absolute_difference"
        )

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        input, weight = ctx.saved_tensors
        problem, needs = ctx.problem, ctx.needs_input_grad
        of_input = of_weight = of_bias = None
        if needs[0]:
            numbers = (problem.stride, problem.padding, problem.dilation, problem.groups)
            of_input = _input_gradient(gradient, input, weight, *numbers)
        if needs[1]:
            of_weight = weight_gradient(problem, gradient, input, weight)
        if needs[2]:
            of_bias = gradient.transpose(-3, 0).flatten(1).sum(1)
        return of_input, of_weight, of_bias, None


def surrogate_distance(input: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> Tensor:
    """Minus the L1 distance, with the paper's gradients.

    Args:
        input, weight, bias: as for `convitro.functional.conv2d`.
        geometry: how the windows lie.
    """
    stride, padding, dilation, groups, mode = geometry
    if autocasts(input.device):
        dtype = torch.get_autocast_dtype(input.device.type)
        input, weight = input.to(dtype), weight.to(dtype)
        bias = None if bias is None else bias.to(dtype)
    problem = conv_problem(weight.shape, stride, padding, dilation, groups, padding_mode=mode)
    inside, image = padded(problem, input)
    maps: Tensor = _Distance.apply(image, weight, bias, inside)
    return maps


def weight_gradient(problem: ConvProblem, gradient: Tensor, input: Tensor, weight: Tensor) -> Tensor:
    """Sum of g (x - w) over the pixels inside the image: two gradients of plain convolutions."""
    wide = reference.accumulation_dtype(weight.dtype)
    gradient, input = (tensor if tensor.dim() == 4 else tensor[None] for tensor in (gradient, input))
    gradient, image = gradient.to(wide), input.to(wide)
    ones = image.new_ones(1, 1, *image.shape[-2:])
    of_pixels = _correlated(problem, gradient, image, weight.to(wide), problem.groups)
    total = gradient.sum(0, keepdim=True)
    of_ones = _correlated(problem, total, ones, weight[:, :1].to(wide), 1)  # (C_out, 1, KH, KW)
    return (of_pixels - of_ones * weight.to(wide)).to(weight.dtype)


def _correlated(problem: ConvProblem, gradient: Tensor, input: Tensor, weight: Tensor, groups: int) -> Tensor:
    """The gradient of a plain convolution's weight."""
    top, bottom, left, right = problem.padding
    image = F.pad(input, (left, right, top, bottom))
    sliding = (problem.stride, [0, 0], problem.dilation, False, [0, 0], groups)
    found = torch.ops.aten.convolution_backward(gradient, image, weight, None, *sliding, [False, True, False])
    result: Tensor = found[1]
    return result


@torch.library.custom_op("convitro::adder_input_gradient", mutates_args=())
def _input_gradient(
    gradient: Tensor,
    input: Tensor,
    weight: Tensor,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> Tensor:
    (dy, dx), (sy, sx), (top, bottom, left, right) = dilation, stride, padding
    problem = conv_problem(weight.shape, (sy, sx), 0, (dy, dx), groups)
    problem = replace(problem, padding=(top, bottom, left, right))
    block, like = BlockProblem(problem), input
    gradient, input = (tensor if tensor.dim() == 4 else tensor[None] for tensor in (gradient, input))
    tensors = (gradient, input, weight)
    if fold.fold_reasons(block, CUT_DIFFERENCE, input, weight, None):
        found, _ = reference.backward(problem, CUT_DIFFERENCE, tensors, [gradient], (True, False))
    else:  # a sum's slope is 1 whatever its result was: the gradient stands in for it
        found, _ = fold.backward(block, CUT_DIFFERENCE, tensors, [gradient], (True, False))
    assert found is not None
    return found.to(like.dtype).reshape(like.shape).contiguous()


@_input_gradient.register_fake
def _input_gradient_fake(gradient: Tensor, input: Tensor, weight: Tensor, *numbers: Any) -> Tensor:
    return input.new_empty(input.shape)
