"""Which calls of torch functions are a convolution, normalisation, activation or pooling, and how."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from convitro import functional
from convitro.aggregation import Aggregation, resolve
from convitro.anatomy.stages import Activation, BatchNorm, PoolGeometry, Stage
from convitro.errors import UnsupportedError

Function = Callable[..., Any]
aten = torch.ops.aten

CONVOLUTION = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
GENERAL_CONVOLUTION = (*CONVOLUTION[:6], "transposed", "output_padding", "groups")
CONVOLUTIONS: dict[Function, tuple[str, ...]] = {
    functional.conv2d: CONVOLUTION,
    torch.conv2d: CONVOLUTION,
    aten.conv2d.default: CONVOLUTION,
    aten.conv2d.padding: CONVOLUTION,
    torch.convolution: GENERAL_CONVOLUTION,
    aten.convolution.default: GENERAL_CONVOLUTION,
}

# What is no sum of 2-D partial maps at its own pixels, and is not taken apart.
OTHER_CONVOLUTIONS: frozenset[Function] = frozenset(
    {
        *(torch.conv1d, torch.conv3d),
        *(torch.conv_transpose1d, torch.conv_transpose2d, torch.conv_transpose3d),
        *(aten.conv1d.default, aten.conv3d.default),
        *(aten.conv_transpose1d.default, aten.conv_transpose2d.input, aten.conv_transpose3d.input),
    }
)

BATCH_NORM = ("input", "weight", "bias", "running_mean", "running_var", "training", "momentum", "eps")
BATCH_NORMS: dict[Function, tuple[str, ...]] = {
    F.batch_norm: ("input", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps"),
    torch.batch_norm: BATCH_NORM,
    aten.batch_norm.default: BATCH_NORM,
}

MAX_POOL = ("input", "kernel_size", "stride", "padding", "dilation", "ceil_mode")
AVERAGE_POOL = (
    "input",
    "kernel_size",
    "stride",
    "padding",
    "ceil_mode",
    "count_include_pad",
    "divisor_override",
)
POOLS: dict[Function, tuple[str, ...]] = {
    F.max_pool2d: MAX_POOL,
    F.max_pool2d_with_indices: MAX_POOL,
    torch.max_pool2d: MAX_POOL,
    aten.max_pool2d.default: MAX_POOL,
    aten.max_pool2d_with_indices.default: MAX_POOL,
    F.avg_pool2d: AVERAGE_POOL,
    aten.avg_pool2d.default: AVERAGE_POOL,
}
ADAPTIVE_POOLS: dict[Function, str] = {
    F.adaptive_max_pool2d: "max",
    F.adaptive_max_pool2d_with_indices: "max",
    F.adaptive_avg_pool2d: "average",
    aten.adaptive_avg_pool2d.default: "average",
}

ACTIVATION_NAMES = (
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
    "hardsigmoid",
    "hardtanh",
    "sigmoid",
    "tanh",
    "softplus",
    "softsign",
    "hardshrink",
    "softshrink",
    "tanhshrink",
    "logsigmoid",
    "threshold",
    "prelu",
    "rrelu",
    "clamp",
    "clamp_min",
    "clamp_max",
    "clip",
)


def _spellings() -> dict[Function, str]:
    """Every function that stands for an activation: as function, as method, in place, as operator."""
    found: dict[Function, str] = {}
    for name in ACTIVATION_NAMES:
        for spelling in (name, name + "_"):
            for place in (F, torch, Tensor):
                function = getattr(place, spelling, None)
                if function is not None:
                    found[function] = name
            packet = getattr(aten, spelling, None)
            if packet is not None and "default" in packet.overloads():
                found[packet.default] = name
    return found


ACTIVATIONS = _spellings()
COPIES = {Tensor.contiguous, Tensor.clone, torch.clone, Tensor.detach, torch.detach, aten.clone.default}
PRODUCTS = {torch.mul, torch.multiply, Tensor.mul, Tensor.mul_, aten.mul.Tensor}
SUMS = {torch.add, Tensor.add, Tensor.add_, aten.add.Tensor}


def bound(names: Sequence[str], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a call by name."""
    return dict(zip(names, args, strict=False)) | dict(kwargs)


