"""Packed weights are used again only while their weight is as it was."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from convitro.engine.cpu.packed import packed


def packs() -> tuple[Callable[[Tensor], Tensor], list[int]]:
    """A way to pack, and how often it was used."""
    calls: list[int] = []

    def pack(weight: Tensor) -> Tensor:
        calls.append(1)
        return weight.clone()

    return pack, calls


def test_a_weight_at_rest_is_packed_once_for_each_order() -> None:
    weight, (pack, calls) = torch.randn(4, 3, 3, 3), packs()
    assert packed(weight, "one", pack) is packed(weight, "one", pack)
    packed(weight, "other", pack)
    assert len(calls) == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda weight: weight.add_(1),
        lambda weight: weight.data.mul_(2),
        lambda weight: weight.numpy().fill(3),
        lambda weight: weight.copy_(torch.ones_like(weight)),
        lambda weight: weight.set_(torch.ones(4, 3, 3, 3)),
    ],
    ids=["in place", "around the version", "through numpy", "copied over", "other memory"],
)
def test_a_weight_that_changed_is_packed_again(change: Callable[[Tensor], object]) -> None:
    weight, (pack, calls) = torch.randn(4, 3, 3, 3), packs()
    packed(weight, "one", pack)
    change(weight)
    torch.testing.assert_close(packed(weight, "one", pack), weight)
    assert len(calls) == 2


def test_nothing_is_kept_of_a_weight_in_training_or_without_a_version() -> None:
    weight, (pack, calls) = torch.randn(4, 3, 3, 3), packs()
    packed(weight, "one", pack, trained=True)
    packed(weight, "one", pack, trained=True)
    with torch.inference_mode():
        frozen = torch.randn(4, 3, 3, 3)
    packed(frozen, "one", pack)
    packed(frozen, "one", pack)
    assert len(calls) == 4


@pytest.mark.parametrize(
    "weight", [torch.randn(1, 1, 1, 1), torch.randn(4, 3, 3, 3).permute(2, 3, 0, 1)[:, 1:]]
)
def test_small_and_strided_weights(weight: Tensor) -> None:
    pack, calls = packs()
    packed(weight, "one", pack)
    packed(weight, "one", pack)
    assert len(calls) == 1
