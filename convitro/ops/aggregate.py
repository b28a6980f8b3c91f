"""Any operator as PyTorch operators: autograd, shapes for tracing; torch.compile and export see one node.

Operators of PyTorch take no objects of ours, so a layer travels as the numbers of its geometry and the three
specs of its operator; `convitro.aggregation.resolve` finds the instances again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

import convitro.engine.fold.execute as fold
import convitro.reference as reference
from convitro.aggregation import Operator, operator
from convitro.aggregation.learned import WithTangent
from convitro.engine.cpu.layer import output_strides
from convitro.errors import UnsupportedError
from convitro.geometry import BlockProblem, ConvProblem


@torch.library.custom_op("convitro::aggregate", mutates_args=())
def _aggregate(
    input: Tensor,
    weight: Tensor,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
    specs: str,
    algorithm: str,
    save: bool,
    parameter: Tensor | None = None,
    tangent: bool = False,
) -> list[Tensor]:
    problem, operator = _problem(weight, stride, padding, dilation, groups), _operator(specs)
    if algorithm == "reference":
        return reference.forward(problem, operator, input, weight, parameter, save=save, tangent=tangent)
    tensors = (input, weight, None)
    folded = fold.forward(
        BlockProblem(problem), operator, tensors, saves=True, parameter=parameter, tangent=tangent
    )
    return [folded.output, *folded.saved] if save else [folded.output]


@_aggregate.register_fake
def _aggregate_fake(
    input: Tensor,
    weight: Tensor,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
    specs: str,
    algorithm: str,
    save: bool,
    parameter: Tensor | None = None,
    tangent: bool = False,
) -> list[Tensor]:
    rows, columns = _problem(weight, stride, padding, dilation, groups).output_size(*input.shape[-2:])
    dtype, shape = reference.accumulation_dtype(input.dtype), (input.shape[0], weight.shape[0], rows, columns)
    result, operator = input.new_empty(shape, dtype=dtype), _operator(specs)
    aggregation = operator.aggregation
    if parameter is not None:
        aggregation = WithTangent(aggregation, result) if tangent else aggregation.with_parameter(result)
    state = (result,) * len(aggregation.init(weight.shape[1]))
    extra = aggregation.extra(state, result, result) if save else ()
    if algorithm == "reference":
        return [result, *(torch.empty_like(result) for _ in extra)]
    strides = output_strides(shape, input.stride(), weight.stride())
    saved = fold.empty_saved(operator, result, len(extra)) if save else []
    return [input.new_empty_strided(shape, strides, dtype=dtype), *saved]


@torch.library.custom_op("convitro::aggregate_backward", mutates_args=())
def _aggregate_backward(
    output_gradient: Tensor,
    input: Tensor,
    weight: Tensor,
    saved: Sequence[Tensor],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
    specs: str,
    algorithm: str,
    needs: Sequence[bool],
    parameter: Tensor | None = None,
    tangent: Tensor | None = None,
) -> list[Tensor]:
    problem, operator = _problem(weight, stride, padding, dilation, groups), _operator(specs)
    tensors, wanted = (output_gradient, input, weight), (needs[0], needs[1])
    found: list[Tensor | None] = [None, None]
    if any(wanted) and algorithm == "reference":
        found[:] = reference.backward(problem, operator, tensors, saved, wanted, parameter)
    elif any(wanted):
        found[:] = fold.backward(BlockProblem(problem), operator, tensors, saved, wanted, parameter)
    if parameter is not None and tangent is not None:
        of_filters = (output_gradient * tangent).sum((0, 2, 3))
        found.append(of_filters.sum_to_size(parameter.shape))
    pairs = zip(found, (input, weight, parameter), strict=False)
    return [
        gradient.to(like.dtype).contiguous()
        for gradient, like in pairs
        if gradient is not None and like is not None
    ]


@_aggregate_backward.register_fake
def _aggregate_backward_fake(
    output_gradient: Tensor,
    input: Tensor,
    weight: Tensor,
    saved: Sequence[Tensor],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
    specs: str,
    algorithm: str,
    needs: Sequence[bool],
    parameter: Tensor | None = None,
    tangent: Tensor | None = None,
) -> list[Tensor]:
    likes = (input, weight, None if tangent is None else parameter)
    pairs = zip(likes, (*needs[:2], True), strict=True)
    return [like.new_empty(like.shape) for like, needed in pairs if needed and like is not None]


def _remember(ctx: Any, inputs: tuple[Any, ...], output: list[Tensor]) -> None:
    input, weight, *ctx.layer, _, parameter, ctx.tangent = inputs
    ctx.save_for_backward(input, weight, parameter, *output)


def _differentiate(ctx: Any, output_gradients: list[Tensor]) -> tuple[Tensor | None, ...]:
    input, weight, parameter, *saved = ctx.saved_tensors
    moves = saved.pop() if ctx.tangent else None
    needs = [*ctx.needs_input_grad[:2], ctx.tangent and ctx.needs_input_grad[PARAMETER]]
    tangent = moves if needs[2] else None
    arguments = (input, weight, saved, *ctx.layer, needs, parameter, tangent)
    asked = iter(_aggregate_backward(output_gradients[0], *arguments))
    of_input, of_weight, of_parameter = (next(asked) if needed else None for needed in needs)
    gradients = (of_input, of_weight, *(None,) * (PARAMETER - 2), of_parameter, None)
    return gradients[: len(ctx.needs_input_grad)]  # PyTorch leaves out arguments at their defaults


PARAMETER = 9
"""Where the parameter stands among the operator's arguments."""


