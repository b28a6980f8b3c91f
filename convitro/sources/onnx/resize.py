"""ONNX Resize and Upsample: along each axis a matrix says how much of each old cell a new one takes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from convitro.errors import ShapeError
from convitro.sources.onnx.node import Node, computes

POLICIES = ("not_larger", "not_smaller")


@dataclass(frozen=True)
class Axis:
    """One axis that gets another size.

    Args:
        old, new: its sizes.
        scale: new / old as the model states it, which need not be whole cells.
        begin, end: the part that is taken where the node crops, as shares of the axis.
    """

    old: int
    new: int
    scale: float
    begin: float = 0.0
    end: float = 1.0


@computes("Resize", "Upsample")
def resize(node: Node, input: Tensor, *rest: Tensor | None) -> Tensor:
    """Nearest, linear and cubic, with ONNX's coordinates; the axes are independent of each other."""
    result = input if input.is_floating_point() else input.float()
    axes = axes_of(node, input, rest)
    own = torch_mode(node, input, axes)
    if own is not None:
        return F.interpolate(input, (axes[2].new, axes[3].new), **own)
    outside: Tensor | None = None
    for axis, how in axes.items():
        if (
            how.old == how.new
            and how.scale == 1
            and node.get("coordinate_transformation_mode") != "tf_crop_and_resize"
        ):
            continue
        matrix, beyond = mixing(node, how)
        result = torch.tensordot(result, matrix.to(result), dims=([axis], [1])).movedim(-1, axis)
        shape = [-1 if other == axis else 1 for other in range(input.ndim)]
        here = beyond.reshape(shape)
        outside = here if outside is None else outside | here
    if outside is not None and node.get("coordinate_transformation_mode") == "tf_crop_and_resize":
        result = result.masked_fill(outside, node.get("extrapolation_value", 0.0))
    return result if input.is_floating_point() else result.round().to(input.dtype)


def torch_mode(node: Node, input: Tensor, axes: dict[int, Axis]) -> dict[str, Any] | None:
    """How torch's own function does the same to the pixels of pictures; None where it does not."""
    if input.ndim != 4 or not input.is_floating_point() or not {2, 3} <= axes.keys():
        return None
    still = all(how.old == how.new for axis, how in axes.items() if axis < 2)
    exact = all(how.new == how.old * how.scale for how in axes.values())
    mode, rule = node.get("mode", "nearest"), node.get("coordinate_transformation_mode", usual_rule(node))
    if not still or not exact or node.get("antialias", 0) or node.get("exclude_outside", 0):
        return None
    if mode == "nearest":
        floor = rule == "asymmetric" and node.get("nearest_mode", usual_rounding(node)) == "floor"
        repeats = rule == "half_pixel" and all(how.scale % 1 == 0 for how in axes.values())
        repeats = repeats and node.get("nearest_mode", usual_rounding(node)).startswith("round")
        return {"mode": "nearest"} if floor or repeats else None
    if rule == "pytorch_half_pixel" and min(axes[2].new, axes[3].new) > 1:
        rule = "half_pixel"  # it differs for a single cell only
    if rule not in ("half_pixel", "align_corners") or node.get("cubic_coeff_a", -0.75) != -0.75:
        return None
    name = "bicubic" if mode == "cubic" else "bilinear"
    return {"mode": name, "align_corners": rule == "align_corners"}


def usual_rule(node: Node) -> str:
    """Where coordinates lie if the node does not say so."""
    return "half_pixel" if node.op == "Resize" and node.opset >= 11 else "asymmetric"


def usual_rounding(node: Node) -> str:
    """Which cell is the nearest if the node does not say so."""
    return "round_prefer_floor" if usual_rule(node) == "half_pixel" else "floor"


