"""Large buffers are given out again only when nothing refers to them."""

import gc
from collections.abc import Iterator

import pytest
import torch

import convitro.engine.cpu.memory as memory

SHAPE, STRIDES = (1, 4, 1024, 1024), (4 * 2**20, 2**20, 1024, 1)


@pytest.fixture(autouse=True)
def nothing_kept() -> Iterator[None]:
    memory._kept.clear()
    yield
    memory._kept.clear()


def large() -> torch.Tensor:
    return memory.maker(SHAPE, STRIDES, torch.float32)()


def test_what_was_given_back_is_given_out_again() -> None:
    first = large()
    address = first.data_ptr()
    del first
    assert large().data_ptr() == address


@pytest.mark.parametrize(
    "keep",
    [
        lambda tensor: tensor,
        lambda tensor: tensor[0, 1:2],
        lambda tensor: tensor.numpy(),
        lambda tensor: tensor.detach(),
        lambda tensor: tensor.untyped_storage(),
        lambda tensor: memoryview(tensor.numpy()),
        lambda tensor: torch.utils.dlpack.to_dlpack(tensor),
    ],
    ids=["tensor", "view", "array", "detached", "storage", "memoryview", "dlpack"],
)
def test_what_is_in_use_stays(keep: object) -> None:
    first = large()
    address = first.data_ptr()
    kept = keep(first)  # type: ignore[operator]
    del first
    gc.collect()
    assert large().data_ptr() != address
    del kept
    gc.collect()
    assert large().data_ptr() == address


def test_what_autograd_saved_stays() -> None:
    first = large().zero_().requires_grad_()
    squared = (first * 1.0).square()
    address = first.data_ptr()
    del first
    assert large().data_ptr() != address
    del squared


def test_what_another_process_may_read_stays() -> None:
    """After the last tensor here is gone, whoever got it through a queue still has the memory mapped."""
    first = large().zero_().share_memory_()
    address = first.data_ptr()
    del first
    assert large().data_ptr() != address


def test_small_tensors_are_pytorchs_own() -> None:
    memory.maker((1, 1, 8, 8), (64, 64, 8, 1), torch.float32)()
    assert not memory._kept


def test_so_much_is_kept_and_not_more() -> None:
    tensors = [large() for _ in range(40)]
    assert sum(storage.nbytes() for storage in memory._kept) <= memory.KEPT_BYTES
    assert len({tensor.data_ptr() for tensor in tensors}) == 40


@pytest.mark.parametrize("count", [0, 1, 2**20 + 3, 2**21])
def test_large_pages_are_asked_for_and_change_nothing(count: int) -> None:
    tensor = torch.arange(count, dtype=torch.float32)
    assert memory.in_large_pages(tensor) is tensor
    assert torch.equal(tensor, torch.arange(count, dtype=torch.float32))
