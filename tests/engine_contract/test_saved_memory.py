"""What a block keeps for backward: its input, its weight, and as little of its own numbers as can be."""

from dataclasses import replace
from math import prod

import pytest
import torch
from torch import Tensor

from tests.engine_contract.cases import Case, Tensors
from tests.engine_contract.families import FAMILIES


def kept(case: Case) -> tuple[Tensors, Tensor, list[Tensor]]:
    """The tensors of a pass, its output, and what was saved: each memory once."""
    found: dict[int, Tensor] = {}

    def pack(tensor: Tensor) -> Tensor:
        found.setdefault(tensor.untyped_storage().data_ptr(), tensor)
        return tensor

    leaves = case.tensors().leaves()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        output = case.block(leaves)
    return leaves, output, list(found.values())


def own_bytes(case: Case) -> tuple[int, int]:
    """Bytes beyond input, weight, bias and output, and how many results there are."""
    leaves, output, saved = kept(case)
    known = {tensor.untyped_storage().data_ptr() for tensor in (*leaves.given, output)}
    more = [tensor for tensor in saved if tensor.untyped_storage().data_ptr() not in known]
    return sum(tensor.untyped_storage().nbytes() for tensor in more), output.numel()


@pytest.mark.parametrize(
    "name", [name for name, case in FAMILIES.items() if case.activation == "relu" and case.pool]
)
def test_relu_and_pooling_keep_one_byte_for_each_result(name: str) -> None:
    bytes_kept, results = own_bytes(FAMILIES[name])
    assert bytes_kept == results


@pytest.mark.parametrize(
    ("activation", "pool", "bytes_of_each"),
    [
        ("none", None, 0),
        ("none", (2, 2), 1),
        ("relu", None, 0),
        ("leaky_relu", (2, 2), 1),
        ("tanh", None, 0),
        ("sigmoid", (2, 2), 1),
        ("silu", None, 4),
        ("gelu", (2, 2), 5),
    ],
)
def test_other_activations_keep_what_their_slope_needs(
    activation: str, pool: tuple[int, int] | None, bytes_of_each: int
) -> None:
    case = Case(channels=5, filters=9, size=(9, 8), activation=activation, pool=pool, input="channels_last")
    bytes_kept, results = own_bytes(case)
    assert bytes_kept == bytes_of_each * results


def test_without_gradients_nothing_is_kept() -> None:
    case = Case()
    with torch.no_grad():
        assert kept(case)[2] == []


@pytest.mark.parametrize("wanted", range(1, 8))
@pytest.mark.parametrize("name", ["direct", "winograd", "depthwise", "strided"])
def test_only_gradients_that_are_asked_for(name: str, wanted: int) -> None:
    case = replace(FAMILIES[name], bias="plain")
    every, some = case.tensors().leaves(), case.tensors().leaves()
    for number, leaf in enumerate(some.given):
        leaf.requires_grad_(bool(wanted >> number & 1))
    output = case.block(every)
    given = case.gradient(output)
    output.backward(given)
    case.block(some).backward(given)
    for number, (leaf, other) in enumerate(zip(some.given, every.given, strict=True)):
        if wanted >> number & 1:
            torch.testing.assert_close(leaf.grad, other.grad, rtol=1e-5, atol=1e-4)
        else:
            assert leaf.grad is None


def test_gradients_have_the_layout_of_their_leaves() -> None:
    """Where that has no gaps: an optimizer's step then runs through memory once."""
    case = replace(FAMILIES["direct"], input="channels_last", weight="channels_last")
    leaves = case.tensors().leaves()
    case.block(leaves).sum().backward()
    for leaf in leaves.given:
        assert leaf.grad is not None
        assert leaf.grad.stride() == leaf.stride()
        assert leaf.grad.untyped_storage().nbytes() == 4 * prod(leaf.shape)
