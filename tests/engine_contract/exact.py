"""A layer in float64 by torch, and how far a result may be from it: bounds are derived, not chosen.

A sum of K products whose absolute values sum to S has an error of at most K u S, in any order, where u is the
unit roundoff; Winograd's algorithm has the bound that its module states. What follows multiplies an error
with its largest slope and adds its own few roundings. The winners of pooling windows are taken from the
result: rounding may decide between two numbers; that each is a maximum within the bound is checked apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, prod

import torch
import torch.nn.functional as F
from torch import Tensor

from convitro.engine.cpu.winograd_transforms import FOUR
from tests.engine_contract.cases import Case, Tensors

ROUNDOFF = {"float32": 2.0**-24, "float64": 2.0**-53, "bfloat16": 2.0**-24}
"""Of the sums; bfloat16 is summed in float32."""
STORED = {"float32": 0.0, "float64": 0.0, "bfloat16": 2.0**-8}
"""Of a result that is written in less than the precision of the sums."""
STEEPEST = {
    "relu": 1.0,
    "leaky_relu": 1.0,
    "silu": 1.1,
    "gelu": 1.13,
    "sigmoid": 0.25,
    "tanh": 1.0,
    "none": 1.0,
}
ACTIVATIONS = {
    "relu": torch.relu,
    "leaky_relu": F.leaky_relu,
    "silu": F.silu,
    "gelu": F.gelu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "none": lambda z: z,
}
FEW = 16
"""Roundings of an activation, a conversion, and of the float64 that all is compared with."""


@dataclass(frozen=True)
class Bounded:
    """Numbers and how far each may be off."""

    value: Tensor
    error: Tensor


def convolved(case: Case, input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """The convolution by torch, in whatever dtype it gets."""
    return F.conv2d(F.pad(input, case.sides), weight, bias, case.stride, 0, case.dilation, case.groups)


def sums(case: Case, tensors: Tensors) -> Bounded:
    """The convolution's output."""
    input, weight, bias = (None if t is None else t.detach().double() for t in tensors.all)
    assert input is not None
    assert weight is not None
    unit, products = ROUNDOFF[case.dtype], weight[0].numel()
    size = convolved(case, input.abs(), weight.abs(), None if bias is None else bias.abs())
    error = (products + FEW) * unit * size
    if case.amplification:
        largest = input.abs().amax((2, 3), keepdim=True)
        terms = F.conv2d(largest, weight.abs().amax((2, 3), keepdim=True), groups=case.groups)
        error = error + (case.channels + 40) * unit * case.amplification * terms
    return Bounded(convolved(case, input, weight, bias), error)


def activated(case: Case, z: Bounded) -> Bounded:
    """After the activation."""
    value = ACTIVATIONS[case.activation](z.value)
    own = value.abs() + z.value.abs() if case.activation == "gelu" else value.abs()
    return Bounded(value, STEEPEST[case.activation] * z.error + FEW * ROUNDOFF[case.dtype] * own)


def pooled(case: Case, maps: Bounded) -> Bounded:
    """After the pooling, and as it is stored."""
    value, error = maps.value, maps.error
    if case.pool is not None:
        value, error = (F.max_pool2d(t, case.pool, case.step) for t in (value, error))
    return Bounded(value, error + STORED[case.dtype] * (value.abs() + error))


def winners(case: Case, maps: Tensor, switches: Tensor | None) -> Tensor:
    """Where in its map each output comes from."""
    if case.pool is None or switches is None:
        return torch.arange(prod(maps.shape[2:])).view(maps.shape[2:]).expand(maps.shape)
    rows, columns = (torch.arange(size) for size in switches.shape[2:])
    row = (rows * case.step[0])[:, None] + switches.long() // case.pool[1]
    return row * maps.shape[3] + columns * case.step[1] + switches.long() % case.pool[1]


def taken(maps: Tensor, places: Tensor) -> Tensor:
    """What lies at the winners."""
    return maps.flatten(2).gather(2, places.flatten(2)).view(places.shape)


