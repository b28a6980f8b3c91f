"""Random changes: of each picture on its own, the same wherever it is met again."""

import pytest
import torch

from convitro.errors import ArgumentError
from convitro.lab import Recipe, train
from convitro.lab.augment import Augmentation, erased, shifted, stream
from tests.lab.conftest import Data


def test_a_picture_is_changed_alike_in_any_batch() -> None:
    images = torch.rand(40, 3, 10, 12)
    augment = Augmentation(Recipe(mirror=True, shift=2, erase=3), 40, epoch=5)
    whole = augment(images, torch.arange(40))
    chosen = torch.tensor([7, 3, 39])
    again = Augmentation(Recipe(mirror=True, shift=2, erase=3), 40, epoch=5)(images[chosen], chosen)
    torch.testing.assert_close(again, whole[chosen], rtol=0, atol=0)
    assert not torch.equal(whole, Augmentation(Recipe(mirror=True), 40, epoch=6)(images, torch.arange(40)))
    flipped = (Augmentation(Recipe(mirror=True), 40, 0)(images, torch.arange(40)) != images).flatten(1).any(1)
    assert 8 <= int(flipped.sum()) <= 32


def test_shifts_reach_from_end_to_end_and_repeat_the_border() -> None:
    image = torch.arange(9.0).reshape(1, 1, 3, 3).expand(2, 1, 3, 3)
    ends = torch.tensor([0.0, 0.999]).reshape(2, 1, 1, 1)
    first, last = shifted(image, ends, ends, most=1)
    assert first[0].tolist() == [[0, 0, 1], [0, 0, 1], [3, 3, 4]]
    assert last[0].tolist() == [[4, 5, 5], [7, 8, 8], [7, 8, 8]]


def test_squares_lie_inside() -> None:
    ends = torch.tensor([0.0, 0.999]).reshape(2, 1, 1, 1)
    first, last = erased(torch.zeros(2, 1, 4, 5), ends, ends, side=2)
    assert first[0].nonzero().tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert last[0].nonzero().tolist() == [[2, 3], [2, 4], [3, 3], [3, 4]]


def test_streams_differ() -> None:
    seeds = {
        stream(seed, name, place) for seed in range(9) for name in ("order", "step") for place in range(9)
    }
    assert len(seeds) == 162
    assert all(0 <= seed < 2**63 for seed in seeds)


@pytest.mark.parametrize("name", ["shift", "erase"])
def test_changes_as_large_as_the_picture(stripes: Data, name: str) -> None:
    with pytest.raises(ArgumentError, match=f"`{name}` is as large"):
        train(data=stripes, recipe=Recipe().but(**{name: 8}))
