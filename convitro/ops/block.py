"""The fused block as a PyTorch operator: autograd, shapes for tracing, and a short way for plain tensors.

An operator of PyTorch takes no objects of ours, so a layer travels as integers and two words.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

import convitro.engine.aten as aten
from convitro.engine.cpu.backward import Needs
from convitro.engine.cpu.execute import Executor, Prepared, empty_gradients, empty_results
from convitro.engine.cpu.layer import Keeps, Saves, keeps
from convitro.geometry import BlockProblem, ConvProblem

PLAIN = (Tensor, torch.nn.Parameter)
"""Kinds of tensors that may skip PyTorch's dispatcher."""


class Layer:
    """A block that was checked, with the calls that were prepared for it. There is one for each block.

    Attributes:
        block: what is computed.
        spec: the same as a string.
        executor: computes it on the CPU.
    """

    __slots__ = ("block", "executor")

    def __init__(self, block: BlockProblem, algorithm: str) -> None:
        self.block = block
        self.executor = Executor(block, algorithm)


@functools.lru_cache(maxsize=1024)
def layer_of(block: BlockProblem, algorithm: str) -> Layer:
    """The one `Layer` of this block and algorithm."""
    return Layer(block, algorithm)


def _geometry(block: BlockProblem) -> list[int]:
    """A block as integers; its channels and kernel size are those of the weight."""
    conv = block.conv
    return [
        *conv.stride,
        *conv.padding,
        *conv.dilation,
        conv.groups,
        *block.pool,
        *block.pool_stride,
    ]


def _problem(weight: Tensor, geometry: Sequence[int], activation: str) -> BlockProblem:
    """The block of these integers."""
    sy, sx, top, bottom, left, right, dy, dx, groups, *pooling = geometry
    filters, channels, rows, columns = weight.shape
    sides = (top, bottom, left, right)
    conv = ConvProblem(channels * groups, filters, (rows, columns), (sy, sx), sides, (dy, dx), groups)
    return BlockProblem(conv, activation, (pooling[0], pooling[1]), (pooling[2], pooling[3]))


def block(
    block: BlockProblem, algorithm: str, tensors: tuple[Tensor, Tensor, Tensor | None], switches: bool
) -> tuple[Tensor, Tensor | None]:
    """The block's output and, if asked for, its switches (`finish.CLOSED` where relu made a window zero).

    Args:
        block: the block.
        algorithm: "auto" or one of the engine's.
        tensors: input, weight and bias; on the CPU, in a dtype of the engine's, fitting the block.
        switches: whether to return the switches.
    """
    if torch.compiler.is_compiling() or watched(*tensors):
        return _traced(block, algorithm, tensors, switches)
    layer = layer_of(block, algorithm)
    prepared, (input, weight, bias) = layer.executor.prepared(*tensors), tensors
    if differentiates(input, weight, bias):
        result = trained(input, weight, bias, prepared, switches)
        return result if switches else (result, None)
    return prepared.forward(Saves(switches))(input, weight, bias)[:2]


def differentiates(input: Tensor, weight: Tensor, bias: Tensor | None) -> bool:
    """Whether a gradient may be asked for."""
    return torch.is_grad_enabled() and (
        weight.requires_grad or input.requires_grad or (bias is not None and bias.requires_grad)
    )


def watched(*tensors: Tensor | None) -> bool:
    """Whether PyTorch's dispatcher has to see these tensors: other kinds, transforms, modes, tracing."""
    return (
        any(tensor is not None and type(tensor) not in PLAIN for tensor in tensors)
        or bool(torch._C._len_torch_dispatch_stack())
        or torch._C._functorch.peek_interpreter_stack() is not None
        or torch.jit.is_tracing()
        or forward_ad._current_level >= 0
    )


class _Block(torch.autograd.Function):
    """The block for plain tensors that need a gradient."""

    @staticmethod
    def forward(
        ctx: Any,
        input: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        prepared: Prepared,
        switches: bool,
    ) -> Tensor | tuple[Tensor, Tensor | None]:
        passed = prepared.forward(Saves(True, prepared.keeps.before)) if switches else prepared.training
        output, winners, before = passed(input, weight, bias, ctx.needs_input_grad[1])
        saved = output if prepared.keeps.output else None
        ctx.save_for_backward(input, weight, bias, saved, winners, before)
        ctx.prepared = prepared
        if not switches:
            return output
        if winners is not None:
            ctx.mark_non_differentiable(winners)
        return output, winners

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *_: Any) -> tuple[Tensor | None, ...]:
        input, weight, bias, *saved = ctx.saved_tensors
        prepared, needs = ctx.prepared, ctx.needs_input_grad[:3]
        if torch.is_grad_enabled():  # the gradient of the gradient is asked for
            gradients = aten.block_gradients(prepared.block, gradient, (input, weight, bias), Needs(*needs))
        else:
            gradients = prepared.backward(gradient, (input, weight, *saved), needs)
        return *gradients, None, None


