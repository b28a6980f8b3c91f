"""What a model does to the output of a convolution, as frozen stages, replayable on some filters only.

Each stage has a `kind` and `apply(maps, channels)`: maps (N, C, H, W) are those channels of the output.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from convitro.anatomy.tables import by
from convitro.engine.aten import switches_of
from convitro.errors import UnsupportedError

Pair = tuple[int, int]
ALL = slice(None)


@dataclass(frozen=True, eq=False)
class BatchNorm:
    """Batch normalisation as the model ran it: with its running statistics, or with those of the batch.

    Args:
        mean, variance: (C,) the running statistics; None for those of the maps themselves (training mode).
        weight, bias: (C,) or None.
        eps: what is added to the variance.
    """

    kind: ClassVar[str] = "normalization"
    mean: Tensor | None
    variance: Tensor | None
    weight: Tensor | None
    bias: Tensor | None
    eps: float

    def apply(self, maps: Tensor, channels: slice = ALL) -> Tensor:
        """Normalise maps (N, C, H, W), each channel on its own."""
        mean, variance, weight, bias = (
            None if tensor is None else fitted(tensor, channels, maps)
            for tensor in (self.mean, self.variance, self.weight, self.bias)
        )
        return F.batch_norm(maps, mean, variance, weight, bias, training=mean is None, eps=self.eps)

    def __str__(self) -> str:
        return "batch_norm" if self.mean is not None else "batch_norm of the batch"


@dataclass(frozen=True, eq=False)
class Activation:
    """An element-wise activation with its arguments.

    Args:
        name: the function's name in torch.nn.functional, such as "relu".
        function: the very function that the model called; in-place ones work on a copy.
        arguments, keywords: what it took besides the maps.
        weight: (C,) or (1,): the slopes of a PReLU.
    """

    kind: ClassVar[str] = "activation"
    name: str
    function: Callable[..., Tensor]
    arguments: tuple[Any, ...] = ()
    keywords: Mapping[str, Any] = field(default_factory=dict)
    weight: Tensor | None = None

    def apply(self, maps: Tensor, channels: slice = ALL) -> Tensor:
        """The activated maps, in the shape of `maps`."""
        if self.weight is not None:
            slopes = fitted(self.weight, channels, maps) if len(self.weight) > 1 else self.weight
            return self.function(maps, slopes)
        return self.function(maps.clone(), *self.arguments, **self.keywords)

    def __str__(self) -> str:
        values = [*self.arguments, *(v for k, v in self.keywords.items() if k not in ("inplace", "training"))]
        shown = [value if isinstance(value, str) else f"{value:g}" for value in values if shows(value)]
        return f"{self.name}({', '.join(shown)})" if shown else self.name


def fitted(parameter: Tensor, channels: slice, maps: Tensor) -> Tensor:
    """The numbers of these channels for `maps`; that of one filter serves all its maps where they are apart.

    Raises:
        UnsupportedError: the layer keeps its maps apart and has numbers for each, here they are combined.
    """
    own, count = parameter[channels], maps.shape[1]
    if len(own) not in (1, count):
        raise UnsupportedError(
            "filter: what follows this layer has its own parameters for every partial map.",
            expected='aggregation="none", as the layer has it',
            received=f"{count} map for {len(own)} parameters",
        )
    return own.expand(count)


def shows(value: Any) -> bool:
    """Whether an argument belongs into the text of a stage: numbers and words, no switches, no "none"."""
    return isinstance(value, (int, float, str)) and not isinstance(value, bool) and value != "none"


@dataclass(frozen=True)
class PoolGeometry:
    """A pooling stage: its windows and whether the largest value or the average of each goes on.

    Args:
        mode: "max" or "average".
        kernel_size, stride, padding, dilation: (rows, columns) as in torch.nn.MaxPool2d.
        ceil_mode: windows may stand over the lower and right edge.
        count_include_pad, divisor_override: what an average divides by.

    Example:
        >>> print(PoolGeometry("max", (3, 3), stride=(2, 2)))
        max pool 3x3 stride 2
    """

    kind: ClassVar[str] = "pool"
    mode: str
    kernel_size: Pair
    stride: Pair
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    ceil_mode: bool = False
    count_include_pad: bool = True
    divisor_override: int | None = None

    def apply(self, maps: Tensor, channels: slice = ALL) -> Tensor:
        """Pooled maps (N, C, H_pool, W_pool)."""
        if self.mode == "average":
            return F.avg_pool2d(
                maps,
                self.kernel_size,
                self.stride,
                self.padding,
                self.ceil_mode,
                self.count_include_pad,
                self.divisor_override,
            )
        return F.max_pool2d(maps, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode)

    def switches(self, maps: Tensor) -> Tensor | None:
        """Which pixel of each window won, the first of equals: row-major index (N, C, H_pool, W_pool), uint8.

        Returns:
            None for an average, which no pixel wins.

        Raises:
            UnsupportedError: a window has more than 256 pixels.
        """
        if self.mode == "average":
            return None
        _, winners = F.max_pool2d(
            maps,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            self.ceil_mode,
            return_indices=True,
        )
        return switches_of(
            winners, maps.shape[-1], self.kernel_size, self.stride, self.padding, self.dilation
        )

    def __str__(self) -> str:
        words = [f"{self.mode} pool {by(self.kernel_size, always=True)}"]
        if self.stride != self.kernel_size:
            words.append(f"stride {by(self.stride)}")
        if self.padding != (0, 0):
            words.append(f"padding {by(self.padding)}")
        if self.dilation != (1, 1):
            words.append(f"dilation {by(self.dilation)}")
        return " ".join(words)


Stage = BatchNorm | Activation | PoolGeometry


@dataclass(frozen=True, eq=False)
class Chain:
    """The stages after a convolution in the model's order: each kind once, no normalisation after pooling."""

    stages: tuple[Stage, ...] = ()

    def accepts(self, new: Stage) -> bool:
        """Whether `new` may be the next stage."""
        kinds = {stage.kind for stage in self.stages}
        return new.kind not in kinds and not (new.kind == "normalization" and "pool" in kinds)

    @property
    def activation(self) -> str:
        """The activation's name, or "none"."""
        return next((stage.name for stage in self.stages if isinstance(stage, Activation)), "none")

    @property
    def normalized(self) -> bool:
        """Whether a batch normalisation is among the stages."""
        return any(isinstance(stage, BatchNorm) for stage in self.stages)

    @property
    def pool(self) -> PoolGeometry | None:
        """The pooling stage, if there is one."""
        return next((stage for stage in self.stages if isinstance(stage, PoolGeometry)), None)

    def activated(self, output: Tensor, channels: slice = ALL) -> Tensor:
        """`output` (N, C, H, W) normalised and activated, but not pooled."""
        return replay((stage for stage in self.stages if stage is not self.pool), output, channels)

    def pooled(self, output: Tensor, channels: slice = ALL) -> Tensor | None:
        """`output` after all stages in the model's own order; None without pooling."""
        return None if self.pool is None else replay(self.stages, output, channels)

    def switches(self, output: Tensor, channels: slice = ALL) -> Tensor | None:
        """The winners among what the pooling saw; None without a max-pool."""
        if self.pool is None:
            return None
        return self.pool.switches(replay(self.stages[: self.stages.index(self.pool)], output, channels))


def replay(stages: Iterable[Stage], maps: Tensor, channels: slice) -> Tensor:
    """`maps` after the stages, one by one."""
    with torch.autocast(maps.device.type, enabled=False):
        for stage in stages:
            maps = stage.apply(maps, channels)
    return maps
