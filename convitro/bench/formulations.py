"""What a PyTorch user can write for an operator that PyTorch does not have, and the memory that it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

Reduce = Callable[[Tensor, int], Tensor]
Function = Callable[[Tensor, Tensor], Tensor]
PLAIN, SELECTING = "sum and mean", "selecting, and the norm"
SMOOTH, WINDOWED = "exponentials and powers", "non-linear windows"


@dataclass(frozen=True)
class Formula:
    """An operator of the suite, as PyTorch's functions.

    Attributes:
        name: what rows call it.
        kind: which of the stated targets it counts for.
        settings: the keywords of `convitro.functional.conv2d`.
        reduce: many numbers to one along an axis: the channels, or for a windowed one window and channels.
        combine: pixel and weight to a number; None where a window is a plain convolution.
        join: two results of `reduce` to one, for a windowed operator.
        one_by_one: where channels can be taken in one after the other: what is made of a map, how two become
            one, and what is made of the last one and the number of channels.
    """

    name: str
    kind: str
    settings: dict[str, Any] = field(hash=False)
    reduce: Reduce
    combine: Function | None = None
    join: Function | None = None
    one_by_one: tuple[Callable[[Tensor], Tensor], Function, Callable[[Tensor, int], Tensor]] | None = None


@dataclass(frozen=True)
class Shape:
    """A layer of square images, without padding: its input is as much larger as the kernel asks for."""

    images: int
    channels: int
    filters: int
    side: int
    kernel: int = 3

    @property
    def name(self) -> str:
        """The sizes in one word.

        Example:
            >>> Shape(8, 64, 64, 56).name
            '8x64x64x56²'
        """
        return f"{self.images}x{self.channels}x{self.filters}x{self.side}²"

    @property
    def sizes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Those of the input and the weight."""
        side = self.side + self.kernel - 1
        return (self.images, self.channels, side, side), (
            self.filters,
            self.channels,
            self.kernel,
            self.kernel,
        )

    @property
    def output_bytes(self) -> int:
        """Of the output in float32."""
        return 4 * self.images * self.filters * self.side**2

    def least_bytes(self, formulation: str, formula: Formula, *, backward: bool) -> int:
        """What a formulation keeps alive at once, at the least: its largest tensors, counted.

        Maps of all channels, patches and products of all pixels; with backward, what autograd saves of them
        and the gradients of the largest.
        """
        maps = self.output_bytes * self.channels
        patches = 4 * self.images * self.channels * self.kernel**2 * self.side**2
        products = maps * self.kernel**2
        windowed = formula.combine is not None
        forward, both = {
            "conv2d": (0, 0),
            "channels": (3 * self.output_bytes, 2 * maps),
            "cdist": (patches, 2 * patches),
            "grouped": (2 * maps, 4 * maps),
            "unfold": (2 * products, 3 * products) if windowed else (patches + 2 * maps, 4 * maps),
            "shifts": (2 * maps, 2 * products) if windowed else (3 * maps, 4 * maps),
        }[formulation]
        return both if backward else forward


def farthest(p: Tensor, axis: int) -> Tensor:
    """The item farthest from zero, by the two ends of the range; no sorting, no indices."""
    high, low = p.amax(axis), p.amin(axis)
    return high.where(high >= -low, low)


def same(p: Tensor, n: int = 0) -> Tensor:
    """The item as it is."""
    return p


FORMULAS = (
    Formula("sum", PLAIN, {}, lambda p, axis: p.sum(axis)),
    Formula("mean", PLAIN, {"aggregation": "mean"}, lambda p, axis: p.mean(axis)),
    Formula(
        "max",
        SELECTING,
        {"aggregation": "max"},
        lambda p, axis: p.amax(axis),
        one_by_one=(same, torch.maximum, same),
    ),
    Formula(
        "min",
        SELECTING,
        {"aggregation": "min"},
        lambda p, axis: p.amin(axis),
        one_by_one=(same, torch.minimum, same),
    ),
    Formula(
        "maxabs",
        SELECTING,
        {"aggregation": "maxabs"},
        farthest,
        one_by_one=(same, lambda p, q: q.where(q.abs() > p.abs(), p), same),
    ),
    Formula(
        "norm",
        SELECTING,
        {"aggregation": "norm"},
        lambda p, axis: torch.linalg.vector_norm(p, dim=axis),
        one_by_one=(torch.square, torch.add, lambda p, n: p.sqrt()),
    ),
    Formula(
        "logsumexp",
        SMOOTH,
        {"aggregation": "logsumexp"},
        lambda p, axis: torch.logsumexp(p, axis),
        one_by_one=(same, torch.logaddexp, same),
    ),
    Formula(
        "softmax",
        SMOOTH,
        {"aggregation": "softmax"},
        lambda p, axis: (p * torch.softmax(p, axis)).sum(axis),
    ),
    Formula(
        "powermean",
        SMOOTH,
        {"aggregation": "powermean(q=3.0)"},
        lambda p, axis: p.abs().pow(3).mean(axis).pow(1 / 3),
        one_by_one=(lambda p: p.abs().pow(3), torch.add, lambda p, n: (p / n).pow(1 / 3)),
    ),
    Formula(
        "max-plus",
        WINDOWED,
        {"combine": "add", "window": "max", "aggregation": "max"},
        lambda p, axis: p.amax(axis),
        torch.add,
        torch.maximum,
    ),
    Formula(
        "L1",
        WINDOWED,
        {"combine": "absolute_difference"},
        lambda p, axis: p.sum(axis),
        lambda x, w: (x - w).abs(),
        torch.add,
    ),
)


