"""Kernels that are wrong on purpose: each function breaks one thing that writes them, until it is undone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import convitro.engine.cpu.convolve as convolve
import convitro.engine.cpu.convolver as convolver
import convitro.engine.cpu.finish as finish
import convitro.engine.cpu.gradient_source as gradient_source
import convitro.engine.cpu.input_gradient as input_gradient
import convitro.engine.cpu.jit as jit
import convitro.engine.cpu.packed as packed
import convitro.engine.cpu.parameter_gradients as parameter_gradients
import convitro.engine.cpu.source as source
import convitro.engine.cpu.winograd as winograd
import convitro.engine.cpu.winograd_layout as winograd_layout
import convitro.engine.cpu.winograd_transforms as winograd_transforms
import convitro.ops.block as blocks
import convitro.ops.shortcut as shortcut
import convitro.routing as routing
from convitro.engine.cpu.layout import Layout
from convitro.engine.cpu.vector import Pointer, Value
from convitro.engine.cpu.weights import WeightView
from convitro.engine.cpu.winograd_transforms import FOUR, TWO, Matrix, Transform

Patch = pytest.MonkeyPatch


@contextmanager
def apart() -> Iterator[Patch]:
    """Nothing that is compiled or remembered inside is found outside, and the other way round."""
    kept = dict(jit._compiled)
    _forget()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CONVITRO_CACHE", "0")
            yield patch
    finally:
        _forget()
        jit._compiled.update(kept)


def _forget() -> None:
    jit._compiled.clear()
    packed._entries.clear()
    shortcut._shortcuts.clear()
    for module in (routing, blocks):
        for remembered in vars(module).values():
            if hasattr(remembered, "cache_clear"):
                remembered.cache_clear()


def wrapped(owner: Any, name: str, change: Callable[[Any], Any]) -> Callable[[Patch], None]:
    """A fault that replaces a function of a module or class by what `change` makes of it."""

    def fault(patch: Patch) -> None:
        patch.setattr(owner, name, change(getattr(owner, name)))

    return fault


def with_layout(change: Callable[[Layout], None]) -> Callable[[Patch], None]:
    """A fault in the numbers that the direct algorithm's kernels are called with."""

    def made(original: Any) -> Any:
        def broken(sliding: Any, algorithm: str, *others: Any) -> Any:
            sliding, tile, layout = original(sliding, algorithm, *others)
            if algorithm == "direct":
                change(layout)
            return sliding, tile, layout

        return broken

    return wrapped(convolver, "arranged", made)


def shifted_pixels(layout: Layout) -> None:
    """Each pixel's products begin where its neighbour's do."""
    table = layout.tables.get("pixels")
    if table is None:  # sums of few products have no table
        layout.sizes["left"] += 1
    else:
        table[:] = np.roll(table, 1)


def one_channel_less(layout: Layout) -> None:
    layout.sizes["channels"] -= 1


def behind_the_scratch(layout: Layout) -> None:
    layout.sizes["window_at"] += layout.scratch_bytes


def swapped_kernel(patch: Patch) -> None:
    """Rows and columns of the kernel exchanged."""
    original = WeightView.of

    def broken(*arguments: Any) -> WeightView:
        view = original(*arguments)
        return replace(view, row=view.column, column=view.row)

    patch.setattr(WeightView, "of", broken)


def last_of_equals(original: Any) -> Any:
    """The last of equal candidates wins."""

    def broken(*arguments: Any) -> Any:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Value, "__gt__", Value.__ge__)
            return original(*arguments)

    return broken


def neighbour(original: Any) -> Any:
    """The switch of the pixel beside the winner."""

    def broken(task: Any, epilogue: Any, candidates: list[Value]) -> Any:
        best, before, switch = original(task, epilogue, candidates)
        if switch is None or epilogue.pool == (1, 1):
            return best, before, switch
        return best, before, (switch > 0).choose(switch - 1, switch + 1)

    return broken


def no_bias(original: Any) -> Any:
    return lambda task, element, bias: original(task, None, bias)


def one_entry(matrix: Matrix, row: int, column: int) -> Matrix:
    """The matrix with one entry that is wrong by a hundredth."""
    rows = [list(numbers) for numbers in matrix]
    assert rows[row][column]
    rows[row][column] *= Fraction(101, 100)
    return tuple(tuple(numbers) for numbers in rows)


def wrong_matrix(right: Transform, name: str, row: int, column: int) -> Callable[[Patch], None]:
    """One wrong entry in a matrix of the only transform that there is for kernels of 3x3."""

    def fault(patch: Patch) -> None:
        changed: dict[str, Any] = {name: one_entry(getattr(right, name), row, column)}
        wrong = replace(right, **changed)
        for module in (winograd_transforms, winograd_layout):
            patch.setattr(module, "transforms", lambda taps: (wrong,))

    return fault


def last_block_forgotten(original: Any) -> Any:
    def broken(*arguments: Any) -> Any:
        sizes, tables = original(*arguments)
        assert sizes["blocks"] > 1, "there is only one block"
        return sizes | {"blocks": sizes["blocks"] - 1}, tables

    return broken


def one_too_early(original: Any) -> Any:
    """Each class of input pixels begins one gradient pixel too early."""

    def broken(*arguments: Any) -> Any:
        return [replace(phase, before=phase.before + 1) for phase in original(*arguments)]

    return broken


def one_less(original: Any) -> Any:
    """The last lane of a vector that is not full is left out."""
    return lambda self, value, count: original(self, value, count - 1)


def nothing(original: Any) -> Any:
    return lambda *arguments, **more: None


FAULTS: dict[str, Callable[[Patch], None]] = {
    "last channel": with_layout(one_channel_less),
    "last filter": wrapped(Pointer, "store_first", one_less),
    "swapped kernel": swapped_kernel,
    "shifted pixels": with_layout(shifted_pixels),
    "last of equals": wrapped(finish, "pooled", last_of_equals),
    "neighbour's switch": wrapped(finish, "pooled", neighbour),
    "no bias": wrapped(convolve, "pack_bias", no_bias),
    "no border": wrapped(source, "fill_zeros", nothing),
    "no border of the gradient": wrapped(gradient_source, "fill_zeros", nothing),
    "open windows": lambda patch: patch.setattr(finish, "CLOSED", 0),
    "winograd's input": wrong_matrix(FOUR, "input", 2, 3),
    "winograd's output": wrong_matrix(FOUR, "output", 1, 2),
    "winograd's weight": wrong_matrix(FOUR, "weight", 3, 1),
    "winograd's small tiles": wrong_matrix(TWO, "input", 2, 1),
    "winograd's flag": wrapped(winograd, "raise_flag", nothing),
    "last block of the weight's gradient": wrapped(
        parameter_gradients, "weight_gradient_sizes", last_block_forgotten
    ),
    "early classes": wrapped(input_gradient, "phases", one_too_early),
    "scratch overrun": with_layout(behind_the_scratch),
}
