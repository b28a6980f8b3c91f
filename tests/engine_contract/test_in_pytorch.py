"""The block as an operator of PyTorch: opcheck, compile, export, transforms, second derivatives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from convitro import ConvBlock, functional
from tests.engine_contract.cases import Case
from tests.engine_contract.families import FAMILIES

Layer = Callable[[Tensor, Tensor, Tensor], Tensor]
RECORDED = ["direct", "winograd", "depthwise", "strided", "bfloat16"]


class Recorded(TorchDispatchMode):
    """Lets operators of ours through and keeps what they were called with."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, tuple[Any, ...]]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.namespace == "convitro":
            self.calls.append((func, args))
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", RECORDED)
def test_the_operators_keep_the_rules_of_torch(name: str) -> None:
    """Those of a layer's forward and backward pass, with just the arguments that they get there."""
    case = replace(FAMILIES[name], algorithm="auto")
    leaves = case.tensors().leaves()
    with Recorded() as recorded:
        case.block(leaves).sum().backward()
    assert [func.name() for func, _ in recorded.calls] == ["convitro::block", "convitro::block_backward"]
    for func, arguments in recorded.calls:
        plain = [
            [t.detach() for t in argument]
            if isinstance(argument, list) and argument and isinstance(argument[0], Tensor)
            else argument.detach()
            if isinstance(argument, Tensor)
            else argument
            for argument in arguments
        ]
        torch.library.opcheck(func, tuple(plain))
    forward, arguments = recorded.calls[0]
    torch.library.opcheck(forward, (*leaves.all, *arguments[3:]))


def layer_of(case: Case) -> Layer:
    def layer(input: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return functional.conv_block(  # type: ignore[return-value]
            input,
            weight,
            bias,
            case.stride,
            case.padding,
            case.dilation,
            case.groups,
            activation=case.activation,
            pool=case.pool,
            pool_stride=case.pool_stride,
        )

    return layer


def both(layer: Layer, case: Case) -> list[Tensor]:
    leaves = case.tensors().leaves()
    output = layer(*leaves.all)  # type: ignore[arg-type]
    return [output.detach(), *torch.autograd.grad(output, leaves.given, case.gradient(output))]


@pytest.mark.parametrize(
    "name", ["direct", "winograd", "depthwise", "strided", "dilated", "float64", "bfloat16"]
)
def test_compiled_passes_are_the_eager_ones(name: str) -> None:
    case = replace(FAMILIES[name], algorithm="auto")
    layer = layer_of(case)
    compiled: Layer = torch.compile(layer, fullgraph=True, backend="aot_eager")
    for found, expected in zip(both(compiled, case), both(layer, case), strict=True):
        assert torch.equal(found, expected)
        assert found.stride() == expected.stride()


def test_one_graph_for_each_choice_of_numbers() -> None:
    """Numbers that change between calls of one compiled function are constants of its graphs."""

    def layer(input: Tensor, weight: Tensor, stride: int, pool: int) -> Tensor:
        return functional.conv_block(input, weight, stride=stride, pool=pool)  # type: ignore[return-value]

    compiled: Any = torch.compile(layer, fullgraph=True, backend="aot_eager", dynamic=True)
    for channels, stride, pool, size in [(3, 1, 2, 12), (3, 2, 3, 13), (5, 3, 2, 17), (5, 2, 2, 12)]:
        input, weight = torch.randn(2, channels, size, size), torch.randn(4, channels, 3, 3)
        assert torch.equal(compiled(input, weight, stride, pool), layer(input, weight, stride, pool))


@pytest.mark.parametrize("name", ["direct", "views"])
def test_export(name: str) -> None:
    case = replace(FAMILIES[name], algorithm="auto")

    class Module(torch.nn.Module):
        def forward(self, input: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
            return layer_of(case)(input, weight, bias)

    tensors: Any = case.tensors().all
    program = torch.export.export(Module(), tensors)
    torch.testing.assert_close(program.module()(*tensors), Module()(*tensors))


def small(case: Case) -> list[Tensor]:
    return [tensor.double() for tensor in replace(case, dtype="float64").tensors().given]


TINY = Case(channels=2, filters=2, size=(5, 4), images=2, activation="tanh", pool=(2, 2))


@pytest.mark.parametrize("activation", ["relu", "tanh", "silu"])
def test_first_and_second_derivatives_by_differences(activation: str) -> None:
    case = replace(TINY, activation=activation, pool=(2, 2) if activation == "tanh" else None)
    leaves = [tensor.requires_grad_() for tensor in small(case)]

    def layer(input: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return layer_of(case)(input, weight.clone(), bias)  # the check changes its data unseen

    assert torch.autograd.gradcheck(layer, leaves)
    assert torch.autograd.gradgradcheck(layer, leaves)


@pytest.mark.filterwarnings("ignore:`torch.jit.script`:DeprecationWarning")  # by torch itself
def test_transforms_of_torch() -> None:
    layer = layer_of(replace(TINY, pool=None))
    input, weight, bias = small(TINY)
    exact = torch.func.grad(lambda w: layer(input, w, bias).square().sum())(weight)
    leaf = weight.clone().requires_grad_()
    (expected,) = torch.autograd.grad(layer(input, leaf, bias).square().sum(), leaf)
    torch.testing.assert_close(exact, expected)

    each = torch.func.vmap(lambda image: layer(image[None], weight, bias)[0])(input)
    torch.testing.assert_close(each, layer(input, weight, bias))

    alone = torch.func.vmap(torch.func.grad(lambda w, image: layer(image[None], w, bias).sum()), (None, 0))
    torch.testing.assert_close(
        alone(weight, input).sum(0), torch.func.grad(lambda w: layer(input, w, bias).sum())(weight)
    )

    step = torch.randn_like(weight)
    slope = torch.func.jvp(lambda w: layer(input, w, bias), (weight,), (step,))[1]
    difference = (layer(input, weight + 1e-6 * step, bias) - layer(input, weight - 1e-6 * step, bias)) / 2e-6
    torch.testing.assert_close(slope, difference, rtol=1e-6, atol=1e-8)


def test_checkpointed_and_retained_graphs() -> None:
    block = ConvBlock(4, 6, 3, padding=1)
    leaf = torch.randn(2, 4, 8, 8, requires_grad=True)
    output = block(leaf).sum()
    first = torch.autograd.grad(output, leaf, retain_graph=True)
    again = torch.autograd.grad(output, leaf)
    kept = torch.utils.checkpoint.checkpoint(block, leaf, use_reentrant=False).sum()
    for found in (again, torch.autograd.grad(kept, leaf)):
        assert torch.equal(found[0], first[0])


def test_an_input_changed_after_the_forward_pass_is_refused() -> None:
    weight, leaf = torch.randn(4, 4, 3, 3, requires_grad=True), torch.randn(1, 4, 6, 6)
    output = functional.conv_block(leaf, weight)
    leaf.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        output.sum().backward()  # type: ignore[union-attr]
