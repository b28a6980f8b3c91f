"""One layer with everything that can be chosen about it, and its tensors."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from math import ceil, gcd
from typing import Any

import torch
from torch import Tensor

from convitro import functional
from convitro.engine.cpu.winograd_transforms import TRANSFORMS
from tests.engine_contract.forms import BIASES, FORMS, Make

Pair = tuple[int, int]
DTYPES = {"float32": torch.float32, "float64": torch.float64, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class Case:
    """A call of `conv_block`, or of `conv2d` where nothing follows the convolution.

    Attributes:
        channels, filters: in a group.
        size: rows and columns of the input.
        padding: zeros on both sides of rows and of columns, or "same".
        bias: a name of `forms.BIASES`, or "" for none.
        input, weight: names of `forms.FORMS`.
        integers: whether all numbers are small integers, so that sums are exact.
    """

    channels: int = 3
    filters: int = 4
    groups: int = 1
    kernel: Pair = (3, 3)
    images: int = 2
    size: Pair = (7, 6)
    stride: Pair = (1, 1)
    padding: Pair | str = (1, 1)
    dilation: Pair = (1, 1)
    activation: str = "relu"
    pool: Pair | None = None
    pool_stride: Pair | None = None
    bias: str = "plain"
    input: str = "contiguous"
    weight: str = "contiguous"
    dtype: str = "float32"
    algorithm: str = "auto"
    integers: bool = False
    seed: int = 0

    @property
    def sides(self) -> tuple[int, int, int, int]:
        """Zeros left, right, above and below, in the order of torch's `pad`."""
        if self.padding == "same":
            (up, down), (left, right) = (
                (d * (k - 1) // 2, d * (k - 1) - d * (k - 1) // 2)
                for k, d in zip(self.kernel, self.dilation, strict=True)
            )
            return left, right, up, down
        assert isinstance(self.padding, tuple)
        rows, columns = self.padding
        return columns, columns, rows, rows

    @property
    def amplification(self) -> float:
        """That of Winograd's algorithm where it may have been used, else zero."""
        apart = (self.stride, self.dilation) != ((1, 1), (1, 1))
        return 0.0 if apart else self._amplification([{size} for size in self.kernel])

    @property
    def amplification_input(self) -> float:
        """The same of the input's gradient: with a stride, every class of pixels meets taps of its own."""
        common = [gcd(s, d) for s, d in zip(self.stride, self.dilation, strict=True)]
        if common != list(self.dilation):
            return 0.0
        steps = [stride // divisor for stride, divisor in zip(self.stride, common, strict=True)]
        return self._amplification([{k // s, ceil(k / s)} for k, s in zip(self.kernel, steps, strict=True)])

    def _amplification(self, taps: list[set[int]]) -> float:
        """The largest for kernels with so many rows and columns."""
        found = taps[0] & taps[1] & set(TRANSFORMS)
        return (
            0.0
            if self.algorithm == "direct"
            else max((TRANSFORMS[t].amplification for t in found), default=0.0)
        )

    @property
    def step(self) -> Pair:
        """Of the pooling windows."""
        assert self.pool is not None
        return self.pool if self.pool_stride is None else self.pool_stride

    def tensors(self) -> Tensors:
        """Input, weight and bias, random and the same each time."""
        make, filters = _numbers(self), self.groups * self.filters
        input = FORMS[self.input](make, (self.images, self.groups * self.channels, *self.size))
        weight = FORMS[self.weight](make, (filters, self.channels, *self.kernel))
        bias = BIASES[self.bias](make, filters) if self.bias else None
        return Tensors(input, weight, bias)

    def gradient(self, output: Tensor) -> Tensor:
        """One for the output."""
        return _numbers(self)(*output.shape).to(output.dtype)

    def block(self, tensors: Tensors, **more: Any) -> Any:
        """The layer by the public function."""
        arguments: dict[str, Any] = {
            "stride": self.stride,
            "padding": self.padding,
            "dilation": self.dilation,
            "groups": self.groups,
            "algorithm": self.algorithm,
        }
        arguments |= {"activation": self.activation, "pool": self.pool, "pool_stride": self.pool_stride}
        return functional.conv_block(*tensors.all, **(arguments | more))


@dataclass(frozen=True)
class Tensors:
    """Those that a layer is called with."""

    input: Tensor
    weight: Tensor
    bias: Tensor | None

    @property
    def all(self) -> tuple[Tensor, Tensor, Tensor | None]:
        """As arguments."""
        return self.input, self.weight, self.bias

    @property
    def given(self) -> list[Tensor]:
        """Those that there are."""
        return [tensor for tensor in self.all if tensor is not None]

    def leaves(self) -> Tensors:
        """The same in the same memory, and their gradients are asked for."""
        return Tensors(*(None if t is None else t.detach().requires_grad_() for t in self.all))  # type: ignore[arg-type]


def _numbers(case: Case) -> Make:
    """Random numbers of the case's own seed and kind."""
    generator = torch.Generator().manual_seed(case.seed)
    if case.integers:
        random = functools.partial(torch.randint, -3, 4, generator=generator)
        return lambda *sizes: random(sizes).to(DTYPES[case.dtype])
    return lambda *sizes: torch.randn(*sizes, generator=generator).to(DTYPES[case.dtype])
