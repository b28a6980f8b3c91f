"""What a block's own backward pass starts from, made with torch: gradients, switches and saved numbers."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from convitro.engine.cpu.finish import CLOSED
from convitro.engine.cpu.gradient_source import GradientSource
from convitro.engine.cpu.mathematics import ACTIVATIONS

FUNCTIONS = {
    "none": lambda z: z * 1,
    "relu": F.relu,
    "leaky_relu": F.leaky_relu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "silu": F.silu,
    "gelu": F.gelu,
}
Pair = tuple[int, int]


@dataclass(frozen=True)
class After:
    """What comes after a convolution."""

    activation: str = "none"
    pool: Pair = (1, 1)
    pool_stride: Pair = (1, 1)

    @property
    def pools(self) -> bool:
        """Whether there is a pooling."""
        return self.pool != (1, 1) or self.pool_stride != (1, 1)

    def __call__(self, z: Tensor) -> Tensor:
        """The output of the block."""
        activated = FUNCTIONS[self.activation](z)
        return F.max_pool2d(activated, self.pool, self.pool_stride) if self.pools else activated

    def source(self, element: str, accumulation: str, **more: object) -> GradientSource:
        """What undoes it."""
        saves = ACTIVATIONS[self.activation].saves
        saved = {"output": element, "input": accumulation, "nothing": None}[saves]
        relu = self.activation == "relu"
        return GradientSource(
            element,
            self.activation,
            self.pool,
            self.pool_stride,
            switches=relu or self.pools,
            saved=None if relu else saved,
            **more,  # type: ignore[arg-type]
        )


@dataclass(frozen=True)
class Backpropagated:
    """The gradient of a block's output, what the forward pass saved, and what has to come out."""

    gradient: Tensor
    saved: Tensor | None
    switches: Tensor | None
    expected: Tensor


def backpropagated(z: Tensor, after: After, element: torch.dtype = torch.float32) -> Backpropagated:
    """For random gradients of `after(z)`; `expected` is the gradient of z."""
    leaf = z.detach().double().requires_grad_()
    output = after(leaf)
    gradient = torch.randn(output.shape).to(element).contiguous(memory_format=torch.channels_last)
    (expected,) = torch.autograd.grad(output, leaf, gradient.double())
    indices = _winners(z, after)
    before = z.flatten(2).gather(2, indices.flatten(2)).view(indices.shape)
    switches = _switches(indices, z.shape[3], after)
    if after.activation == "relu":
        switches[before <= 0] = CLOSED
    saves = ACTIVATIONS[after.activation].saves
    saved = {"output": output.detach().to(element), "input": before.to(z.dtype), "nothing": None}[saves]
    if saved is not None:
        saved = saved.contiguous(memory_format=torch.channels_last)
    return Backpropagated(
        gradient,
        None if after.activation == "relu" else saved,
        switches.contiguous(memory_format=torch.channels_last),
        expected,
    )


def _winners(z: Tensor, after: After) -> Tensor:
    """Where the winner of each window lies in its map."""
    activated = FUNCTIONS[after.activation](z.double())
    return F.max_pool2d(activated, after.pool, after.pool_stride, return_indices=True)[1]


def _switches(indices: Tensor, width: int, after: After) -> Tensor:
    rows, columns = (torch.arange(size) for size in indices.shape[2:])
    down = indices // width - (rows * after.pool_stride[0])[:, None]
    right = indices % width - columns * after.pool_stride[1]
    return (down * after.pool[1] + right).to(torch.uint8)
