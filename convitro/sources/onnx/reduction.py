"""ONNX reductions: over all axes, or over those that an attribute or a value names."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from convitro.sources.onnx.node import Function, Node, computes


def product(input: Tensor, axes: Sequence[int], keep: bool) -> Tensor:
    """The product over several axes, of which torch takes one at a time."""
    for axis in sorted((axis % max(input.ndim, 1) for axis in axes), reverse=True):
        input = input.prod(axis, keepdim=keep)
    return input


REDUCTIONS: dict[str, Function] = {
    "ReduceSum": lambda x, axes, keep: x.sum(axes, keepdim=keep),
    "ReduceMean": lambda x, axes, keep: x.mean(axes, keepdim=keep),
    "ReduceMax": lambda x, axes, keep: x.amax(axes, keepdim=keep),
    "ReduceMin": lambda x, axes, keep: x.amin(axes, keepdim=keep),
    "ReduceProd": product,
    "ReduceL1": lambda x, axes, keep: x.abs().sum(axes, keepdim=keep),
    "ReduceL2": lambda x, axes, keep: x.square().sum(axes, keepdim=keep).sqrt(),
    "ReduceSumSquare": lambda x, axes, keep: x.square().sum(axes, keepdim=keep),
    "ReduceLogSum": lambda x, axes, keep: x.sum(axes, keepdim=keep).log(),
    "ReduceLogSumExp": lambda x, axes, keep: x.logsumexp(axes, keepdim=keep),
}
EMPTY = {"ReduceMax": -float("inf"), "ReduceMin": float("inf")}


@computes(*REDUCTIONS)
def reduce(node: Node, input: Tensor, axes: Tensor | None = None) -> Tensor:
    """Without axes: over all of them, or none where the node says that it then does nothing."""
    given = node.get("axes") if axes is None else axes.tolist()
    if not given and node.get("noop_with_empty_axes", 0):
        return of_each(node.op, input)
    over = list(given) if given else list(range(input.ndim))
    keep = bool(node.get("keepdims", 1))
    if input.dtype is torch.bool:
        return reduce(node, input.byte(), axes).bool()
    if node.op in EMPTY and 0 in (input.shape[axis] for axis in over):
        filling = EMPTY[node.op] if input.is_floating_point() else torch.iinfo(input.dtype).min
        sizes = [
            1 if axis in {a % input.ndim for a in over} else size for axis, size in enumerate(input.shape)
        ]
        full = input.new_full(sizes, filling)
        return full if keep else full.squeeze([a % input.ndim for a in over])
    if not over:
        return of_each(node.op, input)
    result = REDUCTIONS[node.op](input, over, keep)
    return result if result.dtype is input.dtype else result.to(input.dtype)


def of_each(operation: str, input: Tensor) -> Tensor:
    """The reduction of every number for itself."""
    if operation in ("ReduceL1", "ReduceL2"):
        return input.abs()
    if operation == "ReduceSumSquare":
        return input.square()
    return input.log() if operation == "ReduceLogSum" else input


@computes("ArgMax", "ArgMin")
def place_of_extreme(node: Node, input: Tensor) -> Tensor:
    """The first of equals, or the last where the node says so."""
    axis, keep = node.get("axis", 0), bool(node.get("keepdims", 1))
    function = torch.argmax if node.op == "ArgMax" else torch.argmin
    if not node.get("select_last_index", 0):
        return function(input, dim=axis, keepdim=keep)
    return input.shape[axis] - 1 - function(input.flip(axis), dim=axis, keepdim=keep)


@computes("CumSum")
def cumulative_sum(node: Node, input: Tensor, axis: Tensor) -> Tensor:
    """CumSum, since opset 11: `reverse` begins at the end, `exclusive` leaves out the number itself."""
    along = int(axis)
    turned = input.flip(along) if node.get("reverse", 0) else input
    sums = turned.cumsum(along, dtype=input.dtype)
    if node.get("exclusive", 0):
        sums = sums - turned
    return sums.flip(along) if node.get("reverse", 0) else sums


@computes("TopK", served=lambda node: bool(node.get("sorted", 1)))
def top(node: Node, input: Tensor, count: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """The largest or smallest, the first of equals first."""
    axis, largest = node.get("axis", -1), bool(node.get("largest", 1))
    amount = int(node.get("k") if count is None else count)
    values, places = torch.sort(input, dim=axis, descending=largest, stable=True)
    return values.narrow(axis, 0, amount), places.narrow(axis, 0, amount)
