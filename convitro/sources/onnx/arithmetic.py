"""ONNX arithmetic, comparisons and matrix products."""

from __future__ import annotations

from functools import reduce, wraps

import torch
import torch.nn.functional as F
from torch import Tensor

from convitro.errors import UnsupportedError
from convitro.sources.onnx.node import Function, Node, computes
from convitro.sources.onnx.tensors import torch_dtype

ONE: dict[str, Function] = {
    "Abs": torch.abs,
    "Neg": torch.neg,
    "Ceil": torch.ceil,
    "Floor": torch.floor,
    "Round": torch.round,
    "Sqrt": torch.sqrt,
    "Exp": torch.exp,
    "Log": torch.log,
    "Reciprocal": torch.reciprocal,
    "Sign": torch.sign,
    "Erf": torch.erf,
    "Sin": torch.sin,
    "Cos": torch.cos,
    "Tan": torch.tan,
    "Asin": torch.asin,
    "Acos": torch.acos,
    "Atan": torch.atan,
    "Sinh": torch.sinh,
    "Cosh": torch.cosh,
    "Asinh": torch.asinh,
    "Acosh": torch.acosh,
    "Atanh": torch.atanh,
    "IsNaN": torch.isnan,
    "Not": torch.logical_not,
    "BitwiseNot": torch.bitwise_not,
    "Det": torch.linalg.det,
}
TWO: dict[str, Function] = {
    "Add": torch.add,
    "Sub": torch.sub,
    "Mul": torch.mul,
    "Equal": torch.eq,
    "Greater": torch.gt,
    "GreaterOrEqual": torch.ge,
    "Less": torch.lt,
    "LessOrEqual": torch.le,
    "And": torch.logical_and,
    "Or": torch.logical_or,
    "Xor": torch.logical_xor,
    "BitwiseAnd": torch.bitwise_and,
    "BitwiseOr": torch.bitwise_or,
    "BitwiseXor": torch.bitwise_xor,
}
UNSIGNED = (torch.uint16, torch.uint32)
WEIGHTS = {0: "first", 1: "second"}


def widened(compute: Function) -> Function:
    """The same function for unsigned numbers of 16 and 32 bits, which torch hardly computes with."""

    @wraps(compute)
    def wide(node: Node, *values: Tensor) -> Tensor:
        dtype = values[0].dtype
        if dtype not in UNSIGNED:
            return compute(node, *values)
        result = compute(node, *(value.long() for value in values))
        return result if result.dtype is torch.bool else result.to(dtype)

    return wide


@computes(*ONE)
@widened
def of_one(node: Node, input: Tensor) -> Tensor:
    """Number by number; Det of matrices. Round and Det since opset 11, BitwiseNot since 18, others by 9."""
    return ONE[node.op](input)


@computes("Add", "Sub", "Mul", weights=WEIGHTS)
@widened
def with_weights(node: Node, first: Tensor, second: Tensor) -> Tensor:
    """Add, Sub and Mul, of which either side may be a weight."""
    first, second = placed(node, first, second)
    return TWO[node.op](first, second)


@computes(*(name for name in TWO if name not in ("Add", "Sub", "Mul")))
@widened
def of_two(node: Node, first: Tensor, second: Tensor) -> Tensor:
    """Comparisons and logic of two; GreaterOrEqual and LessOrEqual since opset 12, bits since 18."""
    first, second = placed(node, first, second)
    return TWO[node.op](first, second)


@computes("Div", weights=WEIGHTS)
@widened
def divide(node: Node, first: Tensor, second: Tensor) -> Tensor:
    """Whole numbers are divided towards zero."""
    first, second = placed(node, first, second)
    if first.is_floating_point():
        return torch.div(first, second)
    return torch.div(first, second, rounding_mode="trunc").to(first.dtype)


