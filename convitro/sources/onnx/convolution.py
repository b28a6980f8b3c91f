"""ONNX convolutions, and convolutions turned round."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from convitro.errors import ShapeError, UnsupportedError
from convitro.sources.onnx.node import Function, Node, computes
from convitro.sources.onnx.windows import Windows, check_axes, windows

CONVOLUTIONS: dict[int, Function] = {3: F.conv1d, 4: F.conv2d, 5: F.conv3d}
TRANSPOSED: dict[int, Function] = {3: F.conv_transpose1d, 4: F.conv_transpose2d, 5: F.conv_transpose3d}


@computes("Conv", weights={1: "weight", 2: "bias"})
def conv(node: Node, input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Borders that are alike on both sides are the convolution's own; others are put around first."""
    function = function_for(node, CONVOLUTIONS, input, weight)
    at = windows(node, weight.shape[2:], input.shape[2:])
    padding = at.begins
    if not at.symmetric or min(padding, default=0) < 0:
        input, padding = at.pad(input), (0,) * len(at.begins)
    return function(input, weight, bias, at.stride, padding, at.dilation, node.get("group", 1))


@computes("ConvTranspose", weights={1: "weight", 2: "bias"})
def conv_transpose(node: Node, input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """The whole turned convolution, from which the borders are cut off."""
    function = function_for(node, TRANSPOSED, input, weight)
    axes = input.ndim - 2
    at, further = transposed_windows(node, weight, input)
    groups = node.get("group", 1)
    limits = [max(step, d) for step, d in zip(at.stride, at.dilation, strict=True)]
    own = at.symmetric and all(0 <= more < limit for more, limit in zip(further, limits, strict=True))
    if own and min(at.begins, default=0) >= 0:
        return function(input, weight, bias, at.stride, at.begins, further, groups, at.dilation)
    whole = function(input, weight, None, at.stride, (0,) * axes, (0,) * axes, groups, at.dilation)
    ends = [end - more for end, more in zip(at.ends, further, strict=True)]
    sides = [-side for pair in zip(reversed(at.begins), reversed(ends), strict=True) for side in pair]
    cut = F.pad(whole, sides)
    return cut if bias is None else cut + bias.reshape(-1, *(1,) * axes)


def transposed_windows(node: Node, weight: Tensor, input: Tensor) -> tuple[Windows, list[int]]:
    """The windows of a turned convolution with what is cut off as borders, and what is added behind."""
    sizes, axes = input.shape[2:], input.ndim - 2
    further = list(node.get("output_padding") or (0,) * axes)
    wanted = node.get("output_shape")
    rule = node.get("auto_pad", "NOTSET") or "NOTSET"
    plain = Node(node.op, node.domain, node.name, node.inputs, node.outputs, dict(node.attributes))
    plain.attributes.pop("auto_pad", None)  # type: ignore[attr-defined]
    at = windows(plain, weight.shape[2:], sizes)
    if wanted is None and rule.startswith("SAME"):
        wanted = [size * step for size, step in zip(sizes, at.stride, strict=True)]
    if wanted is None:
        return at, further
    wanted = tuple(wanted)[-axes:]
    check_axes(node, axes, output_shape=wanted)
    steps = zip(sizes, at.stride, at.extents, further, wanted, strict=True)
    totals = [(size - 1) * step + extent + more - goal for size, step, extent, more, goal in steps]
    further = [more + max(-total, 0) for more, total in zip(further, totals, strict=True)]
    totals = [max(total, 0) for total in totals]
    smaller, larger = [total // 2 for total in totals], [total - total // 2 for total in totals]
    begins, ends = (smaller, larger) if rule == "SAME_UPPER" else (larger, smaller)
    return Windows(at.kernel_size, at.stride, at.dilation, tuple(begins), tuple(ends)), further


def function_for(node: Node, functions: dict[int, Function], input: Any, weight: Tensor) -> Function:
    """The function for that many axes.

    Raises:
        ShapeError: the numbers do not fit the filters, or the filters not the input.
        UnsupportedError: no axis of space, or more than three.
    """
    kernel_size = node.get("kernel_shape")
    if input.ndim != weight.ndim or (kernel_size and tuple(kernel_size) != tuple(weight.shape[2:])):
        raise ShapeError(
            f"{node.op} {node.name!r}: the filters do not fit.",
            expected=f"filters of {weight.shape[2:] if not kernel_size else tuple(kernel_size)}",
            received=f"filters {tuple(weight.shape)}, input {tuple(input.shape)}",
        )
    if input.ndim not in functions:
        raise UnsupportedError(
            f"{node.op} {node.name!r}: {input.ndim - 2} axes of space.", expected="1, 2 or 3"
        )
    return functions[input.ndim]
