"""What the channels of a filter take from each other: opposite signs cancel out in their sum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from convitro.anatomy.convolution import Convolution
from convitro.anatomy.indexing import checked_index
from convitro.anatomy.tables import Table, Tabled, json_numbers, number

TINY = torch.finfo(torch.float32).tiny


class Pair(NamedTuple):
    """Two channels that pull one pixel in opposite directions."""

    up: int
    plus: float
    down: int
    minus: float


@dataclass(frozen=True, eq=False, repr=False)
class Cancellation(Tabled):
    """How much of what the channels of a filter bring is lost in their sum.

    Args:
        layer: name of the layer.
        filter: which of its filters.
        channels: the input channels that it reads.
        partial_maps: what it makes of each.
        map: at every pixel 1 - |sum_i m_i| / sum_i |m_i|: 0 where the channels agree or are all zero, 1 where
            nothing is left.
        value: the same for all pixels together, 1 - sum |sum_i m_i| / sum sum_i |m_i|, as
            `LayerAnatomy.cancellation` gives it.
        baseline: what that would be on average for normally distributed random weights on the same input;
            None where a window is no sum of products.

    Shape: partial_maps (N, C, H_out, W_out), map (N, H_out, W_out).

    Source: own.

    Example:
        >>> from convitro.anatomy import dissect
        >>> conv = torch.nn.Conv2d(3, 1, 1, bias=False)
        >>> conv.weight.data = torch.tensor([3.0, -4.0, 2.0]).reshape(1, 3, 1, 1)
        >>> found = dissect(conv, torch.ones(1, 3, 2, 2))["conv2d"].filter(0).cancellation
        >>> print(found)
        conv2d, filter 0: cancellation of 3 channels
         of                                 share lost
        ───────────────────────────────────────────────
         all pixels together                  0.888889
         random weights on the same input      0.42265
         lowest pixel                         0.888889
         highest pixel                        0.888889
        >>> found.pairs(0, 0)
        (Pair(up=0, plus=3.0, down=1, minus=-4.0),)
    """

    layer: str
    filter: int
    channels: range
    partial_maps: Float[Tensor, "N C H_out W_out"]
    map: Float[Tensor, "N H_out W_out"]
    value: float
    baseline: float | None

    def pairs(self, y: int, x: int, image: int = 0, count: int = 3) -> tuple[Pair, ...]:
        """The strongest opposing channels at a pixel: the largest value with the lowest, the second ones …

        Args:
            y, x: row and column in the output.
            image: which image of the batch.
            count: how many pairs at most; there are none where all channels agree.

        Raises:
            ArgumentError: one of them is out of range.
        """
        images, _, rows, columns = self.partial_maps.shape
        image = checked_index(image, images, "image", self.layer)
        y, x = checked_index(y, rows, "y", self.layer), checked_index(x, columns, "x", self.layer)
        values = self.partial_maps[image, :, y, x]
        order = values.argsort(descending=True, stable=True).tolist()
        highest = [(self.channels[index], float(values[index])) for index in order[:count]]
        lowest = [(self.channels[index], float(values[index])) for index in order[::-1][:count]]
        return tuple(
            Pair(up, plus, down, minus)
            for (up, plus), (down, minus) in zip(highest, lowest, strict=True)
            if plus > 0 > minus
        )

    def to_dict(self) -> dict[str, Any]:
        """The numbers as JSON types; the maps themselves are tensors, not JSON."""
        value, *baseline = json_numbers([self.value, *([] if self.baseline is None else [self.baseline])])
        return {
            "layer": self.layer,
            "filter": self.filter,
            "channels": list(self.channels),
            "value": value,
            "baseline": baseline[0] if baseline else None,
        }

    def table(self) -> Table:
        """Value and baseline, and the pixels' range."""
        rows = [("all pixels together", number(self.value))]
        if self.baseline is not None:
            rows.append(("random weights on the same input", number(self.baseline)))
        if self.map.numel():
            rows += [
                ("lowest pixel", number(float(self.map.min()))),
                ("highest pixel", number(float(self.map.max()))),
            ]
        title = f"{self.layer}, filter {self.filter}: cancellation of {len(self.channels)} channels"
        return Table(title, ("of", "share lost"), tuple(rows), numeric=(1,))


def measure_cancellation(
    layer: Convolution, filter: int, partial_maps: Float[Tensor, "N C H_out W_out"]
) -> Cancellation:
    """The cancellation of one filter from its partial maps."""
    maps = partial_maps.float()
    kept, brought = maps.sum(1).abs(), maps.abs().sum(1)
    lost = (1 - kept / brought.clamp_min(TINY)).where(brought != 0, 0.0).clamp_min(0)
    return Cancellation(
        layer.name,
        filter,
        layer.channels_of(filter),
        partial_maps,
        lost,
        share_lost(kept, brought),
        random_baseline(layer, filter),
    )


def share_lost(kept: Tensor, brought: Tensor) -> float:
    """1 - sum kept / sum brought; 0 where nothing is brought."""
    total = float(brought.sum())
    return max(0.0, 1 - float(kept.sum()) / total) if total != 0 else 0.0


def random_baseline(layer: Convolution, filter: int) -> float | None:
    """The cancellation to expect of random weights on the channels that a filter reads.

    With independent normal weights the partial map of a channel is normal at every pixel, with the length
    l_i of the channel's patch as its deviation; the sum has sqrt(sum_i l_i^2). Both means are sqrt(2 / pi)
    times the deviation, so the share lost is 1 - sum sqrt(sum_i l_i^2) / sum sum_i l_i over all pixels:
    1 - 1 / sqrt(n) for n channels of equal strength, less where some are stronger than others.

    Source: own.
    """
    if layer.combine != "multiply" or layer.window.name != "sum":
        return None
    seen = layer.channels_of(filter)
    squares = layer.input[:, seen.start : seen.stop].float().square()
    ones = torch.ones(1, len(seen), *layer.weight.shape[-2:], device=squares.device)
    energies = layer.convolve(squares, ones, None, 1, "none").clamp_min(0)  # (N, C, H_out, W_out)
    return share_lost(energies.sum(1).sqrt(), energies.sqrt().sum(1))
