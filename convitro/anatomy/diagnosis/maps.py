"""Running numbers of one layer's maps: what of millions of pixels is kept, filter by filter."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from convitro.anatomy.diagnosis.tails import Tails

SINGLE_OR_DOUBLE = (torch.float32, torch.float64)


@dataclass(frozen=True)
class MapStatistics:
    """Numbers of the maps of each filter over all images so far; those of two sets of images can be merged.

    Args:
        images: how many images, and
        pixels: how many pixels a filter has had in them.
        mean, square: mean, and sum of squared deviations from it.
        lowest, highest: the extreme values.
        peak, peak_square: mean over the images of an image's highest value, and its squared deviations.
        active_images, active_pixels: how many left the activation's resting value; zeros where it has none.
        saturated_pixels: how many lay at an end where the activation no longer answers.
        infinite_pixels: how many were infinite or NaN.
    """

    images: int
    pixels: int
    mean: Float[Tensor, " C"]
    square: Float[Tensor, " C"]
    lowest: Float[Tensor, " C"]
    highest: Float[Tensor, " C"]
    peak: Float[Tensor, " C"]
    peak_square: Float[Tensor, " C"]
    active_images: Int[Tensor, " C"]
    active_pixels: Int[Tensor, " C"]
    saturated_pixels: Int[Tensor, " C"]
    infinite_pixels: Int[Tensor, " C"]

    def merge(self, other: MapStatistics) -> MapStatistics:
        """The numbers of both sets of images together.

        Source: Chan, Golub & LeVeque 1983, "Algorithms for computing the sample variance", eq. 2.1.
        """
        mean, square = merged(self.pixels, self.mean, self.square, other.pixels, other.mean, other.square)
        peak, peak_square = merged(
            self.images, self.peak, self.peak_square, other.images, other.peak, other.peak_square
        )
        return MapStatistics(
            self.images + other.images,
            self.pixels + other.pixels,
            mean,
            square,
            torch.minimum(self.lowest, other.lowest),
            torch.maximum(self.highest, other.highest),
            peak,
            peak_square,
            self.active_images + other.active_images,
            self.active_pixels + other.active_pixels,
            self.saturated_pixels + other.saturated_pixels,
            self.infinite_pixels + other.infinite_pixels,
        )

    @property
    def deviation(self) -> Float[Tensor, " C"]:
        """Standard deviation of a filter's pixels."""
        return (self.square / max(self.pixels, 1)).sqrt()

    @property
    def peak_deviation(self) -> Float[Tensor, " C"]:
        """Standard deviation, from image to image, of the highest value; NaN for one image."""
        if self.images < 2:
            return torch.full_like(self.peak_square, torch.nan)
        return (self.peak_square / (self.images - 1)).sqrt()

    @property
    def root_mean_square(self) -> float:
        """Of all pixels of all filters."""
        return float((self.mean.square() + self.square / max(self.pixels, 1)).mean().sqrt())


def measure(maps: Tensor, filters: int, tails: Tails | None = None) -> MapStatistics:
    """The numbers of maps (N, C, H, W), the C / `filters` maps of a filter taken together."""
    values = maps.detach().reshape(maps.shape[0], filters, -1)  # (N, filters, pixels)
    values = values if values.dtype in SINGLE_OR_DOUBLE else values.float()
    images, _, pixels = values.shape
    mean, variance = mean_and_variance(values)
    lowest, peaks = values.amin(-1).double().cpu(), values.amax(-1).double().cpu()
    active_images = active_pixels = saturated = torch.zeros(filters, dtype=torch.int64)
    if tails is not None and tails.rest is not None:
        active = count(tails.active(values))  # (N, filters)
        active_images, active_pixels = (active > 0).sum(0), active.sum(0)
    if tails is not None and tails.ends:
        saturated = count(tails.saturated(values)).sum(0)
    between = (mean - mean.mean(0)).square().sum(0)
    finite = bool(torch.isfinite(mean).all() and torch.isfinite(variance).all())  # an infinity shows in both
    infinite = torch.zeros_like(saturated) if finite else count(~torch.isfinite(values)).sum(0)
    return MapStatistics(
        images,
        images * pixels,
        mean.mean(0),
        pixels * (variance.sum(0) + between),
        lowest.amin(0),
        peaks.amax(0),
        peaks.mean(0),
        (peaks - peaks.mean(0)).square().sum(0),
        active_images,
        active_pixels,
        saturated,
        infinite,
    )


def mean_and_variance(values: Tensor) -> tuple[Tensor, Tensor]:
    """Of each image's map, in float64. Sums are several times faster than `torch.var_mean` here.

    Accuracy: values are shifted by the map's first pixel, so that a large mean does no harm; 1e-5 relative.
    """
    pixels, first = values.shape[-1], values[..., :1]
    shifted = values - first
    mean = shifted.sum(-1).double().cpu() / pixels
    square = torch.linalg.vector_norm(shifted, dim=-1).double().cpu().square() / pixels
    return mean + first.squeeze(-1).double().cpu(), (square - mean.square()).clamp_min(0)


def count(flags: Tensor) -> Tensor:
    """How many of each map's pixels are flagged."""
    return flags.float().sum(-1).round().long().cpu()


def merged(
    count: int, mean: Tensor, square: Tensor, other_count: int, other_mean: Tensor, other_square: Tensor
) -> tuple[Tensor, Tensor]:
    """Mean and squared deviations of two sets of numbers together."""
    total = count + other_count
    step = other_mean - mean
    return mean + step * (other_count / total), square + other_square + step.square() * (
        count * other_count / total
    )
