"""Layers with any operator, random but repeatable, and what the reference says of them in float64."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor

from convitro import functional
from convitro.aggregation import COMBINES, resolve

AGGREGATIONS = (
    *("sum", "mean", "max", "min", "maxabs", "logsumexp", "logmeanexp(beta=-2.0)", "softmax(beta=0.5)"),
    *("powermean", "norm", "norm(q=1.0)", "powermean(q=3.0)", "product", "std", "median", "quantile(q=0.8)"),
)
WINDOWS = tuple(name for name in AGGREGATIONS if resolve(name).streams)
CONV2D: Any = functional.conv2d
CONV_BLOCK: Any = functional.conv_block
TOLERANCE = {torch.float32: 2e-4, torch.float64: 1e-9, torch.bfloat16: 2e-2}
"""Of the largest number of a tensor. Powers, products and deviations lose more than sums."""


@dataclass(frozen=True)
class Layer:
    """One layer and its input.

    Attributes:
        aggregation, window, combine: the operator.
        images, channels, filters, groups: counts; channels and filters are those of a group.
        size, kernel, stride, dilation, padding: rows and columns.
        dtype: of all tensors.
        input: memory format, "contiguous", "channels_last" or "strided".
        activation, pool: what follows where no gradient is wanted.
        bias: whether there is one.
    """

    aggregation: str = "max"
    window: str = "sum"
    combine: str = "multiply"
    images: int = 2
    channels: int = 3
    filters: int = 5
    groups: int = 1
    size: tuple[int, int] = (7, 6)
    kernel: tuple[int, int] = (3, 3)
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (1, 1)
    dtype: torch.dtype = torch.float64
    input: str = "contiguous"
    activation: str = "relu"
    pool: int | None = None
    bias: bool = True

    def tensors(self) -> tuple[Tensor, Tensor, Tensor | None]:
        """Small whole numbers where an item is selected, so that ties are real in every dtype."""
        random = torch.Generator().manual_seed(1)

        def numbers(*shape: int) -> Tensor:
            if resolve(self.aggregation).selects or resolve(self.window).selects:
                return torch.randint(-4, 5, shape, generator=random).to(self.dtype)
            return torch.randn(shape, generator=random, dtype=torch.float64).to(self.dtype)

        x = numbers(self.images, self.channels * self.groups, *self.size)
        if self.input == "channels_last":
            x = x.to(memory_format=torch.channels_last)
        elif self.input == "strided":
            x = x.repeat_interleave(2, 3)[..., ::2]
        filters = self.filters * self.groups
        return x, numbers(filters, self.channels, *self.kernel), numbers(filters) if self.bias else None

    def arguments(self) -> dict[str, Any]:
        """Of `functional.conv2d`."""
        names = ("stride", "padding", "dilation", "groups", "aggregation", "window", "combine")
        return {name: getattr(self, name) for name in names}


def check(layer: Layer, tensors: tuple[Tensor, Tensor, Tensor | None] | None = None) -> None:
    """Both passes by the kernels against the reference."""
    given = tensors or layer.tensors()
    check_block(layer, given)
    check_gradients(layer, given)


def check_block(layer: Layer, given: tuple[Tensor, Tensor, Tensor | None]) -> None:
    """The fused forward pass; where blocks have such operators activation and pooling are included."""
    exact = [None if tensor is None else tensor.double() for tensor in given]
    compute, arguments = CONV2D, layer.arguments()
    if (layer.window, layer.combine) == ("sum", "multiply"):
        del arguments["window"], arguments["combine"]
        arguments |= {"activation": layer.activation, "pool": layer.pool}
        compute = CONV_BLOCK
    with torch.no_grad():
        ours = compute(*given, **arguments, algorithm="fold")
        wanted = compute(*exact, **arguments, algorithm="reference")
    assert ours.dtype == layer.dtype
    compare(ours, wanted, layer.dtype)


def check_gradients(layer: Layer, given: tuple[Tensor, Tensor, Tensor | None]) -> None:
    """The result again, and the gradients of all tensors."""
    leaves = [tensor.detach().requires_grad_() for tensor in given if tensor is not None]
    exact = [tensor.detach().double().requires_grad_() for tensor in leaves]
    ours = CONV2D(*leaves, **layer.arguments(), algorithm="fold")
    wanted = CONV2D(*exact, **layer.arguments(), algorithm="reference")
    compare(ours.detach(), wanted.detach(), layer.dtype)
    weighing = torch.linspace(-1, 2, wanted.numel(), dtype=torch.float64).view(wanted.shape).to(layer.dtype)
    found = torch.autograd.grad(ours, leaves, weighing)
    for gradient, other in zip(found, torch.autograd.grad(wanted, exact, weighing.double()), strict=True):
        assert gradient.dtype == layer.dtype
        compare(gradient, other, layer.dtype)


def compare(found: Tensor, wanted: Tensor, dtype: torch.dtype) -> None:
    """Within the tolerance of the largest finite number."""
    finite = wanted[wanted.isfinite()]
    largest = float(finite.abs().max()) if finite.numel() else 1.0
    torch.testing.assert_close(
        found.double(), wanted, rtol=0, atol=TOLERANCE[dtype] * max(largest, 1e-30), equal_nan=True
    )


@st.composite
def layers(draw: st.DrawFn) -> Layer:
    """Any layer."""
    pair = st.tuples(st.integers(1, 3), st.integers(1, 3))
    kernel, dilation = draw(st.tuples(st.integers(1, 4), st.integers(1, 4))), draw(pair)
    padding = draw(st.tuples(st.integers(0, 2), st.integers(0, 2)))
    extent = [(k - 1) * d + 1 - 2 * p for k, d, p in zip(kernel, dilation, padding, strict=True)]
    rows, columns = (max(1, least) + draw(st.integers(0, 7)) for least in extent)
    return Layer(
        aggregation=draw(st.sampled_from(AGGREGATIONS)),
        window=draw(st.sampled_from(("sum", "sum", "sum", *WINDOWS))),
        combine=draw(st.sampled_from(("multiply", "multiply", *COMBINES))),
        images=draw(st.integers(1, 3)),
        channels=draw(st.sampled_from([1, 2, 3, 5, 16, 17, 40])),
        filters=draw(st.sampled_from([1, 2, 5, 16, 17, 33])),
        groups=draw(st.sampled_from([1, 1, 2, 3])),
        size=(rows, columns),
        kernel=kernel,
        stride=draw(pair),
        dilation=dilation,
        padding=padding,
        dtype=draw(st.sampled_from([torch.float64, torch.float64, torch.float32, torch.bfloat16])),
        input=draw(st.sampled_from(["contiguous", "channels_last", "strided"])),
        activation=draw(st.sampled_from(["none", "relu", "gelu"])),
        bias=draw(st.booleans()),
    )
