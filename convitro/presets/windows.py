"""Distances and angles of a window and a filter, each from a plain convolution and sums of squares."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor

from convitro.aggregation.builtin import checked_number
from convitro.checks import autocasts
from convitro.errors import DtypeError
from convitro.functional import conv2d
from convitro.reference import accumulation_dtype

Geometry = tuple[Any, Any, Any, int, str]
"""stride, padding, dilation, groups, padding_mode: as for `convitro.functional.conv2d`."""


class Windows:
    """The windows of a layer seen with its filters, in the dtype that sums are made in.

    (x - w)^2 = x^2 - 2 x w + w^2: the sum over a window and its channels is a convolution, a sum of squares
    of the input (one map per group) and one number per filter. No product is ever kept.

    Args:
        input, weight: as for `convitro.functional.conv2d`.
        geometry: how the windows lie.

    Raises:
        DtypeError: not floating point.
    """

    def __init__(self, input: Tensor, weight: Tensor, geometry: Geometry) -> None:
        if not input.dtype.is_floating_point:
            raise DtypeError(
                "conv2d: this operator needs floating point.",
                expected="float16, bfloat16, float32 or float64",
                received=str(input.dtype),
            )
        if autocasts(input.device):
            dtype = torch.get_autocast_dtype(input.device.type)
            input, weight = input.to(dtype), weight.to(dtype)
        self._dtype, wide = input.dtype, accumulation_dtype(input.dtype)
        self._input, self._weight = input.to(wide), weight.to(wide)
        self._stride, self._padding, self._dilation, self._groups, self._mode = geometry

    def products(self) -> Tensor:
        """Sum of x w. (N, C_out, H_out, W_out)"""
        return self._summed(self._input, self._weight, self._groups)

    def squares(self) -> Tensor:
        """Sum of x^2, for every filter of a group the same. (N, C_out or 1, H_out, W_out)"""
        kernel = self._weight.new_ones(self._groups, 1, *self._weight.shape[-2:])
        of_pixels = self._input.square().unflatten(-3, (self._groups, -1)).sum(-3)  # (N, G, H, W)
        boxes = self._summed(of_pixels, kernel, self._groups)
        return boxes.repeat_interleave(len(self._weight) // self._groups, -3) if self._groups > 1 else boxes

    def weight_squares(self) -> Tensor:
        """Sum of w^2 over a whole filter. (C_out, 1, 1)"""
        return self._weight.square().sum((1, 2, 3))[:, None, None]

    def weight_squares_inside(self) -> Tensor:
        """Sum of w^2 over those weights whose pixels are inside the image. (C_out, H_out or 1, W_out or 1)"""
        if self._mode != "zeros" or self._padding in (0, (0, 0), "valid"):
            return self.weight_squares()
        image = self._weight.new_ones(1, *self._input.shape[-2:])
        return self._summed(image, self._weight.square().sum(1, keepdim=True), 1)

    def squared_distances(self) -> Tensor:
        """Sum of (x - w)^2 over the pixels inside the image, never below 0. (N, C_out, H_out, W_out)"""
        products = self.products()  # refuses what does not fit
        return (self.squares() + self.weight_squares_inside() - 2 * products).clamp_min(0.0)

    def finished(self, maps: Tensor, bias: Tensor | None) -> Tensor:
        """The maps with the bias, in the dtype of the input."""
        return (maps if bias is None else maps + bias.to(maps.dtype)[:, None, None]).to(self._dtype)

    def _summed(self, input: Tensor, weight: Tensor, groups: int) -> Tensor:
        exact = torch.autocast(input.device.type, enabled=False) if autocasts(input.device) else nullcontext()
        with exact:  # differences of these sums cancel; 16 bits would leave nothing
            sliding = (self._stride, self._padding, self._dilation, groups)
            return conv2d(input, weight, None, *sliding, padding_mode=self._mode)


def root(squares: Tensor) -> Tensor:
    """The square root, whose gradient at 0 is 0."""
    positive = squares > 0
    return squares.where(positive, 1.0).sqrt().where(positive, 0.0 * squares)  # NaN stays


def parameter(owner: str, name: str, value: Any, *, positive: bool = False) -> float:
    """A preset's own number as a float; an ArgumentError unless it is finite, and above 0 if it must be."""
    return checked_number(owner, name, value, positive=positive)
