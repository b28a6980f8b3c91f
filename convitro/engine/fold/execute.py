"""Any operator on the CPU: what depends on shapes alone is prepared once, then a pass is one kernel."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

import convitro.engine.cpu.isa as instruction_sets
import convitro.engine.cpu.threads as threads
from convitro.aggregation import Operator, Quantile
from convitro.engine.choice import engine_reasons
from convitro.engine.cpu.convolver import NAMES
from convitro.engine.cpu.execute import key
from convitro.engine.cpu.layer import Form, output_strides
from convitro.engine.fold.backward import FoldBackward
from convitro.engine.fold.forward import Folded, FoldForward, FoldRequest
from convitro.engine.fold.kernel import MOST_SORTED
from convitro.geometry import BlockProblem

KEPT = 256
"""How many calls are kept prepared; the one that was met first goes first."""
MOST_TAPS, MOST_CHANNELS = 128, 2**15
"""Kernels are written out tap by tap; winners are numbered in 16 bits."""
_forwards: OrderedDict[Any, FoldForward] = OrderedDict()
_backwards: OrderedDict[Any, FoldBackward] = OrderedDict()


def fold_reasons(
    block: BlockProblem, operator: Operator, input: Tensor, weight: Tensor, bias: Tensor | None
) -> list[str]:
    """Why the fused kernels cannot compute this operator; empty where they can."""
    reasons = engine_reasons(block, "direct", input, weight, bias)
    return reasons + operator_reasons(block, operator)


def operator_reasons(block: BlockProblem, operator: Operator) -> list[str]:
    """The same for what does not depend on tensors."""
    conv, reasons = block.conv, []
    rows, columns = conv.kernel_size
    if rows * columns > MOST_TAPS:
        reasons.append(f"a filter has {rows * columns} weights in a channel, more than {MOST_TAPS}")
    if conv.channels_per_filter > MOST_CHANNELS:
        reasons.append(f"a filter sees {conv.channels_per_filter} channels, more than {MOST_CHANNELS}")
    ranks = operator.aggregation.streams or isinstance(operator.aggregation, Quantile)
    if operator.aggregation.separate or not (ranks or conv.channels_per_filter <= MOST_SORTED):
        reasons.append(f'aggregation="{operator.aggregation}" has no state of fixed size')
    return reasons


def forward(
    block: BlockProblem,
    operator: Operator,
    tensors: tuple[Tensor, Tensor, Tensor | None],
    *,
    saves: bool = False,
    switches: bool = False,
    parameter: Tensor | None = None,
    tangent: bool = False,
) -> Folded:
    """A block with any operator.

    Args:
        block: padded with zeros; without activation and pooling where something is saved.
        operator: one without `operator_reasons`.
        tensors: input, weight and bias; without a bias where something is saved.
        saves: whether to return what `backward` needs; the output is then of the accumulation's dtype.
        switches: whether to return the winners of the pooling.
        parameter: of the aggregation in place of its own, one number or one for each filter.
        tangent: whether the derivative of the result by it is the last of what is saved.
    """
    input, weight, bias = tensors
    kind = {"saves": saves, "switches": switches, "learned": parameter is not None, "tangent": tangent}
    known = (block, operator, key(input, weight, bias), *kind.values())
    found = _forwards.get(known)
    if found is None:
        request = _request(block, operator, tensors, **kind)
        found = _kept(_forwards, known, FoldForward(request, instruction_sets.current(), threads.available()))
    output, saved, winners = found(input, weight, bias, parameter, trained=saves and weight.requires_grad)
    planes = output_strides(output.shape, input.stride(), weight.stride()) != found.strides
    return Folded(output.contiguous() if planes else output, saved, winners)


def backward(
    block: BlockProblem,
    operator: Operator,
    tensors: tuple[Tensor, Tensor, Tensor],
    saved: Sequence[Tensor],
    needs: tuple[bool, bool],
    parameter: Tensor | None = None,
) -> tuple[Tensor | None, Tensor | None]:
    """The gradients of input and weight, as `reference.backward`.

    Args:
        block, operator: as in the forward pass.
        tensors: gradient of the result, input, weight.
        saved: the result, then what the forward pass saved, without the derivative by the parameter.
        needs: which gradients are asked for.
        parameter: as in the forward pass.
    """
    gradient, input, weight = tensors
    known = (block, operator, key(input, weight, None), parameter is not None)
    found = _backwards.get(known)
    if found is None:
        request = _request(block, operator, (input, weight, None), saves=True, learned=parameter is not None)
        made = FoldBackward(request, instruction_sets.current(), threads.available())
        found = _kept(_backwards, known, made)
    return found(gradient, input, weight, list(saved), needs, parameter)


def empty_saved(operator: Operator, result: Tensor, extras: int) -> list[Tensor]:
    """Tensors like those that a forward pass saves, without values."""
    if operator.aggregation.selects:
        extras, dtype = 1, torch.int16
    else:
        dtype = result.dtype
    like = torch.channels_last
    return [torch.empty_like(result, dtype=dtype, memory_format=like) for _ in range(extras)]


def _request(
    block: BlockProblem,
    operator: Operator,
    tensors: tuple[Tensor, Tensor, Tensor | None],
    **kind: bool,
) -> FoldRequest:
    input, weight, bias = tensors
    element = None if bias is None else NAMES[bias.dtype]
    return FoldRequest(block, operator, Form.of(input), Form.of(weight), element, **kind)


def _kept(calls: OrderedDict[Any, Any], known: Any, made: Any) -> Any:
    calls[known] = made
    while len(calls) > KEPT:
        calls.popitem(last=False)
    return made
