"""NaN, infinity, subnormal and huge numbers come out where they belong, and nowhere else."""

from dataclasses import replace
from math import inf, nan

import pytest
import torch
import torch.nn.functional as F

from convitro import functional
from tests.engine_contract.cases import Case, Tensors
from tests.engine_contract.checks import check_special, kind, poisoned
from tests.engine_contract.exact import convolved
from tests.engine_contract.families import FAMILIES

SELECTION = ["direct", "winograd", "depthwise", "grouped", "strided", "float64", "bfloat16"]


def plain(name: str, activation: str = "none") -> Case:
    return replace(FAMILIES[name], activation=activation, pool=None, pool_stride=None, bias="plain")


@pytest.mark.parametrize("name", SELECTION)
@pytest.mark.parametrize("value", [nan, inf, -inf])
@pytest.mark.parametrize("place", range(3))
def test_special_numbers_reach_what_they_reach_and_no_more(name: str, value: float, place: int) -> None:
    check_special(plain(name), value, place)


@pytest.mark.parametrize("name", SELECTION)
@pytest.mark.parametrize("value", [nan, inf, -inf])
def test_special_gradients(name: str, value: float) -> None:
    case = plain(name)
    leaves = case.tensors().leaves()
    twins = Tensors(*(t.detach().double() for t in leaves.given)).leaves()
    ours, theirs = case.block(leaves), convolved(case, *twins.all)
    given = poisoned(case.gradient(ours), value)
    found = torch.autograd.grad(ours, leaves.given, given)
    expected = torch.autograd.grad(theirs, twins.given, given.double())
    for gradient, other in zip(found, expected, strict=True):
        assert torch.equal(kind(gradient), kind(other))


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "silu", "gelu", "sigmoid", "tanh", "none"])
@pytest.mark.parametrize(("pool", "step"), [(None, None), (2, 2), (3, 1)])
def test_activation_and_pooling_of_special_numbers_are_pytorchs(
    activation: str, pool: int, step: int
) -> None:
    """A kernel of one pixel passes every number through; NaN wins over all, the last NaN wins over others."""
    input = torch.randn(1, 9, 6, 6)
    input.view(-1)[::5], input.view(-1)[1::11], input.view(-1)[2::7] = nan, inf, -inf
    weight = torch.ones(9, 1, 1, 1)
    input.requires_grad_()
    ours, switches = functional.conv_block(
        input, weight, groups=9, activation=activation, pool=pool, pool_stride=step, return_switches=True
    )
    # in float64: with AVX-512 torch's gelu of a float32 infinity is NaN
    maps = functional.ACTIVATIONS[activation]()(input.double())
    theirs, indices = F.max_pool2d(maps, pool, step, return_indices=True) if pool else (maps, None)
    torch.testing.assert_close(ours, theirs.float(), equal_nan=True)
    if indices is None:
        indices = torch.arange(36).view(6, 6).expand(theirs.shape)
    else:
        assert switches is not None
        rows, columns = (torch.arange(size) * step for size in switches.shape[2:])
        found = (rows[:, None] + switches.long() // pool) * 6 + columns + switches.long() % pool
        assert torch.equal(found, indices)
    given = torch.randn(theirs.shape)
    winners = input.detach().flatten(2).gather(2, indices.flatten(2)).requires_grad_()
    after = functional.ACTIVATIONS[activation]()(winners)
    (slopes,) = torch.autograd.grad(after, winners, given.flatten(2))
    expected = torch.zeros(1, 9, 36).scatter_add_(2, indices.flatten(2), slopes).view(input.shape)
    (gradient,) = torch.autograd.grad(ours, input, given)
    torch.testing.assert_close(gradient, expected, equal_nan=True)


@pytest.mark.parametrize("algorithm", ["direct", "winograd"])
def test_huge_numbers_that_fit_come_out_finite(algorithm: str) -> None:
    """Winograd's transforms would overflow; the result does not."""
    input, weight = torch.full((1, 8, 9, 9), 3e38), torch.zeros(8, 8, 3, 3)
    weight[:, :, 1, 1] = 0.1
    output = functional.conv2d(input, weight, padding=1, algorithm=algorithm)
    torch.testing.assert_close(output, F.conv2d(input.double(), weight.double(), padding=1).float())


@pytest.mark.parametrize("name", ["direct", "winograd", "depthwise"])
def test_subnormal_numbers_keep_their_values(name: str) -> None:
    case = plain(name)
    input, weight, _ = case.tensors().all
    tiny = Tensors(input * 2.0**-140, weight, None)
    output = case.block(tiny)
    expected = convolved(case, *(t.double() for t in (tiny.input, tiny.weight)))
    assert output.count_nonzero() > 0.9 * output.numel()
    products = weight[0].numel()
    assert ((output.double() - expected).abs() <= 600 * products * 2.0**-149).all()


@pytest.mark.parametrize("name", ["direct", "winograd", "grouped"])
def test_where_a_window_is_closed_special_gradients_do_not_pass(name: str) -> None:
    """relu's own rule: an infinite gradient of a zero is no gradient, as in PyTorch."""
    case = replace(FAMILIES[name], bias="")
    input, weight, _ = case.tensors().all
    leaves = Tensors(-input.abs(), weight.abs(), None).leaves()
    output = case.block(leaves)
    assert not output.any()
    found = torch.autograd.grad(output, leaves.given, torch.full_like(output, inf))
    assert not any(gradient.any() for gradient in found)
