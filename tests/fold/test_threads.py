"""The work is shared out, and nothing depends on how."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor

from convitro import functional


def passes(aggregation: str, window: str, combine: str) -> tuple[Tensor, ...]:
    """Output and gradients of one layer."""
    random = torch.Generator().manual_seed(2)
    x = torch.randn(3, 20, 13, 11, generator=random, requires_grad=True)
    w = torch.randn(37, 20, 3, 3, generator=random, requires_grad=True)
    output = functional.conv2d(
        x, w, padding=1, aggregation=aggregation, window=window, combine=combine, algorithm="fold"
    )
    return (output.detach(), *torch.autograd.grad(output.square().sum(), (x, w)))


OPERATORS = [("max", "sum", "multiply"), ("softmax", "sum", "multiply"), ("median", "sum", "multiply")]
OPERATORS += [("sum", "max", "add"), ("std", "sum", "absolute_difference")]


@pytest.mark.parametrize("operator", OPERATORS)
def test_any_number_of_threads_gives_the_same_bits(operator: tuple[str, str, str]) -> None:
    before, found = torch.get_num_threads(), []
    try:
        for count in (1, 2, 5):
            torch.set_num_threads(count)
            found.append(passes(*operator))
    finally:
        torch.set_num_threads(before)
    assert all(
        torch.equal(one, other) for later in found[1:] for one, other in zip(found[0], later, strict=True)
    )


def test_several_threads_of_python_at_once() -> None:
    alone = [passes(*operator) for operator in OPERATORS]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda operator: passes(*operator), OPERATORS * 3))
    for number, found in enumerate(together):
        pairs = zip(alone[number % len(OPERATORS)], found, strict=True)
        assert all(torch.equal(one, other) for one, other in pairs)


def test_channels_in_any_order() -> None:
    random = torch.Generator().manual_seed(3)
    x, w = torch.randn(2, 20, 9, 8, generator=random), torch.randn(17, 20, 3, 3, generator=random)
    order = torch.randperm(20, generator=random)
    for aggregation in ("max", "min", "maxabs", "median"):
        ours = functional.conv2d(x, w, aggregation=aggregation)
        assert torch.equal(ours, functional.conv2d(x[:, order], w[:, order], aggregation=aggregation))
    for aggregation in ("logsumexp", "softmax", "norm", "std", "product"):
        ours = functional.conv2d(x, w, aggregation=aggregation)
        mixed = functional.conv2d(x[:, order], w[:, order], aggregation=aggregation)
        torch.testing.assert_close(ours, mixed, rtol=2e-4, atol=2e-4 * float(ours.abs().max()))
