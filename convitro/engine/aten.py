"""PyTorch's own convolution and blocks, for the operators that are one. Any device, any dtype of torch's."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import UInt8
from torch import Tensor

from convitro.aggregation import Operator
from convitro.errors import UnsupportedError
from convitro.geometry import BlockProblem, ConvProblem

LINEAR = ("sum", "mean", "none")
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "leaky_relu": F.leaky_relu,
    "silu": F.silu,
    "gelu": F.gelu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "none": lambda maps: maps,
}


def aten_reasons(operator: Operator) -> list[str]:
    """Why PyTorch's convolution cannot compute this operator; empty where it can."""
    reasons = []
    if not operator.multiplies_and_adds:
        reasons.append(f'combine="{operator.combine.name}" with window="{operator.window}" is no convolution')
    if operator.aggregation.name not in LINEAR:
        reasons.append(f'aggregation="{operator.aggregation}" is not linear')
    return reasons


def convolve(problem: ConvProblem, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """PyTorch's convolution, whose padding may differ from side to side."""
    top, bottom, left, right = problem.padding
    if (top, left) != (bottom, right):
        input, top, left = F.pad(input, (left, right, top, bottom)), 0, 0
    return F.conv2d(input, weight, bias, problem.stride, (top, left), problem.dilation, problem.groups)


def block(
    problem: BlockProblem, input: Tensor, weight: Tensor, bias: Tensor | None, *, switches: bool = False
) -> tuple[Tensor, Tensor | None]:
    """Convolution, activation and pooling, one after the other, and the switches if asked for.

    Args:
        problem: the block, padded with zeros.
        input, weight, bias: as for torch.nn.functional.conv2d.
        switches: whether to return the index of each winner inside its pooling window.

    Source: own.
    """
    return finish(problem, convolve(problem.conv, input, weight, bias), switches=switches)


def finish(problem: BlockProblem, maps: Tensor, *, switches: bool = False) -> tuple[Tensor, Tensor | None]:
    """Activation and pooling of the maps of a block's convolution, and the switches if asked for."""
    maps = ACTIVATIONS[problem.activation](maps)
    if not problem.pools:
        return maps, torch.zeros_like(maps, dtype=torch.uint8) if switches else None
    if not switches:
        return F.max_pool2d(maps, problem.pool, problem.pool_stride), None
    pooled, indices = F.max_pool2d(maps, problem.pool, problem.pool_stride, return_indices=True)
    return pooled, switches_of(indices, maps.shape[-1], problem.pool, problem.pool_stride)


def block_gradients(
    problem: BlockProblem,
    gradient: Tensor,
    tensors: tuple[Tensor, Tensor, Tensor | None],
    needs: Sequence[bool],
) -> list[Tensor | None]:
    """The gradients of input, weight and bias, as far as needed, that can be differentiated once more."""
    with torch.enable_grad():
        output, _ = block(problem, *tensors)
        wanted = [
            tensor for tensor, needed in zip(tensors, needs, strict=True) if needed and tensor is not None
        ]
        found = iter(torch.autograd.grad(output, wanted, gradient, create_graph=True))
    return [next(found) if needed else None for needed in needs]


def switches_of(
    indices: Tensor,
    width: int,
    window: tuple[int, int],
    step: tuple[int, int],
    padding: tuple[int, int] = (0, 0),
    dilation: tuple[int, int] = (1, 1),
) -> UInt8[Tensor, "*N C H_pool W_pool"]:
    """Which pixel of each pooling window won, from PyTorch's indices into the whole map.

    Args:
        indices: (…, H_pool, W_pool), what max_pool2d_with_indices returns.
        width: W of the map that was pooled.
        window, step, padding, dilation: of the pooling, rows first.

    Returns:
        uint8 of the same shape: the row-major index inside the window.

    Raises:
        UnsupportedError: the window has more than 256 pixels.

    Example:
        >>> switches_of(torch.tensor([[[5, 7]]]), 4, (2, 2), (2, 2))
        tensor([[[3, 3]]], dtype=torch.uint8)
    """
    if window[0] * window[1] > 256:
        raise UnsupportedError(
            "switches: the pooling window is too large.", expected="at most 256 pixels", received=f"{window}"
        )
    y = torch.arange(indices.shape[-2], device=indices.device)[:, None] * step[0] - padding[0]
    x = torch.arange(indices.shape[-1], device=indices.device) * step[1] - padding[1]
    row = (indices // width - y) // dilation[0]
    column = (indices % width - x) // dilation[1]
    return (row * window[1] + column).to(torch.uint8)
