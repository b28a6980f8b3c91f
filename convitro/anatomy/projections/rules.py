"""How a signal goes back through a call: by its derivative, or as deconvnet and guided backpropagation do.

Convolutions, pooling and sums need no rule of their own: their derivatives are the turned filters, the
switches (where windows overlap, signals add up) and the branches.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from convitro.anatomy.recognise import ACTIVATIONS, BATCH_NORMS, bound

Function = Callable[..., Any]
METHODS = ("deconvnet", "guided", "gradient")
RECTIFIERS = {  # like a ReLU, with another way to and beyond zero
    "relu",
    "relu6",
    "leaky_relu",
    "elu",
    "selu",
    "celu",
    "gelu",
    "silu",
    "mish",
    "hardswish",
    "softplus",
    "prelu",
    "rrelu",
}
BOUNDS = {
    "clamp",
    "clamp_min",
    "clip",
    "hardtanh",
    "threshold",
}  # rectify if they make zero of all that is less
PASSED = {Tensor.detach, torch.detach, torch.ops.aten.detach.default, Tensor.data.__get__}  # type: ignore[attr-defined]
VERY_NEGATIVE = -1e4


class Rectified(torch.autograd.Function):
    """An activation whose backward lets only what is positive pass."""

    @staticmethod
    def forward(ctx: Any, input: Tensor, value: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    def backward(ctx: Any, *signals: Tensor) -> Any:
        return signals[0].clamp_min(0), None


class RectifiedDerivative(torch.autograd.Function):
    """The identity; backward lets only what is positive pass to the derivative before it."""

    @staticmethod
    def forward(ctx: Any, input: Tensor) -> Tensor:
        return input.clone()

    @staticmethod
    def backward(ctx: Any, *signals: Tensor) -> Any:
        return signals[0].clamp_min(0)


def activate(
    method: str, func: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[Tensor, tuple[Any, Any], str]:
    """Call an activation with the backward of `method`.

    Returns:
        What the call returns (its own argument where it works in place), the nodes of the graph before the
        rule and at its end, and what there is to say about it.
    """
    input, rest = (args[0], args[1:]) if args else (kwargs["input"], ())
    keywords = {key: value for key, value in kwargs.items() if key != "input"}
    source = input.clone()  # what works in place must find something of its own to work on
    before = source.grad_fn
    name = ACTIVATIONS[func]
    rule = rectifies(name, func, rest, keywords)
    if rule and method == "deconvnet":
        value = source.detach().clone()
        result = func(value, *rest, **keywords)
        in_place = result is value
        result = ruled = Rectified.apply(source, result.detach())
    else:
        result = ruled = func(source, *rest, **keywords)
        in_place = result is source
        if rule and method == "guided":
            result = ruled = RectifiedDerivative.apply(result)
        else:
            result = result.clone()  # the derivative may need the value, and the model may overwrite it
    if in_place:
        result = input.copy_(result)
    return result, (before, ruled.grad_fn), told(name, rule, method)


def told(name: str, rule: bool, method: str) -> str:
    """What was done at an activation for which the method has no word; nothing for a ReLU."""
    if not rule:
        return f"{name}: its derivative"
    if name in ("relu", "clamp", "clamp_min", "clip", "hardtanh", "threshold"):
        return ""
    return f"{name}: rectified as a ReLU is" + (", and its derivative" if method == "guided" else "")


def rectifies(name: str, func: Function, rest: tuple[Any, ...], keywords: Mapping[str, Any]) -> bool:
    """Whether an activation is a kind of ReLU."""
    if name not in BOUNDS:
        return name in RECTIFIERS
    probe = torch.full((1,), VERY_NEGATIVE)
    if any(isinstance(item, Tensor) for item in (*rest, *keywords.values())):
        return False
    return float(func(probe, *rest, **keywords)) == 0


def normalize(func: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor:
    """Batch normalisation whose backward is its scale, also where it uses the statistics of the batch."""
    call = bound(BATCH_NORMS[func], args, kwargs)
    if not call.get("training", False):
        result: Tensor = func(*args, **kwargs)
        return result
    input = call["input"]
    others = [axis for axis in range(input.ndim) if axis != 1]
    variance, mean = torch.var_mean(input.detach(), others, correction=0, keepdim=True)
    result = (input - mean) / torch.sqrt(variance + call.get("eps", 1e-5))
    weight, bias = (
        None if call.get(key) is None else call[key].view_as(mean[:1]) for key in ("weight", "bias")
    )
    result = result if weight is None else result * weight
    return result if bias is None else result + bias
