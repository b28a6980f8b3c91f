"""A reference that is wrong on purpose: each fault must be caught by the comparison with the definition."""

from collections.abc import Iterator
from typing import Any

import pytest
from torch import Tensor

from convitro import reference
from tests.contract.checks import check_against_oracle


def swapped_kernel(self: reference.Layer, block: Any, channels: slice) -> Tensor:
    """Rows and columns of the kernel exchanged."""
    kernels = self.weight[block.groups, block.filters, channels].to(self.dtype)
    return kernels.flatten(-2).unflatten(-1, kernels.shape[-2:][::-1]).transpose(-2, -1)


def shifted_margins(self: reference.Layer, block: Any) -> list[int]:
    """The image one row too low."""
    left, right, above, below = original_margins(self, block)
    return [left, right, above + 1, below - 1]


def forgotten_tail(length: int, size: int) -> Iterator[slice]:
    """The last item of every axis left out."""
    return original_runs(max(1, length - 1), size)


original_margins = reference.Layer._margins
original_runs = reference.runs


@pytest.mark.parametrize("aggregation", ["max", "softmax", "median"])
@pytest.mark.parametrize(
    ("owner", "name", "fault"),
    [
        pytest.param(reference.Layer, "kernels", swapped_kernel, id="swapped kernel"),
        pytest.param(reference.Layer, "_margins", shifted_margins, id="shifted image"),
        pytest.param(reference, "runs", forgotten_tail, id="forgotten tail"),
        pytest.param(reference, "weighed", lambda gradient, slope: gradient * 1.0, id="no slope"),
    ],
)
def test_the_definition_catches_it(
    monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, fault: Any, aggregation: str
) -> None:
    check_against_oracle(aggregation, aggregation, padding=(1, 1))
    monkeypatch.setattr(owner, name, fault)
    with pytest.raises(AssertionError, match="not close"):
        check_against_oracle(aggregation, aggregation, padding=(1, 1))