_aggregate.register_autograd(_differentiate, setup_context=_remember)


def aggregate(
    problem: ConvProblem,
    operator: Operator,
    input: Tensor,
    weight: Tensor,
    algorithm: str,
    parameter: Tensor | None = None,
) -> Tensor:
    """The layer's result without bias as one differentiable operator.

    Args:
        problem: the geometry, padded with zeros.
        operator: any but "none".
        input, weight: as for `reference.forward`.
        algorithm: "fold", the fused kernels, or "reference".
        parameter: of the aggregation in place of its own: one number, or one for each filter.

    Returns:
        (N, C_out, H_out, W_out) in the dtype of the accumulation.

    Raises:
        UnsupportedError: forward-mode differentiation is asked for.

    Source: own.
    """
    if not torch.compiler.is_compiling():
        check_no_tangent(input, weight, *(() if parameter is None else (parameter,)))
    tangent = torch.is_grad_enabled() and parameter is not None and parameter.requires_grad
    save = tangent or (torch.is_grad_enabled() and (input.requires_grad or weight.requires_grad))
    geometry = (problem.stride, problem.padding, problem.dilation, problem.groups)
    layer = (*geometry, _specs(operator), algorithm, save)
    return _aggregate(input, weight, *layer, parameter, tangent)[0]


def check_no_tangent(*tensors: Tensor) -> None:
    """Raise an UnsupportedError for forward-mode differentiation, which PyTorch would drop without a word."""
    if any(forward_ad.unpack_dual(tensor).tangent is not None for tensor in tensors):
        raise UnsupportedError(
            "conv2d: forward-mode differentiation of this operator is not available.",
            expected="tensors without a tangent",
            hint="use reverse mode: `backward()` or torch.autograd.grad",
        )


def _specs(operator: Operator) -> str:
    return "|".join((operator.aggregation.spec, operator.window.spec, operator.combine.name))


def _operator(specs: str) -> Operator:
    return operator(*specs.split("|"))


def _problem(
    weight: Tensor, stride: Sequence[int], padding: Sequence[int], dilation: Sequence[int], groups: int
) -> ConvProblem:
    out_channels, channels, kh, kw = weight.shape
    top, bottom, left, right = padding
    return ConvProblem(
        channels * groups,
        out_channels,
        (kh, kw),
        (stride[0], stride[1]),
        (top, bottom, left, right),
        (dilation[0], dilation[1]),
        groups,
    )
