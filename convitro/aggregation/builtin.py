"""The built-in aggregations, each as its five functions. Ties go to the first item; NaN propagates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from convitro.aggregation.base import Aggregation, Item, State
from convitro.errors import ArgumentError

INFINITY = math.inf


def checked_number(
    owner: str, name: str, value: Any, *, positive: bool = False, nonzero: bool = False
) -> float:
    """`value` as a float; an ArgumentError unless it is a finite number of the asked kind."""
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if not good or (positive and value <= 0) or (nonzero and value == 0):
        kind = "a finite number" + (" above 0" if positive else " other than 0" if nonzero else "")
        raise ArgumentError(f"{owner}: `{name}` is out of range.", expected=kind, received=repr(value))
    return float(value)


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
class LogSumExp(Aggregation):
    """ln(sum of e^(beta p)) / beta: a smooth maximum, smooth minimum where beta < 0.

    Source: the running maximum of Milakov & Gimelshein 2018, "Online normalizer calculation for softmax",
        alg. 3.
    """

    name: ClassVar[str] = "logsumexp"
    beta: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "beta", checked_number(self.name, "beta", self.beta, nonzero=True))

    def init(self, n: int) -> tuple[float, ...]:
        return -INFINITY, 0.0

    def step(self, state: State, p: Item) -> State:
        return self.merge(state, (self.beta * p, 1.0))

    def merge(self, s: State, t: State) -> State:
        top = s[0].maximum(t[0])
        shift = finite_or_zero(top)
        return top, s[1] * (s[0] - shift).exp() + t[1] * (t[0] - shift).exp()

    def finish(self, state: State, n: Item) -> Item:
        top, total = state
        return (top + total.log()) / self.beta

    def slope(self, p: Item, saved: tuple[Item, ...], n: Item) -> Item:
        top = self.beta * saved[0]
        return (self.beta * p - top.where(top != -INFINITY, 0.0)).exp()  # all items at -inf: no gradient


@dataclass(frozen=True)
class LogMeanExp(LogSumExp):
    """ln(mean of e^(beta p)) / beta: between the mean (small beta) and the maximum (large beta)."""

    name: ClassVar[str] = "logmeanexp"

    def finish(self, state: State, n: Item) -> Item:
        return super().finish(state, n) - n.log() / self.beta

    def slope(self, p: Item, saved: tuple[Item, ...], n: Item) -> Item:
        return super().slope(p, saved, n) / n


@dataclass(frozen=True)
class Softmax(Aggregation):
    """The sum of p weighted by softmax(beta p): the mean at beta = 0, towards the maximum as beta grows."""

    name: ClassVar[str] = "softmax"
    beta: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "beta", checked_number(self.name, "beta", self.beta))

    def init(self, n: int) -> tuple[float, ...]:
        return -INFINITY, 0.0, 0.0

    def step(self, state: State, p: Item) -> State:
        return self.merge(state, (self.beta * p, 1.0, p))

    def merge(self, s: State, t: State) -> State:
        top = s[0].maximum(t[0])
        shift = finite_or_zero(top)
        old, new = (s[0] - shift).exp(), (t[0] - shift).exp()
        return top, s[1] * old + t[1] * new, s[2] * old + t[2] * new

    def finish(self, state: State, n: Item) -> Item:
        return state[2] / state[1]

    def extra(self, state: State, result: Item, n: Item) -> tuple[Item, ...]:
        return (state[0] + state[1].log(),)

    def slope(self, p: Item, saved: tuple[Item, ...], n: Item) -> Item:
        result, log_total = saved
        return (self.beta * p - log_total).exp() * (1 + self.beta * (p - result))


@dataclass(frozen=True)
class Norm(Aggregation):
    """(sum of |p|^q)^(1/q): the q-norm."""

    name: ClassVar[str] = "norm"
    q: float = 2.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "q", checked_number(self.name, "q", self.q, positive=True))

    def init(self, n: int) -> tuple[float, ...]:
        return 0.0, 0.0

    def step(self, state: State, p: Item) -> State:
        return self.merge(state, (p.abs(), 1.0))

    def merge(self, s: State, t: State) -> State:
        top = s[0].maximum(t[0])
        scale = nonzero_or_one(finite_or_zero(top))  # powers of items scaled to 0..1 cannot overflow
        return top, s[1] * (s[0] / scale) ** self.q + t[1] * (t[0] / scale) ** self.q

    def finish(self, state: State, n: Item) -> Item:
        return state[0] * state[1] ** (1 / self.q)

    def slope(self, p: Item, saved: tuple[Item, ...], n: Item) -> Item:
        slope = p.sign() * (p.abs() / nonzero_or_one(saved[0])) ** (self.q - 1)
        return slope.where((p != 0) & (saved[0] != 0), 0.0)


@dataclass(frozen=True)
class PowerMean(Norm):
    """(mean of |p|^q)^(1/q): the root mean square at q = 2, the mean of |p| at q = 1."""

    name: ClassVar[str] = "powermean"

    def finish(self, state: State, n: Item) -> Item:
        return state[0] * (state[1] / n) ** (1 / self.q)

    def slope(self, p: Item, saved: tuple[Item, ...], n: Item) -> Item:
        return super().slope(p, saved, n) / n


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
class Median(Max):
    """The middle item, the lower of two where n is even (as torch.median). Its state is the sorted items."""

    name: ClassVar[str] = "median"
    streams: ClassVar[bool] = False

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
        return state[(len(state) - 1) // 2]

    def reduce(self, items: Sequence[Item]) -> Item | None:
        import torch

        return torch.stack(list(items)).median(0).values


@dataclass(frozen=True)
class Separate(Sum):
    """No aggregation: every partial map is an output, C_out * C_in / groups in all, filter by filter."""

    name: ClassVar[str] = "none"
    separate: ClassVar[bool] = True


def finite_or_zero(x: Item) -> Item:
    """x, or 0 where it is infinite: a shift that never makes inf - inf."""
    return x.where(x.abs() != INFINITY, 0.0)


def nonzero_or_one(x: Item) -> Item:
    """x, or 1 where it is 0: a divisor that never makes 0 / 0."""
    return x.where(x != 0, 1.0)


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
    Separate(),
)
