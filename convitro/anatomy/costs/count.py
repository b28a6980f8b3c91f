"""Count what a run costs: a row for each layer in execution order: parameters, MACs, memory, field, time."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd
from torch.utils._pytree import tree_leaves

from convitro.anatomy.costs.advice import Consumers, ConvCall, advice_on
from convitro.anatomy.costs.rows import Node, Row, Shape
from convitro.anatomy.observe import Observer, kind_of
from convitro.anatomy.receptive.call import Function
from convitro.anatomy.receptive.field import ReceptiveField
from convitro.anatomy.receptive.follow import Follower
from convitro.anatomy.receptive.network import following, image_dims, start_all
from convitro.anatomy.recognise import CONVOLUTIONS, bound
from convitro.errors import UnsupportedError
from convitro.sources.graph import Step

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
    place: int
    input_shape: Shape | None = None
    memory: frozenset[int] = frozenset()
    macs: int = 0
    shown_inside: bool = False
    calls: list[ConvCall] = field(default_factory=list)
    began: float = 0.0


class Accountant(Observer):
    """Watches one run and writes `rows`: for innermost modules, and for convolutions called as functions.

    Args:
        model: what will run.
        depth: modules nested deeper than this are summed up in the one around them.
        follows: what units see of the image is followed as well, and advice is given.
    """

    def __init__(self, model: nn.Module, depth: int, *, follows: bool = True) -> None:
        super().__init__(model)
        self.depth, self.follows = depth, follows
        self.rows: list[Row] = []
        self.input_bytes = 0
        self.total_ms = 0.0
        self._nodes: list[Node | None] = []
        self._calls_of: dict[str, list[ConvCall]] = {}
        self._ledger = Ledger()
        self._frames: list[Frame] = []
        self._calls: Counter[str] = Counter()
        self.follower: Follower | None = None
        self._image_size = (0, 0)
        self._consumers = Consumers((*model.parameters(), *model.buffers()))

    @property
    def nodes(self) -> list[Node]:
        """All shown modules and functions, each before its parts."""
        return [node for node in self._nodes if node is not None]

    def started(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        self.input_bytes = sum(tensor.nbytes for tensor in tensors)
        if self.follows:
            follower = following(self)
            follower.fixed_statistics = True
            try:
                self._image_size = start_all(follower, (args, kwargs), image_dims(self.model))
            except UnsupportedError:  # images of several sizes have no common pixels
                return
            self.follower = follower if self._image_size != (0, 0) else None

    def run(self, input: Any, mode: str = "same") -> Any:
        """As `Observer.run`; then the advice is known."""
        began = self.now()
        output = super().run(input, mode)
        self.total_ms = self.total_ms or (self.now() - began) * 1e3
        if self.follows:
            advice = advice_on(self.rows, self._calls_of, self._image_size)
            self.rows = [replace(row, advice=advice.get(row.name, ())) for row in self.rows]
            self._nodes = [
                node and node._replace(row=replace(node.row, advice=advice.get(node.row.name, ())))
                for node in self._nodes
            ]
        return output

    def now(self) -> float:
        """The time in seconds, when all that was asked of a GPU is done."""
        if torch.cuda.is_available() and torch.cuda.is_initialized():
            torch.cuda.synchronize()
        return time.perf_counter()

    def entered(self, module: nn.Module, args: Any) -> None:
        if self._is_shown(module):
            if self._frames:
                self._frames[-1].shown_inside = True
            self._nodes.append(None)
            frame = Frame(module, len(self._nodes) - 1, first_shape(args), memory_of(args))
            self._frames.append(frame)
            frame.began = self.now()

    def left(self, module: nn.Module, output: Any) -> None:
        ended = self.now()
        if not self._is_shown(module):
            return
        frame = self._frames.pop()
        if not self._frames:
            self._consumers.returned(output)
        elapsed = (ended - frame.began) * 1e3
        self.total_ms = self.total_ms if self._frames else elapsed
        counted = self._ledger.count(module.parameters(recurse=not frame.shown_inside))
        path, kind = self.shown_names[module], kind_of(module)
        row = Row(
            name=self._numbered(path or type(module).__name__),
            kind=kind,
            input_shape=frame.input_shape,
            output_shape=first_shape(output),
            kernel_size=tuple(module.kernel_size) if isinstance(module, _ConvNd) else frame_kernel(frame),
            groups=module.groups if isinstance(module, _ConvNd) else None,
            macs=frame.macs,
            output_bytes=bytes_of(output, frame.memory),
            time_ms=elapsed,
            **counted,
        )
        row = replace(row, field=self._field(row.name, kind, output))
        self._nodes[frame.place] = self._node(module, row, has_parts=frame.shown_inside)
        if not frame.shown_inside or counted["parameters"]:  # else everything stands in the rows of its parts
            self.rows.append(row)
            self._calls_of[row.name] = frame.calls

    def _node(self, module: nn.Module, row: Row, *, has_parts: bool) -> Node:
        path = self.names[module]
        if has_parts:  # what they write is counted in their rows
            row = replace(row, output_bytes=0)
        return Node(nesting(path), path.rpartition(".")[2] or type(module).__name__, row)

    def __torch_function__(
        self, func: Function, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        began = self.now() if func in COUNTED else 0.0
        result = func(*args, **kwargs) if self.follower is None else self.follower.call(func, args, kwargs)
        if self.follows:
            self._consumers.called(func, args, kwargs, result)
        if func in COUNTED and self._frames:
            self._count(func, args, kwargs, result, (self.now() - began) * 1e3)
        return result

    def _count(
        self, func: Function, args: tuple[Any, ...], kwargs: dict[str, Any], result: Tensor, elapsed: float
    ) -> None:
        call = bound(CONVOLUTIONS.get(func, ("input", "weight", "bias")), args, kwargs)
        macs, frame = count_macs(func, call, result), self._frames[-1]
        own = isinstance(frame.module, (_ConvNd, nn.Linear, Step)) and self.running[-1] is frame.module
        made = [self._consumers.made(result, call)] if func in CONVOLUTIONS and self.follows else []
        if own or nesting(self.names[frame.module]) == self.depth:
            frame.macs += macs
            frame.calls += made
            return
        path = self.shown_names[frame.module]
        frame.shown_inside = True
        row = Row(
            name=self._numbered(f"{path}.{COUNTED[func]}".lstrip(".")),
            kind=COUNTED[func],
            input_shape=tuple(call["input"].shape),
            output_shape=tuple(result.shape),
            kernel_size=None if func in LINEAR else tuple(call["weight"].shape[2:]),
            groups=None if func in LINEAR else call.get("groups", 1),
            macs=macs,
            output_bytes=bytes_of(result, memory_of(args)),
            time_ms=elapsed,
            **self._ledger.count([call["weight"], call.get("bias")]),
        )
        row = replace(row, field=self._field(row.name, row.kind, result))
        self.rows.append(row)
        self._nodes.append(Node(nesting(self.names[frame.module]) + 1, row.kind, row))
        self._calls_of[row.name] = made

    def _field(self, name: str, kind: str, output: Any) -> ReceptiveField | None:
        tensor = next((leaf for leaf in tree_leaves(output) if isinstance(leaf, Tensor)), None)
        if self.follower is None or tensor is None or tensor.ndim < 2:
            return None
        layout = self.follower.of(tensor)
        return None if layout is None else ReceptiveField.of(name, kind, layout, self._image_size)

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


def frame_kernel(frame: Frame) -> Shape | None:
    """The kernel of a step of another framework, which is one convolution."""
    single = isinstance(frame.module, Step) and len(frame.calls) == 1
    return frame.calls[0].kernel_size if single else None


def memory_of(values: Any) -> frozenset[int]:
    """Which storages tensors in any nesting of containers use."""
    return frozenset(
        leaf.untyped_storage()._cdata
        for leaf in tree_leaves(values)
        if isinstance(leaf, Tensor) and leaf.layout is torch.strided
    )


def bytes_of(values: Any, known: frozenset[int]) -> int:
    """The memory that tensors take, unless they stand in storages that were there before."""
    fresh = {
        leaf.untyped_storage()._cdata: leaf.nbytes
        for leaf in tree_leaves(values)
        if isinstance(leaf, Tensor) and leaf.layout is torch.strided
    }
    return sum(size for storage, size in fresh.items() if storage not in known)


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
            rows.append(Row(name or type(module).__name__, kind_of(module), **counted))
    return rows
