"""Tensors as arrays of a document: float32 or bytes, finite where JSON needs them finite."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

STEPS = 127  # a thumbnail's value is stored as a whole number of 127ths of its map's limit


def float_array(tensor: Tensor) -> NDArray[np.float32]:
    """The values of `tensor` as a float32 array."""
    array: NDArray[np.float32] = tensor.detach().float().cpu().contiguous().numpy()
    return array


def byte_array(tensor: Tensor) -> NDArray[np.uint8]:
    """The values of an integer tensor between 0 and 255 as bytes."""
    array: NDArray[np.uint8] = tensor.detach().cpu().contiguous().numpy().astype(np.uint8)
    return array


def limit(tensor: Tensor) -> float:
    """The largest finite magnitude in `tensor`: the end of its colour scale. 0 where there is none."""
    if tensor.numel() == 0:
        return 0.0
    magnitude = tensor.detach().float().abs()
    return float(magnitude.nan_to_num(0.0, 0.0, 0.0).max())


def number(value: float) -> float | None:
    """`value` for JSON, which has no infinity and no NaN: None stands for both."""
    return float(value) if math.isfinite(value) else None


def quantise(maps: Tensor) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Maps (C, H, W) as bytes around 128, and each map's limit (C,): value = (byte - 128) / 127 * limit."""
    maps = maps.detach().float().nan_to_num(0.0, 0.0, 0.0)
    limits = maps.abs().amax(dim=(1, 2)) if maps.numel() else maps.new_zeros(maps.shape[0])
    scale = limits.clamp_min(1e-30)[:, None, None]
    steps = (maps / scale * STEPS).round() + 128
    return byte_array(steps), float_array(limits)
