"""Images in every form become the same batches; what is no image is refused by name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from convitro.anatomy.batches import batches
from convitro.errors import ArgumentError

IMAGES = torch.arange(7 * 3 * 4 * 4, dtype=torch.float32).reshape(7, 3, 4, 4)
LABELS = torch.arange(7) * 10


class Endless(Dataset[Any]):
    """Has a length, and no IndexError behind it."""

    def __len__(self) -> int:
        return 7

    def __getitem__(self, index: int) -> tuple[Tensor, int, str]:
        return IMAGES[index % 7], int(LABELS[index % 7]), "a name"


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Iterator[Any]:
        return iter(zip(IMAGES, LABELS, strict=True))


PAIRS = list(zip(IMAGES, LABELS.tolist(), strict=True))
WITH_LABELS = {
    "pair": (IMAGES, LABELS),
    "arrays": (IMAGES.numpy(), LABELS.numpy()),
    "dataset": TensorDataset(IMAGES, LABELS),
    "dataset without end": Endless(),
    "iterable dataset": Stream(),
    "loader": DataLoader(TensorDataset(IMAGES, LABELS), batch_size=3),
    "loader of singles": DataLoader(TensorDataset(IMAGES, LABELS), batch_size=None),
    "list of pairs": PAIRS,
    "list of batches": [(IMAGES[:5], LABELS[:5]), [IMAGES[5:], LABELS[5:]]],
    "iterator": iter(PAIRS),
}
WITHOUT = {
    "tensor": IMAGES,
    "array": IMAGES.numpy(),
    "list of images": list(IMAGES),
    "tuple of one": (IMAGES,),
    "dataset": TensorDataset(IMAGES),
    "words for labels": [(image, "cat") for image in IMAGES],
}
OF_UNKNOWN_LENGTH = {"iterable dataset", "iterator"}


@pytest.mark.parametrize("form", WITH_LABELS)
def test_images_and_labels_in_order(form: str) -> None:
    found = batches(WITH_LABELS[form], size=3)
    assert found.total == (None if form in OF_UNKNOWN_LENGTH else 7)
    parts = list(found)
    assert all(len(images) == len(labels) for images, labels in parts if labels is not None)
    torch.testing.assert_close(torch.cat([images for images, _ in parts]), IMAGES)
    torch.testing.assert_close(torch.cat([labels for _, labels in parts if labels is not None]), LABELS)


@pytest.mark.parametrize("form", WITHOUT)
def test_images_alone(form: str) -> None:
    found = batches(WITHOUT[form], size=3)
    assert found.total == 7
    for _ in range(2):  # again, from the start
        parts = list(found)
        assert [len(images) for images, _ in parts] == [3, 3, 1]
        assert all(labels is None for _, labels in parts)
        torch.testing.assert_close(torch.cat([images for images, _ in parts]), IMAGES)


def test_one_image_is_a_batch_of_one() -> None:
    [(images, labels)] = batches(IMAGES[0])
    assert images.shape == (1, 3, 4, 4)
    assert labels is None


def test_images_of_other_sizes_get_batches_of_their_own() -> None:
    mixed = [torch.zeros(3, 4, 4), torch.zeros(3, 4, 4), torch.zeros(3, 5, 4), torch.zeros(3, 4, 4)]
    assert [tuple(images.shape) for images, _ in batches(mixed)] == [(2, 3, 4, 4), (1, 3, 5, 4), (1, 3, 4, 4)]


def test_an_iterator_is_read_once() -> None:
    found = batches(iter(PAIRS))
    assert len(list(found)) == 1
    with pytest.raises(ArgumentError, match="only once"):
        list(found)


def test_nothing_is_read_before_it_is_asked_for() -> None:
    read: list[int] = []

    def images() -> Iterator[Tensor]:
        for index in range(100):
            read.append(index)
            yield IMAGES[0]

    first = next(iter(batches(images(), size=4)))
    assert len(first[0]) == 4
    assert len(read) == 4


def test_a_loader_that_drops_or_shuffles_says_so() -> None:
    data = TensorDataset(IMAGES)
    assert batches(DataLoader(data, batch_size=3, drop_last=True)).total == 6
    assert batches(DataLoader(data, shuffle=True)).shuffled
    assert not batches(DataLoader(data)).shuffled
    assert not batches(DataLoader(Stream(), batch_size=2)).shuffled
    assert not batches(IMAGES).shuffled


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("images/", "nothing that images can be read from"),
        (3, "nothing that images can be read from"),
        ({"image": IMAGES}, "nothing that images can be read from"),
        (torch.zeros(3, 4), "has not the shape of images"),
        (np.zeros((2, 3, 4, 4), dtype=np.uint8), "holds integers"),
        ((IMAGES, LABELS[:3]), "differ in number"),
        ((IMAGES, torch.tensor(3)), "differ in number"),
    ],
)
def test_what_is_no_data_is_refused(data: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        batches(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "holds no image"),
        (torch.zeros(0, 3, 4, 4), "holds no image"),
        ([IMAGES[0], "cat.jpg"], "item 1 of `data` is no tensor"),
        ([IMAGES[0, 0]], "item 0 of `data` has not the shape"),
        ([{"image": IMAGES[0]}], "item 0 of `data` is no tensor"),
    ],
)
def test_what_is_no_image_is_refused_while_reading(data: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        list(batches(data))


@pytest.mark.parametrize("size", [0, -1, 2.0, True])
def test_a_batch_has_at_least_one_image(size: Any) -> None:
    with pytest.raises(ArgumentError, match="at least one image"):
        batches(IMAGES, size)
