"""What an aggregation is: five element-wise functions. Built-in ones and the registry live beside this file.

The functions are written once, with operators and the element-wise methods of torch.Tensor (`exp`, `where` …)
and nothing else, so that whatever offers these methods can run them: tensors here, vectors in a kernel.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import Field, fields, is_dataclass
from typing import Any, ClassVar

from convitro.aggregation.dual import Dual
from convitro.errors import ArgumentError, UnsupportedError

Item = Any  # a torch.Tensor, or whatever has its operators and element-wise methods
State = tuple[Item, ...]


class Aggregation(ABC):
    """How the partial maps of a filter become one map. Subclass it as a frozen dataclass of parameters.

    All functions are pure and element-wise: p is one item (one value per output pixel), n says how many items
    there are (an Item too, except in `init`). Order and grouping of the items must not matter beyond
    rounding.

    Source: own; backward computes p again, so nothing that is as large as all items is ever kept.

    Example: the contraharmonic mean, sum of squares over sum.
        >>> from dataclasses import dataclass
        >>> @dataclass(frozen=True)
        ... class Contraharmonic(Aggregation):
        ...     name = "contraharmonic"
        ...     def init(self, n): return 0.0, 0.0
        ...     def step(self, state, p): return state[0] + p, state[1] + p * p
        ...     def merge(self, s, t): return s[0] + t[0], s[1] + t[1]
        ...     def finish(self, state, n): return state[1] / state[0]
        ...     def extra(self, state, result, n): return (state[0],)
        ...     def slope(self, p, saved, n): return (2 * p - saved[0]) / saved[1]
        >>> Contraharmonic().spec
        'contraharmonic'
    """

    name: ClassVar[str]
    """The word that users write."""
    selects: ClassVar[bool] = False
    """The result is one of the items; the gradient goes to the first with a slope, and to it alone."""
    streams: ClassVar[bool] = True
    """The state has a fixed size; where it grows with n, `reduce` serves instead."""
    separate: ClassVar[bool] = False
    """The maps are not combined at all: every partial map is an output of its own."""

    @abstractmethod
    def init(self, n: int) -> tuple[float, ...]:
        """The state before any item, as numbers."""

    @abstractmethod
    def step(self, state: State, p: Item) -> State:
        """The state after one more item."""

    def merge(self, s: State, t: State) -> State:
        """The state after the items of `s`, then those of `t`. May be left out: then parts never meet."""
        raise UnsupportedError(
            f"{self.name}: parts cannot be merged.", expected="an aggregation with `merge`"
        )

    @abstractmethod
    def finish(self, state: State, n: Item) -> Item:
        """The result after the last item."""

    def extra(self, state: State, result: Item, n: Item) -> tuple[Item, ...]:
        """Numbers that `slope` needs besides the result: the state where the slope is derived, else none."""
        derived = type(self).slope is Aggregation.slope and not self.selects
        return state if derived else ()

    def slope(self, p: Item, saved: tuple[Item, ...], n: Item) -> Item:
        """d result / d p. `saved` is (result, *extra). A condition stands for 1 where true, else 0.

        May be left out where `step` adds something to every number of its state: then it is derived from
        `step` and `finish`. And where the result is one of the items.
        """
        if self.selects:
            return (p == saved[0]) | (p != p)
        state, held = saved[1:], self
        for name in self._numbers():
            if not isinstance(getattr(self, name), (int, float)):  # learned: an item, which here stands still
                held = held.with_parameter(Dual(getattr(self, name)))
        moved = held.step(tuple(map(Dual, state)), Dual(p, 1.0))
        moves = [part.tangent if isinstance(part, Dual) else 0.0 for part in moved]
        result = held.finish(tuple(map(Dual, state, moves)), Dual(n))
        return result.tangent if isinstance(result, Dual) else 0.0

    @property
    def merges(self) -> bool:
        """Whether parts can be merged."""
        return type(self).merge is not Aggregation.merge

    def reduce(self, items: Sequence[Item]) -> Item | None:
        """The result of a whole list at once, where `streams` is false; the same numbers as by steps."""
        return None

    @property
    def learnable(self) -> str:
        """The name of the parameter that a layer can learn: the only field that is a `float`.

        Raises:
            ArgumentError: there is none, or several.

        Example:
            >>> from convitro import LogSumExp
            >>> LogSumExp(beta=5.0).learnable
            'beta'
        """
        found = self._numbers()
        if len(found) != 1 or self.selects or self.separate or not self.streams:
            raise ArgumentError(
                f'aggregation="{self.spec}" has no parameter to learn.',
                expected="an aggregation with one field of type `float`, whose result moves with it",
                received=f"{len(found)} such fields" + (f": {', '.join(found)}" if found else ""),
                hint='"logsumexp", "logmeanexp", "softmax", "powermean" and "norm" have one',
            )
        return found[0]

    def _numbers(self) -> list[str]:
        """The names of the fields that are a `float`."""
        parameters: tuple[Field[Any], ...] = fields(self) if is_dataclass(self) else ()
        return [parameter.name for parameter in parameters if parameter.type in (float, "float")]

    def with_parameter(self, value: Item) -> Aggregation:
        """The same aggregation whose `learnable` parameter is an item, or anything else, unchecked.

        Example:
            >>> from convitro import LogSumExp
            >>> LogSumExp().with_parameter("learned").spec
            "logsumexp(beta='learned')"
        """
        twin = copy.copy(self)
        twin.__dict__.pop("_spec", None)  # which is that of the numbers before
        object.__setattr__(twin, self.learnable, value)
        return twin

    @property
    def spec(self) -> str:
        """Name and parameters as one line that `resolve` reads back, such as "logsumexp(beta=5.0)"."""
        return getattr(self, "_spec", None) or self._written()

    def settled(self) -> Aggregation:
        """Itself, with the spec kept as a text: torch.compile may take numbers for symbols."""
        object.__setattr__(self, "_spec", self._written())
        return self

    def _written(self) -> str:
        parameters: tuple[Field[Any], ...] = fields(self) if is_dataclass(self) else ()
        own = [
            f"{parameter.name}={getattr(self, parameter.name)!r}"
            for parameter in parameters
            if parameter.init
        ]
        return f"{self.name}({', '.join(own)})" if own else self.name

    def __str__(self) -> str:
        return self.spec
