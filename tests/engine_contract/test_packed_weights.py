"""Packed weights follow the weight: made once while it stays, again when it changes, gone when it goes."""

import gc
import weakref

import pytest
import torch
from torch import Tensor

import convitro.engine.cpu.packed as packed
from convitro import Conv2d, functional
from convitro.engine.cpu.convolver import Convolver

INPUT = torch.arange(8 * 49.0).remainder(5).reshape(1, 8, 7, 7)


@pytest.fixture
def packs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one whenever a weight is packed."""
    count: list[int] = []
    pack = Convolver.pack

    def counted(self: Convolver, weight: Tensor) -> Tensor:
        count.append(weight.data_ptr())
        return pack(self, weight)

    monkeypatch.setattr(Convolver, "pack", counted)
    return count


def check_fresh(weight: Tensor) -> None:
    """The layer computes with the weight as it is now."""
    found = functional.conv2d(INPUT, weight, padding=1)
    assert torch.equal(found, functional.conv2d(INPUT, weight.detach().clone(), padding=1))


def test_frozen_weights_are_packed_once(packs: list[int]) -> None:
    weight = torch.randn(8, 8, 3, 3)
    for images in (1, 1, 1):
        functional.conv2d(INPUT.expand(images, 8, 7, 7), weight, algorithm="direct")
    functional.conv2d(INPUT[..., :5, :5], weight, algorithm="direct")
    assert len(packs) == 1


def test_a_training_step_packs_once_for_each_direction(packs: list[int]) -> None:
    layer = Conv2d(8, 8, 3, padding=1)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        layer(INPUT.clone().requires_grad_()).square().mean().backward()
        optimizer.step()
    assert len(packs) == 2 * 3


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW])
@pytest.mark.parametrize("foreach", [False, True])
def test_optimizers_are_seen(kind: type[torch.optim.Optimizer], foreach: bool) -> None:
    layer = Conv2d(8, 8, 3, padding=1)
    optimizer = kind(layer.parameters(), lr=0.1, foreach=foreach)  # type: ignore[call-arg]
    layer(INPUT).square().mean().backward()
    before = layer.weight.detach().clone()
    optimizer.step()
    assert not torch.equal(layer.weight, before)
    check_fresh(layer.weight)


def test_loading_a_state_is_seen() -> None:
    layer, other = Conv2d(8, 8, 3, padding=1), Conv2d(8, 8, 3, padding=1)
    layer(INPUT)
    layer.load_state_dict(other.state_dict())
    assert torch.equal(layer(INPUT), other(INPUT))
    layer.load_state_dict(Conv2d(8, 8, 3).state_dict(), assign=True)
    check_fresh(layer.weight)


def test_changes_in_place_are_seen() -> None:
    weight = torch.randn(8, 8, 3, 3)
    for change in (
        lambda: weight.copy_(torch.randn(8, 8, 3, 3)),
        lambda: weight.mul_(2),
        lambda: weight[3].zero_(),
        lambda: weight.view(-1).add_(1),
        lambda: torch.nn.init.xavier_uniform_(weight),
        lambda: weight.set_(torch.randn(8, 8, 3, 3)),  # type: ignore[call-overload]
    ):
        functional.conv2d(INPUT, weight, padding=1)
        change()
        check_fresh(weight)


def test_new_data_of_a_parameter_is_seen() -> None:
    layer = Conv2d(8, 8, 3, padding=1)
    layer(INPUT)
    layer.weight.data = torch.randn(8, 8, 3, 3)
    check_fresh(layer.weight)


def test_a_new_weight_at_the_same_address_is_seen() -> None:
    memory = torch.randn(8 * 8 * 9)
    for scale in range(1, 6):
        weight = memory.view(8, 8, 3, 3).detach()
        with torch.no_grad():
            memory.mul_(scale)
        check_fresh(weight)
        del weight


def test_a_view_of_another_part_is_another_weight() -> None:
    memory = torch.randn(16, 8, 3, 3)
    found = [functional.conv2d(INPUT, memory[start : start + 8], padding=1) for start in (0, 8)]
    assert torch.equal(torch.cat(found, 1), functional.conv2d(INPUT, memory, padding=1, algorithm="auto"))


def test_weights_made_under_inference_mode_are_never_remembered(packs: list[int]) -> None:
    with torch.inference_mode():
        weight = torch.randn(8, 8, 3, 3)
        functional.conv2d(INPUT, weight, padding=1)
        weight.mul_(2)
        check_fresh(weight)
    assert len(packs) == 3


def test_parameters_are_remembered_under_inference_mode(packs: list[int]) -> None:
    layer = Conv2d(8, 8, 3, padding=1)
    with torch.inference_mode():
        layer(INPUT)
        layer(INPUT)
    assert len(packs) == 1


def test_packed_copies_go_with_their_weight(monkeypatch: pytest.MonkeyPatch) -> None:
    copies: list[weakref.ref[Tensor]] = []
    pack = Convolver.pack

    def watched(self: Convolver, weight: Tensor) -> Tensor:
        result = pack(self, weight)
        copies.append(weakref.ref(result))
        return result

    monkeypatch.setattr(Convolver, "pack", watched)
    gc.collect()
    before = len(packed._entries)
    layer = Conv2d(8, 8, 3, padding=1).requires_grad_(False)
    layer(INPUT)
    assert len(packed._entries) == before + 1
    assert len(copies) == 1
    assert copies[0]() is not None
    del layer
    gc.collect()
    assert copies[0]() is None
    assert len(packed._entries) == before


@pytest.mark.parametrize("first", ["direct", "depthwise"])
def test_algorithms_do_not_share_what_only_looks_alike(first: str) -> None:
    """Of one channel and filter in a group the strides are the same, the order is not."""
    x, w = torch.randn(2, 4, 9, 9), torch.randn(4, 1, 3, 3)
    expected = torch.nn.functional.conv2d(x, w, groups=4)
    for algorithm in (first, "direct", "depthwise"):
        found = functional.conv2d(x, w, groups=4, algorithm=algorithm)
        torch.testing.assert_close(found, expected)
