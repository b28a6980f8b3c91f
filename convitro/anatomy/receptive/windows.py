"""The windows of every operation that moves along an axis: convolutions, resizing, slices, borders."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from convitro.anatomy.receptive.reach import Numbers, Windows

REACH_OF = {
    "linear": (0, 1),
    "cubic": (-1, 2),
}  # neighbours that are read around a position between two pixels


def sliding(kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> Windows:
    """Windows of a convolution or pooling.

    Example:
        >>> sliding(3, stride=2, padding=1).at(np.arange(2)).tolist()
        [[-1, 0, 1], [1, 2, 3]]
    """
    return Windows(stride, (np.arange(kernel) * dilation - padding)[None])


def transposed(kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> Windows:
    """What the outputs of a transposed convolution see: the inputs whose window covers them.

    Example:
        >>> windows = transposed(3, stride=2)  # even outputs lie under two windows, odd ones under one
        >>> windows.used.sum(1).tolist()
        [2, 1]
    """
    reached = np.arange(stride)[:, None] + padding - np.arange(kernel)[None] * dilation
    return Windows(1, reached // stride, reached % stride == 0)


def adaptive(length: int, goal: int) -> Windows:
    """Windows of an adaptive pooling from `length` to `goal` positions; not all are equally long.

    Example:
        >>> windows = adaptive(5, 3)
        >>> [row[used].tolist() for row, used in zip(windows.sources, windows.used)]
        [[0, 1], [1, 2, 3], [3, 4]]
    """
    common = math.gcd(length, goal)
    period = goal // common
    starts = [place * length // goal for place in range(period)]
    ends = [-(-(place + 1) * length // goal) for place in range(period)]
    longest = max(end - start for start, end in zip(starts, ends, strict=True))
    sources = np.array(starts)[:, None] + np.arange(longest)
    return Windows(length // common, sources, sources < np.array(ends)[:, None])


def nearest(length: int, goal: int, scale: float | None, *, exact: bool) -> Windows:
    """Resizing to the nearest pixel.

    Args:
        length, goal: before and after.
        scale: the factor that the caller named instead of a size.
        exact: the pixel under the centre ("nearest-exact"), not under the upper left corner.
    """
    shift = 0.5 if exact else 0.0
    ratio = ratio_of(length, goal, scale)
    # As torch computes it:
    rounded = np.float32(1 / scale) if scale else np.float32(length) / np.float32(goal)
    places = (np.arange(goal, dtype=np.float32) + np.float32(shift)) * rounded
    inside = np.minimum(np.floor(places).astype(np.int64), length - 1)[:, None]
    sources = [[math.floor((place + Fraction(shift)) * ratio)] for place in range(ratio.denominator)]
    return Windows(ratio.numerator, np.array(sources), inside=inside)


def interpolated(kind: str, length: int, goal: int, scale: float | None, *, corners: bool) -> Windows:
    """Linear or cubic resizing; a pixel whose weight is zero is not seen.

    Args:
        kind: "linear" or "cubic".
        length, goal: before and after.
        scale: the factor that the caller named instead of a size.
        corners: the corner pixels keep their place (`align_corners`).
    """
    if corners:
        ratio, start = (Fraction(length - 1, goal - 1) if goal > 1 else Fraction(0)), Fraction(0)
    else:
        ratio = ratio_of(length, goal, scale)
        start = (ratio - 1) / 2
    first, last = REACH_OF[kind]
    rows = []
    for place in range(ratio.denominator):
        position = start + place * ratio
        below = math.floor(position)
        rows.append(
            [below] * (last - first + 1) if position == below else [*range(below + first, below + last + 1)]
        )
    return Windows(ratio.numerator, np.array(rows))


def ratio_of(length: int, goal: int, scale: float | None) -> Fraction:
    """How many old pixels stand for a new one."""
    if scale:
        return 1 / Fraction(scale).limit_denominator(1 << 10)
    return Fraction(length, goal)


def sliced(start: int, step: int) -> Windows:
    """Every `step`-th position from `start`."""
    return Windows(step, np.array([[start]]))


def chosen(positions: Numbers) -> Windows:
    """Any positions, in any order, -1 for none; without a law, as borders have none."""
    return Windows(1, np.zeros((1, 1), np.int64), inside=positions[:, None], regular=False)


def padded(length: int, before: int, after: int, mode: str) -> Windows:
    """An axis with positions added before and after it (or cut off, where a number is negative)."""
    places = np.arange(-before, length + after)
    if mode == "reflect":
        places = np.abs(places)
        places = np.where(places >= length, 2 * (length - 1) - places, places)
    elif mode == "replicate":
        places = places.clip(0, length - 1)
    elif mode == "circular":
        places = places % length
    else:
        places = np.where((places >= 0) & (places < length), places, -1)
    return Windows(1, np.array([[-before]]), inside=places[:, None])


def repeated(times: int) -> Windows:
    """Every position `times` times in a row."""
    return Windows(1, np.zeros((times, 1), np.int64))


def grouped(count: int) -> Windows:
    """Every `count` neighbours as one."""
    return Windows(count, np.arange(count)[None])
