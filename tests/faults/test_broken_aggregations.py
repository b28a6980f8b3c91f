"""Aggregations that are wrong on purpose: each must be caught by a check of the contract."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from convitro.aggregation import Aggregation, Max, Mean, Product, Softmax, Std, Sum
from convitro.errors import ArgumentError
from tests.contract import checks

ITEMS = torch.tensor([1.0, -4.0, 2.5, 4.0, 0.0, -1.5], dtype=torch.float64)[:, None]


class FirstHalfMean(Mean):
    """Divides by one too many."""

    def finish(self, state: Any, n: Any) -> Any:
        return state[0] / (n + 1)


class LastTieMax(Max):
    """Lets every equal item have the gradient."""

    selects = False


class SlopelessSoftmax(Softmax):
    """Forgets that the weights depend on the items."""

    def slope(self, p: Any, saved: Any, n: Any) -> Any:
        return (self.beta * p - saved[1]).exp()


class ForgetfulStd(Std):
    """Merges without the distance of the two means."""

    def merge(self, s: Any, t: Any) -> Any:
        count, mean, _ = super().merge(s, t)
        return count, mean, s[2] + t[2]

    def step(self, state: Any, p: Any) -> Any:
        return super().merge(state, (1.0, p, 0.0))


class Latest(Sum):
    """Keeps the last item: the order matters."""

    def step(self, state: Any, p: Any) -> Any:
        return (p,)


class BlindProduct(Product):
    """Does not know the slope at a zero."""

    def slope(self, p: Any, saved: Any, n: Any) -> Any:
        return (saved[0] / p).where(p != 0, 0.0)


class StartsAtZeroMax(Max):
    """Never below zero."""

    def init(self, n: int) -> tuple[float, ...]:
        return (0.0,)


def with_a_zero(broken: Aggregation) -> None:
    """The gradient of a product with exactly one zero, against autograd."""
    from convitro import functional

    input = torch.tensor([2.0, 0.0, 4.0], dtype=torch.float64).reshape(1, 3, 1, 1).requires_grad_()
    output = functional.conv2d(input, torch.ones_like(input), aggregation=broken)
    (gradient,) = torch.autograd.grad(output.sum(), input)
    torch.testing.assert_close(gradient.flatten(), torch.tensor([0.0, 8.0, 0.0], dtype=torch.float64))


def fault(broken: type[Aggregation], name: str, check: Callable[[Aggregation], None]) -> Any:
    renamed = type(broken.__name__, (broken,), {"name": name})
    return pytest.param(renamed(), check, id=broken.__name__)


@pytest.mark.parametrize(
    ("broken", "check"),
    [
        fault(FirstHalfMean, "first_half_mean", lambda a: checks.check_against_oracle(a, "mean")),
        fault(StartsAtZeroMax, "starts_at_zero_max", lambda a: checks.check_against_oracle(a, "max")),
        fault(LastTieMax, "last_tie_max", lambda a: ties_to_the_first(a)),
        fault(SlopelessSoftmax, "slopeless_softmax", checks.check_slope),
        fault(ForgetfulStd, "forgetful_std", lambda a: checks.check_merge(a, ITEMS, 3)),
        fault(Latest, "latest", lambda a: checks.check_order(a, ITEMS)),
        fault(BlindProduct, "blind_product", with_a_zero),
    ],
)
def test_the_contract_catches_it(broken: Aggregation, check: Callable[[Aggregation], None]) -> None:
    with pytest.raises((AssertionError, RuntimeError, ArgumentError), match=r"(?s)."):
        check(broken)


def ties_to_the_first(aggregation: Aggregation) -> None:
    """The gradient over equal items goes to the first alone."""
    from convitro import functional

    input = torch.ones(1, 3, 1, 1, dtype=torch.float64, requires_grad=True)
    output = functional.conv2d(input, torch.ones_like(input), aggregation=aggregation)
    (gradient,) = torch.autograd.grad(output.sum(), input)
    assert gradient.flatten().tolist() == [1.0, 0.0, 0.0]


def test_the_same_checks_pass_on_what_is_right() -> None:
    with_a_zero(Product())
    ties_to_the_first(Max())
    checks.check_merge(Std(), ITEMS, 3)
    checks.check_order(Sum(), ITEMS)
    checks.check_slope(Softmax())
