"""Ties, zeros, NaN, infinity, huge and tiny numbers: where a formula that is right on paper goes wrong."""

import math

import pytest
import torch
from torch import Tensor

from convitro import aggregations, functional
from tests import oracle
from tests.contract.checks import ALGORITHMS

INF, NAN = math.inf, math.nan
COMBINING = [name for name in aggregations() if name != "none"]


def combined(
    values: list[float], aggregation: str, dtype: torch.dtype = torch.float64
) -> tuple[float, list[float]]:
    """The result over channels with these values, and its gradient with respect to each, the same by all."""
    found = []
    for algorithm in ALGORITHMS:
        input = torch.tensor(values, dtype=dtype).reshape(1, -1, 1, 1).requires_grad_()
        weight = torch.ones(1, len(values), 1, 1, dtype=dtype)
        output = functional.conv2d(input, weight, aggregation=aggregation, algorithm=algorithm)
        (gradient,) = torch.autograd.grad(output.sum(), input)
        found.append((output.item(), gradient.flatten().tolist()))
    assert found[-1][0] == pytest.approx(found[0][0], rel=1e-6, nan_ok=True)
    assert found[-1][1] == pytest.approx(found[0][1], rel=1e-6, nan_ok=True)
    return found[-1]


@pytest.mark.parametrize("name", COMBINING)
@pytest.mark.parametrize("values", [[1.0, NAN, 2.0], [NAN, NAN], [NAN, INF], [3.0, NAN, 0.0]])
def test_nan_propagates(name: str, values: list[float]) -> None:
    assert math.isnan(combined(values, name)[0])


@pytest.mark.parametrize("name", COMBINING)
@pytest.mark.parametrize("values", [[1.0, INF], [-INF, 2.0], [-INF, -INF], [INF, INF, 0.5]])
def test_infinity_gives_what_torch_gives(name: str, values: list[float]) -> None:
    expected: Tensor = oracle.REDUCTIONS[name](torch.tensor(values, dtype=torch.float64))
    assert combined(values, name)[0] == pytest.approx(expected.item(), nan_ok=True)


def test_logsumexp_of_nothing_but_minus_infinity_has_no_slope() -> None:
    assert combined([-INF, -INF], "logsumexp") == (-INF, [0.0, 0.0])


@pytest.mark.parametrize("name", ["logsumexp", "logmeanexp", "softmax", "norm", "powermean"])
@pytest.mark.parametrize("scale", [1e30, 1e-30, -1e30])
def test_no_overflow_and_no_underflow(name: str, scale: float) -> None:
    values = [scale, 0.5 * scale, 0.25 * scale]
    result, gradient = combined(values, name, torch.float32)
    expected: Tensor = oracle.REDUCTIONS[name](torch.tensor(values, dtype=torch.float64))
    assert result == pytest.approx(expected.item(), rel=1e-6)
    assert all(map(math.isfinite, gradient))


@pytest.mark.parametrize(
    "name", ["norm", "powermean", "norm(q=1.0)", "powermean(q=0.5)", "norm(q=3.0)", "std"]
)
def test_all_zero_has_no_slope(name: str) -> None:
    assert combined([0.0, 0.0, 0.0], name) == (0.0, [0.0, 0.0, 0.0])


@pytest.mark.parametrize(
    ("values", "result", "gradient"),
    [
        ([2.0, 3.0, 4.0], 24.0, [12.0, 8.0, 6.0]),
        ([2.0, 0.0, 4.0], 0.0, [0.0, 8.0, 0.0]),
        ([0.0, 3.0, 0.0], 0.0, [0.0, 0.0, 0.0]),
    ],
)
def test_product_with_zeros(values: list[float], result: float, gradient: list[float]) -> None:
    assert combined(values, "product") == (result, gradient)


@pytest.mark.parametrize(
    ("name", "values", "winner"),
    [
        ("max", [1.0, 5.0, 5.0], 1),
        ("min", [7.0, 2.0, 2.0], 1),
        ("maxabs", [3.0, -3.0, 3.0], 0),
        ("maxabs", [-3.0, 3.0], 0),
        ("median", [1.0, 2.0, 2.0, 9.0], 1),
    ],
)
def test_the_first_of_equals_gets_all_of_the_gradient(name: str, values: list[float], winner: int) -> None:
    result, gradient = combined(values, name)
    assert result == values[winner]
    assert gradient == [float(index == winner) for index in range(len(values))]


def test_window_ties_go_to_the_first_pixel() -> None:
    input = torch.ones(1, 1, 3, 3, dtype=torch.float64, requires_grad=True)
    weight = torch.ones(1, 1, 3, 3, dtype=torch.float64)
    output = functional.conv2d(input, weight, window="max", aggregation="max")
    (gradient,) = torch.autograd.grad(output.sum(), input)
    assert gradient[0, 0].tolist() == [[1.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]


@pytest.mark.parametrize("name", COMBINING)
def test_subnormal_numbers(name: str) -> None:
    result, _ = combined([1e-40, 2e-40], name, torch.float32)
    assert math.isfinite(result)
