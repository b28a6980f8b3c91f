"""A network that another framework describes, as a torch module: its operations with their own names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from torch import Tensor, nn

from convitro.errors import ShapeError


class Step(nn.Module):
    """One operation of a graph; a subclass computes it in `forward` with torch functions.

    Its weights are its parameters. Padding that torch's function cannot do (uneven) is an `F.pad` right
    before it, in the same `forward`: dissecting takes both together.

    Args:
        own_name: what the model calls it, free text; shown as it is.
        kind: the framework's word for the operation, such as "Conv" or "Conv2D".
        inputs: names of the values that `forward` takes in order; "" for one that is left out (None).
        outputs: names of the values that it returns: one, or a tuple of several.
    """

    def __init__(self, own_name: str, kind: str, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        super().__init__()
        self.own_name, self.kind = own_name, kind
        self.inputs, self.outputs = tuple(inputs), tuple(outputs)

    def forward(self, *values: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} does not say how it is computed")

    def extra_repr(self) -> str:
        return f"{self.own_name!r}, {self.kind}"


class Port(NamedTuple):
    """An input or output of a network whose caller may speak another order of axes than its maps have.

    Args:
        name: of the value in the graph.
        shape: in the order that the caller speaks; None where any size will do.
        turn: the permutation between the caller's order and that of the maps; None if they are the same.
        channels_first: whether the caller speaks channels first.
    """

    name: str
    shape: tuple[int | None, ...]
    turn: tuple[int, ...] | None = None
    channels_first: bool = False


class Graph(nn.Module):
    """Steps in an order in which each finds its inputs ready. Values are let go after their last use.

    Args:
        name: what the model is called.
        inputs: names of the arguments.
        steps: in order of execution.
        outputs: names of the values that are returned: one tensor, or a tuple of several.
        constants: values that are no weights (shapes, indices), by name.
        input_size: (C, H, W) of one picture, where the model says so.
    """

    def __init__(
        self,
        name: str,
        inputs: Sequence[str],
        steps: Sequence[Step],
        outputs: Sequence[str],
        constants: dict[str, Tensor] | None = None,
        input_size: tuple[int, int, int] | None = None,
    ) -> None:
        super().__init__()
        self.own_name, self.inputs, self.outputs = name, tuple(inputs), tuple(outputs)
        self.input_size = input_size
        self.batch: int | None = None  # pictures at a time, where it takes no other number of them
        self.ports_in: tuple[Port, ...] = ()  # where they say more than that pictures are (N, C, H, W)
        self.constants = nn.Module()  # moves with the model, and is no layer
        self._constant_names = {}
        for index, (constant, value) in enumerate((constants or {}).items()):
            self.constants.register_buffer(str(index), value)
            self._constant_names[constant] = str(index)
        for index, step in enumerate(steps):
            self.add_module(str(index), step)
        self._last_reader = {value: index for index, step in enumerate(steps) for value in step.inputs}

    @property
    def steps(self) -> tuple[Step, ...]:
        """The operations in order."""
        return tuple(module for module in self.children() if isinstance(module, Step))

    def forward(self, *arguments: Any, **named: Any) -> Any:
        """Run all steps. Arguments stand in the order of `inputs`, or have their names."""
        values: dict[str, Any] = {
            name: getattr(self.constants, at) for name, at in self._constant_names.items()
        }
        values |= self._bound(arguments, named)
        kept = {*self.outputs}
        for index, step in enumerate(self.steps):
            results = step(*(values[name] if name else None for name in step.inputs))
            single = len(step.outputs) == 1
            values |= zip(step.outputs, (results,) if single else results, strict=False)
            for name in step.inputs:
                if self._last_reader.get(name) == index and name not in kept:
                    values.pop(name, None)
        found = tuple(values[name] for name in self.outputs)
        return found[0] if len(found) == 1 else found

    def _bound(self, arguments: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
        given = dict(zip(self.inputs, arguments, strict=False)) | named
        if len(arguments) > len(self.inputs) or set(given) != set(self.inputs):
            raise ShapeError(
                f"{self.own_name}: the arguments do not fit the network.",
                expected=f"{len(self.inputs)}: {', '.join(self.inputs)}",
                received=f"{len(arguments)} in order" + (f", and {', '.join(named)}" if named else ""),
            )
        return given
