"""Count what a run costs: one row for each layer in execution order, with its parameters and MACs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd
from torch.utils._pytree import tree_leaves

from convitro.anatomy.observe import Observer, kind_of
from convitro.anatomy.recognise import CONVOLUTIONS, bound
from convitro.sources.graph import Step

Shape = tuple[int, ...]
Function = Callable[..., Any]
aten = torch.ops.aten

FORWARD: dict[Function, str] = {
    torch.conv1d: "conv1d",
    torch.conv3d: "conv3d",
    **dict.fromkeys(CONVOLUTIONS, "conv2d"),
}
TRANSPOSED: dict[Function, str] = {
    torch.conv_transpose1d: "conv_transpose1d",
    torch.conv_transpose2d: "conv_transpose2d",
    torch.conv_transpose3d: "conv_transpose3d",
}
LINEAR: dict[Function, str] = {F.linear: "linear", aten.linear.default: "linear"}
COUNTED: dict[Function, str] = {**FORWARD, **TRANSPOSED, **LINEAR}


@dataclass(frozen=True)
class Row:
    """One layer of a run.

    Args:
        name: dotted module name, with "conv2d" and the like for function calls and "#2" for a second call.
        kind: class of the module, or the function.
        input_shape, output_shape: of its first tensors; None where there is none or nothing ran.
        kernel_size: of a convolution.
        parameters: those not counted in a row before.
        shared: those that were.
        trainable: whether any of them requires a gradient.
        macs: multiply-accumulates in convolutions and linear layers.
    """

    name: str
    kind: str
    input_shape: Shape | None = None
    output_shape: Shape | None = None
    kernel_size: Shape | None = None
    parameters: int = 0
    shared: int = 0
    trainable: bool = False
    macs: int = 0


class Ledger:
    """Which parameters have been counted; each counts once, however many layers use it."""

    def __init__(self) -> None:
        self._counted: dict[int, Tensor] = {}

    def count(self, parameters: Iterable[Tensor | None]) -> dict[str, Any]:
        """The fields of a row that uses these parameters."""
        own = {id(tensor): tensor for tensor in parameters if isinstance(tensor, nn.Parameter)}
        fresh = {key: tensor for key, tensor in own.items() if key not in self._counted}
        self._counted |= fresh
        new = sum(tensor.numel() for tensor in fresh.values())
        every = sum(tensor.numel() for tensor in own.values())
        trainable = any(tensor.requires_grad for tensor in own.values())
        return {"parameters": new, "shared": every - new, "trainable": trainable}


@dataclass
class Frame:
    """A module that is running: what its row will need."""

    module: nn.Module
    input_shape: Shape | None = None
    macs: int = 0
    shown_inside: bool = False


class Accountant(Observer):
    """Watches one run and writes `rows`: for innermost modules, and for convolutions called as functions.

    Args:
        model: what will run.
        depth: modules nested deeper than this are summed up in the one around them.
    """

    def __init__(self, model: nn.Module, depth: int) -> None:
        super().__init__(model)
        self.depth = depth
        self.rows: list[Row] = []
        self._ledger = Ledger()
        self._frames: list[Frame] = []
        self._calls: Counter[str] = Counter()

    def entered(self, module: nn.Module, args: Any) -> None:
        if self._is_shown(module):
            if self._frames:
                self._frames[-1].shown_inside = True
            self._frames.append(Frame(module, first_shape(args)))

    def left(self, module: nn.Module, output: Any) -> None:
        if not self._is_shown(module):
            return
        frame = self._frames.pop()
        counted = self._ledger.count(module.parameters(recurse=not frame.shown_inside))
        if frame.shown_inside and not counted["parameters"]:
            return  # everything stands in the rows of its parts
        self.rows.append(
            Row(
                name=self._numbered(self.shown_names[module] or type(module).__name__),
                kind=kind_of(module),
                input_shape=frame.input_shape,
                output_shape=first_shape(output),
                kernel_size=tuple(module.kernel_size) if isinstance(module, _ConvNd) else None,
                macs=frame.macs,
                **counted,
            )
        )

    def __torch_function__(
        self, func: Function, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if func in COUNTED and self._frames:
            self._count(func, args, kwargs or {}, result)
        return result

    def _count(
        self, func: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Tensor
    ) -> None:
        call = bound(CONVOLUTIONS.get(func, ("input", "weight", "bias")), args, kwargs)
        macs, frame = count_macs(func, call, result), self._frames[-1]
        own = isinstance(frame.module, (_ConvNd, nn.Linear, Step)) and self.running[-1] is frame.module
        if own or nesting(self.names[frame.module]) == self.depth:
            frame.macs += macs
            return
        path = self.shown_names[frame.module]
        frame.shown_inside = True
        self.rows.append(
            Row(
                name=self._numbered(f"{path}.{COUNTED[func]}".lstrip(".")),
                kind=COUNTED[func],
                input_shape=tuple(call["input"].shape),
                output_shape=tuple(result.shape),
                kernel_size=None if func in LINEAR else tuple(call["weight"].shape[2:]),
                macs=macs,
                **self._ledger.count([call["weight"], call.get("bias")]),
            )
        )

    def _is_shown(self, module: nn.Module) -> bool:
        """Neither nested too deep nor a part of a layer's parametrised weight."""
        path = self.names[module]
        return nesting(path) <= self.depth and "parametrizations" not in path.split(".")

    def _numbered(self, name: str) -> str:
        self._calls[name] += 1
        return name if self._calls[name] == 1 else f"{name}#{self._calls[name]}"


def count_macs(func: Function, call: Mapping[str, Any], result: Tensor) -> int:
    """Multiply-accumulates of one call: every weight is used once at each position (and for each image)."""
    weight = call["weight"]
    if func in LINEAR:
        return weight.numel() * (result.numel() // max(1, result.shape[-1] if weight.ndim == 2 else 1))
    maps = call["input"] if func in TRANSPOSED or call.get("transposed") else result
    return weight.numel() * (maps.numel() // maps.shape[1 - weight.ndim])


def first_shape(values: Any) -> Shape | None:
    """The shape of the first tensor in any nesting of containers."""
    found = next((leaf for leaf in tree_leaves(values) if isinstance(leaf, Tensor)), None)
    return None if found is None else tuple(found.shape)


def nesting(path: str) -> int:
    """How deep a dotted name stands; the model itself is at 0."""
    return path.count(".") + 1 if path else 0


def rows_without_run(model: nn.Module) -> list[Row]:
    """One row for each module that has parameters of its own, in the order of definition."""
    ledger, rows = Ledger(), []
    for name, module in model.named_modules():
        counted = ledger.count(module.parameters(recurse=False))
        if counted["parameters"] or counted["shared"]:
            rows.append(Row(name or type(module).__name__, type(module).__name__, **counted))
    return rows
