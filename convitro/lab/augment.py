"""Pictures changed at random, as tensors: what happens to one depends on seed, epoch and its number alone."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from convitro.errors import ArgumentError
from convitro.lab.recipe import Recipe

GREY = 0.5
DRAWS = 5  # per picture: mirror, shift down, shift right, top and left of the erased square


class Augmentation:
    """The changes of one epoch.

    All random numbers are drawn at once, a row for each picture of the data set. So a picture is changed in
    the same way whichever batch or process it falls to, and wherever a training is taken up again.

    Args:
        recipe: its `mirror`, `shift`, `erase` and `seed`.
        pictures: how many the data set has.
        epoch: counted from 0.

    Raises:
        ArgumentError: a shift or square as large as the picture.

    Example:
        >>> images = torch.arange(6.0).reshape(2, 1, 1, 3)
        >>> Augmentation(Recipe(mirror=True, seed=3), pictures=2, epoch=0)(images, torch.arange(2)).tolist()
        [[[[2.0, 1.0, 0.0]]], [[[3.0, 4.0, 5.0]]]]
    """

    def __init__(self, recipe: Recipe, pictures: int, epoch: int) -> None:
        self.recipe = recipe
        self.draws: Tensor | None = None
        if recipe.mirror or recipe.shift or recipe.erase:
            generator = torch.Generator().manual_seed(stream(recipe.seed, "augment", epoch))
            self.draws = torch.rand(pictures, DRAWS, generator=generator)

    def __call__(
        self, images: Float[Tensor, "N C H W"], numbers: Int64[Tensor, " N"]
    ) -> Float[Tensor, "N C H W"]:
        """The pictures with these numbers, changed; on whatever device they are."""
        if self.draws is None:
            return images
        draws = self.draws[numbers].to(images.device).T[:, :, None, None, None]
        if self.recipe.mirror:
            images = torch.where(draws[0] < 0.5, images.flip(-1), images)
        if self.recipe.shift:
            images = shifted(images, draws[1], draws[2], self.recipe.shift)
        if self.recipe.erase:
            images = erased(images, draws[3], draws[4], self.recipe.erase)
        return images


def shifted(images: Tensor, down: Tensor, right: Tensor, most: int) -> Tensor:
    """Each picture moved by -most … most pixels both ways; `down`, `right` (N, 1, 1, 1) in 0..1."""
    n, channels, height, width = images.shape
    padded = F.pad(images, (most,) * 4, mode="replicate")
    rows = (down * (2 * most + 1)).long().reshape(n, 1) + torch.arange(height, device=images.device)
    columns = (right * (2 * most + 1)).long().reshape(n, 1) + torch.arange(width, device=images.device)
    taken = padded.gather(2, rows[:, None, :, None].expand(n, channels, height, padded.shape[3]))
    return taken.gather(3, columns[:, None, None, :].expand(n, channels, height, width))


def erased(images: Tensor, top: Tensor, left: Tensor, side: int) -> Tensor:
    """Each picture with a grey square somewhere, wholly inside; `top`, `left` (N, 1, 1, 1) in 0..1."""
    height, width = images.shape[2:]
    y = torch.arange(height, device=images.device)[:, None] - (top * (height - side + 1)).long()
    x = torch.arange(width, device=images.device)[None, :] - (left * (width - side + 1)).long()
    return images.masked_fill((y >= 0) & (y < side) & (x >= 0) & (x < side), GREY)


def check_augmentation(recipe: Recipe, input_size: tuple[int, int, int]) -> None:
    """Raise an ArgumentError for a shift or a square as large as the picture."""
    for name in ("shift", "erase"):
        if (value := getattr(recipe, name)) >= min(input_size[1:]):
            raise ArgumentError(
                f"train: `{name}` is as large as the pictures.",
                expected=f"fewer than {min(input_size[1:])} pixels",
                received=str(value),
            )


def stream(seed: int, purpose: str, *places: int) -> int:
    """A seed of its own for each purpose and place, so that no two draws share their random numbers.

    Example:
        >>> stream(0, "order", 1) == stream(0, "order", 1), stream(0, "order", 1) == stream(0, "order", 2)
        (True, False)
    """
    state = seed
    for part in (*purpose.encode(), *places):  # splitmix64, one round for each part
        state = (state ^ part) + 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF
        state = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 & 0xFFFFFFFFFFFFFFFF
        state = (state ^ state >> 27) * 0x94D049BB133111EB & 0xFFFFFFFFFFFFFFFF
        state ^= state >> 31
    return state >> 1
