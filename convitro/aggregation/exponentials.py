"""Aggregations by exponentials: smooth maxima and minima."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from convitro.aggregation.base import Aggregation, Item, State
from convitro.aggregation.guards import INFINITY, checked_number, finite_or_zero


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
        top, total = state
        scaled = self.beta * p
        rises, shrink = rise(top, scaled)
        return scaled.where(rises, top), (total * shrink + 1).where(rises, total + shrink)

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
        top, total, weighed = state
        scaled = self.beta * p
        rises, shrink = rise(top, scaled)
        return (
            scaled.where(rises, top),
            (total * shrink + 1).where(rises, total + shrink),
            (weighed * shrink + p).where(rises, p * shrink + weighed),
        )

    def merge(self, s: State, t: State) -> State:
        top = s[0].maximum(t[0])
        shift = finite_or_zero(top)
        old, new = (s[0] - shift).exp(), (t[0] - shift).exp()
        return top, s[1] * old + t[1] * new, s[2] * old + t[2] * new

    def finish(self, state: State, n: Item) -> Item:
        return state[2] / state[1] + 0 * state[0]  # NaN if the largest is infinite, as torch's softmax

    def extra(self, state: State, result: Item, n: Item) -> tuple[Item, ...]:
        return (state[0] + state[1].log(),)

    def slope(self, p: Item, saved: tuple[Item, ...], n: Item) -> Item:
        result, log_total = saved
        return (self.beta * p - log_total).exp() * (1 + self.beta * (p - result))


def rise(top: Item, item: Item) -> tuple[Item, Item]:
    """Whether an item is above the largest so far, and by which factor e^-|difference| the smaller shrinks.

    With one exponential for each item. Equal infinities differ by nothing.
    """
    gap = (item - top).where(item != top, 0.0)
    return gap > 0, (-gap.abs()).exp()
