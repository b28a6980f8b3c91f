"""The short way to a call that was made before: one look into a table instead of all checks.

On a tiny input a layer's time is the interpreter's. Where the tensors are plain and nobody watches them, a
call whose arguments and shapes are known goes straight to its kernel.
"""

from __future__ import annotations

import os
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

import convitro.engine.cpu.isa as instruction_sets
from convitro.engine.cpu.execute import Prepared
from convitro.ops.block import PLAIN, Layer, differentiates, trained

KEPT = 4096
_native = torch._C
_functorch = torch._C._functorch


_shortcuts: dict[Any, Prepared] = {}


def plain(input: Tensor, weight: Tensor, bias: Tensor | None) -> bool:
    """Nobody watches these tensors or their operators: they may skip PyTorch's dispatcher."""
    return (
        type(input) in PLAIN
        and type(weight) in PLAIN
        and (bias is None or type(bias) in PLAIN)
        and not _native._is_torch_function_mode_enabled()
        and not _native._len_torch_dispatch_stack()
        and _functorch.peek_interpreter_stack() is None
        and _native._get_tracing_state() is None
        and forward_ad._current_level < 0
        and not _native._is_any_autocast_enabled()
    )


def _key(arguments: Any, input: Tensor, weight: Tensor, bias: Tensor | None) -> Any:
    """All that a call depends on, where the instruction set is the processor's own."""
    return (
        arguments,
        input.shape,
        input.stride(),
        input.dtype,
        weight.shape,
        weight.stride(),
        weight.dtype,
        None if bias is None else (bias.shape, bias.dtype, bias.is_cpu),
        input.is_cpu and weight.is_cpu,
        torch.get_num_threads(),
    )


def shortcut(arguments: Any, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor | None:
    """The output of a layer if this very call was made before, else None.

    Args:
        arguments: of the layer, in any fixed order.
        input, weight, bias: not checked yet.
    """
    if torch.compiler.is_compiling() or instruction_sets._forced or not plain(input, weight, bias):
        return None
    try:
        known = _shortcuts.get(_key(arguments, input, weight, bias))
    except (TypeError, RuntimeError):  # an argument that cannot be remembered, a tensor without strides
        return None
    if known is None:
        return None
    if differentiates(input, weight, bias):
        return trained(input, weight, bias, known, False)
    return known.inference.output(input, weight, bias)


def remember(arguments: Any, layer: Layer, input: Tensor, weight: Tensor, bias: Tensor | None) -> None:
    """Let the next call like this one take the short way."""
    if torch.compiler.is_compiling() or instruction_sets._forced or not plain(input, weight, bias):
        return
    if len(_shortcuts) >= KEPT:
        _shortcuts.clear()
    try:
        key = _key(arguments, input, weight, bias)
        _shortcuts[key] = layer.executor.prepared(input, weight, bias)
    except TypeError:
        return


if hasattr(os, "register_at_fork"):  # a child has one thread
    os.register_at_fork(after_in_child=_shortcuts.clear)
