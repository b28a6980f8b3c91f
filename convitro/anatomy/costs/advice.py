"""What follows from the numbers of a run for a layer: said only where it is certain, with the numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary

from convitro.anatomy.costs.rows import Row
from convitro.anatomy.receptive.call import Function
from convitro.anatomy.recognise import BATCH_NORMS, bound
from convitro.anatomy.tables import by
from convitro.geometry import ConvProblem, conv_problem

DOMINATES = 0.5  # the share of all outputs' memory from which one layer is a bottleneck
REPLACEABLE = {5: "two", 7: "three"}
USUAL = {"aggregation": "sum", "window": "sum", "combine": "multiply"}


@dataclass
class BiasUse:
    """Who gets one bias of the model: a layer that runs twice, or a tied bias, is added in several places.

    Args:
        calls: the convolutions that add it.
        functions: how many functions of any sort got it.
    """

    calls: list[ConvCall] = field(default_factory=list)
    functions: int = 0

    @property
    def useless(self) -> bool:
        """Nothing but a batch normalisation follows, wherever it is used."""
        users = [call.users for call in self.calls]
        return self.functions == len(users) and all(each and all(each) for each in users)


@dataclass(frozen=True)
class ConvCall:
    """What advice needs to know of one 2-D convolution.

    Args:
        kernel_size: rows and columns; more of them for other convolutions.
        problem: its geometry; None if it is no plain 2-D convolution.
        batch, output_size: images, and rows and columns of its maps.
        bias: the numbers of its bias, 0 without one.
        users: for each function that got its maps, whether that is a batch normalisation of them.
        bias_use: who gets its bias; None where nobody knows.
    """

    kernel_size: tuple[int, ...]
    problem: ConvProblem | None
    batch: int
    output_size: tuple[int, int]
    bias: int
    users: list[bool] = field(default_factory=list)
    bias_use: BiasUse | None = None

    @classmethod
    def of(cls, call: Mapping[str, Any], result: Tensor) -> ConvCall:
        """Read a call by its arguments; it only counts as plain if it multiplies and sums."""
        weight, bias = call["weight"], call.get("bias")
        plain = all(
            str(getattr(call[key], "spec", call[key])) == usual for key, usual in USUAL.items() if key in call
        )
        problem = None
        if plain and weight.ndim == 4 and not call.get("transposed"):
            names = ("stride", "padding", "dilation", "groups", "padding_mode")
            problem = conv_problem(tuple(weight.shape), **{key: call[key] for key in names if key in call})
        return cls(
            tuple(weight.shape[2:]),
            problem,
            result.shape[0] if result.ndim == 4 else 1,
            (result.shape[-2], result.shape[-1]) if result.ndim > 2 else (1, 1),
            0 if bias is None else bias.numel(),
        )


class Consumers:
    """Who uses the maps and the bias of each convolution: some maps go into a batch normalisation only.

    Args:
        own: parameters and buffers of the model; of no other tensor is known who else uses it.
    """

    def __init__(self, own: Iterable[Tensor]) -> None:
        self._users = WeakIdKeyDictionary()
        self._biases = WeakIdKeyDictionary({tensor: BiasUse() for tensor in own if tensor.ndim == 1})

    def made(self, maps: Tensor, call: Mapping[str, Any]) -> ConvCall:
        """A convolution made these maps; what advice needs to know of it."""
        bias = call.get("bias")
        use = None if bias is None else self._biases.get(bias)
        made = replace(ConvCall.of(call, maps), bias_use=use)
        self._users[maps] = made.users
        if use is not None:
            use.calls.append(made)
        return made

    def called(self, function: Function, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
        """A function was called; it has used whatever it got, unless it only asked for a size."""
        if not isinstance(result, (Tensor, tuple, list)) or isinstance(result, torch.Size):
            return
        names = BATCH_NORMS.get(function)
        normalised = None if names is None else bound(names, args, kwargs)["input"]
        for leaf in tree_leaves((args, kwargs)):
            self._given(leaf, normalised=leaf is normalised)

    def returned(self, output: Any) -> None:
        """The model returned these."""
        for leaf in tree_leaves(output):
            self._given(leaf, normalised=False)

    def _given(self, leaf: Any, *, normalised: bool) -> None:
        """Somebody got this; `normalised` if it is the maps of a batch normalisation."""
        if not isinstance(leaf, Tensor):
            return
        if (users := self._users.get(leaf)) is not None:
            users.append(normalised)
        if (use := self._biases.get(leaf)) is not None:
            use.functions += 1


def advice_on(
    rows: Sequence[Row], calls: Mapping[str, list[ConvCall]], image_size: tuple[int, int]
) -> dict[str, tuple[str, ...]]:
    """By name of the layer, what can be said of it."""
    found: dict[str, list[str]] = {row.name: [] for row in rows}
    for row in rows:
        only = calls.get(row.name, [])
        if len(only) == 1:
            found[row.name] += on_convolution(only[0], again=row.shared > 0)
    dominant = dominating(rows)
    if dominant is not None:
        total = sum(row.output_bytes for row in rows)
        share = dominant.output_bytes / total
        found[dominant.name].append(f"its output is {share:.0%} of the memory of all outputs")
    larger = first_beyond(rows, image_size)
    if larger is not None and larger.field is not None:
        field_size, image = by(larger.field.size, always=True), by(image_size, always=True)
        sentence = f"from here on a unit sees {field_size} pixels, more than the image ({image})"
        found[larger.name].append(sentence)
    return {name: tuple(sentences) for name, sentences in found.items() if sentences}


def on_convolution(call: ConvCall, *, again: bool) -> list[str]:
    """What can be said of a convolution by itself; parameters that were there before are saved once."""
    found = []
    if call.problem is not None:
        smaller = "" if again else smaller_kernels(call, call.problem)
        found += [sentence for sentence in (smaller, half_a_pixel(call.problem)) if sentence]
    if call.bias_use is not None and call.bias_use.useless and call is call.bias_use.calls[0]:
        found.append(f"its {call.bias:,} biases are useless: only a BatchNorm follows, which takes them away")
    return found


def smaller_kernels(call: ConvCall, problem: ConvProblem) -> str:
    """Several 3x3 in a row that see as much, where they have fewer parameters and MACs."""
    size, padding = problem.kernel_size[0], set(problem.padding)
    count = REPLACEABLE.get(size)
    if (
        count is None
        or problem.kernel_size != (size, size)
        or (problem.stride, problem.dilation) != ((1, 1), (1, 1))
        or padding not in ({0}, {size // 2})
    ):
        return ""
    new = stack_costs(problem, call, (size - 1) // 2)
    old_parameters = problem.parameters(bias=call.bias > 0)
    old_macs = call.batch * call.output_size[0] * call.output_size[1] * problem.parameters(bias=False)
    saved, saved_macs = old_parameters - new[0], old_macs - new[1]
    if saved <= 0 or saved_macs <= 0:
        return ""
    return (
        f"{count} 3x3 in a row see as much as this {size}x{size} and save {saved:,} parameters "
        f"({saved / old_parameters:.0%}) and {saved_macs:,} MACs ({saved_macs / old_macs:.0%})"
    )


def stack_costs(problem: ConvProblem, call: ConvCall, count: int) -> tuple[int, int]:
    """Parameters and MACs of `count` 3x3 convolutions in its place, each with as many filters."""
    filters, groups = problem.out_channels, problem.groups
    parameters = macs = 0
    for index in range(count):
        channels = (problem.in_channels if index == 0 else filters) // groups
        grows = 0 if any(problem.padding) else 2 * (count - 1 - index)  # without padding, maps shrink
        height, width = call.output_size[0] + grows, call.output_size[1] + grows
        parameters += filters * channels * 9 + (filters if call.bias else 0)
        macs += call.batch * height * width * filters * channels * 9
    return parameters, macs


def half_a_pixel(problem: ConvProblem) -> str:
    """An even window that moves pixel by pixel has its middle between two pixels."""
    shifted = [
        name
        for name, extent, stride in zip(("rows", "columns"), problem.extent, problem.stride, strict=True)
        if extent % 2 == 0 and stride == 1
    ]
    if not shifted:
        return ""
    size = by(problem.kernel_size, always=True)
    return f"a {size} kernel has no middle: its maps are shifted by half a pixel ({' and '.join(shifted)})"


def dominating(rows: Sequence[Row]) -> Row | None:
    """The layer whose output takes more memory than all others together."""
    total = sum(row.output_bytes for row in rows)
    largest = max(rows, key=lambda row: row.output_bytes, default=None)
    makers = sum(row.output_bytes > 0 for row in rows)
    if largest is None or makers < 3 or largest.output_bytes <= DOMINATES * total:
        return None
    return largest


def first_beyond(rows: Sequence[Row], image_size: tuple[int, int]) -> Row | None:
    """The first layer whose units would see more than the whole image, in both directions."""
    for row in rows:
        seen = row.field
        if (
            seen is not None
            and not seen.whole
            and all(size > length for size, length in zip(seen.size, image_size, strict=True))
        ):
            return row
    return None
