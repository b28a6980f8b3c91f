"""An aggregation's parameter as a parameter of the layer: values, gradients, training, refusals."""

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from convitro import Aggregation, Conv2d
from convitro.engine.cpu import isa
from convitro.errors import ArgumentError
from convitro.functional import conv2d
from tests import oracle

LEARNED = [
    ("logsumexp", "beta", 1.5),
    ("logsumexp", "beta", -0.8),
    ("logmeanexp", "beta", 0.7),
    ("softmax", "beta", 1.3),
    ("powermean", "q", 3.3),
    ("norm", "q", 2.0),
    ("norm", "q", 1.0),
]
LAYERS: list[dict[str, Any]] = [
    {},
    {"groups": 2, "stride": (2, 1), "padding": (1, 1)},
    {"padding": 1, "combine": "subtract", "window": "max"},
]
ALGORITHMS = ["fold", "reference"]
learned = pytest.mark.parametrize(("name", "field", "value"), LEARNED)
by_algorithm = pytest.mark.parametrize("algorithm", ALGORITHMS)


def problem(learn: str, value: float, dtype: torch.dtype = torch.float64, **layer: Any) -> tuple[Tensor, ...]:
    """A small input, weight and parameter with gradients."""
    input = torch.randn(2, 4, 4, 5, dtype=dtype, requires_grad=True)
    weight = torch.randn(6, 4 // layer.get("groups", 1), 3, 2, dtype=dtype, requires_grad=True)
    shape = () if learn == "layer" else (6,)
    around = value + (torch.arange(6) / 20 if shape else torch.zeros(()))
    return input, weight, around.to(dtype).requires_grad_()


@by_algorithm
@pytest.mark.parametrize("layer", LAYERS)
@learned
def test_values_are_those_of_a_fixed_number(
    name: str, field: str, value: float, layer: dict[str, Any], algorithm: str
) -> None:
    input, weight, _ = problem("layer", value, **layer)
    arguments: dict[str, Any] = {**layer, "algorithm": algorithm}
    fixed = conv2d(input, weight, aggregation=f"{name}({field}={value})", **arguments)
    for shape in ((), (6,)):
        parameter = torch.full(shape, value, dtype=torch.float64)
        torch.testing.assert_close(
            conv2d(input, weight, aggregation=name, aggregation_parameter=parameter, **arguments), fixed
        )
        parameter.requires_grad_()
        torch.testing.assert_close(
            conv2d(input, weight, aggregation=name, aggregation_parameter=parameter, **arguments), fixed
        )


@by_algorithm
def test_every_filter_has_its_own_number(algorithm: str) -> None:
    input, weight, parameter = problem("filter", 1.0, groups=2)
    every = conv2d(
        input, weight, groups=2, aggregation="softmax", aggregation_parameter=parameter, algorithm=algorithm
    )
    for filter_, beta in enumerate(parameter.tolist()):
        fixed = conv2d(input, weight, groups=2, aggregation=f"softmax(beta={beta})")
        torch.testing.assert_close(every[:, filter_], fixed[:, filter_])


@by_algorithm
@pytest.mark.parametrize("learn", ["layer", "filter"])
@pytest.mark.parametrize("layer", LAYERS)
@learned
def test_gradients_are_exact(
    name: str, field: str, value: float, layer: dict[str, Any], learn: str, algorithm: str
) -> None:
    def run(input: Tensor, weight: Tensor, parameter: Tensor) -> Tensor:
        return conv2d(
            input, weight, aggregation=name, aggregation_parameter=parameter, algorithm=algorithm, **layer
        )

    assert torch.autograd.gradcheck(run, problem(learn, value, **layer), fast_mode=True)


@by_algorithm
def test_the_gradient_is_that_of_autograd(algorithm: str) -> None:
    """Against an oracle that shares no code: each pixel's list of numbers, reduced by torch."""
    input, weight, parameter = problem("layer", 1.7)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(oracle.REDUCTIONS, "learned", lambda p: torch.logsumexp(parameter * p, 0) / parameter)
        wanted = oracle.conv2d(input, weight, aggregation="learned")
        patch.setitem(oracle.REDUCTIONS, "learned", lambda p: p.abs().pow(parameter).sum().pow(1 / parameter))
        norm = oracle.conv2d(input, weight, aggregation="learned")
    tensors = (input, weight, parameter)
    for name, expected in (("logsumexp", wanted), ("norm", norm)):
        found = conv2d(input, weight, aggregation=name, aggregation_parameter=parameter, algorithm=algorithm)
        weighing = torch.linspace(-1, 2, found.numel(), dtype=found.dtype).reshape(found.shape)
        torch.testing.assert_close(found, expected)
        torch.testing.assert_close(
            torch.autograd.grad(found, tensors, weighing), torch.autograd.grad(expected, tensors, weighing)
        )


@pytest.mark.parametrize("needs", [(True, False, False), (False, True, False), (False, False, True)])
@by_algorithm
def test_one_gradient_alone(needs: tuple[bool, ...], algorithm: str) -> None:
    tensors = problem("filter", 0.9)
    input, weight, parameter = tensors
    every = conv2d(
        input, weight, aggregation="logsumexp", aggregation_parameter=parameter, algorithm=algorithm
    )
    wanted = torch.autograd.grad(every.square().sum(), tensors, retain_graph=True)[needs.index(True)]
    of_all = torch.autograd.grad(every.square().sum(), tensors[needs.index(True)])[0]
    torch.testing.assert_close(of_all, wanted)
    alone = [tensor.detach().requires_grad_(need) for tensor, need in zip(tensors, needs, strict=True)]
    output = conv2d(
        alone[0], alone[1], aggregation="logsumexp", aggregation_parameter=alone[2], algorithm=algorithm
    )
    output.square().sum().backward()
    found = [tensor.grad for tensor in alone]
    assert [grad is not None for grad in found] == list(needs)
    torch.testing.assert_close(found[needs.index(True)], wanted)


@pytest.mark.parametrize("machine", ["avx512", "avx2", "x86-64"])
@pytest.mark.parametrize("name", ["logsumexp", "norm"])
@pytest.mark.parametrize("filters", [1, 5, 35])
def test_any_number_of_filters_on_any_vectors(machine: str, name: str, filters: int) -> None:
    if machine not in isa.supported():
        pytest.skip(f"this processor has no {machine}")
    input = torch.randn(2, 19, 5, 6, requires_grad=True)
    weight = torch.randn(filters, 19, 3, 3, requires_grad=True)
    parameter = (1.2 + torch.rand(filters)).requires_grad_()
    tensors = (input, weight, parameter)
    with isa.forced(machine):
        found = conv2d(input, weight, aggregation=name, aggregation_parameter=parameter, algorithm="fold")
        ours = torch.autograd.grad(found.square().sum(), tensors)
    double = [tensor.detach().double().requires_grad_() for tensor in tensors]
    expected = conv2d(
        double[0], double[1], aggregation=name, aggregation_parameter=double[2], algorithm="reference"
    )
    theirs = torch.autograd.grad(expected.square().sum(), double)
    torch.testing.assert_close(found, expected.float(), rtol=1e-4, atol=1e-4)
    for mine, wanted in zip(ours, theirs, strict=True):
        largest = wanted.abs().max().item()
        torch.testing.assert_close(mine, wanted.float(), rtol=1e-3, atol=1e-4 * largest)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_inputs_of_16_bits(dtype: torch.dtype) -> None:
    layer = Conv2d(4, 5, 3, dtype=dtype, aggregation="softmax", learn="filter")
    twin = Conv2d(4, 5, 3, aggregation="softmax", learn="filter")
    twin.load_state_dict(layer.state_dict())
    input = torch.randn(1, 4, 6, 6, dtype=dtype)
    output, wanted = layer(input), twin(input.float())
    torch.testing.assert_close(output.float(), wanted, rtol=1e-2, atol=1e-2)
    output.sum().backward()
    wanted.sum().backward()
    assert layer.aggregation_parameter is not None
    assert twin.aggregation_parameter is not None
    assert layer.aggregation_parameter.grad is not None
    assert layer.aggregation_parameter.grad.dtype == dtype
    torch.testing.assert_close(
        layer.aggregation_parameter.grad.float(), twin.aggregation_parameter.grad, rtol=2e-2, atol=2e-2
    )


@by_algorithm
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_nothing_but_numbers_at_the_edges(dtype: torch.dtype, algorithm: str) -> None:
    """All items 0, one item -inf, all -inf: the parameter's gradient stays a number."""
    weight = torch.ones(1, 3, 1, 1, dtype=dtype)
    zeros = torch.zeros(1, 3, 1, 4, dtype=dtype)
    masked = torch.tensor([1.0, 2.0, -torch.inf], dtype=dtype).reshape(1, 3, 1, 1)
    nothing = torch.full((1, 3, 1, 1), -torch.inf, dtype=dtype)
    tried = {
        "logsumexp": (zeros, masked, masked.flip(1), nothing),
        "logmeanexp": (zeros, masked, masked.flip(1), nothing),
        "softmax": (zeros,),
        "norm": (zeros, 1e-30 * masked[:, :2].repeat(1, 2, 1, 1)[:, :3], 1e30 * (zeros + 1)),
        "powermean": (zeros,),
    }
    for name, inputs in tried.items():
        for input in inputs:
            parameter = torch.tensor(2.0, dtype=dtype, requires_grad=True)
            found = conv2d(
                input, weight, aggregation=name, aggregation_parameter=parameter, algorithm=algorithm
            )
            (gradient,) = torch.autograd.grad(found.sum(), parameter)
            assert gradient.isfinite(), (name, input)
    parameter = torch.tensor(2.0, dtype=dtype, requires_grad=True)
    found = conv2d(
        masked, weight, aggregation="logsumexp", aggregation_parameter=parameter, algorithm=algorithm
    )
    two = torch.tensor([1.0, 2.0], dtype=dtype)
    expected = torch.logsumexp(parameter * two, 0) / parameter
    torch.testing.assert_close(
        torch.autograd.grad(found.sum(), parameter), torch.autograd.grad(expected, parameter)
    )


@by_algorithm
def test_nan_is_a_result_and_a_gradient(algorithm: str) -> None:
    input, weight = torch.randn(1, 3, 2, 2), torch.ones(2, 3, 1, 1)
    input[0, 1, 0, 0] = torch.nan
    for name in ("logsumexp", "softmax", "norm"):
        parameter = torch.full((2,), 1.5, requires_grad=True)
        found = conv2d(input, weight, aggregation=name, aggregation_parameter=parameter, algorithm=algorithm)
        assert found[..., 0, 0].isnan().all()
        assert found.isnan().sum() == 2
        (gradient,) = torch.autograd.grad(found.sum(), parameter)
        assert gradient.isnan().all()


@dataclass(frozen=True)
class Swish(Aggregation):
    """The sum of p * sigmoid(sharpness p): a class of a user's own, whose slope is derived."""

    name = "swishes"
    sharpness: float = 1.0
    offset: int = 0

    def init(self, n: int) -> tuple[float, ...]:
        return (0.0,)

    def step(self, state: Any, p: Any) -> Any:
        return (state[0] + p / (1 + (-(self.sharpness * p)).exp()),)

    def merge(self, s: Any, t: Any) -> Any:
        return (s[0] + t[0],)

    def finish(self, state: Any, n: Any) -> Any:
        return state[0] + self.offset


@by_algorithm
@pytest.mark.parametrize("learn", ["layer", "filter"])
def test_an_aggregation_of_ones_own(algorithm: str, learn: str) -> None:
    def run(input: Tensor, weight: Tensor, parameter: Tensor) -> Tensor:
        return conv2d(
            input, weight, aggregation=Swish(), aggregation_parameter=parameter, algorithm=algorithm
        )

    tensors = problem(learn, 1.5)
    assert torch.autograd.gradcheck(run, tensors, fast_mode=True)
    single = torch.full((), 1.5, dtype=torch.float64)
    fixed = conv2d(tensors[0], tensors[1], aggregation=Swish(sharpness=1.5), algorithm=algorithm)
    torch.testing.assert_close(run(tensors[0], tensors[1], single), fixed)


@dataclass(frozen=True)
class Branching(Swish):
    name = "branching"

    def finish(self, state: Any, n: Any) -> Any:
        return state[0] if self.sharpness > 1 else 2 * state[0]


@dataclass(frozen=True)
class Rounded(Swish):
    """What it computes with is not what it was given: nothing that arithmetic could follow."""

    name = "rounded"

    def finish(self, state: Any, n: Any) -> Any:
        sharpness = getattr(self.sharpness, "value", self.sharpness)
        return state[0] * sharpness


def test_a_parameter_that_is_not_followed_is_refused() -> None:
    input, weight, parameter = problem("filter", 1.5)
    with pytest.raises(ArgumentError, match="cannot be run with a tensor as `sharpness`"):
        conv2d(input, weight, aggregation=Branching(), aggregation_parameter=parameter)
    with pytest.raises(ArgumentError, match="the derivative by `sharpness` is wrong"):
        conv2d(input, weight, aggregation=Rounded(), aggregation_parameter=parameter)


def test_the_parameter_can_be_a_result_itself() -> None:
    """A tensor that another part of the network computes."""
    input, weight, raw = torch.randn(2, 4, 5, 5), torch.randn(6, 4, 3, 3), torch.zeros(6, requires_grad=True)
    conv2d(
        input, weight, aggregation="norm", aggregation_parameter=1 + nn.functional.softplus(raw)
    ).sum().backward()
    assert raw.grad is not None
    assert (raw.grad < 0).all()  # a norm becomes smaller as q grows
