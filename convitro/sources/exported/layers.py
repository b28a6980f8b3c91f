"""What the layers of an exported program are called: as in the model that it was made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

MODULES = "torch.nn.modules."
CONTAINERS = {"Sequential", "ModuleList", "ModuleDict"}


def named_layers(nodes: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """The name and kind of each node's layer, as observing the original model would name it.

    The last call inside one of torch's own layers has the layer's name and class; all other calls have the
    name of the module that makes them, and their function's.
    """
    places = [place(node) for node in nodes]
    last = {key: index for index, (key, _, _) in enumerate(places)}
    found = []
    for index, (node, (key, path, kind)) in enumerate(zip(nodes, places, strict=True)):
        if kind and last[key] == index:
            found.append((path, kind))
            continue
        parts = str(node["target"]).split(".")
        function = parts[3] if len(parts) > 3 else parts[-1]
        function = "conv2d" if function == "convolution" else function
        found.append((f"{path}.{function}".lstrip("."), function))
    return found


def place(node: Mapping[str, Any]) -> tuple[str, str, str]:
    """The innermost module around a node: its call, path, and class if it is one of torch's layers."""
    entry = str((node.get("metadata") or {}).get("nn_module_stack", "")).split(";")[-1]
    key, _, rest = entry.partition(",")
    path, _, class_name = rest.rpartition(",")
    kind = class_name.rpartition(".")[2]
    own = class_name.startswith(MODULES) and kind not in CONTAINERS and path
    return key, path, kind if own else ""
