"""The input of a run whose values do not matter: zeros of the size that somebody named."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from convitro.errors import ArgumentError, ShapeError, first_line


def zeros(
    model: nn.Module,
    input_size: Sequence[Any],
    device: Any = None,
    dtypes: Sequence[torch.dtype] | None = None,
    batch_dim: int | None = None,
    caller: str = "summary",
) -> tuple[Tensor, ...]:
    """Zeros of the sizes that a user gave, with a batch of one image where they have none.

    Args:
        model: what they are for: its convolutions say how many dimensions they take.
        input_size: positive integers, or a list of such for several inputs.
        device, dtypes: those of the model's first floating point parameter, if None.
        batch_dim: where a batch of one is inserted; None to insert it where it is missing.
        caller: whose error it is.

    Raises:
        ArgumentError: no sizes, or another number of dtypes.
        ShapeError: there is no memory for them.
    """
    several = bool(input_size) and isinstance(input_size[0], Sequence)
    sizes = [tuple(size) for size in input_size] if several else [tuple(input_size)]
    for size in sizes:
        if not size or not all(isinstance(length, int) and length > 0 for length in size):
            raise ArgumentError(
                f"{caller}: `input_size` is no size.",
                expected="positive integers such as (3, 32, 32) or (1, 3, 32, 32), or a list of such",
                received=repr(input_size),
            )
    first = next((tensor for tensor in model.parameters() if tensor.is_floating_point()), torch.empty(0))
    kinds = dtypes or [first.dtype] * len(sizes)
    if len(kinds) != len(sizes):
        raise ArgumentError(
            f"{caller}: `dtypes` does not fit `input_size`.",
            expected=f"{len(sizes)} of them",
            received=str(len(kinds)),
        )
    if batch_dim is not None:
        sizes = [with_batch(size, batch_dim, caller) for size in sizes]
    else:
        sizes = [(1, *size) if lacks_batch(model, size) else size for size in sizes]
    return tuple(
        filled(size, kind, device or first.device, caller) for size, kind in zip(sizes, kinds, strict=True)
    )


def filled(size: tuple[int, ...], dtype: torch.dtype, device: Any, caller: str) -> Tensor:
    """Zeros of a size for which there is memory.

    Raises:
        ShapeError: there is none.
    """
    try:
        return torch.zeros(size, dtype=dtype, device=device)
    except RuntimeError as error:
        if not any(word in str(error) for word in ("memory", "overflow")):
            raise  # no fault of the size
        raise ShapeError(
            f"{caller}: there is no memory for an input of this size.",
            expected="a size such as (3, 224, 224)",
            received=f"{size}: {prod(size) * dtype.itemsize / 2**30:,.0f} GiB",
        ) from error


def with_batch(size: tuple[int, ...], batch_dim: int, caller: str) -> tuple[int, ...]:
    """A size with a batch of one at a dimension."""
    rank = len(size) + 1
    if not -rank <= batch_dim < rank:
        raise ArgumentError(
            f"{caller}: `batch_dim` is outside of `input_size`.",
            expected=f"{-rank} to {rank - 1}",
            received=str(batch_dim),
        )
    at = batch_dim % rank
    return (*size[:at], 1, *size[at:])


def lacks_batch(model: nn.Module, size: tuple[int, ...]) -> bool:
    """Whether a size is one number short of what the convolutions take; 1 or 3 long where there are none."""
    conv = next((module for module in model.modules() if isinstance(module, _ConvNd)), None)
    return len(size) in (1, 3) if conv is None else len(size) == len(conv.kernel_size) + 1


def size_error(caller: str, input: tuple[Tensor, ...], error: Exception) -> ShapeError:
    """The error of a model that cannot run on zeros, told as one of their size."""
    return ShapeError(
        f"{caller}: the model cannot run on an input of this size.",
        received=", ".join(str(tuple(tensor.shape)) for tensor in input),
        hint=f"the model says: {first_line(error)}",
    )
