"""The last linear layer of a run, and the maps that its inputs were made of, found by their very values."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from convitro.anatomy.recognise import bound

aten = torch.ops.aten
LINEARS = {F.linear, aten.linear.default}
ADDED_PRODUCTS = {torch.addmm, Tensor.addmm, aten.addmm.default}
PRODUCTS = {
    torch.mm,
    torch.matmul,
    Tensor.mm,
    Tensor.matmul,
    Tensor.__matmul__,
    aten.mm.default,
    aten.matmul.default,
}
TURNS = {
    torch.permute,
    Tensor.permute,
    torch.movedim,
    Tensor.movedim,
    torch.transpose,
    Tensor.transpose,
    aten.permute.default,
    aten.transpose.int,
}  # the same maps, laid out otherwise: (N, H, W, C) is no stack of maps
NEARLY = 1e-5  # a mean is not added up in the same order everywhere


@dataclass(frozen=True, eq=False)
class Maps:
    """The maps that the inputs of a linear layer were made of.

    Args:
        values: (N, C, H, W).
        how: "flattened" (C, H, W), "flattened, channels last" (H, W, C), or one input for each map: its
            "average" or its "largest value".
    """

    values: Tensor
    how: str

    def grouped(self, inputs: Tensor) -> Tensor:
        """Numbers for each input (F,) by their place in the maps: (C, H, W), or (C,) of one for each map."""
        if not self.how.startswith("flattened"):
            return inputs
        channels, height, width = self.values.shape[1:]
        if self.how == "flattened":
            return inputs.reshape(channels, height, width)
        return inputs.reshape(height, width, channels).permute(2, 0, 1)


@dataclass(frozen=True, eq=False)
class LastLinear:
    """A linear layer as it ran: result = inputs · weight + bias.

    Args:
        name: of the module that called it.
        inputs: (N, F).
        weight: (K, F).
        bias: (K,) or None.
        result: (N, K).
        maps: what the inputs were made of; None where that is not seen in their values.
    """

    name: str
    inputs: Tensor
    weight: Tensor
    bias: Tensor | None
    result: Tensor
    maps: Maps | None


def read_linear(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], fixed: Collection[int]
) -> tuple[Tensor, Tensor, Tensor | None] | None:
    """The inputs (N, F), weight (K, F) and bias of a linear layer; None for any other call.

    Args:
        function, args, kwargs: the call.
        fixed: ids of the model's own tensors: a product of two others is no layer.
    """
    if function in LINEARS:
        call = bound(("input", "weight", "bias"), args, kwargs)
        input, weight, bias = call["input"], call["weight"], call.get("bias")
    elif function in ADDED_PRODUCTS and not kwargs and len(args) == 3:
        (bias, input, turned), weight = args, args[2].T
        if not is_own(turned, fixed):
            return None
    elif function in PRODUCTS and not kwargs and len(args) == 2:
        (input, turned), weight, bias = args, None, None
        if not isinstance(turned, Tensor) or turned.ndim != 2 or not is_own(turned, fixed):
            return None
        weight = turned.T
    else:
        return None
    rows = input.shape[0] if input.ndim > 1 else 1
    fits = weight.ndim == 2 and input.numel() == rows * weight.shape[1]  # no row of tokens
    if not fits or (bias is not None and bias.numel() != len(weight)):
        return None
    return input.reshape(rows, -1), weight, bias


def is_own(tensor: Any, fixed: Collection[int]) -> bool:
    """Whether a tensor, or what it is a view of, belongs to the model."""
    if not isinstance(tensor, Tensor):
        return False
    base = None if tensor.is_inference() else tensor._base
    return id(tensor) in fixed or id(base) in fixed


def maps_behind(inputs: Tensor, recent: Iterable[Tensor]) -> Maps | None:
    """The maps whose values the inputs (N, F) of a linear layer are.

    Args:
        inputs: what the layer takes.
        recent: four-dimensional tensors of the run, the newest first.

    Returns:
        None where no tensor has those values; maps of one pixel where no larger ones were pooled to them.
    """
    single = None
    for maps in recent:
        if maps.shape[0] != inputs.shape[0] or maps.device != inputs.device:
            continue
        how = relation(maps, inputs)
        if how and maps.shape[2:].numel() > 1:
            return Maps(maps.detach().clone(), how)
        if how and single is None:
            single = Maps(maps.detach().clone(), how)
    return single


def relation(maps: Tensor, inputs: Tensor) -> str:
    """How `inputs` (N, F) follow from maps (N, C, H, W); "" where they do not."""
    channels, pixels = maps.shape[1], maps.shape[2:].numel()
    if channels * pixels == inputs.shape[1]:
        if torch.equal(maps.flatten(1), inputs):
            return "flattened"
        return "flattened, channels last" if torch.equal(maps.permute(0, 2, 3, 1).flatten(1), inputs) else ""
    if channels != inputs.shape[1]:
        return ""
    if torch.equal(maps.amax(dim=(2, 3)), inputs):
        return "largest value"
    return "average" if nearly(maps.double().mean(dim=(2, 3)), inputs) else ""


def nearly(values: Tensor, others: Tensor, tolerance: float = NEARLY) -> bool:
    """Whether two tensors are the same but for rounding, on the scale of their largest number."""
    if values.shape != others.shape or not values.numel():
        return False
    coarse = max(tolerance, 4 * torch.finfo(others.dtype).eps)
    values, others = values.double(), others.double()
    return bool(((values - others).abs() <= coarse * others.abs().amax().clamp_min(1e-12)).all())
