"""Kernels of operators that are broken on purpose: each fault must be caught by the contract."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

import convitro.engine.fold.execute as execute
import convitro.engine.fold.forward_kernel as forward_kernel
import convitro.engine.fold.gradient_parts as gradient_parts
import convitro.engine.fold.input_kernel as input_kernel
import convitro.engine.fold.kernel as kernel
import convitro.engine.fold.weight_kernel as weight_kernel
from convitro.engine.fold.item import Item
from tests.faults.broken_engine import apart, wrapped
from tests.fold.cases import Layer, check

Patch = pytest.MonkeyPatch


def always(original: Any) -> Any:
    """Every item wins against those before it."""
    return lambda before, after: before.equals(after) | ~before.equals(after)


def next_rank(original: Any) -> Any:
    return lambda inner, items, count, rank: original(inner, items, count, rank + 1)


def constant_slope(original: Any) -> Any:
    return lambda fold, upstream, item: Item(upstream.gradient)


def without(part: str) -> Callable[[Any], Any]:
    """One of the two sides of a product has a slope of one."""

    def change(original: Any) -> Any:
        return lambda self, asked, x, w: 1.0 if asked == part else original(self, asked, x, w)

    return change


def everything_inside(patch: Patch) -> None:
    """Zeros around the input take part."""
    original = forward_kernel.mark_inside

    def broken(task: Any, inside: Any, *others: Any) -> None:
        original(task, inside, *others)
        with task.loop(0, task.size("window_rows") * task.size("window_columns")) as i:
            inside[i].store(1.0)

    for module in (forward_kernel, weight_kernel, input_kernel):
        patch.setattr(module, "mark_inside", broken)


def mirrored_weights(original: Any) -> Any:
    """The taps of a row from right to left."""

    def broken(self: Any, tap: Any, cell: Any) -> Any:
        return original(self, (tap[0], self._columns - 1 - tap[1]), cell)

    return broken


FAULTS: dict[str, tuple[Callable[[Patch], None], Layer]] = {
    "last of equals": (wrapped(forward_kernel, "changes", always), Layer("max")),
    "last of equals in a window": (wrapped(kernel, "changes", always), Layer("sum", "max", "add")),
    "next rank": (wrapped(forward_kernel, "ranked", next_rank), Layer("median", channels=40)),
    "slope of one": (wrapped(gradient_parts, "_of_item", constant_slope), Layer("logsumexp")),
    "no slope of the weight": (wrapped(kernel.Fold, "combined", without("weight_slope")), Layer("max")),
    "no slope of the input": (
        wrapped(kernel.Fold, "combined", without("input_slope")),
        Layer("softmax(beta=0.5)"),
    ),
    "zeros take part": (everything_inside, Layer("sum", "mean", "add")),
    "mirrored weights": (wrapped(kernel.Weights, "__call__", mirrored_weights), Layer("norm")),
    "nothing is saved": (
        wrapped(forward_kernel, "_store_saved", lambda original: lambda *arguments: None),
        Layer("std"),
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_the_contract_catches_it(name: str) -> None:
    fault, layer = FAULTS[name]
    check(layer)
    with apart() as patch:
        _forget()
        fault(patch)
        torch.manual_seed(0)
        with pytest.raises(AssertionError):
            check(layer)
    _forget()
    check(layer)


def _forget() -> None:
    """Calls that were prepared."""
    execute._forwards.clear()
    execute._backwards.clear()
