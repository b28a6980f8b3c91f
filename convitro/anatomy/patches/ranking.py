"""The strongest units of every filter so far: a few numbers for each, however many images have passed."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

NOTHING = -1


@dataclass(frozen=True)
class Ranking:
    """For each of F filters the k strongest units: equal ones in the order of images, then of pixels.

    Places that are not filled yet have image -1 and the value -inf.

    Args:
        values: (F, k) descending.
        images: (F, k) which image, counted from 0.
        positions: (F, k, 2) row and column in the map.
        sizes: (F, k, 2) rows and columns of that image.
    """

    values: Tensor
    images: Tensor
    positions: Tensor
    sizes: Tensor

    @classmethod
    def empty(cls, filters: int, k: int) -> Ranking:
        """Nothing seen so far."""
        pairs = torch.full((filters, k, 2), NOTHING)
        return cls(
            torch.full((filters, k), -torch.inf, dtype=torch.float64),
            torch.full((filters, k), NOTHING),
            pairs,
            pairs.clone(),
        )

    def after(self, maps: Tensor, first: int, image_size: tuple[int, int], per_image: int) -> Ranking:
        """The ranking once more images have been seen, all of them later than those before.

        Args:
            maps: (N, F, H, W) of these images.
            first: which image the first of them is.
            image_size: (rows, columns) of these images.
            per_image: how many units of one image a filter may have.
        """
        count, filters, _, width = maps.shape
        flat = maps.detach().flatten(2).nan_to_num(nan=-torch.inf, posinf=torch.inf, neginf=-torch.inf)
        found = strongest_places(flat, min(per_image, flat.shape[2]))
        values, places = found[0].cpu().double(), found[1].cpu()  # (N, F, P)
        images = torch.arange(first, first + count)[:, None, None].expand_as(places)
        new = [
            part.movedim(0, 1).flatten(1, 2)  # (F, N * P): images in their order
            for part in (values, images, places // width, places % width)
        ]
        sizes = torch.tensor(image_size).expand(filters, new[0].shape[1], 2)
        joined = Ranking(
            torch.cat([self.values, new[0]], 1),
            torch.cat([self.images, new[1]], 1),
            torch.cat([self.positions, torch.stack(new[2:], 2)], 1),
            torch.cat([self.sizes, sizes], 1),
        )
        return joined.best(self.values.shape[1])

    def best(self, k: int) -> Ranking:
        """The k strongest; of equal ones those that stand first."""
        order = self.values.argsort(dim=1, descending=True, stable=True)[:, :k]
        pairs = order[..., None].expand(-1, -1, 2)
        return Ranking(
            self.values.gather(1, order),
            self.images.gather(1, order),
            self.positions.gather(1, pairs),
            self.sizes.gather(1, pairs),
        )

    def filled(self) -> Ranking:
        """Without the places that no filter has filled."""
        used = int((self.images != NOTHING).any(0).sum())
        return Ranking(
            self.values[:, :used], self.images[:, :used], self.positions[:, :used], self.sizes[:, :used]
        )

    def wanted(self) -> set[int]:
        """The images of which a unit is kept."""
        return set(self.images[self.images != NOTHING].tolist())

    def tensors(self) -> dict[str, Tensor]:
        """As a file keeps them."""
        return {name: tensor.contiguous() for name, tensor in vars(self).items()}


def strongest_places(flat: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The `count` largest of the last axis and where they stand, the first of equals first."""
    if count == 1:
        places = flat.argmax(2, keepdim=True)  # the first of equals, as PyTorch promises
    else:
        places = flat.argsort(dim=2, descending=True, stable=True)[..., :count]
    return flat.gather(2, places), places
