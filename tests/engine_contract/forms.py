"""The same kind of numbers in every memory format: dense, channels last, sliced, expanded, overlapping."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Make = Callable[..., Tensor]
"""Makes numbers of the sizes that it gets, such as torch.randn."""


def _sliced(make: Make, sizes: Sequence[int]) -> Tensor:
    """Every second column of a larger tensor: no two numbers follow each other."""
    n, c, h, w = sizes
    return make(n, c + 1, h + 2, 2 * w + 1)[:, 1:, 1:-1, 1::2]


def _cropped(make: Make, sizes: Sequence[int]) -> Tensor:
    """A part of each image; the pixels of a row follow each other."""
    n, c, h, w = sizes
    return make(n, c, h + 1, w + 3)[:, :, 1:, 2:-1]


def _some_channels(make: Make, sizes: Sequence[int]) -> Tensor:
    """Channels last, and there are more of them than are taken."""
    n, c, h, w = sizes
    return make(n, h, w, c + 3)[..., 2 : c + 2].permute(0, 3, 1, 2)


def _overlapping(make: Make, sizes: Sequence[int]) -> Tensor:
    """Images, channels and rows begin two numbers after each other."""
    n, c, h, w = sizes
    return make(2 * (n + c + h) + w).as_strided(tuple(sizes), (2, 2, 2, 1))


FORMS: dict[str, Callable[[Make, Sequence[int]], Tensor]] = {
    "contiguous": lambda make, sizes: make(*sizes),
    "channels_last": lambda make, sizes: make(*sizes).contiguous(memory_format=torch.channels_last),
    "sliced": _sliced,
    "cropped": _cropped,
    "some_channels": _some_channels,
    "transposed": lambda make, sizes: make(*sizes[:2], sizes[3], sizes[2]).transpose(2, 3),
    "turned": lambda make, sizes: make(sizes[1], sizes[0], *sizes[2:]).transpose(0, 1),
    "one_image": lambda make, sizes: make(1, *sizes[1:]).expand(tuple(sizes)),
    "one_channel": lambda make, sizes: make(sizes[0], 1, *sizes[2:]).expand(tuple(sizes)),
    "one_row": lambda make, sizes: make(*sizes[:2], 1, sizes[3]).expand(tuple(sizes)),
    "one_number": lambda make, sizes: make(1, 1, 1, 1).expand(tuple(sizes)),
    "overlapping": _overlapping,
}
"""Of four sizes; any of them may be zero."""

WEIGHT_FORMS = ("contiguous", "channels_last", "sliced", "some_channels", "transposed", "turned")
BIASES: dict[str, Callable[[Make, int], Tensor]] = {
    "plain": lambda make, size: make(size),
    "strided": lambda make, size: make(2 * size)[1::2],
    "one_number": lambda make, size: make(1).expand(size),
}