trained: Any = super(torch.autograd.Function, _Block).apply
"""The block with its gradients, without the checks for transforms: whoever calls it has made them."""


def _traced(
    block: BlockProblem, algorithm: str, tensors: tuple[Tensor, Tensor, Tensor | None], switches: bool
) -> tuple[Tensor, Tensor | None]:
    """By PyTorch's dispatcher: one node of a graph, or its own operators where transforms look inside."""
    input, weight, bias = tensors
    if not torch.compiler.is_compiling() and (
        torch._C._functorch.peek_interpreter_stack() is not None or forward_ad._current_level >= 0
    ):
        return aten.block(block, input, weight, bias, switches=switches)
    wanted = torch.is_grad_enabled() and any(
        tensor.requires_grad for tensor in (input, weight, bias) if tensor is not None
    )
    kept = keeps(block) if wanted else Keeps(False, False, False)
    layer = (_geometry(block), block.activation, algorithm)
    output, winners, _ = _block(input, weight, bias, *layer, kept.switches or switches, kept.before)
    return output, winners if switches else None


@torch.library.custom_op("convitro::block", mutates_args=())
def _block(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    geometry: Sequence[int],
    activation: str,
    algorithm: str,
    switches: bool,
    before: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    layer = layer_of(_problem(weight, geometry, activation), algorithm)
    passed = layer.executor.prepared(input, weight, bias).forward(Saves(switches, before))
    output, winners, numbers = passed(input, weight, bias, weight.requires_grad)
    return output, _or_nothing(winners, input), _or_nothing(numbers, input)


def _or_nothing(tensor: Tensor | None, like: Tensor) -> Tensor:
    return like.new_empty(0) if tensor is None else tensor


@_block.register_fake
def _block_fake(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    geometry: Sequence[int],
    activation: str,
    algorithm: str,
    switches: bool,
    before: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    return empty_results(_problem(weight, geometry, activation), input, weight, Saves(switches, before))


@torch.library.custom_op("convitro::block_backward", mutates_args=())
def _block_backward(
    gradient: Tensor,
    input: Tensor,
    weight: Tensor,
    saved: Sequence[Tensor],
    geometry: Sequence[int],
    activation: str,
    algorithm: str,
    needs: Sequence[bool],
) -> list[Tensor]:
    layer = layer_of(_problem(weight, geometry, activation), algorithm)
    prepared = layer.executor.prepared(input, weight, None)
    wanted = prepared.keeps.output, prepared.keeps.switches, prepared.keeps.before
    kept = [tensor if keep else None for tensor, keep in zip(saved, wanted, strict=True)]
    gradients = prepared.backward(gradient, (input, weight, *kept), Needs(*needs))
    return [gradient for gradient in gradients if gradient is not None]


@_block_backward.register_fake
def _block_backward_fake(
    gradient: Tensor, input: Tensor, weight: Tensor, saved: Sequence[Tensor], *arguments: Any
) -> list[Tensor]:
    return empty_gradients(input, weight, Needs(*arguments[-1]))


def _remember(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    input, weight, _, *ctx.layer, _, _ = inputs
    results, switches, before = output
    ctx.mark_non_differentiable(switches, before)
    geometry, activation, _ = ctx.layer
    keep = keeps(_problem(weight, geometry, activation)).output
    ctx.save_for_backward(input, weight, results if keep else results.new_empty(0), switches, before)


def _differentiate(ctx: Any, gradient: Tensor, *_: Any) -> tuple[Tensor | None, ...]:
    input, weight, *saved = ctx.saved_tensors
    needs = list(ctx.needs_input_grad[:3])
    asked = iter(_block_backward(gradient, input, weight, saved, *ctx.layer, needs))
    return (*(next(asked) if needed else None for needed in needs), *(None,) * 5)


_block.register_autograd(_differentiate, setup_context=_remember)
