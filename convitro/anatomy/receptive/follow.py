"""Follow the image through the functions of one run: where it stands in each tensor, what units see of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary

from convitro.anatomy.observe import version_of
from convitro.anatomy.receptive import pointwise, shapes, spatial
from convitro.anatomy.receptive.call import Call, Function, Rule, rule_of
from convitro.anatomy.receptive.layout import Layout, of_image, whole

LEAVES_TORCH = {
    getattr(Tensor, name)
    for name in (
        *("item", "tolist", "numpy", "__array__", "__float__", "__int__", "__index__", "__complex__"),
        *("data_ptr", "__dlpack__", "untyped_storage", "storage", "__contains__"),
    )
}
DECIDES = {Tensor.__bool__, torch.equal, torch.allclose, Tensor.equal, Tensor.allclose, torch.is_nonzero}


@cache
def all_rules() -> dict[Function, Rule]:
    """What is known about functions; anything else is taken to see everything."""
    return {**pointwise.rules(), **shapes.rules(), **spatial.rules()}


class Follower:
    """Calls the functions of a run and writes down what their results see.

    A function without a rule, or called in a way that its rule does not fit, counts as one that sees
    everything; its layout says so in `loose`.

    Args:
        existing: tensors that were there before the run; they do not depend on the image.

    Attributes:
        fixed_statistics: a batch normalisation in training counts as one in evaluation.
        left_torch, decided: the first function by which values of the image left PyTorch, or decided
            something.
    """

    def __init__(self, existing: Iterable[Tensor] = ()) -> None:
        self.fixed_statistics = False
        self.left_torch = ""
        self.decided = ""
        self._layouts = WeakIdKeyDictionary()  # tensor -> (version, layout or None)
        self._any: Layout | None = None
        for tensor in existing:
            self._put(tensor, None)

    def start(self, image: Tensor, rows: int = -2, columns: int = -1) -> None:
        """`image` is what units see; its rows and columns stand in these dimensions."""
        layout = of_image(image.shape, rows % image.ndim, columns % image.ndim)
        self._any = layout if self._any is None else self._any
        self._put(image, layout)

    def of(self, tensor: Tensor) -> Layout | None:
        """What the elements of a tensor see; None if nothing of the image."""
        found = self._layouts.get(tensor)
        if found is None:
            if self._any is None:
                return None
            return whole([self._any], tensor.shape, "a tensor that came from where nothing can be observed")
        version, layout = found
        if layout is not None and version != version_of(tensor):
            return whole(
                [layout], tensor.shape, "a tensor that was changed through another view of its memory"
            )
        return layout

    def call(self, function: Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call the function, and note what comes out."""
        leaves = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        seen = {id(leaf): layout for leaf in leaves if (layout := self.of(leaf)) is not None}
        before = [version_of(leaf) for leaf in leaves]
        result = function(*args, **kwargs)
        if isinstance(result, (int, str, bool, torch.Size, torch.dtype, torch.device)) or result is None:
            if seen and function in LEAVES_TORCH:
                self.left_torch = self.left_torch or name_of(function)
            elif seen and function in DECIDES:
                self.decided = self.decided or name_of(function)
            elif result is None:
                self._written(Call(function, args, kwargs, seen, None), leaves, before)
            return result
        self._note(Call(function, args, kwargs, seen, result, self.fixed_statistics), leaves, before)
        return result

    def _note(self, call: Call, leaves: list[Tensor], before: list[int]) -> None:
        made = [leaf for leaf in tree_leaves(call.result) if isinstance(leaf, Tensor)]
        if not made:
            if call.layouts and call.function in LEAVES_TORCH:
                self.left_torch = self.left_torch or name_of(call.function)
            return
        layouts: Sequence[Layout | None] = [None] * len(made)
        if call.layouts:
            layouts = self._worked_out(call, made)
        elif self.left_torch and not leaves and self._any is not None:  # perhaps filled with what left
            reason = f"a tensor made after values had left PyTorch ({self.left_torch})"
            layouts = [whole([self._any], tensor.shape, reason) for tensor in made]
        for tensor, layout in zip(made, layouts, strict=True):
            self._put(tensor, layout)
        known = {id(tensor) for tensor in made}
        for leaf, version in zip(leaves, before, strict=True):
            if (
                id(leaf) not in known and version_of(leaf) != version
            ):  # changed besides: an `out`, running statistics
                self._put(
                    leaf,
                    whole(call.every(), leaf.shape, f"written by {name_of(call.function)}")
                    if call.layouts
                    else self.of(leaf),
                )

    def _worked_out(self, call: Call, made: list[Tensor]) -> list[Layout | None]:
        """The layouts of what came out, by the rule of the function, provided it fits."""
        rule = rule_of(call.function, all_rules())
        try:
            found = None if rule is None else rule(call)
        except (
            TypeError,
            ValueError,
            IndexError,
            KeyError,
            StopIteration,
        ):  # called in a way that is not foreseen
            rule = None
        if rule is None:
            reason = f"{name_of(call.function)}, which is not known here"
            return [whole(call.every(), tensor.shape, reason) for tensor in made]
        layouts = list(found) if isinstance(found, Sequence) else [found] * len(made)
        return [
            layout
            if layout is None or layout.shape == tuple(tensor.shape)
            else whole(call.every(), tensor.shape, f"{name_of(call.function)}, called in an unusual way")
            for tensor, layout in zip(made, layouts, strict=True)
        ]

    def _written(self, call: Call, leaves: list[Tensor], before: list[int]) -> None:
        """A function without a result: it wrote into one of its arguments."""
        for leaf, version in zip(leaves, before, strict=True):
            if version_of(leaf) != version or call.function is Tensor.__setitem__:
                is_target = call.function is Tensor.__setitem__
                layout = (
                    shapes.setitem(call)
                    if is_target
                    else whole(call.every(), leaf.shape, name_of(call.function))
                )
                self._put(leaf, layout if call.layouts else self.of(leaf))
                return

    def _put(self, tensor: Tensor, layout: Layout | None) -> None:
        self._layouts[tensor] = (version_of(tensor), layout)


def name_of(function: Function) -> str:
    """What people call a function."""
    return str(getattr(function, "__name__", function)).removesuffix(".default")
