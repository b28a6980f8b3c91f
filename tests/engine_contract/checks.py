"""The contract of a layer of the engine as functions that raise; run on ours and on broken kernels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

import tests.engine_contract.exact as exact
from tests.engine_contract.cases import Case, Tensors
from tests.engine_contract.exact import Bounded


def check_close(actual: Tensor, expected: Bounded, what: str, case: Case) -> None:
    """Each number is within its bound."""
    assert actual.shape == expected.value.shape, f"{what} of {case} has the shape {tuple(actual.shape)}"
    assert str(actual.dtype) == f"torch.{case.dtype}", f"{what} of {case} is of {actual.dtype}"
    if actual.numel() == 0:
        return
    share = (actual.detach().double() - expected.value).abs() / (expected.error + 1e-300)
    worst = int(torch.nan_to_num(share, nan=float("inf")).argmax())
    place = tuple(int(index) for index in torch.unravel_index(torch.tensor(worst), actual.shape))
    assert share.flatten()[worst] <= 1.0, (
        f"{what}{place} of {case}: {actual[place].item()} is not {expected.value[place].item()} "
        f"+- {expected.error[place].item()}"
    )


def check_forward(case: Case, tensors: Tensors | None = None) -> None:
    """Values within the bound, winners that are maxima within the bound."""
    tensors = case.tensors() if tensors is None else tensors
    output, switches = case.block(tensors, return_switches=True)
    _check_results(case, tensors, output, switches)
    for _ in range(2):  # the second call takes the short way
        assert torch.equal(case.block(tensors), output), f"{case} depends on what else is asked for"


def check_backward(case: Case, tensors: Tensors | None = None) -> None:
    """The same of a pass that is differentiated, and all its gradients."""
    leaves = (case.tensors() if tensors is None else tensors).leaves()
    output, switches = case.block(leaves, return_switches=True)
    _check_results(case, leaves, output, switches)
    for _ in range(2):  # the second call takes the short way
        again = case.block(leaves)
        assert torch.equal(again, output), f"{case} depends on what else is asked for"
    given = case.gradient(output)
    found = torch.autograd.grad(again, leaves.given, given)
    z = exact.sums(case, leaves)
    dz = exact.before_pooling(case, z, output.detach(), switches, given)
    names = ("gradient of input", "gradient of weight", "gradient of bias")
    for name, gradient, expected in zip(names, found, exact.gradients(case, leaves, dz), strict=False):
        check_close(gradient, expected, name, case)


def _check_results(case: Case, tensors: Tensors, output: Tensor, switches: Tensor | None) -> None:
    maps = exact.activated(case, exact.sums(case, tensors))
    expected = exact.pooled(case, maps)
    check_close(output, expected, "output", case)
    if switches is None:
        assert case.pool is None
        return
    assert case.pool is not None
    assert switches.dtype == torch.uint8
    assert int(switches.max() if switches.numel() else 0) < case.pool[0] * case.pool[1]
    places = exact.winners(case, maps.value, switches)
    chosen = exact.taken(maps.value + maps.error, places)
    other = F.max_pool2d(maps.value - maps.error, case.pool, case.step)
    assert (chosen >= other).all(), f"a switch of {case} is no maximum by {(other - chosen).max()}"


def check_exact(case: Case) -> None:
    """Sums of small integers have no error: values, switches and gradients are torch's, bit for bit."""
    leaves = case.tensors().leaves()
    output, switches = case.block(leaves, return_switches=True)
    twins = Tensors(*(None if t is None else t.detach().double().requires_grad_() for t in leaves.all))  # type: ignore[arg-type]
    maps = exact.ACTIVATIONS[case.activation](exact.convolved(case, *twins.all))
    expected = maps
    if case.pool is not None:
        expected, indices = F.max_pool2d(maps, case.pool, case.step, return_indices=True)
        assert torch.equal(exact.winners(case, maps, switches), indices), f"switches of {case}"
    assert torch.equal(output.double(), expected), f"output of {case}"
    given = case.gradient(output)
    found = torch.autograd.grad(output, leaves.given, given)
    theirs = torch.autograd.grad(expected, twins.given, given.double())
    for name, ours, other in zip(("input", "weight", "bias"), found, theirs, strict=False):
        assert torch.equal(ours.double(), other), f"gradient of {name} of {case}"


def check_typical_error(case: Case) -> None:
    """Over many random numbers errors cancel: their root mean square is a few roundings of a whole sum.

    The bound of Winograd's algorithm is far above that, and would not see a matrix that is slightly wrong.

    Args:
        case: a convolution without activation and pooling.
    """
    leaves = case.tensors().leaves()
    output = case.block(leaves)
    given = case.gradient(output)
    found = [output.detach(), *torch.autograd.grad(output, leaves.given, given)]
    numbers = [tensor.detach().double() for tensor in leaves.given]
    sizes = [number.abs() for number in numbers]
    expected, terms = (
        [exact.convolved(case, *tensors), *exact.transposed(case, (tensors[0], tensors[1]), weighing)]
        for tensors, weighing in ((numbers, given.double()), (sizes, given.double().abs()))
    )
    names = ("output", "gradient of input", "gradient of weight", "gradient of bias")
    for name, ours, other, size in zip(names, found, expected, terms, strict=True):
        error, allowed = (ours.double() - other).square().mean(), size.square().mean()
        assert error <= (4 * exact.ROUNDOFF[case.dtype]) ** 2 * allowed, (
            f"{name} of {case} is off by {float((error / allowed).sqrt())} of the sums on average"
        )


def kind(numbers: Tensor) -> Tensor:
    """What is special about each number: NaN, one of the infinities, or nothing."""
    return torch.where(numbers.isnan(), 2, torch.where(numbers.isinf(), numbers.sign().int(), 0))


def poisoned(tensor: Tensor, value: float) -> Tensor:
    """One number in the middle, and the last one, are special."""
    flat = tensor.clone()
    flat[tuple(size // 2 for size in flat.shape)] = value
    flat[tuple(size - 1 for size in flat.shape)] = value
    return flat


def check_special(case: Case, value: float, place: int) -> None:
    """A number that is not finite, in input, weight or bias, reaches the results that it reaches in float64.

    Args:
        case: a convolution with a bias, without activation and pooling.
        value: NaN or an infinity.
        place: 0 for the input, 1 for the weight, 2 for the bias.
    """
    tensors = Tensors(*(poisoned(t, value) if i == place else t for i, t in enumerate(case.tensors().given)))
    leaves, twins = tensors.leaves(), Tensors(*(t.double() for t in tensors.given)).leaves()
    ours, theirs = case.block(leaves), exact.convolved(case, *twins.all)
    assert torch.equal(kind(ours), kind(theirs)), f"special numbers in the output of {case}"
    given = case.gradient(ours)
    found = torch.autograd.grad(ours, leaves.given, given)
    expected = torch.autograd.grad(theirs, twins.given, given.double())
    for number, (gradient, other) in enumerate(zip(found, expected, strict=True)):
        ours, theirs = kind(gradient), kind(other)
        if (place, number) == (
            1,
            0,
        ):  # the zeros around the gradient meet the weight too: whole maps are lost
            ours, theirs = (special.any(-1).any(-1) for special in (ours, theirs))
        assert torch.equal(ours, theirs), f"special numbers in gradient {number} of {case}"
