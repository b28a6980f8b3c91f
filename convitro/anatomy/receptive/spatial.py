"""Rules for functions that move windows over an image: convolutions, poolings, resizing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from convitro import functional
from convitro.anatomy.receptive.call import Call, Function, Rule, pair, spellings
from convitro.anatomy.receptive.layout import Layout, whole
from convitro.anatomy.receptive.windows import adaptive, interpolated, nearest, padded, sliding, transposed
from convitro.anatomy.recognise import AVERAGE_POOL, CONVOLUTION, CONVOLUTIONS, GENERAL_CONVOLUTION, MAX_POOL
from convitro.geometry import conv_problem

TRANSPOSED = (*CONVOLUTION[:5], "output_padding", "groups", "dilation")
LP_POOL = ("input", "norm_type", "kernel_size", "stride", "ceil_mode")
UNPOOL = ("input", "indices", "kernel_size", "stride", "padding")


def convolution(call: Call) -> Layout | None:
    """Every filter sees all channels (of its group) in its window."""
    arguments = call.bound(*CONVOLUTIONS.get(call.function, names_of(call)))
    weight, layout = arguments["weight"], call.of(arguments["input"])
    if layout is None or call.every((weight, arguments.get("bias"))):
        return whole(call.every(), call.shape)  # weights made of the image: every unit sees what they see
    count = weight.ndim - 2
    if arguments.get("transposed"):
        return transposed_convolution(call, arguments, layout)
    stride, dilation = pair(arguments.get("stride", 1), count), pair(arguments.get("dilation", 1), count)
    sides = sides_of(arguments.get("padding", 0), weight, dilation)
    mode = arguments.get("padding_mode", "zeros")
    layout = layout.mapped(-count - 1, call.shape[-count - 1])
    for axis in range(count):
        dim, (before, after) = axis - count, sides[axis]
        if mode != "zeros" and (before or after):
            length = layout.shape[dim]
            layout = layout.through(dim, padded(length, before, after, mode), length + before + after)
            before = 0
        windows = sliding(weight.shape[2 + axis], stride[axis], before, dilation[axis])
        layout = layout.through(dim, windows, call.shape[dim])
    return layout if arguments.get("groups", 1) > 1 else replace(layout, mottled=False)


def names_of(call: Call) -> tuple[str, ...]:
    """The argument names of a convolution that `dissect` does not know."""
    return GENERAL_CONVOLUTION if "convolution" in getattr(call.function, "__name__", "") else CONVOLUTION


def sides_of(padding: Any, weight: Tensor, dilation: Sequence[int]) -> list[tuple[int, int]]:
    """Padding before and after in every direction."""
    count = weight.ndim - 2
    if padding == "valid":
        return [(0, 0)] * count
    if padding == "same":
        totals = [d * (k - 1) for d, k in zip(dilation, weight.shape[2:], strict=True)]
        return [(total // 2, total - total // 2) for total in totals]
    return [(value, value) for value in pair(padding, count)]


def transposed_call(call: Call) -> Layout | None:
    """A transposed convolution by its own function."""
    arguments = call.bound(*TRANSPOSED)
    layout = call.of(arguments["input"])
    if layout is None or call.every((arguments["weight"], arguments.get("bias"))):
        return whole(call.every(), call.shape)
    return transposed_convolution(call, arguments, layout)


def transposed_convolution(call: Call, arguments: Mapping[str, Any], layout: Layout) -> Layout:
    """Every pixel sees the units whose window covers it."""
    weight = arguments["weight"]
    count = weight.ndim - 2
    stride, padding, dilation = (
        pair(arguments.get(name, usual), count)
        for name, usual in (("stride", 1), ("padding", 0), ("dilation", 1))
    )
    layout = layout.mapped(-count - 1, call.shape[-count - 1])
    for axis in range(count):
        windows = transposed(weight.shape[2 + axis], stride[axis], padding[axis], dilation[axis])
        layout = layout.through(axis - count, windows, call.shape[axis - count])
    return layout if arguments.get("groups", 1) > 1 else replace(layout, mottled=False)


def pooling(count: int, names: tuple[str, ...]) -> Rule:
    """The rule of a pooling in `count` directions."""

    def rule(call: Call) -> Layout | None:
        """Every unit sees its window."""
        arguments = call.bound(*names)
        layout = call.of(arguments["input"])
        if layout is None:
            return whole(call.every(), call.shape)
        kernel = pair(arguments["kernel_size"], count)
        stride = pair(arguments.get("stride") or kernel, count)
        padding = pair(arguments.get("padding", 0), count)
        dilation = pair(arguments.get("dilation", 1), count)
        for axis in range(count):
            windows = sliding(kernel[axis], stride[axis], padding[axis], dilation[axis])
            layout = layout.through(axis - count, windows, call.shape[axis - count])
        return layout

    return rule


def unpooling(count: int) -> Rule:
    """The rule of a max-unpooling in `count` directions."""

    def rule(call: Call) -> Layout | None:
        """Every pixel sees the units whose window covers it; they decide whether a value stands there."""
        arguments = call.bound(*UNPOOL)
        seen = call.every((arguments["input"], arguments["indices"]))
        layout = seen[0] if len(seen) == 1 else seen[0].joined(seen[1])
        kernel = pair(arguments["kernel_size"], count)
        stride = pair(arguments.get("stride") or kernel, count)
        padding = pair(arguments.get("padding", 0), count)
        for axis in range(count):
            windows = transposed(kernel[axis], stride[axis], padding[axis])
            layout = layout.through(axis - count, windows, call.shape[axis - count])
        fixed = call.of(arguments["indices"]) is None
        return layout.loosened("max_unpool with fixed indices") if fixed else layout

    return rule


def adaptive_pooling(count: int) -> Rule:
    """The rule of a pooling to a fixed size in `count` directions."""

    def rule(call: Call) -> Layout | None:
        """Every unit sees its share; a single one the whole map."""
        layout = call.every()[0]
        for axis in range(count):
            dim = axis - count
            length, goal = layout.shape[dim], call.shape[dim]
            layout = layout.mapped(dim, 1) if goal == 1 else layout.through(dim, adaptive(length, goal), goal)
        return layout

    return rule


def resize(call: Call) -> Layout | None:
    """Interpolation, by size or by factor."""
    names = ("input", "size", "scale_factor", "mode", "align_corners", "recompute_scale_factor", "antialias")
    arguments = call.bound(*names)
    layout, mode = (
        call.every()[0],
        {F.upsample_nearest: "nearest", F.upsample_bilinear: "bilinear"}.get(
            call.function, arguments.get("mode", "nearest")
        ),
    )
    if arguments.get("antialias"):
        return whole([layout], call.shape, "interpolation with antialias")
    count = len(call.shape) - 2
    factors = arguments.get("scale_factor")
    if factors is None or arguments.get("recompute_scale_factor"):
        scales: Sequence[float | None] = (None,) * count
    else:
        scales = pair(factors, count)
    corners = bool(arguments.get("align_corners")) or call.function is F.upsample_bilinear
    for axis in range(count):
        dim = axis - count
        length, goal = layout.shape[dim], call.shape[dim]
        if mode.startswith("nearest"):
            windows = nearest(length, goal, scales[axis], exact=mode == "nearest-exact")
        elif mode == "area":
            windows = adaptive(length, goal)
        else:
            kind = "cubic" if mode == "bicubic" else "linear"
            windows = interpolated(kind, length, goal, scales[axis], corners=corners)
        layout = layout.through(dim, windows, goal)
    return layout


def unfold(call: Call) -> Layout | None:
    """im2col: the windows of a convolution side by side, their rows and columns in one dimension."""
    names = ("input", "kernel_size", "dilation", "padding", "stride")
    layout, sizes = windows_over(call, names, call.every()[0])
    layout = layout.reshaped((*layout.shape[:-2], sizes[0] * sizes[1])).mapped(-2, call.shape[-2])
    return replace(layout, mottled=True)


def windows_over(call: Call, names: tuple[str, ...], layout: Layout) -> tuple[Layout, tuple[int, int]]:
    """What the windows of an unfold see, and how many there are in each direction."""
    arguments = call.bound(*names)
    kernel, dilation, padding, stride = (
        pair(arguments.get(name, usual), 2)
        for name, usual in (("kernel_size", 1), ("dilation", 1), ("padding", 0), ("stride", 1))
    )
    problem = conv_problem((1, 1, *kernel), stride, padding, dilation)
    rows, columns = problem.output_size(*layout.shape[-2:])
    for axis, goal in ((0, rows), (1, columns)):
        windows = sliding(kernel[axis], stride[axis], padding[axis], dilation[axis])
        layout = layout.through(axis - 2, windows, goal)
    return layout, (rows, columns)


def fold(call: Call) -> Layout | None:
    """col2im: every pixel sees the windows that cover it."""
    arguments = call.bound("input", "output_size", "kernel_size", "dilation", "padding", "stride")
    kernel, dilation, padding, stride = (
        pair(arguments.get(name, usual), 2)
        for name, usual in (("kernel_size", 1), ("dilation", 1), ("padding", 0), ("stride", 1))
    )
    size = pair(arguments["output_size"], 2)
    count = conv_problem((1, 1, *kernel), stride, padding, dilation).output_size(*size)
    layout = call.every()[0].parted()
    layout = layout.reshaped((*layout.shape[:-1], *count)).mapped(-3, call.shape[-3])
    for axis in range(2):
        windows = transposed(kernel[axis], stride[axis], padding[axis], dilation[axis])
        layout = layout.through(axis - 2, windows, size[axis])
    return layout


def rules() -> dict[Function, Rule]:
    """The rules of this file by function."""
    found: dict[Function, Rule] = {functional.conv2d: convolution}
    found |= dict.fromkeys(CONVOLUTIONS, convolution)
    found |= dict.fromkeys(spellings(("conv1d", "conv2d", "conv3d", "convolution")), convolution)
    found |= dict.fromkeys(spellings(f"conv_transpose{count}d" for count in (1, 2, 3)), transposed_call)
    for count in (1, 2, 3):
        for name, rule in (
            (f"max_pool{count}d", pooling(count, MAX_POOL)),
            (f"avg_pool{count}d", pooling(count, AVERAGE_POOL)),
            (f"lp_pool{count}d", pooling(count, LP_POOL)),
            (f"adaptive_avg_pool{count}d", adaptive_pooling(count)),
            (f"adaptive_max_pool{count}d", adaptive_pooling(count)),
            (f"max_unpool{count}d", unpooling(count)),
        ):
            found |= dict.fromkeys(spellings((name,)), rule)
    found |= dict.fromkeys((F.interpolate, F.upsample, F.upsample_nearest, F.upsample_bilinear), resize)
    found |= {F.unfold: unfold, F.fold: fold}
    return found
