"""The contract of an aggregation as functions that raise. The tests run them on ours, and on broken ones."""

from typing import Any

import torch
from torch import Tensor

from convitro import functional
from convitro.aggregation import Aggregation, resolve
from tests import oracle

GEOMETRIES: dict[str, dict[str, Any]] = {
    "plain": {},
    "padded": {"padding": (1, 2)},
    "strided": {"stride": (2, 1), "padding": (1, 1)},
    "dilated": {"dilation": (2, 1), "padding": (2, 0)},
    "grouped": {"groups": 2, "padding": (0, 1)},
}
"""Arguments of a layer on `problem()`, whose kernel has three rows and two columns."""


def problem(
    dtype: torch.dtype = torch.float64, channels: int = 4, filters: int = 2, groups: int = 1
) -> tuple[Tensor, Tensor]:
    """A small input (2, channels, 5, 4) and weight (filters, channels/groups, 3, 2) with gradients."""
    input = torch.randn(2, channels, 5, 4, dtype=dtype, requires_grad=True)
    weight = torch.randn(filters, channels // groups, 3, 2, dtype=dtype, requires_grad=True)
    return input, weight


def gradients(output: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
    """The gradients of a fixed weighing of all outputs."""
    weighing = torch.linspace(-1, 2, output.numel(), dtype=output.dtype).reshape(output.shape)
    return torch.autograd.grad((output * weighing).sum(), inputs)


ALGORITHMS = ("reference", "fold")
"""Those that compute any operator."""


def check_against_oracle(
    aggregation: str | Aggregation, definition: str, algorithm: str = "reference", **layer: Any
) -> None:
    """Values and both gradients equal those of the definition, differentiated by autograd, in float64."""
    input, weight = problem(groups=layer.get("groups", 1))
    ours = functional.conv2d(input, weight, aggregation=aggregation, algorithm=algorithm, **layer)
    expected = oracle.conv2d(input, weight, aggregation=definition, **layer)
    torch.testing.assert_close(ours, expected)
    torch.testing.assert_close(gradients(ours, input, weight), gradients(expected, input, weight))


def reduced(aggregation: Aggregation, items: Tensor) -> Tensor:
    """The result over the first axis, one step after the other."""
    state = tuple(torch.full_like(items[0], value) for value in aggregation.init(len(items)))
    for item in items:
        state = aggregation.step(state, item)
    return aggregation.finish(state, torch.tensor(float(len(items)), dtype=items.dtype))


def check_order(aggregation: Aggregation, items: Tensor) -> None:
    """Items in any order give the same result."""
    torch.testing.assert_close(
        reduced(aggregation, items), reduced(aggregation, items.flip(0)), rtol=1e-9, atol=1e-9, equal_nan=True
    )


def check_merge(aggregation: Aggregation, items: Tensor, cut: int) -> None:
    """Two parts merged give the result of the whole."""
    states = []
    for part in (items[:cut], items[cut:]):
        state = tuple(torch.full_like(items[0], value) for value in aggregation.init(len(items)))
        for item in part:
            state = aggregation.step(state, item)
        states.append(state)
    n = torch.tensor(float(len(items)), dtype=items.dtype)
    merged = aggregation.finish(aggregation.merge(*states), n)
    torch.testing.assert_close(merged, reduced(aggregation, items), rtol=1e-9, atol=1e-9, equal_nan=True)


def check_slope(aggregation: Aggregation, algorithm: str = "reference") -> None:
    """The slope is the derivative: the layer's gradient passes gradcheck."""
    input, weight = problem(channels=3)

    def layer(x: Tensor, w: Tensor) -> Tensor:
        return functional.conv2d(x[:1, :, :4], w[:, :, :, :1], aggregation=aggregation, algorithm=algorithm)

    assert torch.autograd.gradcheck(layer, (input, weight))


def check_ties(aggregation: Aggregation) -> None:
    """Of equal items that an aggregation selects from, the first gets the gradient, all of it."""
    input = torch.ones(1, 3, 1, 1, dtype=torch.float64, requires_grad=True)
    weight = torch.ones(1, 3, 1, 1, dtype=torch.float64)
    (gradient,) = gradients(functional.conv2d(input, weight, aggregation=aggregation).square(), input)
    assert resolve(aggregation).selects == (gradient.flatten()[0] != 0 and not gradient.flatten()[1:].any())