def read_convolution(
    function: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> dict[str, Any] | None:
    """The arguments of a 2-D convolution by name; None for any other call."""
    names = CONVOLUTIONS.get(function)
    if names is None:
        return None
    call = bound(names, args, kwargs)
    if call["weight"].ndim != 4 or call.pop("transposed", False):
        return None
    call.pop("output_padding", None)
    call.pop("algorithm", None)
    parameter = call.pop("aggregation_parameter", None)
    if parameter is not None:
        call["aggregation"] = with_learned(resolve(call["aggregation"]), parameter)
    return call


def with_learned(aggregation: Aggregation, parameter: Tensor) -> Aggregation:
    """The aggregation with the number that was learned, which is then as good as a fixed one.

    Raises:
        UnsupportedError: the filters have learned different numbers.
    """
    numbers = set(parameter.detach().flatten().tolist())
    if len(numbers) > 1:
        raise UnsupportedError(
            "dissect: filters with different aggregations cannot be shown.",
            expected="one number for the whole layer",
            received=f"{len(numbers)} values of `{aggregation.learnable}`",
            hint='learn="layer" keeps one',
        )
    return replace(aggregation, **{aggregation.learnable: numbers.pop()})  # type: ignore[type-var]


def read_stage(function: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Stage | None:
    """The stage that a call is, or None if it is none that can be replayed."""
    if function in ACTIVATIONS:
        return read_activation(function, args, kwargs)
    if function in BATCH_NORMS:
        return read_batch_norm(bound(BATCH_NORMS[function], args, kwargs))
    if function in POOLS:
        mode = "max" if POOLS[function] is MAX_POOL else "average"
        return read_pool(mode, bound(POOLS[function], args, kwargs))
    if function in ADAPTIVE_POOLS:
        arguments = bound(("input", "output_size"), args, kwargs)
        return read_adaptive_pool(ADAPTIVE_POOLS[function], **arguments)
    return None


def read_activation(
    function: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Activation | None:
    """An activation; None if it is random or takes other tensors."""
    name = ACTIVATIONS[function]
    rest = bound(("input", "weight"), args, kwargs) if name == "prelu" else {}
    if rest:
        weight = rest["weight"].detach().reshape(-1).clone()
        channels_at_1 = weight.numel() == 1 or rest["input"].ndim == 4
        return Activation(name, function, weight=weight) if channels_at_1 else None
    arguments = args[1:]
    keywords = {key: value for key, value in kwargs.items() if key not in ("input", "self")}
    if any(isinstance(value, Tensor) for value in (*arguments, *keywords.values())) or "out" in keywords:
        return None
    if name == "rrelu" and bound(("lower", "upper", "training"), arguments, keywords).get("training"):
        return None
    return Activation(name, function, arguments, keywords)


def read_batch_norm(call: Mapping[str, Any]) -> BatchNorm:
    """A batch normalisation with copies of all that it used; in training mode that is the batch itself."""

    def copy(name: str) -> Tensor | None:
        tensor = call.get(name)
        return None if tensor is None else tensor.detach().clone()

    of_batch = call.get("training", False)
    mean, variance = (None, None) if of_batch else (copy("running_mean"), copy("running_var"))
    return BatchNorm(mean, variance, copy("weight"), copy("bias"), call.get("eps", 1e-5))


def read_pool(mode: str, call: Mapping[str, Any]) -> PoolGeometry:
    """A max or average pooling with all its sizes as pairs."""
    kernel_size = pair(call["kernel_size"])
    return PoolGeometry(
        mode,
        kernel_size,
        pair(call.get("stride") or kernel_size),
        pair(call.get("padding", 0)),
        pair(call.get("dilation", 1)),
        bool(call.get("ceil_mode", False)),
        bool(call.get("count_include_pad", True)),
        call.get("divisor_override"),
    )


def read_adaptive_pool(mode: str, input: Tensor, output_size: Any, **_: Any) -> PoolGeometry | None:
    """An adaptive pooling with windows all alike; None for others and for a pooling over the whole map."""
    sizes = input.shape[-2:]
    wanted = [size if goal is None else goal for size, goal in zip(sizes, pair(output_size), strict=True)]
    if wanted == [1, 1] or any(size % goal for size, goal in zip(sizes, wanted, strict=True)):
        return None
    window = (sizes[0] // wanted[0], sizes[1] // wanted[1])
    return PoolGeometry(mode, window, window)


def pair(value: Any) -> tuple[Any, Any]:
    """An integer, or a sequence of one or two, as (rows, columns)."""
    items = tuple(value) if isinstance(value, Sequence) else (value,)
    return (items[0], items[-1])
