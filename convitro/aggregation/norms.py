"""Norms and power means: sums of powers that neither overflow nor underflow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from convitro.aggregation.base import Aggregation, Item, State
from convitro.aggregation.guards import INFINITY, checked_number, fixed


@dataclass(frozen=True)
class Norm(Aggregation):
    """(sum of |p|^q)^(1/q): the q-norm.

    Neither overflow nor underflow of the powers harms the result. At q = 2 squares are summed at three
    scales, of which one always fits; else items are measured by the largest so far.
    """

    name: ClassVar[str] = "norm"
    q: float = 2.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "q", checked_number(self.name, "q", self.q, positive=True))

    def init(self, n: int) -> tuple[float, ...]:
        return (0.0,) * (1 if fixed(self.q, 1) else 3 if fixed(self.q, 2) else 2)

    def step(self, state: State, p: Item) -> State:
        if fixed(self.q, 1):
            return (state[0] + p.abs(),)
        if fixed(self.q, 2):
            scaled = (p, p * SCALES[number_name(p)].down, p * SCALES[number_name(p)].up)
            return tuple(total + item * item for total, item in zip(state, scaled, strict=True))
        return self.merge(state, (p.abs(), 1.0))

    def merge(self, s: State, t: State) -> State:
        if fixed(self.q, 1, 2):
            return tuple(mine + theirs for mine, theirs in zip(s, t, strict=True))
        top = s[0].maximum(t[0])
        scale = 1 / top.clamp(min=SCALES[number_name(top)].least).where(top != INFINITY, 1.0)
        return top, s[1] * (s[0] * scale) ** self.q + t[1] * (t[0] * scale) ** self.q

    def finish(self, state: State, n: Item) -> Item:
        return self._root(state, 1.0)

    def _root(self, state: State, n: Item) -> Item:
        """The q-th root of the sum of the powers divided by n."""
        if fixed(self.q, 1):
            return state[0] / n
        if fixed(self.q, 2):
            scales = SCALES[number_name(state[0])]
            plain, large, small = (total / n for total in state)
            root = plain.sqrt().where(plain > scales.low, small.sqrt() / scales.up)
            return root.where((plain < scales.high) | (plain != plain), large.sqrt() / scales.down)
        return state[0].clamp(min=SCALES[number_name(state[0])].least).where(state[0] != 0, 0.0) * (
            (state[1] / n) ** (1 / self.q)
        )

    def extra(self, state: State, result: Item, n: Item) -> tuple[Item, ...]:
        least = SCALES[number_name(result)].least
        return (1 / result.clamp(min=least),)  # multiplying is cheaper than dividing

    def slope(self, p: Item, saved: tuple[Item, ...], n: Item) -> Item:
        if fixed(self.q, 1):
            return p.sign()
        if fixed(self.q, 2):
            return p * saved[1]
        return (p.sign() * (p.abs() * saved[1]) ** (self.q - 1)).where(p != 0, 0.0)


@dataclass(frozen=True)
class PowerMean(Norm):
    """(mean of |p|^q)^(1/q): the root mean square at q = 2, the mean of |p| at q = 1."""

    name: ClassVar[str] = "powermean"

    def finish(self, state: State, n: Item) -> Item:
        return self._root(state, n)

    def slope(self, p: Item, saved: tuple[Item, ...], n: Item) -> Item:
        return super().slope(p, saved, n) / n


class Scales(NamedTuple):
    """For squares in one format of numbers.

    Attributes:
        least: the smallest normal number.
        down, up: factors for numbers whose squares are too large, too small.
        low, high: between them a sum of squares has lost nothing.
    """

    least: float
    down: float
    up: float
    low: float
    high: float


SCALES = {
    "float32": Scales(2.0**-126, 2.0**-80, 2.0**100, 2.0**-90, 2.0**120),
    "float64": Scales(2.0**-1022, 2.0**-600, 2.0**600, 2.0**-900, 2.0**1000),
}


def number_name(x: Item) -> str:
    """The format of an item."""
    return str(x.dtype).removeprefix("torch.")
