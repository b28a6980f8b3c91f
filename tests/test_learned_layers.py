"""Layers that learn the parameter of their aggregation: training, keeping, compiling, refusals."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import convitro
from convitro import Conv2d, ConvBlock, LogSumExp, dissect
from convitro.aggregation.dual import Dual
from convitro.aggregation.learned import WithTangent
from convitro.errors import ArgumentError, DtypeError, ShapeError, UnsupportedError
from convitro.functional import conv2d, conv_block
from tests.test_learned_aggregation import by_algorithm, problem


@pytest.mark.parametrize("learn", ["layer", "filter"])
def test_training_finds_the_parameter(learn: str) -> None:
    teacher = Conv2d(4, 3, 1, bias=False, aggregation="softmax(beta=2.0)")
    student = Conv2d(4, 3, 1, bias=False, aggregation="softmax(beta=0.5)", learn=learn)
    student.weight = teacher.weight
    student.weight.requires_grad_(False)
    assert student.aggregation_parameter is not None
    optimizer = torch.optim.Adam([student.aggregation_parameter], lr=0.1)
    input = 3 * torch.randn(4, 4, 6, 6)
    for _ in range(150):
        optimizer.zero_grad()
        nn.functional.mse_loss(student(input), teacher(input).detach()).backward()
        optimizer.step()
    expected = torch.full_like(student.aggregation_parameter, 2.0)
    torch.testing.assert_close(student.aggregation_parameter.data, expected, rtol=0.05, atol=0.0)


def test_a_layer_keeps_its_parameter(tmp_path: Any) -> None:
    layer = Conv2d(4, 6, 3, aggregation="norm(q=3.0)", learn="filter")
    assert layer.aggregation_parameter is not None
    assert layer.aggregation_parameter.tolist() == [3.0] * 6
    assert repr(layer).endswith("aggregation=norm(q=3.0), learn=filter)")
    nn.init.uniform_(layer.aggregation_parameter, 1.5, 2.5)
    torch.save(layer.state_dict(), tmp_path / "layer.pt")
    twin = Conv2d(4, 6, 3, aggregation="norm", learn="filter")
    twin.load_state_dict(torch.load(tmp_path / "layer.pt", weights_only=True))
    input = torch.randn(1, 4, 5, 5)
    for same in (twin, copy.deepcopy(layer)):
        torch.testing.assert_close(same(input), layer(input), rtol=0, atol=0)
    with pytest.raises(RuntimeError, match="aggregation_parameter"):
        Conv2d(4, 6, 3, aggregation="norm(q=3.0)").load_state_dict(layer.state_dict())
    layer.reset_parameters()
    assert layer.aggregation_parameter.tolist() == [3.0] * 6


def test_a_fixed_layer_has_no_parameter_more() -> None:
    layer = Conv2d(4, 6, 3, aggregation="norm")
    assert layer.learn is None
    assert layer.aggregation_parameter is None
    assert list(layer.state_dict()) == ["weight", "bias"]
    assert "learn" not in repr(layer)


def test_from_conv2d_learns_too() -> None:
    plain = nn.Conv2d(4, 6, 3)
    layer = Conv2d.from_conv2d(plain, "logmeanexp(beta=2.0)", learn="layer")
    assert layer.weight is plain.weight
    assert layer.learn == "layer"
    assert Conv2d.from_conv2d(layer, "max").learn is None
    assert layer.aggregation_parameter is not None
    layer(torch.randn(1, 4, 5, 5)).sum().backward()
    assert layer.aggregation_parameter.grad is not None


@pytest.mark.parametrize("activation", ["relu", "silu"])
def test_a_block_learns_too(activation: str) -> None:
    block = ConvBlock(4, 6, 3, aggregation="softmax", learn="filter", activation=activation)
    parameter = block.conv.aggregation_parameter
    assert parameter is not None
    input = torch.randn(2, 4, 8, 8)
    wanted = block.pool(block.activation(block.conv(input)))
    torch.testing.assert_close(block(input), wanted)
    with torch.no_grad():
        torch.testing.assert_close(block(input), wanted)
        pooled, switches = conv_block(
            input,
            block.conv.weight,
            block.conv.bias,
            aggregation="softmax",
            activation=activation,
            aggregation_parameter=parameter,
            return_switches=True,
        )
    torch.testing.assert_close(pooled, wanted)
    assert switches is not None
    block(input).sum().backward()
    assert parameter.grad is not None
    assert parameter.grad.shape == (6,)


@pytest.mark.parametrize("learn", ["layer", "filter"])
def test_compile_without_a_graph_break(learn: str) -> None:
    layer = Conv2d(4, 6, 3, padding="same", groups=2, aggregation="logsumexp", learn=learn)
    compiled: Callable[[Tensor], Tensor] = torch.compile(layer, fullgraph=True, backend="aot_eager")
    input, leaves = torch.randn(2, 4, 6, 6), list(layer.parameters())
    torch.testing.assert_close(compiled(input), layer(input))
    ours = torch.autograd.grad(compiled(input).square().sum(), leaves)
    torch.testing.assert_close(ours, torch.autograd.grad(layer(input).square().sum(), leaves))


@pytest.mark.parametrize("learn", [None, "layer", "filter"])
def test_compile_with_sizes_as_symbols(learn: str | None) -> None:
    torch._dynamo.reset()
    for channels, size in ((4, 6), (8, 9), (12, 5)):  # of which later compilations make symbols
        layer = Conv2d(channels, 6, 3, aggregation=LogSumExp(beta=2.0 + size), learn=learn)
        compiled: Callable[[Tensor], Tensor] = torch.compile(
            layer, fullgraph=True, dynamic=True, backend="aot_eager"
        )
        input = torch.randn(2, channels, size, size)
        torch.testing.assert_close(compiled(input), layer(input))


def test_export() -> None:
    layer = Conv2d(4, 6, 3, aggregation="norm", learn="layer").eval()
    input = torch.randn(2, 4, 8, 8)
    torch.testing.assert_close(torch.export.export(layer, (input,)).module()(input), layer(input))


@by_algorithm
@pytest.mark.parametrize("spec", ["logsumexp(beta=2.0)", "norm(q=2.0)"])
def test_the_operator_keeps_the_rules_of_torch(spec: str, algorithm: str) -> None:
    input = torch.randn(2, 4, 5, 5, requires_grad=True)
    weight = torch.randn(2, 2, 3, 3, requires_grad=True)
    layer = ([1, 1], [1, 1, 1, 1], [1, 1], 2, f"{spec}|sum|multiply", algorithm)
    for parameter in (torch.tensor(1.5, requires_grad=True), torch.tensor([1.5, 2.5], requires_grad=True)):
        arguments = (input, weight, *layer, True, parameter, True)
        torch.library.opcheck(torch.ops.convitro.aggregate.default, arguments)
    frozen = (input, weight, *layer, True, torch.tensor(1.5), False)
    torch.library.opcheck(torch.ops.convitro.aggregate.default, frozen)


@pytest.mark.filterwarnings("ignore:`torch.jit.script`:DeprecationWarning")  # by torch itself
def test_second_derivatives_and_forward_mode_are_refused() -> None:
    input, weight, parameter = problem("layer", 1.5)
    output = conv2d(input.detach(), weight.detach(), aggregation="norm", aggregation_parameter=parameter)
    (gradient,) = torch.autograd.grad(output.square().sum(), parameter, create_graph=True)
    with pytest.raises(RuntimeError, match="autograd"):
        gradient.backward()
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(parameter.detach(), torch.ones_like(parameter))
        with pytest.raises(UnsupportedError, match="forward-mode"):
            conv2d(input, weight, aggregation="norm", aggregation_parameter=dual)


def test_what_cannot_be_learned_is_named() -> None:
    with pytest.raises(ArgumentError, match='aggregation="max" has no parameter to learn'):
        Conv2d(3, 4, 3, aggregation="max", learn="layer")
    with pytest.raises(ArgumentError, match="unknown `learn`"):
        Conv2d(3, 4, 3, aggregation="norm", learn="channel")
    input, weight = torch.zeros(1, 3, 5, 5), torch.zeros(4, 3, 3, 3)
    with pytest.raises(ShapeError, match=r"received: +\(3,\)"):
        conv2d(input, weight, aggregation="norm", aggregation_parameter=torch.ones(3))
    with pytest.raises(ShapeError, match=r"received: +float"):
        conv2d(input, weight, aggregation="norm", aggregation_parameter=2.0)  # type: ignore[arg-type]
    with pytest.raises(DtypeError, match=r"torch\.int64"):
        conv2d(input, weight, aggregation="norm", aggregation_parameter=torch.ones(4, dtype=torch.long))
    with pytest.raises(UnsupportedError, match='algorithm="direct" cannot compute'):
        conv2d(input, weight, aggregation="norm", aggregation_parameter=torch.ones(4), algorithm="direct")


def test_a_dissection_shows_what_was_learned() -> None:
    layer = Conv2d(3, 4, 3, aggregation="logsumexp", learn="layer")
    assert layer.aggregation_parameter is not None
    nn.init.constant_(layer.aggregation_parameter, 2.5)
    found = dissect(nn.Sequential(layer), torch.randn(1, 3, 6, 6))["0"]
    assert found.aggregation.spec == "logsumexp(beta=2.5)"
    own = Conv2d(3, 4, 3, aggregation="logsumexp", learn="filter")
    dissect(nn.Sequential(own), torch.randn(1, 3, 6, 6))
    assert own.aggregation_parameter is not None
    nn.init.uniform_(own.aggregation_parameter, 1.0, 2.0)
    with pytest.raises(UnsupportedError, match="filters with different aggregations"):
        dissect(nn.Sequential(own), torch.randn(1, 3, 6, 6))


def test_tangents_never_come_from_where_nothing_is() -> None:
    """0 * inf, in the numbers behind a derivative, is no derivative."""
    below = Dual(torch.tensor([-torch.inf, 0.0]), torch.tensor([-torch.inf, 1.0]))
    assert below.exp().tangent.tolist() == [0.0, 1.0]
    power = Dual(torch.tensor([0.0, 2.0])) ** Dual(torch.tensor([3.0, 3.0]), 1.0)
    torch.testing.assert_close(power.tangent, torch.tensor([0.0, 8 * torch.log(torch.tensor(2.0)).item()]))
    kept = Dual(torch.tensor([torch.inf, 1.0]), 1.0).where(torch.tensor([False, True]), 0.0)
    assert kept.tangent.tolist() == [0.0, 1.0]
    assert Dual(torch.tensor([torch.nan])).clamp(min=0.0).value.isnan().all()
    first = WithTangent(convitro.LogSumExp(), torch.tensor(2.0))
    state = first.step(tuple(torch.full((1,), number) for number in first.init(1)), torch.tensor([3.0]))
    assert [number.item() for number in state] == [6.0, 1.0, 3.0, 0.0]
