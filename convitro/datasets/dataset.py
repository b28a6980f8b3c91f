"""One data set, whatever it was read from: images as pixels between 0 and 1, each with a label."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Float, Int
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset

from convitro.pictures import load_picture, to_input

Size = tuple[int, int, int]
UNKNOWN = -1  # the label of an image that has none


class Pixels(Protocol):
    """Images by number, decoded when they are asked for."""

    def __len__(self) -> int:
        """How many there are."""

    def __getitem__(self, index: int) -> Float[Tensor, "C H W"]:
        """One of them, values 0..1."""


@dataclass(frozen=True, eq=False)
class Stored:
    """Images that lie in memory, as bytes where they came as bytes.

    Args:
        images: (N, C, H, W): bytes 0..255, or numbers 0..1.
        input_size: the size that they are brought to; None leaves them as they are.
    """

    images: Tensor
    input_size: Size | None = None

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Float[Tensor, "C H W"]:
        image = self.images[index]
        if self.input_size is not None and self.input_size != tuple(image.shape):
            return to_input(as_picture(image), self.input_size)[0]
        return image.float() / 255 if image.dtype == torch.uint8 else image.float()


@dataclass(frozen=True)
class Files:
    """Pictures that lie in files, each read when it is asked for.

    Args:
        paths: the files.
        input_size: the size that all are brought to.
    """

    paths: tuple[Path, ...]
    input_size: Size

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Float[Tensor, "C H W"]:
        return to_input(load_picture(self.paths[index]), self.input_size)[0]


@dataclass(frozen=True, eq=False)
class Mapped:
    """Images of which something is made when they are asked for.

    Args:
        pixels: the images.
        change: takes and returns images (N, C, H, W), such as a network's normalisation.
    """

    pixels: Pixels
    change: Callable[[Tensor], Tensor]

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: int) -> Float[Tensor, "C H W"]:
        return self.change(self.pixels[index].unsqueeze(0))[0]


@dataclass(frozen=True, eq=False, repr=False)
class Dataset(TorchDataset[tuple[Tensor, int]]):
    """Images with labels: what `open_dataset` returns.

    A torch Dataset, so a DataLoader takes it; it can be iterated, and has a length.

    Args:
        name: what it is called, such as "CIFAR-10".
        pixels: the images.
        labels: (N,) which of `classes` each shows; -1 where that is not known.
        classes: the names of the classes; empty if there are none.
        split: "train" or "test"; "" where the data do not come in two parts.
        order: which images, in which order; None takes all as they are.

    Example:
        >>> from convitro.datasets import open_dataset
        >>> photographs = open_dataset("photographs", (3, 32, 32))
        >>> pixels, label = photographs[0]
        >>> pixels.shape, label
        (torch.Size([3, 32, 32]), -1)
    """

    name: str
    pixels: Pixels
    labels: Int[Tensor, " N"]
    classes: tuple[str, ...] = ()
    split: str = ""
    order: tuple[int, ...] | None = field(default=None)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Float[Tensor, "C H W"], int]:
        if not -len(self) <= index < len(self):
            raise IndexError(f"{self.name} has {len(self)} images, not one numbered {index}")
        index = int(index) % len(self)
        place = index if self.order is None else self.order[index]
        return self.pixels[place], int(self.labels[index])

    def __iter__(self) -> Iterator[tuple[Float[Tensor, "C H W"], int]]:
        return (self[index] for index in range(len(self)))

    @property
    def labelled(self) -> bool:
        """Whether every image has a label."""
        return bool((self.labels >= 0).all()) and len(self) > 0

    def sample(self, count: int, seed: int = 0) -> Dataset:
        """At most `count` of the images, drawn without regard to their order; the same for the same seed."""
        if count >= len(self):
            return self
        chosen = torch.randperm(len(self), generator=torch.Generator().manual_seed(seed))[:count].tolist()
        order = chosen if self.order is None else [self.order[index] for index in chosen]
        return replace(self, labels=self.labels[chosen], order=tuple(order))

    def mapped(self, change: Callable[[Tensor], Tensor]) -> Dataset:
        """The same images after `change`, which takes and returns (N, C, H, W), such as a normalisation."""
        return replace(self, pixels=Mapped(self.pixels, change))

    def __str__(self) -> str:
        part = f", {self.split}" if self.split else ""
        classes = f" of {len(self.classes)} classes" if self.classes else ""
        return f"{self.name}{part}: {len(self):,} images{classes}"

    __repr__ = __str__


def as_picture(image: Tensor) -> Image.Image:
    """An image (C, H, W) of one or three channels as a picture that can be resized."""
    values = image if image.dtype == torch.uint8 else (image.float() * 255).round().to(torch.uint8)
    values = values.expand(3, *values.shape[1:]) if len(values) == 1 else values
    return Image.fromarray(np.ascontiguousarray(values.permute(1, 2, 0).numpy()), "RGB")


def unlabelled(count: int) -> Int[Tensor, " N"]:
    """Labels for images of which nothing is known."""
    return torch.full((count,), UNKNOWN, dtype=torch.int64)


def numbered(classes: int) -> tuple[str, ...]:
    """Names for classes that have none."""
    return tuple(map(str, range(classes)))
