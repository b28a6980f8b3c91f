"""Where windows stand: borders as ONNX states them, of any number of axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil

import torch.nn.functional as F
from torch import Tensor

from convitro.errors import ShapeError
from convitro.sources.onnx.node import Node


@dataclass(frozen=True)
class Windows:
    """Windows over the axes of space of one input, borders worked out.

    Args:
        kernel_size, stride, dilation: one number for each axis.
        begins, ends: how many cells are put before and behind each axis.
        ceil_mode: a last window may stand over the border behind.
    """

    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    begins: tuple[int, ...]
    ends: tuple[int, ...]
    ceil_mode: bool = False

    @property
    def symmetric(self) -> bool:
        """As many cells before each axis as behind it."""
        return self.begins == self.ends

    @property
    def padded(self) -> bool:
        """Whether there is any border."""
        return any(self.begins) or any(self.ends)

    @property
    def extents(self) -> tuple[int, ...]:
        """From the first to the last cell of a window."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel_size, self.dilation, strict=True))

    def counts(self, sizes: Sequence[int]) -> tuple[int, ...]:
        """How many windows there are along each axis of an input of these sizes."""
        found = []
        axes = zip(sizes, self.begins, self.ends, self.extents, self.stride, strict=True)
        for size, begin, end, extent, stride in axes:
            free = size + begin + end - extent
            count = (ceil(free / stride) if self.ceil_mode else free // stride) + 1
            if self.ceil_mode and (count - 1) * stride >= size + begin:
                count -= 1  # a window that would stand outside altogether
            found.append(count)
        return tuple(found)

    def with_borders(self, before: Sequence[int], *, ceil_mode: bool) -> Windows:
        """The same windows with `before` cells on both sides of each axis."""
        return replace(self, begins=tuple(before), ends=tuple(before), ceil_mode=ceil_mode)

    def pad(self, values: Tensor, filling: float = 0.0) -> Tensor:
        """`values` with the borders put around, negative ones cut off."""
        return F.pad(values, self.border_list(), value=filling)

    def border_list(self) -> list[int]:
        """The borders as `F.pad` takes them: the last axis first."""
        pairs = zip(reversed(self.begins), reversed(self.ends), strict=True)
        return [side for pair in pairs for side in pair]


def windows(node: Node, kernel_size: Sequence[int], sizes: Sequence[int]) -> Windows:
    """The windows that a node of convolution or pooling asks for on an input of these sizes.

    Raises:
        ShapeError: numbers for more or fewer axes than the input has, or none that is positive.
    """
    axes = len(sizes)
    stride = tuple(node.get("strides") or (1,) * axes)
    dilation = tuple(node.get("dilations") or (1,) * axes)
    pads = tuple(node.get("pads") or (0,) * (2 * axes))
    check_axes(node, axes, kernel_size=kernel_size, strides=stride, dilations=dilation)
    if len(pads) != 2 * axes:
        raise ShapeError(f"{node.op} {node.name!r}: {len(pads)} pads for {axes} axes.")
    found = Windows(
        tuple(kernel_size), stride, dilation, pads[:axes], pads[axes:], bool(node.get("ceil_mode", 0))
    )
    rule = node.get("auto_pad", "NOTSET") or "NOTSET"
    if rule == "NOTSET":
        return found
    if rule == "VALID":
        return replace(found, begins=(0,) * axes, ends=(0,) * axes)
    missing = [
        max((ceil(size / step) - 1) * step + extent - size, 0)
        for size, step, extent in zip(sizes, stride, found.extents, strict=True)
    ]
    smaller = tuple(total // 2 for total in missing)
    larger = tuple(total - total // 2 for total in missing)
    begins, ends = (smaller, larger) if rule == "SAME_UPPER" else (larger, smaller)
    return replace(found, begins=begins, ends=ends, ceil_mode=False)


def check_axes(node: Node, axes: int, **numbers: Sequence[int]) -> None:
    """Each of these has a positive number for every axis, or a ShapeError says which has not."""
    for label, values in numbers.items():
        if len(values) != axes or min(values, default=1) < 1:
            raise ShapeError(
                f"{node.op} {node.name!r}: `{label}` does not fit its input.",
                expected=f"{axes} positive numbers",
                received=", ".join(map(str, values)),
            )
