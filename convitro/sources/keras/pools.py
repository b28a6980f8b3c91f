"""Keras' pooling layers, in a form that is one torch function wherever that is exact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from convitro.sources.keras.convolutions import borders, flat, order_of
from convitro.sources.keras.recipe import OWN, Call, Recipe

MAX_POOLS: dict[int, Any] = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
AVERAGE_POOLS: dict[int, Any] = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
ADAPTIVE: dict[tuple[str, int], Any] = {
    ("max", 1): F.adaptive_max_pool1d,
    ("max", 2): F.adaptive_max_pool2d,
    ("max", 3): F.adaptive_max_pool3d,
    ("average", 1): F.adaptive_avg_pool1d,
    ("average", 2): F.adaptive_avg_pool2d,
    ("average", 3): F.adaptive_avg_pool3d,
}


@dataclass(frozen=True)
class Pool:
    """Max or average pooling; what lies beyond the border takes no part.

    Args:
        mode: "max" or "average".
        window, stride: one number per axis.
        padding: "valid" or "same".
        repeats_border: where torch cannot say an uneven border, an average counts the last pixel again.
    """

    mode: str
    window: tuple[int, ...]
    stride: tuple[int, ...]
    padding: str
    repeats_border: bool = False

    def __call__(self, maps: Tensor) -> Tensor:
        sizes = tuple(maps.shape[2:])
        sides = borders(sizes, self.window, self.stride, (1,) * len(sizes), self.padding)
        uneven = any(before != after for before, after in sides)
        if uneven and self.mode == "average" and self.repeats_border:
            return self._pool(F.pad(maps, flat(sides), mode="replicate"), (0,) * len(sides), ceil=False)
        before = tuple(side[0] for side in sides)
        for ceil in (False, True):
            if all(self._fits(axis, sizes[axis], before[axis], ceil=ceil) for axis in range(len(sizes))):
                return self._pool(maps, before, ceil=ceil)
        return self._padded(maps, flat(sides))

    def _pool(self, maps: Tensor, padding: tuple[int, ...], *, ceil: bool) -> Tensor:
        rank = len(self.window)
        if self.mode == "max":
            pooled: Tensor = MAX_POOLS[rank](maps, self.window, self.stride, padding, 1, ceil)
            return pooled
        averaged: Tensor = AVERAGE_POOLS[rank](maps, self.window, self.stride, padding, ceil, False)
        return averaged

    def _fits(self, axis: int, size: int, before: int, *, ceil: bool) -> bool:
        """Whether torch makes as many windows as Keras with the first border on both sides.

        They begin where Keras' begin, and what is beyond the border takes no part, so that they are the same.
        """
        window, step = self.window[axis], self.stride[axis]
        wanted = -(-size // step) if self.padding == "same" else (size - window) // step + 1
        free = size + 2 * before - window
        made = (-(-free // step) if ceil else free // step) + 1
        if ceil and (made - 1) * step >= size + before:
            made -= 1
        return made == wanted

    def _padded(self, maps: Tensor, sides: list[int]) -> Tensor:
        """Uneven borders in two steps: infinitely small, or counted out of the average."""
        none = (0,) * len(self.window)
        if self.mode == "max":
            return self._pool(F.pad(maps, sides, value=-torch.inf), none, ceil=False)
        inside = F.pad(torch.ones_like(maps[:1, :1]), sides)
        return self._pool(F.pad(maps, sides), none, ceil=False) / self._pool(inside, none, ceil=False)


@dataclass(frozen=True)
class PoolAll:
    """Pooling over the whole map, or to a size; `flatten` takes the axes of size 1 off."""

    mode: str
    size: tuple[int, ...]
    flatten: bool

    def __call__(self, maps: Tensor) -> Tensor:
        pooled: Tensor = ADAPTIVE[self.mode, len(self.size)](maps, self.size)
        return pooled.flatten(1) if self.flatten else pooled


def pooling(layer: Any, call: Call) -> Recipe:
    """MaxPooling and AveragePooling."""
    import keras

    mode = "max" if "Max" in type(layer).__name__ else "average"
    repeats = keras.config.backend() == "torch"
    window, stride = tuple(layer.pool_size), tuple(layer.strides)
    return Recipe(Pool(mode, window, stride, layer.padding, repeats), order=order_of(layer))


def global_pooling(layer: Any, call: Call) -> Recipe:
    """GlobalMaxPooling and GlobalAveragePooling."""
    mode, order = "max" if "Max" in type(layer).__name__ else "average", order_of(layer)
    compute = PoolAll(mode, (1,) * (call.rank - 2), not layer.keepdims)
    return Recipe(compute, order=order, gives=order if layer.keepdims else OWN)


def adaptive_pooling(layer: Any, call: Call) -> Recipe:
    """AdaptiveMaxPooling and AdaptiveAveragePooling."""
    mode = "max" if "Max" in type(layer).__name__ else "average"
    size, rank = layer.output_size, call.rank - 2
    size = (size,) * rank if isinstance(size, int) else tuple(size)
    return Recipe(PoolAll(mode, size, flatten=False), order=order_of(layer))


CONVERTERS = {
    f"layers.{prefix}{mode}Pooling{rank}D": converter
    for prefix, converter in (("", pooling), ("Global", global_pooling), ("Adaptive", adaptive_pooling))
    for mode in ("Max", "Average")
    for rank in (1, 2, 3)
}
