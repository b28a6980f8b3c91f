"""Vectors of a kernel that behave like tensors, so that the functions of an aggregation write kernels.

An aggregation is defined once, in operators and element-wise methods of torch.Tensor. Called with an `Item`
in place of a tensor, the same functions write down the instructions for one vector.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NoReturn, TypeAlias

import llvmlite.ir as ir

import convitro.engine.cpu.mathematics as mathematics
from convitro.aggregation.torch_functions import TorchFunctions
from convitro.engine.cpu.vector import Value
from convitro.errors import UnsupportedError

Operand: TypeAlias = "Item | float | int | bool"


class Item(TorchFunctions):
    """One number for each lane: a real number, or a condition.

    NaN propagates through `maximum` and `minimum` as in PyTorch. A product that is added to something is
    rounded once, together with the sum.
    """

    __slots__ = ("_factors", "value")

    def __init__(self, value: Value, factors: tuple[Value, Value] | None = None) -> None:
        self.value, self._factors = value, factors

    @property
    def dtype(self) -> str:
        """The name of torch's dtype."""
        return "float64" if self.value.kernel.isa.lanes(64) == self.value.type.count else "float32"

    def like(self, other: Operand) -> Value:
        """Another operand as a vector of the same kind."""
        if isinstance(other, Item):
            return other.number() if self.value.real else other.value
        if isinstance(other, bool) or not isinstance(other, (int, float)):
            _refuse(f"{type(other).__name__} {other!r} meets an item", "items and numbers")
        return self.number().like(float(other))

    def number(self) -> Value:
        """Its lanes as real numbers: a condition counts as one where it holds."""
        value = self.value
        if value.real:
            return value
        kernel, lanes = value.kernel, value.type.count
        element = ir.FloatType() if kernel.isa.lanes(32) == lanes else ir.DoubleType()
        real = ir.VectorType(element, lanes)
        return value.choose(kernel.constant(1.0, real), kernel.constant(0.0, real))

    def __add__(self, other: Operand) -> Item:
        mine, theirs = self.number(), self.like(other)
        if self._factors is not None:
            return Item(self._factors[0].fma(self._factors[1], theirs))
        if isinstance(other, Item) and other._factors is not None:
            return Item(other._factors[0].fma(other._factors[1], mine))
        return Item(mine + theirs)

    def __sub__(self, other: Operand) -> Item:
        mine, theirs = self.number(), self.like(other)
        if self._factors is not None:
            return Item(self._factors[0].fma(self._factors[1], -theirs))
        if isinstance(other, Item) and other._factors is not None:
            return Item((-other._factors[0]).fma(other._factors[1], mine))
        return Item(mine - theirs)

    def __mul__(self, other: Operand) -> Item:
        mine, theirs = self.number(), self.like(other)
        if not isinstance(other, Item) and other == 1:
            return Item(mine)
        return Item(mine * theirs, (mine, theirs))

    def __truediv__(self, other: Operand) -> Item:
        return Item(self.number() / self.like(other))

    def __radd__(self, other: Operand) -> Item:
        return self + other

    def __rsub__(self, other: Operand) -> Item:
        return Item(self.like(other)) - self

    def __rmul__(self, other: Operand) -> Item:
        return self * other

    def __rtruediv__(self, other: Operand) -> Item:
        return Item(self.like(other) / self.number())

    def __pow__(self, exponent: Operand) -> Item:
        base = self.number()
        if not isinstance(exponent, Item):
            if exponent == 2:
                return self * self
            return Item(mathematics.power(base, float(exponent)))
        powers = mathematics.exp(mathematics.log(base) * exponent.number())
        return Item(exponent.number().equals(0.0).choose(base.like(1.0), powers))

    def __rpow__(self, base: Operand) -> Item:
        return Item(self.like(base)) ** self

    def __neg__(self) -> Item:
        return Item(-self.number())

    def __pos__(self) -> Item:
        return self

    def __abs__(self) -> Item:
        value = self.number()
        return Item(value.kernel.call("llvm.fabs", value))

    def __lt__(self, other: Operand) -> Item:
        return Item(self.number() < self.like(other))

    def __le__(self, other: Operand) -> Item:
        return Item(self.number() <= self.like(other))

    def __gt__(self, other: Operand) -> Item:
        return Item(self.number() > self.like(other))

    def __ge__(self, other: Operand) -> Item:
        return Item(self.number() >= self.like(other))

    def __eq__(self, other: object) -> Item:  # type: ignore[override]
        return Item(self.number().equals(self.like(other)))  # type: ignore[arg-type]

    def __ne__(self, other: object) -> Item:  # type: ignore[override]
        return ~(self == other)

    __hash__ = None  # type: ignore[assignment]

    def __and__(self, other: Operand) -> Item:
        return self._logical(other, "and_")

    def __or__(self, other: Operand) -> Item:
        return self._logical(other, "or_")

    def __xor__(self, other: Operand) -> Item:
        return self._logical(other, "xor")

    def _logical(self, other: Operand, name: str) -> Item:
        if self.value.real or not isinstance(other, Item) or other.value.real:
            _refuse("a logical operator meets numbers", "conditions on both sides, such as (p > 0) & (p < 1)")
        build = getattr(self.value.kernel.builder, name)
        return Item(Value(self.value.kernel, build(self.value.ir, other.value.ir)))

    def __invert__(self) -> Item:
        if self.value.real:
            _refuse("~ meets a number", "a condition, such as ~(p > 0)")
        return Item(~self.value)

    def where(self, condition: Item, other: Operand) -> Item:
        """This where the condition holds, else the other."""
        if not isinstance(condition, Item) or condition.value.real:
            _refuse("`where` without a condition", "a comparison of items, such as p.where(p > 0, 0.0)")
        return Item(condition.value.choose(self.number(), self.like(other)))

    def maximum(self, other: Operand) -> Item:
        """The larger; NaN if either is."""
        return Item(self.number().largest(self.like(other)))

    def minimum(self, other: Operand) -> Item:
        """The smaller; NaN if either is."""
        return Item(self.number().smallest(self.like(other)))

    def clamp(self, min: Operand | None = None, max: Operand | None = None) -> Item:
        """Within the bounds that are given."""
        raised = self if min is None else self.maximum(min)
        return raised if max is None else raised.minimum(max)

    def sign(self) -> Item:
        """-1, 0 or 1; NaN stays."""
        x = self.number()
        return Item((x > 0.0).choose(x.like(1.0), (x < 0.0).choose(x.like(-1.0), x)))

    def square(self) -> Item:
        """Times itself."""
        return self * self

    def pow(self, exponent: Operand) -> Item:
        """To that power."""
        return self**exponent

    def reciprocal(self) -> Item:
        """One over it."""
        return 1.0 / self

    def rsqrt(self) -> Item:
        """One over its square root."""
        return 1.0 / self.sqrt()

    def relu(self) -> Item:
        """Zero where it is negative."""
        return Item(mathematics.relu(self.number()))

    def isnan(self) -> Item:
        """Whether it is NaN."""
        return Item(self.number().is_nan())

    def isinf(self) -> Item:
        """Whether it is infinite."""
        return abs(self) == math.inf

    def isfinite(self) -> Item:
        """Whether it is neither."""
        return abs(self) < math.inf

    def float(self) -> Item:
        """A condition as numbers."""
        return Item(self.number())

    def abs(self) -> Item:
        """Without its sign."""
        return self.__abs__()

    def exp(self) -> Item:
        """e to its power."""
        return self._mapped(mathematics.exp)

    def log(self) -> Item:
        """Its natural logarithm."""
        return self._mapped(mathematics.log)

    def sqrt(self) -> Item:
        """Its square root."""
        return self._mapped(mathematics.sqrt)

    def tanh(self) -> Item:
        """Its hyperbolic tangent."""
        return self._mapped(mathematics.tanh)

    def sigmoid(self) -> Item:
        """1 / (1 + exp(-x))."""
        return self._mapped(mathematics.sigmoid)

    def erf(self) -> Item:
        """The error function."""
        return self._mapped(mathematics.erf)

    def _mapped(self, function: Callable[[Value], Value]) -> Item:
        return Item(function(self.number()))

    def add(self, other: Operand) -> Item:
        """The sum."""
        return self + other

    def sub(self, other: Operand) -> Item:
        """The difference."""
        return self - other

    def mul(self, other: Operand) -> Item:
        """The product."""
        return self * other

    def div(self, other: Operand) -> Item:
        """The quotient."""
        return self / other

    def neg(self) -> Item:
        """With the other sign."""
        return -self

    def __bool__(self) -> bool:
        _refuse(
            "Python's `if`, `and`, `or`, `not`, min() or max() asks an item for one answer",
            "element-wise choices: a.where(condition, b), a.maximum(b), & and |",
        )

    def __float__(self) -> NoReturn:
        _refuse("an item is turned into a Python number", "element-wise operators only")

    __int__ = __index__ = __float__

    def __len__(self) -> NoReturn:
        _refuse("an item has no length", "element-wise operators only")

    def __iter__(self) -> NoReturn:
        _refuse("an item cannot be iterated", "element-wise operators only")

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        _refuse(f"`{name}` does not exist in kernels", f"one of {', '.join(METHODS)}")


METHODS = tuple(
    sorted(
        name
        for name, member in vars(Item).items()
        if not name.startswith("_") and callable(member) and name not in ("like", "number")
    )
)
"""What an item can be asked for besides operators."""


def _refuse(problem: str, expected: str) -> NoReturn:
    raise UnsupportedError(problem, expected=expected)
