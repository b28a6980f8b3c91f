"""The short way to a call that was made before: one look into a table instead of all checks.

On a tiny input a layer's time is the interpreter's. Where the tensors are plain and nobody watches them, a
call whose arguments and shapes are known goes straight to its kernel.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

import convitro.engine.cpu.execute as execute
from convitro.engine.cpu.layer import Saves
from convitro.ops.block import PLAIN, Layer, apply

KEPT = 4096
_shortcuts: dict[Any, Shortcut] = {}


class Shortcut:
    """One call: what is computed, and what is prepared for these shapes."""

    __slots__ = ("_forward", "_layer", "_prepared")

    def __init__(self, layer: Layer, prepared: execute.Prepared) -> None:
        self._layer, self._prepared = layer, prepared
        self._forward = prepared.forward(Saves())

    def __call__(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The output."""
        if torch.is_grad_enabled() and (
            input.requires_grad or weight.requires_grad or (bias is not None and bias.requires_grad)
        ):
            return apply(self._layer, self._prepared, (input, weight, bias), False)[0]
        return self._forward.output(input, weight, bias)


def plain(input: Tensor, weight: Tensor, bias: Tensor | None) -> bool:
    """Nobody watches these tensors or their operators: they may skip PyTorch's dispatcher."""
    native = torch._C
    return (
        type(input) in PLAIN
        and type(weight) in PLAIN
        and (bias is None or type(bias) in PLAIN)
        and not native._is_torch_function_mode_enabled()
        and not native._len_torch_dispatch_stack()
        and native._functorch.peek_interpreter_stack() is None
        and native._get_tracing_state() is None
        and forward_ad._current_level < 0
        and not native._is_any_autocast_enabled()
    )


def shortcut(arguments: Any, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor | None:
    """The output of a layer if this very call was made before, else None.

    Args:
        arguments: of the layer, in any fixed order.
        input, weight, bias: not checked yet.
    """
    if torch.compiler.is_compiling() or not plain(input, weight, bias):
        return None
    try:
        known = _shortcuts.get((arguments, execute.key(input, weight, bias)))
    except (TypeError, RuntimeError):  # an argument that cannot be remembered, a tensor without strides
        return None
    return None if known is None else known(input, weight, bias)


def remember(arguments: Any, layer: Layer, input: Tensor, weight: Tensor, bias: Tensor | None) -> None:
    """Let the next call like this one take the short way."""
    if torch.compiler.is_compiling() or not plain(input, weight, bias):
        return
    if len(_shortcuts) >= KEPT:
        _shortcuts.clear()
    try:
        key = (arguments, execute.key(input, weight, bias))
        _shortcuts[key] = Shortcut(layer, layer.executor.prepared(input, weight, bias))
    except TypeError:
        return
