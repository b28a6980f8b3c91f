"""Aggregations of a user's own: slopes that are derived, and what is refused, with its reason."""

from dataclasses import dataclass
from typing import Any

import pytest
import torch

from convitro import Aggregation, functional
from convitro.errors import ArgumentError, UnsupportedError


@dataclass(frozen=True)
class GeometricMean(Aggregation):
    """Of |p| + 0.1; neither `merge` nor `slope` is given."""

    name = "geometric_mean"

    def init(self, n: int) -> tuple[float, ...]:
        return (0.0,)

    def step(self, state: Any, p: Any) -> Any:
        return (state[0] + torch.log(p.abs() + 0.1),)

    def finish(self, state: Any, n: Any) -> Any:
        return (state[0] / n).exp()


class Mixed(Aggregation):
    """Every function that can be derived, in one; no parameters and no dataclass."""

    name = "mixed"

    def init(self, n: int) -> tuple[float, ...]:
        return 0.0, 0.0, 0.0

    def step(self, state: Any, p: Any) -> Any:
        bounded = torch.tanh(p) + p.sigmoid() + p.erf()
        rooted = (p * p + 1).sqrt().rsqrt() / (2 - p.clamp(-1, 1)) + 2.0 ** (-p.square())
        chosen = p.abs().pow(1.5).where(p > 0, p.minimum(p * 2)).maximum(
            -p
        ) - p.relu().neg().reciprocal().where(p < -9, 0.0)
        return state[0] + bounded, state[1] + rooted, state[2] + chosen

    def finish(self, state: Any, n: Any) -> Any:
        return state[0] / n + state[1] * (state[2].abs() + 1).log()


class Latest(GeometricMean):
    name = "latest"

    def step(self, state: Any, p: Any) -> Any:
        return (p,)


class Branching(GeometricMean):
    name = "branching"

    def step(self, state: Any, p: Any) -> Any:
        return (state[0] + (p if isinstance(p, torch.Tensor) or p > 0 else 0.0),)

    def slope(self, p: Any, saved: Any, n: Any) -> Any:
        return saved[0] / n


class WrongSlope(GeometricMean):
    name = "wrong_slope"

    def slope(self, p: Any, saved: Any, n: Any) -> Any:
        return 1 / n


class RunningMean(GeometricMean):
    name = "running_mean"

    def init(self, n: int) -> tuple[float, ...]:
        return 0.0, 0.0

    def step(self, state: Any, p: Any) -> Any:
        return state[0] + 1, state[1] + (p - state[1]) / (state[0] + 1)

    def finish(self, state: Any, n: Any) -> Any:
        return state[1]


class Unfinished(GeometricMean):
    name = "unfinished"

    def step(self, state: Any, p: Any) -> Any:
        return state[0] + p


class Foreign(GeometricMean):
    name = "foreign"

    def step(self, state: Any, p: Any) -> Any:
        return (state[0] + p.log1p(),)

    def slope(self, p: Any, saved: Any, n: Any) -> Any:
        return saved[0] / (n * (1 + p))


def tensors(requires_grad: bool = True) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(0)
    x = torch.randn(1, 4, 5, 5, dtype=torch.float64, generator=random)
    w = torch.randn(3, 4, 2, 2, dtype=torch.float64, generator=random)
    return x.requires_grad_(requires_grad), w.requires_grad_(requires_grad)


@pytest.mark.parametrize("own", [GeometricMean(), Mixed()])
@pytest.mark.parametrize("algorithm", ["fold", "reference"])
def test_a_slope_is_derived(own: Aggregation, algorithm: str) -> None:
    x, w = tensors()

    def layer(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        return functional.conv2d(x, w, padding=1, aggregation=own, algorithm=algorithm)

    assert torch.autograd.gradcheck(layer, (x, w))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (Latest(), "order of the items matters"),
        (WrongSlope(), "not the derivative"),
        (RunningMean(), "was derived, which needs a `step` that adds"),
        (Unfinished(), "does not return a state"),
    ],
)
def test_what_breaks_a_law_is_refused(wrong: Aggregation, message: str) -> None:
    x, w = tensors(requires_grad=False)
    with pytest.raises(ArgumentError, match=message):
        functional.conv2d(x, w, aggregation=wrong)


def test_what_cannot_be_traced_is_named_with_its_line() -> None:
    x, w = tensors(requires_grad=False)
    with pytest.raises(UnsupportedError, match=r"branching.step cannot be traced") as caught:
        functional.conv2d(x, w, aggregation=Branching())
    assert "p if isinstance" in str(caught.value)
    assert "asks an item for one answer" in str(caught.value)
    with pytest.raises(UnsupportedError, match=r"`log1p` does not exist in kernels"):
        functional.conv2d(x.abs(), w.abs(), aggregation=Foreign())
    assert functional.conv2d(x.abs(), w.abs(), aggregation=Foreign(), algorithm="reference").isfinite().all()


def test_a_class_that_is_defined_again_gets_a_new_kernel() -> None:
    x, w = tensors(requires_grad=False)
    results = []
    for factor in (1.0, 3.0):

        class Scaled(GeometricMean):
            name = "scaled"
            by = factor

            def finish(self, state: Any, n: Any) -> Any:
                return self.by * (state[0] / n).exp()

        results.append(functional.conv2d(x, w, aggregation=Scaled()))
    torch.testing.assert_close(results[1], 3 * results[0])