def formulations(formula: Formula) -> Iterator[tuple[str, Function]]:
    """Every way to write it, by name; the sum and the mean are PyTorch's own operator."""
    if formula.kind == PLAIN:
        scale = {"sum": lambda w: w, "mean": lambda w: w / w.shape[1]}[formula.name]
        yield "conv2d", lambda x, w: F.conv2d(x, scale(w))
        return
    if formula.combine is None:
        yield "grouped", lambda x, w: _grouped(formula, x, w)
    if formula.one_by_one is not None:
        yield "channels", lambda x, w: _taken_in(formula, x, w)
    yield "unfold", lambda x, w: _unfolded(formula, x, w)
    yield "shifts", lambda x, w: _shifted(formula, x, w)
    if formula.name == "L1":
        yield "cdist", _distances


def _grouped(formula: Formula, x: Tensor, w: Tensor) -> Tensor:
    """One group per channel: all partial maps at once, then one reduction."""
    filters, channels = w.shape[:2]
    apart = w.transpose(0, 1).reshape(channels * filters, 1, *w.shape[2:])
    maps = F.conv2d(x, apart, groups=channels).unflatten(1, (channels, filters))
    return formula.reduce(maps, 1)


def _taken_in(formula: Formula, x: Tensor, w: Tensor) -> Tensor:
    """One channel after the other, each a convolution of its own."""
    assert formula.one_by_one is not None
    begin, join, finish = formula.one_by_one
    found: Tensor | None = None
    for pixels, weights in zip(x.split(1, 1), w.split(1, 1), strict=True):
        part = begin(F.conv2d(pixels, weights))
        found = part if found is None else join(found, part)
    assert found is not None
    return finish(found, w.shape[1])


def _unfolded(formula: Formula, x: Tensor, w: Tensor) -> Tensor:
    """Patches as columns."""
    kernel, side = w.shape[2:], x.shape[2] - w.shape[2] + 1
    columns = F.unfold(x, kernel)  # (N, C * KH * KW, L)
    if formula.combine is not None:
        weights = w.flatten(1)[None, :, :, None]
        items = formula.combine(columns[:, None], weights)  # (N, C_out, C * KH * KW, L)
        return formula.reduce(items, 2).unflatten(2, (side, side))
    apart = columns.unflatten(1, (w.shape[1], -1))  # (N, C, KH * KW, L)
    maps = torch.einsum("nckl,ock->ncol", apart, w.flatten(2))
    return formula.reduce(maps, 1).unflatten(2, (side, side))


def _shifted(formula: Formula, x: Tensor, w: Tensor) -> Tensor:
    """One weight position after the other, the picture shifted under it."""
    side, spread = x.shape[2] - w.shape[2] + 1, w.transpose(0, 1)[None, ..., None, None]
    found: Tensor | None = None
    for u in range(w.shape[2]):
        for v in range(w.shape[3]):
            pixels, weights = x[:, :, None, u : u + side, v : v + side], spread[:, :, :, u, v]
            if formula.combine is None or formula.join is None:
                found = pixels * weights if found is None else found + pixels * weights
            else:
                part = formula.reduce(formula.combine(pixels, weights), 1)
                found = part if found is None else formula.join(found, part)
    assert found is not None
    return formula.reduce(found, 1) if formula.combine is None else found


def _distances(x: Tensor, w: Tensor) -> Tensor:
    """The L1 distance is a function of PyTorch's, of patches and filters."""
    side = x.shape[2] - w.shape[2] + 1
    patches = F.unfold(x, w.shape[2:]).transpose(1, 2)  # (N, L, C * KH * KW)
    found = torch.cdist(patches, w.flatten(1), p=1)
    return found.transpose(1, 2).unflatten(2, (side, side))
