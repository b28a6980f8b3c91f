"""The JSON of an exported program: its arguments, calls and results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from convitro.errors import LoadError, UnsupportedError
from convitro.sources.exported.archive import DTYPES, STRIDED, Archive
from convitro.sources.exported.call import Call, Held, Slot
from convitro.sources.exported.layers import named_layers
from convitro.sources.exported.operators import function_for, refused
from convitro.sources.graph import Step

FORMATS = {
    1: torch.contiguous_format,
    2: torch.channels_last,
    3: torch.channels_last_3d,
    4: torch.preserve_format,
}
PLAIN = ("as_int", "as_ints", "as_bool", "as_bools", "as_string", "as_int_lists")
NAMED = ("as_sym_int", "as_sym_float", "as_sym_bool")
LARGEST_SIZE = 2**31


class Reader:
    """Reads the JSON of one program.

    Args:
        archive: where its tensors are.
        stored: the program's JSON.
    """

    def __init__(self, archive: Archive, stored: Mapping[str, Any]) -> None:
        self.module = stored["graph_module"]
        self.graph = self.module["graph"]
        self.tensors: dict[str, tuple[str, Tensor]] = {}
        self.arguments: list[str] = []
        weights, constants = archive.weights(), archive.constants()
        for entry in self.module["signature"]["input_specs"]:
            self.place(entry, weights | constants)

    def place(self, entry: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        """One argument of the graph: a stored tensor, or what the user gives."""
        ((kind, stated),) = entry.items()
        if kind == "user_input":
            argument = stated["arg"]
            reference = next((argument[key] for key in ("as_tensor", *NAMED) if key in argument), None)
            if reference is not None:
                self.arguments.append(reference.get("name") or reference["as_name"])
        elif kind in ("parameter", "buffer", "tensor_constant"):
            own = stated[f"{kind}_name"]
            if own not in tensors:
                raise LoadError(f'load: the tensor "{own}" of the program is missing.')
            self.tensors[stated["arg"]["name"]] = (own, tensors[own])
        elif kind != "constant_input":
            raise refused(kind, "an argument that is no tensor")

    def steps(self) -> list[Step]:
        """All calls, in order; what only checks something is left out."""
        layers = named_layers(self.graph["nodes"])
        nodes = zip(self.graph["nodes"], layers, strict=True)
        return [step for node, layer in nodes if (step := self.step(node, *layer)) is not None]

    def outputs(self) -> list[str]:
        """Names of the tensors that the user gets."""
        return [
            entry["user_output"]["arg"]["as_tensor"]["name"]
            for entry in self.module["signature"]["output_specs"]
            if "as_tensor" in entry.get("user_output", {}).get("arg", {})
        ]

    def input_size(self) -> tuple[int, int, int] | None:
        """(C, H, W) of the first argument that is a batch of pictures, as it was in the example."""
        for name in self.arguments:
            sizes = self.sizes(name, hints=True) if self.is_tensor(name) else ()
            if len(sizes) == 4 and None not in sizes:
                return sizes[1:]  # type: ignore[return-value]
        return None

    def is_tensor(self, name: str) -> bool:
        """Whether the value of that name is a tensor."""
        return name in self.graph["tensor_values"]

    def sizes(self, name: str, *, hints: bool = False) -> tuple[int | None, ...]:
        """The sizes of an argument: free ones are None, or what they were in the example."""
        found: list[int | None] = []
        for stated in self.graph["tensor_values"][name]["sizes"]:
            hint = (stated.get("as_expr") or {}).get("hint") or {}
            found.append(stated.get("as_int", hint.get("as_int") if hints else None))
        if any(
            size is not None and (type(size) is not int or not 0 <= size < LARGEST_SIZE) for size in found
        ):
            raise LoadError(f'load: the argument "{name}" of the program has an impossible size.')
        return tuple(found)

    def step(self, node: Mapping[str, Any], own_name: str, kind: str) -> Call | None:
        """One call; None for one that only checks something."""
        if str(node["target"]).startswith("torch.ops.higher_order"):
            raise refused(node["target"], "it is control flow, or a part with settings of its own")
        found = function_for(node["target"])
        if found is None:
            return None
        by_name = found[1]
        inputs: list[str] = []
        tensors: dict[str, Tensor] = {}
        arguments: list[Any] = []
        keywords: dict[str, Any] = {}
        for entry in node["inputs"]:
            value = self.value(entry["arg"], inputs, tensors)
            name = entry.get("name", "")
            in_turn = not by_name or (not keywords and list(by_name)[len(arguments)] == name)
            if in_turn and not by_name.get(name, False):
                arguments.append(value)
            else:
                keywords[name] = value
        outputs = [name for entry in node["outputs"] for name in result_names(entry)]
        return Call(own_name, kind, node["target"], arguments, keywords, tensors, inputs, outputs)

    def value(self, stated: Mapping[str, Any], inputs: list[str], tensors: dict[str, Tensor]) -> Any:
        """One argument of a call, with places instead of tensors."""
        ((kind, value),) = stated.items()
        if kind == "as_none" or (isinstance(value, Mapping) and "as_none" in value):
            return None
        if kind in ("as_float", "as_floats"):
            return [number(item) for item in value] if kind == "as_floats" else number(value)
        if kind in PLAIN:
            return value
        if kind in ("as_tensor", "as_optional_tensor"):
            return self.reference((value.get("as_tensor") or value)["name"], inputs, tensors)
        if kind in NAMED:
            if "as_name" in value:
                return self.reference(value["as_name"], inputs, tensors)
            ((_, fixed),) = value.items()
            return fixed
        if kind in ("as_tensors", "as_optional_tensors", "as_sym_ints", "as_sym_floats"):
            inner = {"as_tensors": "as_tensor", "as_optional_tensors": "as_optional_tensor"}
            single = inner.get(kind, "as_sym_int")
            return [self.value({single: item}, inputs, tensors) for item in value]
        if kind == "as_scalar_type":
            return DTYPES[value]
        if kind == "as_memory_format":
            return FORMATS[value]
        if kind == "as_device":
            return torch.device("cpu")
        if kind == "as_layout" and value == STRIDED:
            return torch.strided
        raise refused(kind, "an argument that is neither a number nor a tensor")

    def reference(self, name: str, inputs: list[str], tensors: dict[str, Tensor]) -> Slot | Held:
        """The place of a value: the step's own if it is stored, otherwise one of its inputs."""
        if name not in self.tensors:
            if name not in inputs:
                inputs.append(name)
            return Slot(inputs.index(name))
        own, tensor = self.tensors[name]
        wanted = own.rpartition(".")[2] or "value"
        short = wanted if wanted.isidentifier() and not hasattr(Step, wanted) else f"tensor_{len(tensors)}"
        while short in tensors and tensors[short] is not tensor:
            short += "_"
        tensors[short] = tensor
        return Held(short)


def number(stated: Any) -> float:
    """A floating point number; JSON has no infinities, so they stand there as text."""
    return float(stated) if stated in ("Infinity", "-Infinity", "NaN") else stated


def result_names(stated: Mapping[str, Any]) -> list[str]:
    """Names of the values that one output of a node gives; "" for one that is left out."""
    ((kind, value),) = stated.items()
    if kind == "as_tensor":
        return [value["name"]]
    if kind in ("as_tensors", "as_optional_tensors"):
        return [
            (item.get("as_tensor") or item).get("name", "") if isinstance(item, Mapping) else ""
            for item in value
        ]
    if kind in NAMED:
        return [value["as_name"]]
    if kind == "as_none":
        return [""]
    raise UnsupportedError(f"load: a call of the program gives {kind.removeprefix('as_')}, no tensor.")
