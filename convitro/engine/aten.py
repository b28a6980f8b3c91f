"""PyTorch's own convolution, for the operators that are one. Any device, any dtype of torch's."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from convitro.aggregation import Operator
from convitro.geometry import ConvProblem

LINEAR = ("sum", "mean", "none")


def aten_reasons(operator: Operator) -> list[str]:
    """Why PyTorch's convolution cannot compute this operator; empty where it can."""
    reasons = []
    if not operator.multiplies_and_adds:
        reasons.append(f'combine="{operator.combine.name}" with window="{operator.window}" is no convolution')
    if operator.aggregation.name not in LINEAR:
        reasons.append(f'aggregation="{operator.aggregation}" is not linear')
    return reasons


def conv2d(
    problem: ConvProblem, operator: Operator, input: Tensor, weight: Tensor, bias: Tensor | None
) -> Tensor:
    """The layer by PyTorch's convolution: the mean is the sum with the weights divided by n.

    Args:
        problem: the geometry, padded with zeros.
        operator: one without `aten_reasons`, and not "none".
        input, weight, bias: as for torch.nn.functional.conv2d.

    Source: own.
    """
    top, bottom, left, right = problem.padding
    if (top, left) != (bottom, right):
        input, top, left = F.pad(input, (left, right, top, bottom)), 0, 0
    if operator.aggregation.name == "mean":
        weight = weight / problem.channels_per_filter
    return F.conv2d(input, weight, bias, problem.stride, (top, left), problem.dilation, problem.groups)
