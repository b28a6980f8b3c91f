"""Values as colours: blue below zero, orange above, paper at zero; and the colours of pictures.

The scale is that of the explorer's page. Blue and orange stay apart for every common colour blindness.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Pixels = NDArray[np.uint8]
STEPS = 256
STOPS = ("#123a73", "#2f6fb5", "#8fb8df", "#fbfaf7", "#f0b27a", "#cf6a16", "#7f3300")
PLACES = (0, 0.22, 0.38, 0.5, 0.62, 0.78, 1)  # closer around zero: small values show, too
NO_NUMBER = (154, 160, 166)
SERIES = ("#2f6fb5", "#cf6a16", "#3f8f6b", "#8b5fa8", "#5b626b", "#b8860b")

TO_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
TO_LAB = np.array(
    [
        [0.2104542553, 0.793617785, -0.0040720468],
        [1.9779984951, -2.428592205, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.808675766],
    ]
)


@dataclass(frozen=True)
class Scale:
    """From -limit over zero to limit; the ends are the values that really occur.

    Args:
        limit: the value of the strongest colour, on either side.
        low, high: smallest and largest value that is shown.

    Example:
        >>> Scale.of(torch.tensor([[-0.5, 2.0]]))
        Scale(limit=2.0, low=-0.5, high=2.0)
    """

    limit: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Tensor) -> Scale:
        """The scale that shows all finite numbers of `values`."""
        finite = values.detach()[values.isfinite()]
        if not finite.numel():
            return cls(0.0, 0.0, 0.0)
        low, high = float(finite.min()), float(finite.max())
        return cls(max(-low, high, 0.0), low, high)

    @property
    def ends(self) -> tuple[float, float]:
        """Where a colour bar begins and ends: both halves, or the one that is needed."""
        return (-self.limit if self.low < 0 else 0.0, self.limit if self.high > 0 or self.low >= 0 else 0.0)

    def colours(self, values: Tensor) -> Pixels:
        """RGB bytes (…, 3) of `values`: NaN is grey, infinity has the strongest colour."""
        numbers = values.detach().cpu().double().numpy()
        limit = self.limit or 1.0
        share = 0.5 + 0.5 * np.clip(np.nan_to_num(numbers, nan=0.0), -limit, limit) / limit
        steps = np.round(share * (STEPS - 1)).astype(np.intp)
        pixels = ramp()[steps]
        pixels[np.isnan(numbers)] = NO_NUMBER
        return pixels


def composite(values: Tensor, limit: float) -> Pixels:
    """Three channels (3, H, W) of signed numbers as colours: 0 is middle grey, ±limit full light or none.

    Example:
        >>> composite(torch.tensor([1.0, 0.0, -1.0]).reshape(3, 1, 1), limit=1.0).tolist()
        [[[255, 128, 0]]]
    """
    return bytes_of(0.5 + 0.5 * values / (limit or 1.0))


def photograph(image: Tensor, low: float = 0.0, high: float = 1.0) -> Pixels:
    """An image (C, H, W) as RGB bytes, `low` black and `high` white.

    Three channels are red, green and blue, one is grey; of any other number the mean is shown, in grey.
    """
    if len(image) != 3:
        image = image.mean(0, keepdim=True).expand(3, -1, -1)
    return bytes_of((image - low) / ((high - low) or 1.0))


def picture_range(images: list[Tensor]) -> tuple[float, float]:
    """Black and white for images shown together: 0 and 1 if none goes beyond, else their extremes."""
    values = torch.cat([image.detach().flatten().float() for image in images]) if images else torch.zeros(1)
    values = values[values.isfinite()]
    if not values.numel():
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    return (0.0, 1.0) if low >= 0 and high <= 1 else (low, high)


def bytes_of(shares: Tensor) -> Pixels:
    """(3, H, W) between 0 and 1 as bytes (H, W, 3)."""
    numbers = np.nan_to_num(shares.detach().cpu().double().numpy(), nan=0.6)
    return np.round(255 * np.clip(numbers, 0, 1)).astype(np.uint8).transpose(1, 2, 0)


@cache
def ramp() -> Pixels:
    """The 256 colours of the scale, mixed in OKLab (Ottosson 2020), where equal steps look equal."""
    stops = np.stack([to_lab(stop) for stop in STOPS])
    shares = np.linspace(0, 1, STEPS)
    mixed = np.stack([np.interp(shares, PLACES, stops[:, axis]) for axis in range(3)], axis=1)
    return from_lab(mixed)


def to_lab(colour: str) -> NDArray[np.float64]:
    """ "#rrggbb" in OKLab."""
    shares = np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    return np.asarray(TO_LAB @ np.cbrt(TO_CONES @ linear))


def from_lab(colours: NDArray[np.float64]) -> Pixels:
    """OKLab (…, 3) as sRGB bytes."""
    linear = np.clip((colours @ np.linalg.inv(TO_LAB).T) ** 3 @ np.linalg.inv(TO_CONES).T, 0, 1)
    shares = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.round(255 * np.clip(shares, 0, 1)).astype(np.uint8)
