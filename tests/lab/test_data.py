"""The three parts of the data, however it is given; and what cannot be trained on."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.data import Dataset, TensorDataset

from convitro.datasets import open_dataset
from convitro.errors import ArgumentError, DtypeError, LoadError, ShapeError
from convitro.lab import Recipe
from convitro.lab.data import open_sets, order
from tests.lab.conftest import Data


class Read(Dataset[tuple[Tensor, int]]):
    """Pictures that are read one by one."""

    classes = ("lying", "upright")

    def __init__(self, data: Data) -> None:
        self.data = data

    def __len__(self) -> int:
        return len(self.data[1])

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.data[0][index], int(self.data[1][index])


def test_parts_of_tensors(stripes: Data) -> None:
    sets = open_sets(stripes, Recipe())
    assert sets.validation is not None
    assert sets.test is not None
    parts = [set(part.numbers.tolist()) for part in (sets.train, sets.validation, sets.test)]
    assert sorted(number for part in parts for number in part) == list(range(96))
    assert [len(part) for part in parts] == [68, 8, 20]
    for part in (sets.train, sets.validation, sets.test):
        labels = part.own_labels()
        assert labels is not None
        assert labels.bincount().tolist() == [len(part) // 2] * 2
    other = open_sets(stripes, Recipe(seed=1))
    assert other.test is not None
    torch.testing.assert_close(other.test.numbers, sets.test.numbers, rtol=0, atol=0)
    assert other.to_dict()["labels_crc32"] is not None
    assert other.train.numbers.tolist() != sets.train.numbers.tolist()


def test_a_pair_keeps_its_test_part(stripes: Data) -> None:
    images, labels = stripes
    pair = TensorDataset(images[:80], labels[:80]), TensorDataset(images[80:], labels[80:])
    sets = open_sets(pair, Recipe(validation=0))
    assert (len(sets.train), sets.validation) == (80, None)
    assert sets.test is not None
    assert len(sets.test) == 16


def test_pictures_that_are_read_are_those_in_memory(stripes: Data) -> None:
    places = [torch.tensor([5, 2]), torch.tensor([0, 1])]
    recipe = Recipe(validation=0, test=0)
    read, held = (open_sets(data, recipe).train.batches(places) for data in (Read(stripes), stripes))
    for (images, labels, numbers), (expected, names, places_) in zip(read, held, strict=True):
        torch.testing.assert_close(images, expected, rtol=0, atol=0)
        assert labels.tolist() == names.tolist()
        assert numbers.tolist() == places_.tolist()


def test_bytes_become_pixels_batch_by_batch(shared: Path) -> None:
    opened = open_dataset(shared / "data/mnist", split="test")
    pictures = open_sets((opened, opened), Recipe()).train
    assert pictures.images is not None
    assert pictures.images.dtype == torch.uint8
    images, labels, numbers = next(pictures.batches([torch.arange(3)]))
    for image, label, number in zip(images, labels, numbers, strict=True):
        pixels, expected = opened[int(number)]
        torch.testing.assert_close(image, pixels, rtol=0, atol=0)
        assert int(label) == expected


def test_a_sample_and_another_size_are_what_the_data_set_gives() -> None:
    digits = open_dataset("digits").sample(50)
    pictures = open_sets(digits, Recipe(validation=0, test=0)).train
    images, _, _ = next(pictures.batches([torch.arange(50)]))
    torch.testing.assert_close(images, torch.stack([pixels for pixels, _ in digits]), rtol=0, atol=0)
    larger = open_sets(open_dataset("digits", (1, 12, 12)).sample(50), Recipe(validation=0, test=0))
    assert larger.input_size == (1, 12, 12)
    assert next(larger.train.batches([torch.arange(2)]))[0].shape == (2, 1, 12, 12)


def test_orders_differ_by_epoch_and_seed() -> None:
    orders = {tuple(order(50, seed, epoch).tolist()) for seed in range(3) for epoch in range(3)}
    assert len(orders) == 9
    assert all(sorted(one) == list(range(50)) for one in orders)


def ones(count: int = 8, **kind: Any) -> Tensor:
    return torch.ones(count, 1, 8, 8, **kind)


@pytest.mark.parametrize(
    ("data", "error", "problem"),
    [
        (7, ArgumentError, "cannot be trained on"),
        ((ones(), [1]), ArgumentError, "cannot be trained on"),
        ((ones(), torch.zeros(7)), ShapeError, "do not fit each other"),
        ((ones().double(), torch.arange(8)), DtypeError, "pixels of another kind"),
        ((ones(), torch.full((8,), -1)), ArgumentError, "belong to no class"),
        ((ones(), torch.rand(8)), ArgumentError, "belong to no class"),
        ((ones() / 0, torch.arange(8)), ArgumentError, "NaN or infinity in picture 0"),
        ((ones(0), torch.arange(0)), ArgumentError, "without pictures"),
        ((ones(), torch.arange(8)), ArgumentError, "too few pictures to take some for test"),
        ("nowhere/", LoadError, "there is no"),
        ("photographs", ArgumentError, "without labels"),
    ],
)
def test_what_cannot_be_trained_on(data: object, error: type[Exception], problem: str) -> None:
    with pytest.raises(error, match=problem):
        open_sets(data, Recipe())
