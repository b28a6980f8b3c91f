"""The built-in aggregations, each as its five functions. Ties go to the first item; NaN propagates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from convitro.aggregation.base import Aggregation, Item, State
from convitro.aggregation.exponentials import LogMeanExp, LogSumExp, Softmax
from convitro.aggregation.guards import INFINITY, checked_number, nonzero_or_one
from convitro.aggregation.norms import Norm, PowerMean
from convitro.errors import ArgumentError


@dataclass(frozen=True)
class Sum(Aggregation):
    """All items added, as in every convolution layer."""

    name: ClassVar[str] = "sum"

    def init(self, n: int) -> tuple[float, ...]:
        return (0.0,)

    def step(self, state: State, p: Item) -> State:
        return (state[0] + p,)

    def merge(self, s: State, t: State) -> State:
        return (s[0] + t[0],)

    def finish(self, state: State, n: Item) -> Item:
        return state[0]

    def slope(self, p: Item, saved: tuple[Item, ...], n: Item) -> Item:
        return 1.0


@dataclass(frozen=True)
class Mean(Sum):
    """The arithmetic mean: the sum with the weights divided by n."""

    name: ClassVar[str] = "mean"

    def finish(self, state: State, n: Item) -> Item:
        return state[0] / n

    def slope(self, p: Item, saved: tuple[Item, ...], n: Item) -> Item:
        return 1 / n


@dataclass(frozen=True)
class Max(Aggregation):
    """The largest item."""

    name: ClassVar[str] = "max"
    selects: ClassVar[bool] = True

    def init(self, n: int) -> tuple[float, ...]:
        return (-INFINITY,)

    def step(self, state: State, p: Item) -> State:
        return (state[0].maximum(p),)

    def merge(self, s: State, t: State) -> State:
        return self.step(s, t[0])

    def finish(self, state: State, n: Item) -> Item:
        return state[0]

    def slope(self, p: Item, saved: tuple[Item, ...], n: Item) -> Item:
        return (p == saved[0]) | (p != p)  # a NaN item is the result


@dataclass(frozen=True)
class Min(Max):
    """The smallest item."""

    name: ClassVar[str] = "min"

    def init(self, n: int) -> tuple[float, ...]:
        return (INFINITY,)

    def step(self, state: State, p: Item) -> State:
        return (state[0].minimum(p),)


@dataclass(frozen=True)
class MaxAbs(Max):
    """The item farthest from zero, with its sign."""

    name: ClassVar[str] = "maxabs"

    def init(self, n: int) -> tuple[float, ...]:
        return (0.0,)

    def step(self, state: State, p: Item) -> State:
        return (p.where((p.abs() > state[0].abs()) | (p != p), state[0]),)


@dataclass(frozen=True)
class Product(Aggregation):
    """The product of all items. Zeros are counted apart, so that the slope at a zero is exact."""

    name: ClassVar[str] = "product"

    def init(self, n: int) -> tuple[float, ...]:
        return 1.0, 0.0

    def step(self, state: State, p: Item) -> State:
        product, zeros = state
        return (product * p).where(p != 0, product), (zeros + 1).where(p == 0, zeros)

    def merge(self, s: State, t: State) -> State:
        return s[0] * t[0], s[1] + t[1]

    def finish(self, state: State, n: Item) -> Item:
        product, zeros = state
        return product.where(zeros == 0, 0 * product)

    def extra(self, state: State, result: Item, n: Item) -> tuple[Item, ...]:
        return state

    def slope(self, p: Item, saved: tuple[Item, ...], n: Item) -> Item:
        result, product, zeros = saved
        lone_zero = product.where((p == 0) & (zeros == 1), 0 * product)
        return (result / p).where((p != 0) & (zeros == 0), lone_zero)


@dataclass(frozen=True)
class Std(Aggregation):
    """The standard deviation sqrt(mean of (p - mean)^2): how much the channels disagree.

    Source: Welford 1962; merging by Chan, Golub & LeVeque 1979.
    """

    name: ClassVar[str] = "std"

    def init(self, n: int) -> tuple[float, ...]:
        return 0.0, 0.0, 0.0

    def step(self, state: State, p: Item) -> State:
        return self.merge(state, (1.0, p, 0.0))

    def merge(self, s: State, t: State) -> State:
        count = s[0] + t[0]
        share = t[0] / nonzero_or_one(count)
        delta = t[1] - s[1]
        mean = s[1] + share * delta
        return count, mean, s[2] + t[2] + t[0] * delta * (t[1] - mean)

    def finish(self, state: State, n: Item) -> Item:
        return (state[2] / n).sqrt()

    def extra(self, state: State, result: Item, n: Item) -> tuple[Item, ...]:
        return (state[1],)

    def slope(self, p: Item, saved: tuple[Item, ...], n: Item) -> Item:
        result, mean = saved
        return ((p - mean) / (n * nonzero_or_one(result))).where(result != 0, 0.0)


@dataclass(frozen=True)
class Quantile(Max):
    """The item that a share q of the others does not exceed, the lower of two between which it would lie.

    As torch.quantile(interpolation="lower"). Its state is the sorted items.
    """

    name: ClassVar[str] = "quantile"
    streams: ClassVar[bool] = False
    q: float = 0.5

    def __post_init__(self) -> None:
        share = checked_number(self.name, "q", self.q)
        if not 0 <= share <= 1:
            raise ArgumentError(
                "quantile: `q` is out of range.", expected="a number from 0 to 1", received=repr(self.q)
            )
        object.__setattr__(self, "q", share)

    def rank(self, n: int) -> int:
        """How many of n items come before the result when they are sorted."""
        return math.floor(self.q * (n - 1) + 1e-9)

    def init(self, n: int) -> tuple[float, ...]:
        return (INFINITY,) * n

    def step(self, state: State, p: Item) -> State:
        kept = []
        for item in state:  # one pass of an insertion sort, without a branch
            kept.append(item.minimum(p))
            p = item.maximum(p)
        return tuple(kept)

    def merge(self, s: State, t: State) -> State:
        for item in t:
            s = self.step(s, item)
        return s

    def finish(self, state: State, n: Item) -> Item:
        return state[self.rank(len(state))]

    def reduce(self, items: Sequence[Item]) -> Item | None:
        import torch

        stacked = torch.stack(list(items))
        return stacked.sort(0).values[self.rank(len(items))].where(~stacked.isnan().any(0), math.nan)


@dataclass(frozen=True)
class Median(Quantile):
    """The middle item, the lower of two where n is even (as torch.median)."""

    name: ClassVar[str] = "median"
    q: float = field(default=0.5, init=False, repr=False, compare=False)


@dataclass(frozen=True)
class Separate(Sum):
    """No aggregation: every partial map is an output, C_out * C_in / groups in all, filter by filter."""

    name: ClassVar[str] = "none"
    separate: ClassVar[bool] = True


BUILT_IN: tuple[Aggregation, ...] = (
    Sum(),
    Mean(),
    Max(),
    Min(),
    MaxAbs(),
    LogSumExp(),
    LogMeanExp(),
    Softmax(),
    PowerMean(),
    Norm(),
    Product(),
    Std(),
    Median(),
    Quantile(),
    Separate(),
)
