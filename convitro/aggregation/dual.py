"""Numbers that carry a derivative along: the slope of an aggregation that does not give its own.

Source: own; forward-mode automatic differentiation by dual numbers, Wengert 1964.
"""

from __future__ import annotations

import math
from typing import Any, NoReturn

from convitro.aggregation.torch_functions import TorchFunctions
from convitro.errors import UnsupportedError

Item = Any


class Dual(TorchFunctions):
    """An item and its derivative; both may be anything that has a tensor's element-wise methods."""

    __slots__ = ("tangent", "value")

    def __init__(self, value: Item, tangent: Item = 0.0) -> None:
        self.value, self.tangent = value, tangent

    @property
    def dtype(self) -> Any:
        """That of the item."""
        return self.value.dtype

    def __add__(self, other: Any) -> Dual:
        value, tangent = _parts(other)
        return Dual(self.value + value, _sum(self.tangent, tangent))

    def __sub__(self, other: Any) -> Dual:
        return self + (-other)

    def __mul__(self, other: Any) -> Dual:
        value, tangent = _parts(other)
        return Dual(self.value * value, _sum(_product(self.tangent, value), _product(tangent, self.value)))

    def __truediv__(self, other: Any) -> Dual:
        value, tangent = _parts(other)
        result = self.value / value
        moved = _sum(self.tangent, _product(tangent, -result))
        return Dual(result, 0.0 if _is_zero(moved) else moved / value)  # 1 / value might overflow

    __radd__ = __add__
    __rmul__ = __mul__

    def __rsub__(self, other: Any) -> Dual:
        return -self + other

    def __rtruediv__(self, other: Any) -> Dual:
        return Dual(other) / self

    def __neg__(self) -> Dual:
        return self._mapped(-self.value, -1.0)

    def __pow__(self, exponent: Any) -> Dual:
        if isinstance(exponent, Dual):
            result = self.value**exponent.value
            # Of zero every power stays what it is.
            relative = _sum(
                _product(exponent.tangent, self.value.log()),
                _product(self.tangent, exponent.value / self.value),
            )
            return Dual(result, _guarded(_product(relative, result), self.value != 0))
        if _is_zero(self.tangent):
            return Dual(self.value**exponent)
        return self._steep(self.value**exponent, exponent * self.value ** (exponent - 1))

    def __rpow__(self, base: Any) -> Dual:
        return (self * math.log(base)).exp()

    def __lt__(self, other: Any) -> Item:
        return self.value < _parts(other)[0]

    def __le__(self, other: Any) -> Item:
        return self.value <= _parts(other)[0]

    def __gt__(self, other: Any) -> Item:
        return self.value > _parts(other)[0]

    def __ge__(self, other: Any) -> Item:
        return self.value >= _parts(other)[0]

    def __eq__(self, other: object) -> Item:
        return self.value == _parts(other)[0]

    def __ne__(self, other: object) -> Item:
        return self.value != _parts(other)[0]

    __hash__ = None  # type: ignore[assignment]

    def where(self, condition: Item, other: Any) -> Dual:
        """This where the condition holds, else the other; so the derivatives."""
        (value, theirs), mine = _parts(other), self.tangent
        result = self.value.where(condition, value)
        if _is_zero(mine) and _is_zero(theirs):
            return Dual(result)
        if isinstance(mine, (int, float)):
            mine = zero(result) + mine
        return Dual(result, mine.where(condition, theirs))

    def maximum(self, other: Any) -> Dual:
        """The larger."""
        return self.where((self > other) | (self != self), other)

    def minimum(self, other: Any) -> Dual:
        """The smaller."""
        return self.where((self < other) | (self != self), other)

    def clamp(self, min: Any = None, max: Any = None) -> Dual:
        """Within the bounds that are given."""
        raised = self if min is None else self.maximum(min)
        return raised if max is None else raised.minimum(max)

    def abs(self) -> Dual:
        """Without its sign."""
        return self._mapped(self.value.abs(), self.value.sign())

    __abs__ = abs

    def sign(self) -> Dual:
        """-1, 0 or 1: flat everywhere."""
        return Dual(self.value.sign())

    def relu(self) -> Dual:
        """Zero where it is negative."""
        return self.clamp(min=0.0)

    def square(self) -> Dual:
        """Times itself."""
        return self * self

    def pow(self, exponent: Any) -> Dual:
        """To that power."""
        return self**exponent

    def reciprocal(self) -> Dual:
        """One over it."""
        return 1 / self

    def exp(self) -> Dual:
        """e to its power."""
        result = self.value.exp()
        return Dual(result, _guarded(_product(self.tangent, result), result != 0))  # -inf stays where it is

    def log(self) -> Dual:
        """Its natural logarithm."""
        return Dual(self.value.log(), 0.0 if _is_zero(self.tangent) else self.tangent / self.value)

    def sqrt(self) -> Dual:
        """Its square root."""
        result = self.value.sqrt()
        return self._steep(result, 0.5 / result)

    def rsqrt(self) -> Dual:
        """One over its square root."""
        return 1 / self.sqrt()

    def tanh(self) -> Dual:
        """Its hyperbolic tangent."""
        result = self.value.tanh()
        return self._mapped(result, 1 - result * result)

    def sigmoid(self) -> Dual:
        """1 / (1 + exp(-x))."""
        result = self.value.sigmoid()
        return self._mapped(result, result * (1 - result))

    def erf(self) -> Dual:
        """The error function."""
        slope = (-(self.value * self.value)).exp() * (2 / math.sqrt(math.pi))
        return self._mapped(self.value.erf(), slope)

    def add(self, other: Any) -> Dual:
        """The sum."""
        return self + other

    def sub(self, other: Any) -> Dual:
        """The difference."""
        return self - other

    def mul(self, other: Any) -> Dual:
        """The product."""
        return self * other

    def div(self, other: Any) -> Dual:
        """The quotient."""
        return self / other

    def neg(self) -> Dual:
        """With the other sign."""
        return -self

    def isnan(self) -> Item:
        """Whether it is NaN."""
        return self.value.isnan()

    def isinf(self) -> Item:
        """Whether it is infinite."""
        return self.value.isinf()

    def isfinite(self) -> Item:
        """Whether it is neither."""
        return self.value.isfinite()

    def _mapped(self, result: Item, slope: Item) -> Dual:
        return Dual(result, _product(self.tangent, slope))

    def _steep(self, result: Item, slope: Item) -> Dual:
        """The same where a slope may be infinite: what does not move does not move the result."""
        tangent = _product(self.tangent, slope)
        moves = self.tangent != 0
        return Dual(result, tangent if isinstance(moves, bool) else _guarded(tangent, moves))

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        raise UnsupportedError(
            f"`{name}` has no derivative here.",
            expected="operators, and the methods that kernels know",
            hint="write `slope` yourself",
        )


def _parts(other: Any) -> tuple[Item, Item]:
    return (other.value, other.tangent) if isinstance(other, Dual) else (other, 0.0)


def zero(like: Item) -> Item:
    """Zeros, also where `like` is infinite or NaN."""
    return like.where(like < like, 0.0)


def _guarded(tangent: Item, holds: Item) -> Item:
    """Zero where the condition does not hold, whatever was computed there."""
    return tangent if _is_zero(tangent) else tangent.where(holds, 0.0)


def _is_zero(tangent: Item) -> bool:
    return isinstance(tangent, (int, float)) and tangent == 0


def _sum(one: Item, other: Item) -> Item:
    if _is_zero(one) or _is_zero(other):
        return other if _is_zero(one) else one
    return one + other


def _product(tangent: Item, slope: Item) -> Item:
    return 0.0 if _is_zero(tangent) else tangent * slope
