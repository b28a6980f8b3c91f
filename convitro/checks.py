"""Whether tensors fit a layer: checked once, at the public door."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from convitro.aggregation import Aggregation
from convitro.aggregation.verify import verify_learned
from convitro.errors import DtypeError, ShapeError
from convitro.geometry import ConvProblem


def autocasts(device: torch.device) -> bool:
    """Whether torch.autocast is on for tensors of this device."""
    return torch.amp.is_autocast_available(device.type) and torch.is_autocast_enabled(device.type)


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


def check_parameter(aggregation: Aggregation, parameter: Any, weight: Tensor) -> None:
    """Raise unless the aggregation has a parameter that can be learned, and this tensor can be it."""
    name, filters = aggregation.learnable, weight.shape[0]
    if not torch.compiler.is_compiling():
        verify_learned(aggregation)
    if not isinstance(parameter, Tensor) or tuple(parameter.shape) not in ((), (filters,)):
        shape = tuple(parameter.shape) if isinstance(parameter, Tensor) else type(parameter).__name__
        raise ShapeError(
            "conv2d: `aggregation_parameter` does not fit `weight`.",
            expected=f"a tensor () or ({filters},): one number for the layer, or one per filter",
            received=f"{shape}",
            hint=f'a fixed number is written aggregation="{aggregation.name}({name}=2.0)"',
        )
    if not parameter.is_floating_point() or parameter.device != weight.device:
        raise DtypeError(
            "conv2d: `aggregation_parameter` is of another kind than `weight`.",
            expected=f"floating point on {weight.device}",
            received=f"{parameter.dtype} on {parameter.device}",
        )


def check_window(extent: tuple[int, int], image: Any, problem: str) -> None:
    """Raise a ShapeError unless a window of `extent` fits into the last two sizes of `image`."""
    if extent[0] > image[-2] or extent[1] > image[-1]:
        raise ShapeError(
            problem,
            expected=f"at least {extent[0]} x {extent[1]} pixels",
            received=f"{image[-2]} x {image[-1]} pixels",
        )
