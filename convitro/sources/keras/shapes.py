"""Layers that move, cut, repeat or normalise maps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from convitro.sources.keras.convolutions import flat, order_of
from convitro.sources.keras.pointwise import Apply
from convitro.sources.keras.recipe import MAPS, OWN, Call, Recipe, as_tensor


@dataclass(frozen=True)
class BatchNorm:
    """Batch normalisation with the running statistics; the channels stand at `axis`."""

    axis: int
    epsilon: float

    def __call__(
        self,
        values: Tensor,
        mean: Tensor,
        variance: Tensor,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
    ) -> Tensor:
        aside = self.axis not in (1, 1 - values.ndim)
        maps = values.movedim(self.axis, 1) if aside else values
        result = F.batch_norm(maps, mean, variance, weight, bias, False, 0.0, self.epsilon)
        return result.movedim(1, self.axis) if aside else result


@dataclass(frozen=True)
class LayerNorm:
    """Layer normalisation over the last axes."""

    axes: int
    epsilon: float

    def __call__(self, values: Tensor, weight: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
        return F.layer_norm(values, values.shape[-self.axes :], weight, bias, self.epsilon)


@dataclass(frozen=True)
class GroupNorm:
    """Normalisation of groups of channels, which stand at axis 1."""

    groups: int
    epsilon: float

    def __call__(self, maps: Tensor, weight: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
        return F.group_norm(maps, self.groups, weight, bias, self.epsilon)


@dataclass(frozen=True)
class Reshape:
    """Another shape for each item of the batch; None is left for what fits."""

    shape: tuple[int, ...]

    def __call__(self, values: Tensor) -> Tensor:
        return values.reshape(values.shape[0], *self.shape)


@dataclass(frozen=True)
class Cut:
    """What is left of the axes after the second without their borders."""

    sides: tuple[tuple[int, int], ...]

    def __call__(self, maps: Tensor) -> Tensor:
        sizes = maps.shape[2:]
        inside: Any = [
            slice(before, size - after) for size, (before, after) in zip(sizes, self.sides, strict=True)
        ]
        where = (..., *inside)
        return maps[where]


@dataclass(frozen=True)
class Enlarge:
    """Every axis after the second several times as long."""

    factors: tuple[int, ...]
    mode: str

    def __call__(self, maps: Tensor) -> Tensor:
        factors = [float(factor) for factor in self.factors]
        if self.mode == "nearest":
            return F.interpolate(maps, scale_factor=factors, mode="nearest")
        return F.interpolate(maps, scale_factor=factors, mode=self.mode, align_corners=False)


def batch_normalization(layer: Any, call: Call) -> Recipe:
    """BatchNormalization, as at inference."""
    weights = {"mean": as_tensor(layer.moving_mean), "variance": as_tensor(layer.moving_variance)}
    return Recipe(BatchNorm(call.axis(layer.axis), layer.epsilon), {**weights, **factors_of(layer)})


def layer_normalization(layer: Any, call: Call) -> Recipe | None:
    """LayerNormalization over the last axes; others are left to Keras."""
    axes = [layer.axis] if isinstance(layer.axis, int) else list(layer.axis)
    axes = sorted(axis % call.rank for axis in axes)
    if axes != list(range(call.rank - len(axes), call.rank)) or getattr(layer, "rms_scaling", False):
        return None
    return Recipe(LayerNorm(len(axes), layer.epsilon), factors_of(layer), OWN)


def group_normalization(layer: Any, call: Call) -> Recipe | None:
    """GroupNormalization of the last axis, or of the first in Keras' own order; others are left to Keras."""
    axis = layer.axis % call.rank
    if axis not in (1, call.rank - 1):
        return None
    order = OWN if axis == 1 else MAPS
    return Recipe(GroupNorm(layer.groups, layer.epsilon), factors_of(layer), order)


def factors_of(layer: Any) -> dict[str, Tensor]:
    """Gamma and beta by torch's names."""
    return {
        name: as_tensor(value)
        for name, value in (("weight", layer.gamma), ("bias", layer.beta))
        if value is not None
    }


def flatten(layer: Any, call: Call) -> Recipe:
    """Flatten: always with the channels last, also where they come first."""
    first = layer.data_format == "channels_first" and call.rank > 2
    if first:
        axes = (0, *range(2, call.rank), 1)
        return Recipe(Flatten(axes), order=OWN)
    return Recipe(Reshape((-1,)), order=OWN)


@dataclass(frozen=True)
class Flatten:
    """Axes in another order, then all in one row."""

    axes: tuple[int, ...]

    def __call__(self, values: Tensor) -> Tensor:
        return values.permute(self.axes).reshape(values.shape[0], -1)


def reshape(layer: Any, call: Call) -> Recipe:
    """Reshape."""
    shape = tuple(-1 if size is None else int(size) for size in layer.target_shape)
    return Recipe(Reshape(shape), order=OWN)


def permute(layer: Any, call: Call) -> Recipe:
    """Permute."""
    return Recipe(Apply(torch.permute, ((0, *layer.dims),)), order=OWN)


def zero_padding(layer: Any, call: Call) -> Recipe:
    """ZeroPadding1D to 3D."""
    sides = pairs(layer.padding, call.rank - 2)
    order = order_of(layer) if hasattr(layer, "data_format") else MAPS
    return Recipe(Apply(F.pad, (tuple(flat(list(sides))),)), order=order)


def cropping(layer: Any, call: Call) -> Recipe:
    """Cropping1D to 3D."""
    order = order_of(layer) if hasattr(layer, "data_format") else MAPS
    return Recipe(Cut(pairs(layer.cropping, call.rank - 2)), order=order)


def pairs(sides: Any, axes: int) -> tuple[tuple[int, int], ...]:
    """Borders as one pair per axis; with one axis Keras has the pair alone."""
    flat_pair = axes == 1 and isinstance(sides[0], int)
    found = [sides] if flat_pair else list(sides)
    return tuple((int(before), int(after)) for before, after in found)


def up_sampling(layer: Any, call: Call) -> Recipe | None:
    """UpSampling1D to 3D: pixels repeated, or in two dimensions between them; others are left to Keras."""
    mode = getattr(layer, "interpolation", "nearest")
    if mode not in ("nearest", "bilinear"):
        return None
    factors = (layer.size,) if isinstance(layer.size, int) else tuple(layer.size)
    order = order_of(layer) if hasattr(layer, "data_format") else MAPS
    return Recipe(Enlarge(factors, mode), order=order)


CONVERTERS = {
    "layers.BatchNormalization": batch_normalization,
    "layers.LayerNormalization": layer_normalization,
    "layers.GroupNormalization": group_normalization,
    "layers.Flatten": flatten,
    "layers.Reshape": reshape,
    "layers.Permute": permute,
    **{f"layers.ZeroPadding{rank}D": zero_padding for rank in (1, 2, 3)},
    **{f"layers.Cropping{rank}D": cropping for rank in (1, 2, 3)},
    **{f"layers.UpSampling{rank}D": up_sampling for rank in (1, 2, 3)},
}
