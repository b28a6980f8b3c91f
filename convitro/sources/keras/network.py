"""The graph of a Keras model: takes and gives tensors in the order of axes that its caller speaks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from convitro.errors import ShapeError
from convitro.sources.graph import Graph, Port, Step
from convitro.sources.keras.recipe import turn


class KerasGraph(Graph):
    """A `Graph` that checks its inputs and turns maps at the door.

    Args:
        name: the model's own.
        inputs, outputs: the ports, in order.
        steps: in order of execution.
        input_size: (C, H, W) of one picture, if that is what the network takes.
    """

    def __init__(
        self,
        name: str,
        inputs: Sequence[Port],
        steps: Sequence[Step],
        outputs: Sequence[Port],
        input_size: tuple[int, int, int] | None = None,
    ) -> None:
        names = [port.name for port in inputs], [port.name for port in outputs]
        super().__init__(name, names[0], steps, names[1], input_size=input_size)
        self.ports_in, self.ports_out = tuple(inputs), tuple(outputs)

    def forward(self, *arguments: Any, **named: Any) -> Any:
        """Run all steps. Arguments stand in the order of `inputs`, in a list, or have their names."""
        result = super().forward(*arguments, **named)
        if len(self.ports_out) == 1:
            return turned(result, self.ports_out[0])
        return tuple(turned(value, port) for value, port in zip(result, self.ports_out, strict=True))

    def _bound(self, arguments: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
        if len(arguments) == 1 and isinstance(arguments[0], (list, tuple)):
            arguments = tuple(arguments[0])
        given = super()._bound(arguments, named)
        for port in self.ports_in:
            check(given[port.name], port, self.own_name)
        return {port.name: turned(given[port.name], port) for port in self.ports_in}


def turned(value: Any, port: Port) -> Any:
    """A tensor in the order on the other side of the door."""
    return value if port.turn is None else value.permute(port.turn)


def check(value: Any, port: Port, name: str) -> None:
    """Raise a ShapeError unless `value` is a tensor of the port's shape."""
    shape = tuple(value.shape) if isinstance(value, Tensor) else ()
    if isinstance(value, Tensor) and fits(shape, port.shape):
        return
    letters = ["N", *("?" if size is None else str(size) for size in port.shape[1:])]
    raise ShapeError(
        f'{name}: the input "{port.name}" does not fit the network.',
        expected=f"a tensor ({', '.join(letters)})" + (", channels first" if port.channels_first else ""),
        received=str(shape) if isinstance(value, Tensor) else type(value).__name__,
        hint=hint_for(shape, port),
    )


def fits(shape: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    """Whether a shape is the wanted one, where anything is wanted; the batch may have any size."""
    return len(shape) == len(wanted) and all(
        size in (None, given) for given, size in zip(shape[1:], wanted[1:], strict=True)
    )


def hint_for(shape: tuple[int, ...], port: Port) -> str:
    """What to do with a tensor whose axes stand in the other order, or that has no batch."""
    rank = len(port.shape)
    if len(shape) == rank and rank > 2:
        order = turn(rank, channels_first=port.channels_first)
        if fits(tuple(shape[axis] for axis in order), port.shape):
            said = (
                "a network that was loaded takes channels first"
                if port.channels_first
                else "a live Keras model takes its own order"
            )
            return f"{said}: call `input.permute{order}`"
    if len(shape) == rank - 1 and fits((1, *shape), port.shape):
        return "one item needs an axis for the batch: `input.unsqueeze(0)`"
    return ""
