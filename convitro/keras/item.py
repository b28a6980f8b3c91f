"""A tensor of any Keras backend with the methods in which aggregations are written."""

from __future__ import annotations

from typing import Any

from keras import ops

from convitro.aggregation.torch_functions import TorchFunctions

Array = Any


class Item(TorchFunctions):
    """An array of the backend; its operators and methods are those of torch.Tensor, computed by keras.ops.

    Numbers that meet it take its dtype.

    Args:
        array: of the backend.
    """

    __slots__ = ("array",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, array: Array) -> None:
        self.array = array

    @property
    def dtype(self) -> str:
        """The name of the dtype, such as "float32"."""
        import keras

        name: str = keras.backend.standardize_dtype(self.array.dtype)
        return name

    def _other(self, other: Any) -> Array:
        if isinstance(other, Item):
            return other.array
        return ops.cast(other, self.dtype) if isinstance(other, (int, float)) else other

    def __add__(self, other: Any) -> Item:
        return Item(ops.add(self.array, self._other(other)))

    def __sub__(self, other: Any) -> Item:
        return Item(ops.subtract(self.array, self._other(other)))

    def __rsub__(self, other: Any) -> Item:
        return Item(ops.subtract(self._other(other), self.array))

    def __mul__(self, other: Any) -> Item:
        return Item(ops.multiply(self.array, self._other(other)))

    def __truediv__(self, other: Any) -> Item:
        return Item(ops.divide(self.array, self._other(other)))

    def __rtruediv__(self, other: Any) -> Item:
        return Item(ops.divide(self._other(other), self.array))

    def __pow__(self, other: Any) -> Item:
        return (
            self.square()
            if isinstance(other, (int, float)) and other == 2
            else Item(ops.power(self.array, self._other(other)))
        )

    def __rpow__(self, other: Any) -> Item:
        return Item(ops.power(self._other(other), self.array))

    __radd__, __rmul__ = __add__, __mul__
    add, sub, mul, div, pow = __add__, __sub__, __mul__, __truediv__, __pow__

    def __neg__(self) -> Item:
        return Item(ops.negative(self.array))

    neg = __neg__

    def __lt__(self, other: Any) -> Item:
        return Item(ops.less(self.array, self._other(other)))

    def __le__(self, other: Any) -> Item:
        return Item(ops.less_equal(self.array, self._other(other)))

    def __gt__(self, other: Any) -> Item:
        return Item(ops.greater(self.array, self._other(other)))

    def __ge__(self, other: Any) -> Item:
        return Item(ops.greater_equal(self.array, self._other(other)))

    def __eq__(self, other: object) -> Item:  # type: ignore[override]
        return Item(ops.equal(self.array, self._other(other)))

    def __ne__(self, other: object) -> Item:  # type: ignore[override]
        return Item(ops.not_equal(self.array, self._other(other)))

    def __and__(self, other: Any) -> Item:
        return Item(ops.logical_and(self.array, self._other(other)))

    def __or__(self, other: Any) -> Item:
        return Item(ops.logical_or(self.array, self._other(other)))

    def __invert__(self) -> Item:
        return Item(ops.logical_not(self.array))

    def where(self, condition: Any, other: Any) -> Item:
        """This where the condition holds, else the other."""
        holds = condition.array if isinstance(condition, Item) else condition
        return Item(ops.where(holds, self.array, self._other(other)))

    def maximum(self, other: Any) -> Item:
        """The larger; NaN if one is."""
        return self.where((self > other) | (self != self), other)

    def minimum(self, other: Any) -> Item:
        """The smaller; NaN if one is."""
        return self.where((self < other) | (self != self), other)

    def clamp(self, min: Any = None, max: Any = None) -> Item:
        """Within the bounds that are given."""
        raised = self if min is None else self.maximum(min)
        return raised if max is None else raised.minimum(max)

    def abs(self) -> Item:
        """Without its sign."""
        return Item(ops.abs(self.array))

    __abs__ = abs

    def sign(self) -> Item:
        """-1, 0 or 1."""
        return Item(ops.sign(self.array))

    def relu(self) -> Item:
        """Zero where it is negative."""
        return self.clamp(min=0.0)

    def square(self) -> Item:
        """Times itself."""
        return self * self

    def reciprocal(self) -> Item:
        """One over it."""
        return 1.0 / self

    def exp(self) -> Item:
        """e to its power."""
        return Item(ops.exp(self.array))

    def log(self) -> Item:
        """Its natural logarithm."""
        return Item(ops.log(self.array))

    def sqrt(self) -> Item:
        """Its square root."""
        return Item(ops.sqrt(self.array))

    def rsqrt(self) -> Item:
        """One over its square root."""
        return Item(ops.rsqrt(self.array))

    def tanh(self) -> Item:
        """Its hyperbolic tangent."""
        return Item(ops.tanh(self.array))

    def sigmoid(self) -> Item:
        """1 / (1 + exp(-x))."""
        return Item(ops.sigmoid(self.array))

    def erf(self) -> Item:
        """The error function."""
        return Item(ops.erf(self.array))

    def isnan(self) -> Item:
        """Whether it is NaN."""
        return Item(ops.isnan(self.array))

    def isinf(self) -> Item:
        """Whether it is infinite."""
        return Item(ops.isinf(self.array))

    def isfinite(self) -> Item:
        """Whether it is a finite number."""
        return Item(ops.isfinite(self.array))
