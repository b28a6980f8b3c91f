"""What leads to what in one run: the layers, and where the ways of several of them come together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary

aten = torch.ops.aten
MERGES: dict[Any, str] = {
    **dict.fromkeys((torch.add, Tensor.add, Tensor.add_, torch.sub, Tensor.sub, Tensor.sub_), "add"),
    **dict.fromkeys((aten.add.Tensor, aten.add_.Tensor, aten.sub.Tensor), "add"),
    **dict.fromkeys((torch.cat, torch.concat, torch.concatenate, torch.stack, aten.cat.default), "concat"),
    **dict.fromkeys((torch.mul, torch.multiply, Tensor.mul, Tensor.mul_, aten.mul.Tensor), "multiply"),
}


@dataclass(frozen=True)
class Node:
    """A place where the maps of a run pass.

    Args:
        name: the layer's name; "input", "output"; or the kind, with "#2" for a second one.
        kind: "input", "layer", "output", or how ways come together: "add", "concat", "multiply", "merge".
        sources: names of the nodes before it, in the order in which it takes them.
    """

    name: str
    kind: str
    sources: tuple[str, ...] = ()


class Connections:
    """Follows every tensor of a run back to the node that it last passed; functions in between are the way.

    Args:
        model: its parameters and buffers lead nowhere.
    """

    def __init__(self, model: nn.Module) -> None:
        self.nodes: list[Node] = []
        self._origins = WeakIdKeyDictionary()  # tensor -> name of a node, or "" for what is not of the input
        self._calls: Counter[str] = Counter()
        for tensor in (*model.parameters(), *model.buffers()):
            self._origins[tensor] = ""

    def layer(self, name: str, arguments: Iterable[Any], result: Tensor) -> None:
        """A layer made `result` of `arguments`."""
        self._add(Node(name, "layer", self._sources(arguments)), result)

    def follow(self, func: Callable[..., Any], arguments: Iterable[Any], result: Any) -> None:
        """Any other function made `result` of `arguments`, or changed the first of them."""
        values = tuple(arguments)
        made = tensors(values[:1] if result is None else result)
        if not made:
            return
        sources = self._sources(values)
        if len(sources) > 1:
            kind = MERGES.get(func, "merge")
            self._calls[kind] += 1
            name = kind if self._calls[kind] == 1 else f"{kind}#{self._calls[kind]}"
            self._add(Node(name, kind, sources), made)
        else:
            for tensor in made:
                self._origins[tensor] = sources[0] if sources else ""

    def end(self, output: Any) -> None:
        """The model returned `output`."""
        self._add(Node("output", "output", self._sources([output])), ())

    def _add(self, node: Node, made: Any) -> None:
        self.nodes.append(node)
        for tensor in tensors(made):
            self._origins[tensor] = node.name

    def _sources(self, arguments: Iterable[Any]) -> tuple[str, ...]:
        """Where the tensors among the arguments come from, each place once."""
        found = dict.fromkeys(map(self._origin, tensors(list(arguments))))
        return tuple(name for name in found if name)

    def _origin(self, tensor: Tensor) -> str:
        """A tensor that no function made was given to the model."""
        if tensor not in self._origins:
            if not any(node.kind == "input" for node in self.nodes):
                self.nodes.insert(0, Node("input", "input"))
            self._origins[tensor] = "input"
        origin: str = self._origins[tensor]
        return origin


def tensors(values: Any) -> list[Tensor]:
    """All tensors in any nesting."""
    if isinstance(values, Tensor):
        return [values]
    return [leaf for leaf in tree_leaves(values) if isinstance(leaf, Tensor)]
