"""The laws of every registered aggregation: order and grouping do not matter, the slope is the derivative."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from convitro.aggregation import aggregations, resolve
from tests.contract.checks import ALGORITHMS, check_merge, check_order, check_slope, check_ties, reduced

COMBINING = [name for name in aggregations() if name != "none"]
NUMBERS = st.floats(-1e3, 1e3, allow_subnormal=False).map(lambda x: round(x, 3))
LISTS = st.lists(NUMBERS, min_size=1, max_size=12)


@pytest.mark.parametrize("name", COMBINING)
@given(numbers=LISTS)
@settings(max_examples=60, deadline=None)
def test_order_does_not_matter(name: str, numbers: list[float]) -> None:
    if name == "maxabs" and {-max(map(abs, numbers)), max(map(abs, numbers))} <= set(numbers):
        return  # 3 and -3 are equally far from zero: then the first wins
    check_order(resolve(name), torch.tensor(numbers, dtype=torch.float64)[:, None])


@pytest.mark.parametrize("name", COMBINING)
@given(numbers=LISTS, cut=st.integers(0, 12))
@settings(max_examples=60, deadline=None)
def test_parts_merge_to_the_whole(name: str, numbers: list[float], cut: int) -> None:
    check_merge(resolve(name), torch.tensor(numbers, dtype=torch.float64)[:, None], min(cut, len(numbers)))


@pytest.mark.parametrize("name", COMBINING)
def test_slope_is_the_derivative(name: str) -> None:
    for algorithm in ALGORITHMS:
        check_slope(resolve(name), algorithm)


@pytest.mark.parametrize("name", COMBINING)
def test_ties(name: str) -> None:
    check_ties(resolve(name))


@pytest.mark.parametrize("name", COMBINING)
def test_one_item_is_itself_up_to_its_sign(name: str) -> None:
    result = reduced(resolve(name), torch.tensor([[-2.5]], dtype=torch.float64)).item()
    expected = {"norm": 2.5, "powermean": 2.5, "std": 0.0}.get(name, -2.5)
    assert result == pytest.approx(expected)


def test_reducing_at_once_equals_stepping() -> None:
    median = resolve("median")
    for n in range(1, 9):
        items = torch.randn(n, 5, dtype=torch.float64)
        at_once = median.reduce(list(items))
        torch.testing.assert_close(at_once, reduced(median, items), rtol=0, atol=0)
