"""What a layer keeps for backward: its input and weight, and a few numbers of each output."""

import pytest
import torch
from torch import Tensor

from convitro import functional


@pytest.mark.parametrize(
    ("aggregation", "bytes_of_an_output"),
    [("max", 4 + 2), ("median", 4 + 2), ("logsumexp", 4), ("softmax", 8), ("norm", 8), ("product", 12)],
)
def test_a_few_numbers_of_each_output_are_kept(aggregation: str, bytes_of_an_output: int) -> None:
    x = torch.randn(2, 24, 9, 9, requires_grad=True)
    w = torch.randn(17, 24, 3, 3, requires_grad=True)
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        output = functional.conv2d(x, w, aggregation=aggregation)
    own = sum(kept.values()) - x.nbytes - w.nbytes
    assert own == bytes_of_an_output * output.numel()


@pytest.mark.parametrize("aggregation", ["max", "softmax"])
def test_nothing_is_kept_without_a_gradient(aggregation: str) -> None:
    kept: list[Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(kept.append, lambda tensor: tensor):
        functional.conv2d(torch.randn(1, 3, 5, 5), torch.randn(4, 3, 3, 3), aggregation=aggregation)
    assert kept == []


@pytest.mark.parametrize("groups", [1, 4])
def test_the_packed_weights_of_a_frozen_layer_are_kept_apart(groups: int) -> None:
    """Filters of one channel have the same strides with filters and channels exchanged."""
    x = torch.randn(2, groups, 6, 6, dtype=torch.float64, requires_grad=True)
    w = torch.randn(5 * groups, 1, 3, 3, dtype=torch.float64)  # no gradient: its packed forms are remembered

    def gradient(algorithm: str) -> Tensor:
        output = functional.conv2d(x, w, groups=groups, aggregation="logsumexp", algorithm=algorithm)
        return torch.autograd.grad(output.square().sum(), x)[0]

    torch.testing.assert_close(gradient("fold"), gradient("reference"))