def axes_of(node: Node, input: Tensor, rest: tuple[Tensor | None, ...]) -> dict[int, Axis]:
    """What becomes of each axis: from sizes, or from scales, in the order of that version."""
    given = [*rest, None, None, None]
    if node.op == "Upsample" or node.opset < 11:
        region, scales, sizes = None, given[0], None
        stated = node.get("scales") if scales is None else scales.tolist()
    else:
        region, scales, sizes = given[:3]
        stated = scales.tolist() if scales is not None and scales.numel() else None
    over = [axis % input.ndim for axis in node.get("axes") or range(input.ndim)]
    goals = sizes.tolist() if sizes is not None and sizes.numel() else None
    if (stated is None and goals is None) or len(stated or goals or ()) != len(over):
        raise ShapeError(f"{node.op} {node.name!r}: neither scales nor sizes for {len(over)} axes.")
    olds = [input.shape[axis] for axis in over]
    if goals is not None:
        scale = [goal / old for goal, old in zip(goals, olds, strict=True)]
        if node.get("keep_aspect_ratio_policy") in POLICIES:
            one = (min if node.get("keep_aspect_ratio_policy") == "not_larger" else max)(scale)
            scale, goals = [one] * len(over), [math.floor(one * old + 0.5) for old in olds]
    else:
        scale = list(stated or ())
        goals = [math.floor(old * one) for old, one in zip(olds, scale, strict=True)]
    shares = (
        region.tolist() if region is not None and region.numel() else [0.0] * len(over) + [1.0] * len(over)
    )
    return {
        axis: Axis(old, new, one, begin, end)
        for axis, old, new, one, begin, end in zip(
            over, olds, goals, scale, shares[: len(over)], shares[len(over) :], strict=True
        )
    }


def mixing(node: Node, axis: Axis) -> tuple[Tensor, Tensor]:
    """(new, old): the share of each old cell in each new one; and which new ones lie outside."""
    mode = node.get("mode", "nearest")
    places = coordinates(node.get("coordinate_transformation_mode", usual_rule(node)), axis)
    outside = (places < 0) | (places > axis.old - 1)
    if mode == "nearest":
        rule = node.get("nearest_mode", usual_rounding(node))
        nearest = NEAREST[rule](places).long().clamp(0, axis.old - 1)
        return F.one_hot(nearest, axis.old).double(), outside
    stretch = min(axis.scale, 1.0) if node.get("antialias", 0) else 1.0
    kernel = linear if mode in ("linear", "bilinear") else cubic(node.get("cubic_coeff_a", -0.75))
    support = (1 if mode in ("linear", "bilinear") else 2) / stretch
    cells = torch.arange(-math.ceil(support), axis.old + math.ceil(support) + 1, dtype=torch.float64)
    shares = kernel((cells - places[:, None]) * stretch)
    inside = (cells >= 0) & (cells <= axis.old - 1)
    if node.get("exclude_outside", 0):
        shares = shares * inside
    shares = shares / shares.sum(1, keepdim=True)
    at = cells.long().clamp(0, axis.old - 1).expand_as(shares)
    return torch.zeros(axis.new, axis.old, dtype=torch.float64).scatter_add(1, at, shares), outside


def coordinates(mode: str, axis: Axis) -> Tensor:
    """Where in the old axis the middle of each new cell lies."""
    new = torch.arange(axis.new, dtype=torch.float64)
    if mode == "asymmetric":
        return new / axis.scale
    if mode == "align_corners":
        return new * (axis.old - 1) / (axis.new - 1) if axis.new > 1 else new * 0
    if mode == "pytorch_half_pixel" and axis.new <= 1:
        return new * 0
    if mode == "half_pixel_symmetric":
        adjustment = axis.new / (axis.scale * axis.old)
        middle = axis.old / 2
        return middle * (1 - adjustment) + (new + 0.5) / axis.scale - 0.5
    if mode == "tf_crop_and_resize":
        length = axis.old - 1
        if axis.new > 1:
            return axis.begin * length + new * (axis.end - axis.begin) * length / (axis.new - 1)
        return new + 0.5 * (axis.begin + axis.end) * length
    if mode == "tf_half_pixel_for_nn":
        return (new + 0.5) / axis.scale
    return (new + 0.5) / axis.scale - 0.5


NEAREST: dict[str, Callable[[Tensor], Tensor]] = {
    "floor": torch.floor,
    "ceil": torch.ceil,
    "round_prefer_floor": lambda places: torch.ceil(places - 0.5),
    "round_prefer_ceil": lambda places: torch.floor(places + 0.5),
}


def linear(distance: Tensor) -> Tensor:
    """The weight of a neighbour at that distance: a triangle."""
    return (1 - distance.abs()).clamp_min(0)


def cubic(a: float) -> Callable[[Tensor], Tensor]:
    """Keys' cubic with the parameter `a`."""

    def kernel(distance: Tensor) -> Tensor:
        d = distance.abs()
        near = ((a + 2) * d - (a + 3)) * d**2 + 1
        far = ((d - 5) * d + 8) * d * a - 4 * a
        return torch.where(d <= 1, near, torch.where(d < 2, far, torch.zeros_like(d)))

    return kernel