def placed(node: Node, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Before version 7 the second value could begin at an axis of its own."""
    axis = node.get("axis")
    if node.opset >= 7 or not node.get("broadcast") or axis is None:
        return first, second
    behind = first.ndim - axis % first.ndim - second.ndim
    return first, second.reshape(*second.shape, *(1,) * max(behind, 0))


@computes("Pow")
def power(node: Node, base: Tensor, exponent: Tensor) -> Tensor:
    """Pow: the result has the dtype of the base, whatever the exponent's is (since opset 12)."""
    return torch.pow(base, exponent).to(base.dtype)


@computes("Mod")
@widened
def modulo(node: Node, first: Tensor, second: Tensor) -> Tensor:
    """Mod, since opset 10: with the sign of the second, or with that of the first where `fmod` is set."""
    return torch.fmod(first, second) if node.get("fmod", 0) else torch.remainder(first, second)


@computes("Sum", "Max", "Min", "Mean")
@widened
def of_many(node: Node, *values: Tensor) -> Tensor:
    """Of any number of values; NaN in one of them goes on."""
    pairwise = {"Max": torch.maximum, "Min": torch.minimum}.get(node.op, torch.add)
    result = reduce(pairwise, values)
    return result / len(values) if node.op == "Mean" else result


@computes("Where")
def where(node: Node, condition: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Where, since opset 9: the three spread over one shape."""
    return torch.where(condition, first, second)


@computes("IsInf")
def is_infinite(node: Node, input: Tensor) -> Tensor:
    """IsInf, since opset 10: of one sign only, where the node says so."""
    found = torch.zeros_like(input, dtype=torch.bool)
    if node.get("detect_negative", 1):
        found = found | torch.isneginf(input)
    if node.get("detect_positive", 1):
        found = found | torch.isposinf(input)
    return found


def plain_cast(number: int) -> bool:
    """Whether torch has the dtype of that number; rounding of its own is left to onnxruntime."""
    try:
        torch_dtype(number)
    except UnsupportedError:
        return False
    return True


@computes("Cast", served=lambda node: plain_cast(node.get("to", 0)))
def cast(node: Node, input: Tensor) -> Tensor:
    """Cast to a dtype that torch has."""
    return input.to(torch_dtype(node.get("to")))


@computes("CastLike")
def cast_like(node: Node, input: Tensor, like: Tensor) -> Tensor:
    """CastLike, since opset 15: the dtype is that of the second."""
    return input.to(like.dtype)


@computes("MatMul", weights={0: "left", 1: "weight"})
def matrix_product(node: Node, left: Tensor, right: Tensor) -> Tensor:
    """A product with a matrix from the right is a linear layer, and is called as one."""
    if right.ndim == 2 and left.ndim > 1 and left.is_floating_point():
        return F.linear(left, right.T)
    return torch.matmul(left, right)


@computes("Gemm", weights={1: "weight", 2: "bias"})
def general_product(node: Node, left: Tensor, right: Tensor, addend: Tensor | None = None) -> Tensor:
    """alpha * left * right + beta * addend; the usual case is a linear layer, and is called as one."""
    alpha, beta = node.get("alpha", 1.0), node.get("beta", 1.0)
    left = left.T if node.get("transA", 0) else left
    linear = addend is None or (
        addend.ndim == 1 and addend.shape[0] == right.shape[0 if node.get("transB", 0) else 1]
    )
    if alpha == 1 and beta == 1 and linear and left.is_floating_point():
        return F.linear(left, right if node.get("transB", 0) else right.T, addend)
    product = torch.matmul(left, right.T if node.get("transB", 0) else right)
    product = product if alpha == 1 else (alpha * product).to(product.dtype)
    if addend is None:
        return product
    return product + (addend if beta == 1 else (beta * addend).to(addend.dtype))


@computes("Einsum")
def einsum(node: Node, *values: Tensor) -> Tensor:
    """Einsum, since opset 12, in the same letters as torch's."""
    return torch.einsum(node.get("equation"), *values)
