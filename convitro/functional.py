"""Convolution as functions: check once, then hand the problem to whatever computes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Num, UInt8
from torch import Tensor, nn
from torch.overrides import handle_torch_function, has_torch_function

from convitro.aggregation import Aggregation, Operator, Sum, operator
from convitro.engine import aten
from convitro.errors import DtypeError, ShapeError, UnsupportedError
from convitro.geometry import ConvProblem, check_choice, conv_problem, integer_pair
from convitro.ops import aggregate

ALGORITHMS = ("auto", "aten", "reference")
Computation = Callable[[ConvProblem, Operator, Tensor, Tensor, Tensor | None], Tensor]
ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "silu": nn.SiLU,
    "gelu": nn.GELU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "none": nn.Identity,
}


def conv2d(
    input: Num[Tensor, "*N C_in H_in W_in"],
    weight: Num[Tensor, "C_out C_in_per_group KH KW"],
    bias: Num[Tensor, " C_out"] | None = None,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] | str = 0,
    dilation: int | tuple[int, int] = 1,
    groups: int = 1,
    *,
    aggregation: str | Aggregation = "sum",
    window: str | Aggregation = "sum",
    combine: str = "multiply",
    padding_mode: str = "zeros",
    algorithm: str = "auto",
) -> Num[Tensor, "*N C_maps H_out W_out"]:
    """Slide each filter of `weight` over `input` and combine its partial maps.

    torch.nn.functional.conv2d in every respect; only keywords are added. Each filter makes one partial map of
    every channel it sees (`combine` a pixel with a weight, reduce the `window`), and `aggregation` makes them
    one. The trap: zeros around the image take part only where they are neutral, in (multiply, sum); for any
    other combine or window the padded items are skipped, and a mean divides by the items that are there.

    Args:
        input, weight, bias: as for torch.nn.functional.conv2d; the bias is added after the aggregation.
        stride, padding, dilation, groups: as there; padding may be "same" or "valid".
        aggregation: a name of `convitro.aggregations()`, a spec such as "logsumexp(beta=5.0)", or an
            instance. "none" keeps every partial map.
        window: how the products under the kernel become one number: an aggregation with a state of fixed
            size.
        combine: multiply, add, subtract, squared_difference, absolute_difference or minimum.
        padding_mode: zeros, reflect, replicate or circular.
        algorithm: "auto", or one by name: "aten" (PyTorch's convolution) or "reference" (any operator).

    Returns:
        (N, C_out, H_out, W_out), without N if the input has none; for "none" C_out * C_in/groups maps, that
        of filter o and its channel i at index o * C_in/groups + i. The dtype is the input's.

    Shape: H_out = (H_in + padding - dilation * (KH - 1) - 1) // stride + 1, and W_out likewise.

    Raises:
        ShapeError: tensors do not fit each other, or a window is larger than the padded image.
        ArgumentError: a name or number is not among what it may be.
        DtypeError: input and weight differ in dtype, or an operator that needs floating point got none.
        UnsupportedError: the algorithm asked for cannot compute this operator.

    Accuracy: "aten" as PyTorch's; the reference folds items one by one in float32 (float64 for float64).

    Source: own; the sum is the cross-correlation of torch.nn.functional.conv2d.

    Example:
        >>> image = torch.tensor([1.0, 100.0, 10000.0]).reshape(1, 3, 1, 1).expand(1, 3, 3, 3)
        >>> conv2d(image, torch.ones(1, 3, 2, 2))[0, 0, 0, 0]
        tensor(40404.)
        >>> conv2d(image, torch.ones(1, 3, 2, 2), aggregation="max")[0, 0, 0, 0]
        tensor(40000.)
        >>> conv2d(image, torch.ones(1, 3, 2, 2), aggregation="none")[0, :, 0, 0]
        tensor([4.0000e+00, 4.0000e+02, 4.0000e+04])
    """
    if has_torch_function((input, weight, bias)):
        return handle_torch_function(
            conv2d,
            (input, weight, bias),
            input,
            weight,
            bias,
            stride,
            padding,
            dilation,
            groups,
            aggregation=aggregation,
            window=window,
            combine=combine,
            padding_mode=padding_mode,
            algorithm=algorithm,
        )
    chosen = operator(aggregation, window, combine)
    problem = conv_problem(weight.shape, stride, padding, dilation, groups, padding_mode=padding_mode)
    check_tensors(problem, input, weight, bias)
    compute = chosen_computation(algorithm, chosen, input.dtype)
    batched = input if input.dim() == 4 else input.unsqueeze(0)
    problem, batched = padded(problem, batched)
    if chosen.aggregation.separate:
        output = _separately(compute, problem, chosen, batched, weight, bias)
    else:
        output = compute(problem, chosen, batched, weight, bias)
    return output if input.dim() == 4 else output.squeeze(0)


def conv_block(
    input: Num[Tensor, "*N C_in H_in W_in"],
    weight: Num[Tensor, "C_out C_in_per_group KH KW"],
    bias: Num[Tensor, " C_out"] | None = None,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] | str = 0,
    dilation: int | tuple[int, int] = 1,
    groups: int = 1,
    *,
    aggregation: str | Aggregation = "sum",
    activation: str = "relu",
    pool: int | tuple[int, int] | None = 2,
    pool_stride: int | tuple[int, int] | None = None,
    return_switches: bool = False,
) -> (
    Num[Tensor, "*N C_maps H_pool W_pool"]
    | tuple[Num[Tensor, "*N C_maps H_pool W_pool"], UInt8[Tensor, "*N C_maps H_pool W_pool"] | None]
):
    """Convolution, bias, activation and max-pool: the block that a CNN is made of.

    Args:
        input … groups, aggregation: as for `conv2d`.
        activation: relu, leaky_relu, silu, gelu, sigmoid, tanh or none.
        pool: size of the pooling window; None for no pooling.
        pool_stride: step of the pooling window; its size if None.
        return_switches: also return which pixel of each pooling window won.

    Returns:
        The pooled maps; with `return_switches` also the switches: the row-major index of the winner inside
        its window, the first one on ties, uint8, the shape of the pooled maps, or None without pooling.

    Shape: H_pool = (H_out - pool) // pool_stride + 1 with the H_out of `conv2d`, and W_pool likewise.

    Raises:
        ShapeError: as `conv2d`, or the pooling window is larger than the maps.
        ArgumentError: as `conv2d`, or an unknown activation or a pooling window that is not positive.
        UnsupportedError: switches asked of a window with more than 256 pixels.

    Source: own.

    Example:
        >>> image = torch.arange(16.0).reshape(1, 1, 4, 4)
        >>> maps, switches = conv_block(image, torch.ones(1, 1, 1, 1), return_switches=True)
        >>> maps.flatten().tolist(), switches.flatten().tolist()
        ([5.0, 7.0, 13.0, 15.0], [3, 3, 3, 3])
    """
    check_choice(activation, tuple(ACTIVATIONS), "conv_block: unknown activation.")
    maps = conv2d(input, weight, bias, stride, padding, dilation, groups, aggregation=aggregation)
    activated = ACTIVATIONS[activation]()(maps)
    if pool is None:
        return (activated, None) if return_switches else activated
    window = integer_pair(pool, "conv_block: `pool`", least=1)
    step = window if pool_stride is None else integer_pair(pool_stride, "conv_block: `pool_stride`", least=1)
    check_window(window, activated.shape, "conv_block: the pooling window is larger than the maps.")
    if not return_switches:
        return F.max_pool2d(activated, window, step)
    pooled, indices = F.max_pool2d(activated, window, step, return_indices=True)
    return pooled, switches_of(indices, activated.shape[-1], window, step)


def switches_of(
    indices: Tensor,
    width: int,
    window: tuple[int, int],
    step: tuple[int, int],
    padding: tuple[int, int] = (0, 0),
    dilation: tuple[int, int] = (1, 1),
) -> UInt8[Tensor, "*N C H_pool W_pool"]:
    """Which pixel of each pooling window won, from PyTorch's indices into the whole map.

    Args:
        indices: (…, H_pool, W_pool), what max_pool2d_with_indices returns.
        width: W of the map that was pooled.
        window, step, padding, dilation: of the pooling, rows first.

    Returns:
        uint8 of the same shape: the row-major index inside the window.

    Raises:
        UnsupportedError: the window has more than 256 pixels.

    Example:
        >>> switches_of(torch.tensor([[[5, 7]]]), 4, (2, 2), (2, 2))
        tensor([[[3, 3]]], dtype=torch.uint8)
    """
    if window[0] * window[1] > 256:
        raise UnsupportedError(
            "switches: the pooling window is too large.", expected="at most 256 pixels", received=f"{window}"
        )
    y = torch.arange(indices.shape[-2], device=indices.device)[:, None] * step[0] - padding[0]
    x = torch.arange(indices.shape[-1], device=indices.device) * step[1] - padding[1]
    row = (indices // width - y) // dilation[0]
    column = (indices % width - x) // dilation[1]
    return (row * window[1] + column).to(torch.uint8)


def _reference(
    problem: ConvProblem, operator: Operator, input: Tensor, weight: Tensor, bias: Tensor | None
) -> Tensor:
    if autocasts(input.device):
        dtype = torch.get_autocast_dtype(input.device.type)
        input, weight = input.to(dtype), weight.to(dtype)
    result = aggregate(problem, operator, input, weight)
    if bias is not None:
        result = result + bias.to(result.dtype)[:, None, None]
    return result.to(input.dtype)


def autocasts(device: torch.device) -> bool:
    """Whether torch.autocast is on for tensors of this device."""
    return torch.amp.is_autocast_available(device.type) and torch.is_autocast_enabled(device.type)


def _separately(
    compute: Computation,
    problem: ConvProblem,
    operator: Operator,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
) -> Tensor:
    """Every partial map on its own: a layer with one group per channel, whose sum has one item."""
    groups, channels = problem.groups, problem.channels_per_filter
    apart = weight.unflatten(0, (groups, -1)).transpose(1, 2)  # (G, C, O, KH, KW)
    single = replace(problem, out_channels=problem.out_channels * channels, groups=groups * channels)
    summed = replace(operator, aggregation=Sum())
    maps = compute(single, summed, input, apart.flatten(0, 2).unsqueeze(1), None)
    maps = maps.unflatten(1, (groups, channels, -1)).transpose(2, 3).flatten(1, 3)  # (N, G * O * C, H, W)
    return maps if bias is None else maps + bias.repeat_interleave(channels).to(maps.dtype)[:, None, None]


def padded(problem: ConvProblem, input: Tensor) -> tuple[ConvProblem, Tensor]:
    """The same layer with nothing but zeros around its input: other padding becomes part of the input."""
    top, bottom, left, right = problem.padding
    if problem.padding_mode == "zeros" or not any(problem.padding):
        return replace(problem, padding_mode="zeros"), input
    limit = {"reflect": -1, "circular": 0}.get(problem.padding_mode)
    height, width = input.shape[-2:]
    if limit is not None and (max(top, bottom) > height + limit or max(left, right) > width + limit):
        raise ShapeError(
            f'conv2d: padding_mode="{problem.padding_mode}" reaches beyond the image.',
            expected=f"padding of at most {height + limit} rows and {width + limit} columns",
            received=f"padding {problem.padding} (top, bottom, left, right)",
        )
    image = F.pad(input, (left, right, top, bottom), mode=problem.padding_mode)
    return replace(problem, padding=(0, 0, 0, 0), padding_mode="zeros"), image


def check_tensors(problem: ConvProblem, input: Tensor, weight: Tensor, bias: Tensor | None) -> None:
    """Raise unless input, weight and bias fit each other."""
    shapes = f"input {tuple(input.shape)}, weight {tuple(weight.shape)}"
    if input.dim() not in (3, 4) or input.shape[-3] != problem.in_channels:
        last = input.dim() == 4 and input.shape[-1] == problem.in_channels
        raise ShapeError(
            "conv2d: `input` does not fit `weight`.",
            expected=f"input (N, {problem.in_channels}, H, W) or ({problem.in_channels}, H, W)",
            received=shapes,
            hint="channels come first; for NHWC data call `input.permute(0, 3, 1, 2)`" if last else "",
        )
    top, bottom, left, right = problem.padding
    image = (*input.shape[:-2], input.shape[-2] + top + bottom, input.shape[-1] + left + right)
    check_window(problem.extent, image, "conv2d: the kernel is larger than the padded image.")
    if bias is not None and tuple(bias.shape) != (problem.out_channels,):
        raise ShapeError(
            "conv2d: `bias` does not fit `weight`.",
            expected=f"bias ({problem.out_channels},): one number per filter",
            received=f"bias {tuple(bias.shape)}",
        )
    if input.dtype != weight.dtype and not autocasts(input.device):
        raise DtypeError(
            "conv2d: `input` and `weight` differ in dtype.",
            expected=f"input of {weight.dtype}",
            received=f"input of {input.dtype}, weight of {weight.dtype}",
            hint=f"call `input.to({weight.dtype})`, or use torch.autocast",
        )


def check_window(extent: tuple[int, int], image: Any, problem: str) -> None:
    """Raise a ShapeError unless a window of `extent` fits into the last two sizes of `image`."""
    if extent[0] > image[-2] or extent[1] > image[-1]:
        raise ShapeError(
            problem,
            expected=f"at least {extent[0]} x {extent[1]} pixels",
            received=f"{image[-2]} x {image[-1]} pixels",
        )


def chosen_computation(algorithm: str, operator: Operator, dtype: torch.dtype) -> Computation:
    """What computes this operator under that algorithm; raise where nothing can, in this dtype."""
    check_choice(algorithm, ALGORITHMS, "conv2d: unknown algorithm.")
    reasons = aten.aten_reasons(operator)
    if algorithm == "aten" and reasons:
        raise UnsupportedError(
            'conv2d: algorithm="aten" cannot compute this operator.',
            received="; ".join(reasons),
            hint='algorithm="auto" takes one that can',
        )
    if not reasons and algorithm != "reference":
        return aten.conv2d
    if not dtype.is_floating_point:
        raise DtypeError(
            f"conv2d: {operator.aggregation} needs floating point.",
            expected="float16, bfloat16, float32 or float64",
            received=str(dtype),
        )
    return _reference
