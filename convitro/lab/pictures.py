"""Pictures of a data set by number: from memory at once, or read when they are needed; checked once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.data import Dataset as TorchDataset

from convitro.datasets import Dataset
from convitro.datasets.dataset import Stored
from convitro.errors import ArgumentError, DtypeError, ShapeError

Batch = tuple[Float[Tensor, "N C H W"], Int64[Tensor, " N"], Int64[Tensor, " N"]]
"""Pixels, labels, and the pictures' numbers in their data set."""


@dataclass(frozen=True, eq=False)
class Pictures:
    """Some pictures of a data set.

    Attributes:
        dataset: gives pixels 0..1 (C, H, W) and a label for each number.
        numbers: which of them.
        labels: of all of the data set, where they are known before pictures are read.
        images: all of the data set, bytes or floats, where it has them in memory.
    """

    dataset: TorchDataset[Any]
    numbers: Int64[Tensor, " N"]
    labels: Tensor | None = None
    images: Tensor | None = None

    def __len__(self) -> int:
        return len(self.numbers)

    def only(self, places: Tensor) -> Pictures:
        """Those at these places."""
        return Pictures(self.dataset, self.numbers[places], self.labels, self.images)

    def own_labels(self) -> Tensor | None:
        """The labels of these pictures alone."""
        return None if self.labels is None else self.labels[self.numbers]

    def batches(self, places: Sequence[Tensor], workers: int = 0) -> Iterator[Batch]:
        """One batch for each tensor of places; `workers` processes read ahead where pictures are read."""
        numbers = [self.numbers[chosen] for chosen in places]
        if self.images is not None and self.labels is not None:
            for chosen in numbers:
                images = self.images[chosen]
                yield (
                    images.float() / 255 if images.dtype == torch.uint8 else images,
                    self.labels[chosen],
                    chosen,
                )
            return
        loader = DataLoader(
            self.dataset,
            batch_sampler=[chosen.tolist() for chosen in numbers],
            num_workers=workers,
            generator=torch.Generator().manual_seed(0),
        )
        for chosen, (images, labels) in zip(numbers, loader, strict=True):
            yield images, torch.as_tensor(labels).long(), chosen


def pictures_of(dataset: TorchDataset[Any]) -> Pictures:
    """All pictures of a data set.

    Raises:
        ArgumentError: it has none, or some without a label.
    """
    count = len(cast(Any, dataset)) if hasattr(dataset, "__len__") else 0
    if count == 0:
        raise ArgumentError(
            "train: a data set without pictures.",
            expected="a Dataset with a length and at least one picture",
            received=type(dataset).__name__,
        )
    labels = known_labels(dataset)
    if isinstance(dataset, Dataset) and not dataset.labelled:
        raise ArgumentError(
            "train: pictures without labels.",
            expected="a label for each; a folder of pictures has one folder for each class",
            received=str(dataset),
        )
    known = labels is not None and len(labels) == count
    return Pictures(dataset, torch.arange(count), labels if known else None, in_memory(dataset))


def known_labels(dataset: Any) -> Tensor | None:
    """All labels, where they can be had without reading the pictures."""
    if plain_tensors(dataset):
        return cast(Tensor, dataset.tensors[1])
    found = next((getattr(dataset, name) for name in ("labels", "targets") if hasattr(dataset, name)), None)
    return None if found is None else torch.as_tensor(found).long()


def in_memory(dataset: Any) -> Tensor | None:
    """All images as one tensor, where the data set gives them just as they lie in memory."""
    if plain_tensors(dataset):
        return cast(Tensor, dataset.tensors[0])
    if not isinstance(dataset, Dataset) or not isinstance(dataset.pixels, Stored):
        return None
    images, size = dataset.pixels.images, dataset.pixels.input_size
    if size is not None and size != tuple(images.shape[1:]):  # each is scaled when it is asked for
        return None
    if dataset.order is not None:
        images = images[list(dataset.order)]
    return images if images.dtype == torch.uint8 else images.float()


def plain_tensors(dataset: object) -> bool:
    """Whether it is images and labels as two tensors."""
    return type(dataset) is TensorDataset and len(dataset.tensors) == 2


def class_names(dataset: TorchDataset[Any]) -> tuple[str, ...]:
    """Its own names, or the numbers up to the largest label; an ArgumentError where neither is known."""
    if names := getattr(dataset, "classes", None):
        return tuple(map(str, names))
    labels = known_labels(dataset)
    if labels is None or not len(labels):
        raise ArgumentError(
            "train: the data set does not say how many classes it has.",
            expected="an attribute `classes` (their names), `targets` or `labels`",
            received=type(dataset).__name__,
        )
    return tuple(map(str, range(int(labels.max()) + 1)))


def picture_size(pictures: Pictures) -> tuple[int, int, int]:
    """The size of the first picture; raises unless it is one, with a label."""
    item = cast(Any, pictures.dataset)[0]
    if not isinstance(item, tuple | list) or len(item) != 2 or not isinstance(item[0], Tensor):
        raise ArgumentError(
            "train: the data set does not give pictures with labels.",
            expected="(pixels, label) for each number, the pixels a tensor",
            received=f"{type(item).__name__}",
        )
    pixels = item[0]
    if pixels.dim() != 3:
        raise ShapeError("train: not a picture.", expected="(C, H, W)", received=f"{tuple(pixels.shape)}")
    if pixels.dtype != torch.float32:
        raise DtypeError(
            "train: pixels of another kind.",
            expected="torch.float32 between 0 and 1",
            received=f"{pixels.dtype}",
            hint="bytes become pixels by `images.float() / 255`",
        )
    return pixels.shape[0], pixels.shape[1], pixels.shape[2]


def check_pictures(pictures: Pictures, classes: int) -> None:
    """Raise an ArgumentError for a label of no class or a pixel that is no number, where they are known."""
    labels, images = pictures.labels, pictures.images
    if labels is not None and (
        labels.dtype != torch.int64 or int(labels.min()) < 0 or int(labels.max()) >= classes
    ):
        raise ArgumentError(
            "train: labels that belong to no class.",
            expected=f"torch.int64 between 0 and {classes - 1}",
            received=f"{labels.dtype} between {labels.min().item()} and {labels.max().item()}",
        )
    if images is not None and images.is_floating_point() and not bool(torch.isfinite(images).all()):
        first = int((~torch.isfinite(images.flatten(1))).any(1).nonzero()[0])
        raise ArgumentError(
            "train: pixels that are no numbers.",
            expected="finite values, usually between 0 and 1",
            received=f"NaN or infinity in picture {first}",
        )
