"""Names, specs, instances, and an aggregation of one's own."""

import pickle
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from convitro import Aggregation, Conv2d, LogSumExp, Max, Norm, aggregations, functional, register_aggregation
from convitro.aggregation import registry, resolve
from convitro.errors import ArgumentError
from tests.contract import checks


@dataclass(frozen=True)
class Contraharmonic(Aggregation):
    """Sum of squares over sum: ten lines, not built in."""

    name = "contraharmonic"

    def init(self, n: int) -> tuple[float, ...]:
        return 0.0, 0.0

    def step(self, state: Any, p: Any) -> Any:
        return state[0] + p, state[1] + p * p

    def merge(self, s: Any, t: Any) -> Any:
        return s[0] + t[0], s[1] + t[1]

    def finish(self, state: Any, n: Any) -> Any:
        return state[1] / state[0]

    def extra(self, state: Any, result: Any, n: Any) -> Any:
        return (state[0],)

    def slope(self, p: Any, saved: Any, n: Any) -> Any:
        return (2 * p - saved[0]) / saved[1]


@pytest.fixture
def own() -> Any:
    yield register_aggregation(Contraharmonic())
    registry._named.pop("contraharmonic")
    registry._by_spec.pop("contraharmonic")


def test_an_aggregation_of_ones_own_works_everywhere(own: Contraharmonic) -> None:
    assert "contraharmonic" in aggregations()
    items = torch.rand(6, 4, dtype=torch.float64) + 0.5
    checks.check_order(own, items)
    checks.check_merge(own, items, 2)
    checks.check_slope(own)
    layer = Conv2d(3, 4, 3, aggregation="contraharmonic")
    assert repr(layer).endswith("aggregation=contraharmonic)")
    input = torch.randn(1, 3, 6, 6)
    maps = functional.conv2d(input, layer.weight, aggregation="none").unflatten(1, (4, 3))
    expected: Tensor = maps.square().sum(2) / maps.sum(2) + layer.bias[:, None, None]  # type: ignore[index]
    torch.testing.assert_close(layer(input), expected, rtol=1e-3, atol=1e-3)
    layer(input).sum().backward()
    assert layer.weight.grad is not None
    assert repr(pickle.loads(pickle.dumps(layer))) == repr(layer)


def test_an_instance_needs_no_registration() -> None:
    layer = Conv2d(3, 4, 3, aggregation=Contraharmonic())
    assert layer(torch.rand(1, 3, 6, 6)).isfinite().all()
    assert "contraharmonic" not in aggregations()


def test_specs_are_read_back() -> None:
    for name in aggregations():
        assert resolve(resolve(name).spec) == resolve(name)
    assert resolve("logsumexp(beta=5)") == LogSumExp(5.0)
    assert resolve(LogSumExp(beta=7)).spec == "logsumexp(beta=7.0)"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("maen", 'did you mean "mean"'),
        ("", "register_aggregation adds one of your own"),
        ("logsumexp(gamma=1)", r"numbers, as in logsumexp\(beta=1.0\)"),
        ("logsumexp(1)", r"numbers, as in logsumexp\(beta=1.0\)"),
        ("logsumexp(beta=1", "cannot be read"),
        ("logsumexp(beta=1)x", "cannot be read"),
        ("logsumexp()", "cannot be read"),
        ("logsumexp(beta=__import__('os'))", "cannot be read"),
        ("logsumexp(beta=0)", "other than 0"),
        ("norm(q=-1)", "above 0"),
        ("softmax(beta='x')", "cannot be read"),
        ("softmax(beta=nan)", "finite number"),
        (Max, r"add \(\)"),
        (3, "a name or an instance"),
    ],
)
def test_what_is_no_aggregation_is_refused(given: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        Conv2d(3, 4, 3, aggregation=given)


def test_names_cannot_be_taken_over() -> None:
    class Thief(Norm):
        name = "max"

    with pytest.raises(ArgumentError, match='the name "max" is taken'):
        register_aggregation(Thief())
    with pytest.raises(ArgumentError, match='two classes call themselves "max"'):
        Conv2d(3, 4, 3, aggregation=type("Impostor", (Max,), {})())
    assert type(resolve("max")) is Max


@pytest.mark.parametrize("given", [Max, "max", None])
def test_only_instances_register(given: Any) -> None:
    with pytest.raises(ArgumentError, match="not an aggregation"):
        register_aggregation(given)


def test_parameters_that_may_change_are_refused() -> None:
    @dataclass
    class Loose(Aggregation):
        q: float = 1.0
        name = "loose"
        init, step, finish, slope = (
            Contraharmonic.init,
            Contraharmonic.step,
            Contraharmonic.finish,
            Contraharmonic.slope,
        )

    with pytest.raises(ArgumentError, match="may change"):
        Conv2d(3, 4, 3, aggregation=Loose())


def test_a_class_without_a_proper_name_is_refused() -> None:
    class Nameless(Norm):
        name = "no name"

    with pytest.raises(ArgumentError, match="no proper `name`"):
        register_aggregation(Nameless())


@pytest.mark.parametrize("window", ["median", "none"])
def test_windows_have_a_state_of_fixed_size(window: str) -> None:
    with pytest.raises(ArgumentError, match="state of fixed size"):
        Conv2d(3, 4, 3, window=window)
