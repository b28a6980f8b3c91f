"""What a training has: pictures to train on, held out, and for the test. How they are read: `pictures`."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor
from torch.utils.data import Dataset, TensorDataset

from convitro.datasets import Dataset as Opened
from convitro.datasets import open_dataset
from convitro.errors import ArgumentError, ShapeError
from convitro.lab.augment import stream
from convitro.lab.pictures import Pictures, check_pictures, class_names, picture_size, pictures_of
from convitro.lab.recipe import Recipe

Size = tuple[int, int, int]
TEST_SEED = 0
"""Which pictures are the test does not depend on a training's seed."""


@dataclass(frozen=True, eq=False)
class Sets:
    """The data of one training.

    Attributes:
        name: of the data set.
        classes: one name per label.
        input_size: (C, H, W).
        train, validation, test: the pictures; None where there are none.
    """

    name: str
    classes: tuple[str, ...]
    input_size: Size
    train: Pictures
    validation: Pictures | None
    test: Pictures | None

    def to_dict(self) -> dict[str, Any]:
        """What tells this data from other data, as JSON."""
        parts = {"train": self.train, "validation": self.validation, "test": self.test}
        labels = self.train.own_labels()
        return {
            "name": self.name,
            "classes": list(self.classes),
            "input_size": list(self.input_size),
            "pictures": {part: len(pictures) if pictures else 0 for part, pictures in parts.items()},
            "labels_crc32": None if labels is None else zlib.crc32(labels.numpy().tobytes()),
        }


def open_sets(data: Any, recipe: Recipe) -> Sets:
    """The data in three parts.

    Args:
        data: as for `train`; what was opened already stays as it is.
        recipe: its `validation`, `test` and `seed`. Every class gives the same share, where labels are known
            before pictures are read.

    Raises:
        LoadError: as `convitro.datasets.open_dataset`.
        ArgumentError, ShapeError, DtypeError: the data is of another kind, has too few pictures, or does not
            hold what it should.
    """
    if isinstance(data, Sets):
        return data
    given, other = parts_of(data)
    train, test = pictures_of(given), None if other is None else pictures_of(other)
    classes, size = class_names(given), picture_size(train)
    for pictures in filter(None, (train, test)):
        check_pictures(pictures, len(classes))
    if test is not None and (found := picture_size(test)) != size:
        raise ShapeError(
            "train: the test pictures are of another size.", expected=f"{size}", received=f"{found}"
        )
    if test is None:
        train, test = split(train, recipe.test, TEST_SEED, "test")
    train, validation = split(train, recipe.validation, recipe.seed, "validation")
    name = str(getattr(given, "name", "") or "own data")
    return Sets(name, classes, size, train, validation, test)


def open_parts(source: str | Path, input_size: Size | None = None) -> tuple[Opened, Opened | None]:
    """The training part of a data set, and its test part, if it comes in two.

    Args:
        source, input_size: as for `convitro.datasets.open_dataset`.

    Raises:
        ArgumentError, LoadError: as `convitro.datasets.open_dataset`.
    """
    train = open_dataset(source, input_size)
    return train, open_dataset(source, input_size, split="test") if train.split == "train" else None


def parts_of(data: Any) -> tuple[Dataset[Any], Dataset[Any] | None]:
    """Training and test data, whatever form they are given in."""
    if isinstance(data, str | Path):
        return open_parts(data)
    if isinstance(data, Dataset):
        return data, None
    if isinstance(data, tuple | list) and len(data) == 2:
        first, second = data
        if isinstance(first, Dataset) and isinstance(second, Dataset | None):
            return first, second
        if isinstance(first, Tensor) and isinstance(second, Tensor):
            if first.shape[:1] != second.shape or first.dim() != 4:
                raise ShapeError(
                    "train: images and labels do not fit each other.",
                    expected="(N, C, H, W) and (N,)",
                    received=f"{tuple(first.shape)} and {tuple(second.shape)}",
                )
            return TensorDataset(first, second), None
    raise ArgumentError(
        "train: `data` cannot be trained on.",
        expected="a name or path, a Dataset of (pixels, label), a pair of them, or (images, labels)",
        received=type(data).__name__,
    )


def split(pictures: Pictures, share: float, seed: int, purpose: str) -> tuple[Pictures, Pictures | None]:
    """Those that stay, and a share that is taken out: of each class, or of all where labels are unknown."""
    if share == 0:
        return pictures, None
    generator = torch.Generator().manual_seed(stream(seed, purpose))
    shuffled = torch.randperm(len(pictures), generator=generator)
    labels = pictures.own_labels()
    labels = torch.zeros(len(pictures), dtype=torch.int64) if labels is None else labels
    members = [shuffled[labels[shuffled] == label] for label in labels.unique()]
    taken = torch.cat([places[: round(share * len(places))] for places in members]).sort().values
    stay = torch.ones(len(pictures), dtype=torch.bool)
    stay[taken] = False
    if not len(taken) or not bool(stay.any()):
        raise ArgumentError(
            f"train: too few pictures to take some for {purpose}.",
            expected=f"enough that {share:g} of a class are at least one and not all",
            received=f"{len(pictures)} pictures",
            hint=f"{purpose}=0 takes none",
        )
    return pictures.only(stay.nonzero().flatten()), pictures.only(taken)


def order(pictures: int, seed: int, epoch: int) -> Int64[Tensor, " N"]:
    """The order in which an epoch sees them."""
    generator = torch.Generator().manual_seed(stream(seed, "order", epoch))
    return torch.randperm(pictures, generator=generator)
