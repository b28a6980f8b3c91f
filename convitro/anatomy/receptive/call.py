"""A call of a torch function as the rules read it: its arguments by name, and where the image stands."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._pytree import tree_leaves

from convitro.anatomy.receptive.layout import Layout

Function = Callable[..., Any]


@dataclass
class Call:
    """One call, after it has happened.

    Args:
        function: what was called.
        args, kwargs: with what.
        layouts: by `id`, those of its tensors that depend on the image, as they were before the call.
        result: what it returned.
    """

    function: Function
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    layouts: dict[int, Layout] = field(default_factory=dict)
    result: Any = None

    def bound(self, *names: str) -> dict[str, Any]:
        """The arguments by name; what ATen calls `self` is `input`."""
        found = dict(zip(names, self.args, strict=False)) | self.kwargs
        if "self" in found:
            found["input"] = found.pop("self")
        return found

    def of(self, value: Any) -> Layout | None:
        """The layout of an argument; None for what does not depend on the image."""
        return self.layouts.get(id(value)) if isinstance(value, Tensor) else None

    def every(self, values: Any = None) -> list[Layout]:
        """The layouts of all tensors in `values`, or in all arguments."""
        leaves = tree_leaves((self.args, self.kwargs) if values is None else values)
        found = (self.of(leaf) for leaf in leaves)
        return [layout for layout in found if layout is not None]

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the first tensor that came out."""
        return next(tuple(leaf.shape) for leaf in tree_leaves(self.result) if isinstance(leaf, Tensor))


Rule = Callable[[Call], "Layout | Sequence[Layout | None] | None"]
PLACES = (torch, torch.Tensor, F, torch.special, torch.linalg, torch._C._nn)


def spellings(names: Iterable[str]) -> Iterable[Function]:
    """Every function of these names: of torch, as a method, in place, as an operator, in ATen."""
    for name in names:
        for spelling in (
            name,
            f"{name}_",
            f"__{name}__",
            f"__i{name}__",
            f"__r{name}__",
            f"{name}_with_indices",
        ):
            for place in PLACES:
                function = getattr(place, spelling, None)
                if callable(function):
                    yield function
            try:
                yield getattr(torch.ops.aten, spelling)
            except AttributeError:
                continue


def getters(*names: str) -> Iterable[Function]:
    """What is called when an attribute of a tensor is read."""
    return [getattr(torch.Tensor, name).__get__ for name in names]


def rule_of(function: Function, rules: Mapping[Function, Rule]) -> Rule | None:
    """The rule for a function; overloads of an operator share one."""
    return rules.get(getattr(function, "overloadpacket", function))


def pair(value: Any, count: int) -> tuple[int, ...]:
    """One number for all directions, or one for each."""
    if isinstance(value, Sequence):
        return tuple(value) * count if len(value) == 1 else tuple(value)
    return (value,) * count