def slopes(case: Case, z: Bounded, output: Tensor) -> Bounded:
    """Of the activation at the winners; where relu bends, the result's own sign decides."""
    positive, nothing = (output > 0).double(), torch.zeros_like(z.value)
    unit = ROUNDOFF[case.dtype]
    if case.activation in ("none", "relu", "leaky_relu"):
        below = {"none": 1.0, "relu": 0.0, "leaky_relu": 0.01}[case.activation]
        value = positive + below * (1 - positive)
        return Bounded(value, nothing + unit * (case.activation == "leaky_relu"))
    point = z.value.detach().requires_grad_()
    after = ACTIVATIONS[case.activation](point)
    (value,) = torch.autograd.grad(after.sum(), point)
    if case.activation in ("sigmoid", "tanh"):  # from the output as it was stored
        off = activated(case, z).error + STORED[case.dtype] * after.detach().abs()
        return Bounded(value, 2 * off + FEW * unit)
    return Bounded(value, 0.8 * z.error + FEW * unit * (1 + z.value.abs()))  # |f''| < 0.8


def before_pooling(case: Case, z: Bounded, output: Tensor, switches: Tensor | None, given: Tensor) -> Bounded:
    """The gradient of the convolution's output."""
    places = winners(case, z.value, switches)
    slope = slopes(case, Bounded(taken(z.value, places), taken(z.error, places)), output)
    given = given.double()
    value, error = given * slope.value, given.abs() * slope.error
    error = error + FEW * ROUNDOFF[case.dtype] * value.abs()
    spread = [
        torch.zeros_like(z.value).flatten(2).scatter_add_(2, places.flatten(2), part.flatten(2))
        for part in (value, error)
    ]
    return Bounded(*(part.view(z.value.shape) for part in spread))


def gradients(case: Case, tensors: Tensors, dz: Bounded) -> list[Bounded]:
    """Of input, weight and bias, as far as there are any."""
    unit, (input, weight, _) = ROUNDOFF[case.dtype], tensors.all
    numbers = input.detach().double(), weight.detach().double()
    sizes = numbers[0].abs(), numbers[1].abs()
    values, terms, spread = (
        transposed(case, given, part)
        for given, part in ((numbers, dz.value), (sizes, dz.value.abs()), (sizes, dz.error))
    )
    pixels = prod(dz.value.shape) // dz.value.shape[1]
    counts = (case.filters * weight[0, 0].numel(), pixels, pixels)
    results = []
    for value, size, off, count in zip(values, terms, spread, counts, strict=True):
        error = (count + FEW) * unit * size + off
        results.append(Bounded(value, error + STORED[case.dtype] * (value.abs() + error)))
    if case.amplification_input:
        more = (
            (case.filters + 40) * unit * case.amplification_input * _winograd_input(case, sizes[1], dz.value)
        )
        results[0] = Bounded(results[0].value, results[0].error + more)
    if case.amplification and case.kernel == (3, 3):
        results[1] = Bounded(results[1].value, results[1].error + _winograd_weight(case, sizes[0], dz.value))
    return results[: len(tensors.given)]


def transposed(case: Case, numbers: tuple[Tensor, Tensor], dz: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of a convolution without more, by autograd in float64."""
    input, weight = (tensor.detach().clone().requires_grad_() for tensor in numbers)
    found = torch.autograd.grad(convolved(case, input, weight), (input, weight), dz)
    return found[0], found[1], dz.sum((0, 2, 3))


def _winograd_input(case: Case, weight: Tensor, dz: Tensor) -> Tensor:
    """The terms of the bound of the input's gradient: (N, C, 1, 1)."""
    largest = dz.abs().amax((2, 3), keepdim=True)
    turned = weight.amax((2, 3), keepdim=True)
    return F.conv_transpose2d(largest, turned, groups=case.groups)


def _winograd_weight(case: Case, input: Tensor, dz: Tensor) -> Tensor:
    """The bound of the weight's gradient: sums over tiles, by the transposed matrices."""
    tiles = ceil(dz.shape[2] / FOUR.outputs) * ceil(dz.shape[3] / FOUR.outputs)
    numbers, given = (t.amax((2, 3)).unflatten(1, (case.groups, -1)) for t in (input, dz.abs()))
    terms = tiles * torch.einsum("ngf,ngc->gfc", given, numbers).flatten(0, 1)[..., None, None]
    sides = [
        [sum(map(abs, row)) for row in matrix] for matrix in (FOUR.input, zip(*FOUR.output, strict=True))
    ]
    products = [a * b for a, b in zip(*sides, strict=True)]
    columns = zip(*FOUR.weight, strict=True)
    amplification = float(
        max(sum(abs(c) * t for c, t in zip(column, products, strict=True)) for column in columns)
    )
    return (tiles * len(dz) + 40) * ROUNDOFF[case.dtype] * amplification**2 * terms
