"""One direction of the image: which rows (or columns) the positions along one axis of a tensor can see.

Two views are kept side by side. The intervals inside the image are exact for every position, padding and
borders included. The law says how they would go on without borders: that is the receptive field of the
    literature.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]
FAR = 2**40  # beyond any image: an interval from FAR to -FAR is empty
LONGEST_PERIOD = 2048


@dataclass(frozen=True, eq=False)
class Windows:
    """Which positions each position of a new axis sees on the old one, in a pattern that repeats.

    Position `o` sees `sources[o % period] + (o // period) * step`.

    Args:
        step: how far the windows of one period move.
        sources: (period, K) positions.
        used: (period, K) which of them count; None for all.
        inside: (length, K) what is seen really, where borders bend the pattern (reflection); -1 for nothing.
        regular: there is a pattern at all; without one only `inside` counts.

    Example:
        >>> every_second = Windows(2, np.array([[-1, 0, 1]]))
        >>> every_second.at(np.arange(3)).tolist()
        [[-1, 0, 1], [1, 2, 3], [3, 4, 5]]
    """

    step: int
    sources: Numbers
    used: NDArray[np.bool_] | None = None
    inside: Numbers | None = None
    regular: bool = True

    @property
    def period(self) -> int:
        """After how many positions the pattern repeats."""
        return len(self.sources)

    def at(self, positions: Numbers) -> Numbers:
        """(len(positions), K): what these positions see."""
        return self.sources[positions % self.period] + (positions // self.period * self.step)[:, None]

    def used_at(self, positions: Numbers) -> NDArray[np.bool_] | bool:
        """(len(positions), K): which of these count."""
        return True if self.used is None else self.used[positions % self.period]


@dataclass(frozen=True, eq=False)
class Law:
    """The intervals of an axis without borders: they repeat, moved by `advance`, every `period` positions.

    Args:
        advance: how far they move in one period; 0 where all see the same.
        low, high: (period,) first and last pixel that a position sees; low > high for none.
        whole: all see the whole image, whatever its size.
    """

    advance: int
    low: Numbers
    high: Numbers
    whole: bool = False

    @property
    def period(self) -> int:
        """After how many positions the law repeats."""
        return len(self.low)

    @property
    def size(self) -> int:
        """How many pixels the longest interval has."""
        return max(0, int((self.high - self.low).max()) + 1)

    @property
    def stride(self) -> float:
        """How far the field moves from one position to the next; on average, if the steps are uneven."""
        whole, rest = divmod(self.advance, self.period)
        return self.advance / self.period if rest else whole

    @property
    def even(self) -> bool:
        """Every step is the same and every interval equally long."""
        return self.period == 1

    def at(self, positions: Numbers) -> tuple[Numbers, Numbers]:
        """First and last pixel of these positions, in their shape."""
        phase, moved = positions % self.period, positions // self.period * self.advance
        low, high = self.low[phase], self.high[phase]
        seen = low <= high
        return np.where(seen, low + moved, FAR), np.where(seen, high + moved, -FAR)

    def of(self, position: int) -> tuple[int, int]:
        """First and last pixel of one position."""
        low, high = self.at(np.array([position]))
        return int(low[0]), int(high[0])

    def through(self, windows: Windows) -> Law | None:
        """The law behind these windows; None where its period is too long to be of use."""
        repeats = self.period // math.gcd(windows.step, self.period)
        period = windows.period * repeats
        if period > LONGEST_PERIOD:
            return None
        positions = np.arange(period)
        low, high = self.at(windows.at(positions))
        used = windows.used_at(positions)
        low, high = np.where(used, low, FAR).min(1), np.where(used, high, -FAR).max(1)
        return reduced(self.advance * windows.step * repeats // self.period, low, high, whole=self.whole)

    def joined(self, other: Law) -> Law | None:
        """The law of what sees both; None where they drift apart."""
        if self.advance * other.period != other.advance * self.period:
            return None
        period = math.lcm(self.period, other.period)
        if period > LONGEST_PERIOD:
            return None
        positions = np.arange(period)
        (low, high), (other_low, other_high) = self.at(positions), other.at(positions)
        advance = self.advance * (period // self.period)
        return reduced(advance, np.minimum(low, other_low), np.maximum(high, other_high), whole=False)


def reduced(advance: int, low: Numbers, high: Numbers, *, whole: bool) -> Law:
    """The law with its shortest period."""
    period = len(low)
    for shorter in range(1, period):
        if period % shorter == 0 and advance * shorter % period == 0:
            moved = advance * shorter // period
            empty = low > high
            same = (empty[shorter:] == empty[:-shorter]).all()
            steps = (low[shorter:] - low[:-shorter] == moved) & (high[shorter:] - high[:-shorter] == moved)
            if same and (steps | empty[shorter:]).all():
                return Law(moved, low[:shorter], high[:shorter], whole)
    return Law(advance, low, high, whole)


@dataclass(frozen=True, eq=False)
class Reach:
    """What the positions along one axis see.

    Args:
        low, high: (length,) first and last pixel inside the image; low > high where a position sees none.
        law: how they go on without borders; None where there is no rule.
    """

    low: Numbers
    high: Numbers
    law: Law | None

    @classmethod
    def of_image(cls, length: int) -> Reach:
        """Every pixel sees itself."""
        pixels = np.arange(length)
        return cls(pixels, pixels, Law(1, np.zeros(1, np.int64), np.zeros(1, np.int64)))

    def __len__(self) -> int:
        return len(self.low)

    @cached_property
    def has_gaps(self) -> bool:
        """Some position sees nothing: it stands on padding."""
        return bool((self.low > self.high).any())

    def through(self, windows: Windows, length: int) -> Reach:
        """The reach of a new axis with `length` positions behind these windows."""
        positions = np.arange(length)
        sources = windows.at(positions) if windows.inside is None else windows.inside
        used = (sources >= 0) & (sources < len(self))
        if windows.inside is None:
            used &= windows.used_at(positions)
        at = np.where(used, sources, 0)
        low = np.where(used, self.low[at], FAR).min(1, initial=FAR)
        high = np.where(used, self.high[at], -FAR).max(1, initial=-FAR)
        lawful = self.law is not None and (windows.regular or self.law.whole)
        return Reach(low, high, self.law.through(windows) if self.law is not None and lawful else None)

    def joined(self, other: Reach) -> Reach:
        """The reach of what sees both, position by position; one of length 1 counts for all."""
        if self is other:
            return self
        low, high = np.minimum(self.low, other.low), np.maximum(self.high, other.high)
        if any(reach.law is not None and reach.law.whole for reach in (self, other)):
            return Reach(low, high, whole_law(low, high))
        laws = self.law, other.law
        law = None if laws[0] is None or laws[1] is None else laws[0].joined(laws[1])
        return Reach(low, high, law)

    def hull(self) -> Reach:
        """One position that sees what all of these see."""
        low, high = self.low.min(keepdims=True), self.high.max(keepdims=True)
        return Reach(low, high, whole_law(low, high))


def whole_law(low: Numbers, high: Numbers) -> Law:
    """All positions see the same: what all of them together see."""
    return Law(0, low.min(keepdims=True), high.max(keepdims=True), whole=True)
