"""One call of an exported program, as a step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from convitro.errors import ShapeError, first_line
from convitro.sources.exported.operators import Function, function_for
from convitro.sources.graph import Step


@dataclass(frozen=True)
class Slot:
    """The place of a value in the arguments of a call: `index` counts a step's inputs."""

    index: int


@dataclass(frozen=True)
class Held:
    """The place of a step's own tensor in the arguments of a call."""

    name: str


class Call(Step):
    """One call of the program.

    Args:
        own_name, kind: what the original model calls the layer, and its class or the operator.
        target: the name of what is called.
        arguments, keywords: what with: numbers, `Slot`, `Held`, and lists of them.
        tensors: the step's own ones, by name.
        inputs, outputs: names of values.
    """

    def __init__(
        self,
        own_name: str,
        kind: str,
        target: str,
        arguments: Sequence[Any],
        keywords: Mapping[str, Any],
        tensors: Mapping[str, Tensor],
        inputs: Sequence[str],
        outputs: Sequence[str],
    ) -> None:
        super().__init__(own_name, kind, inputs, outputs)
        self.target, self.function = target, named_function(target)
        self.arguments, self.keywords = tuple(arguments), dict(keywords)
        for name, tensor in tensors.items():
            if isinstance(tensor, nn.Parameter):
                self.register_parameter(name, tensor)
            else:
                self.register_buffer(name, tensor)

    def __getstate__(self) -> dict[str, Any]:
        """Without the function: not all of PyTorch's can be copied."""
        return {**self.__dict__, "function": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.function = named_function(self.target)

    def forward(self, *values: Any) -> Any:
        given = [self.filled(argument, values) for argument in self.arguments]
        named = {name: self.filled(argument, values) for name, argument in self.keywords.items()}
        try:
            result = self.function(*given, **named)
        except (RuntimeError, ValueError, IndexError, TypeError, ArithmeticError) as error:
            raise ShapeError(
                f"{self.kind} {self.own_name!r} cannot be computed.",
                received=", ".join(str(tuple(v.shape)) if isinstance(v, Tensor) else str(v) for v in values),
                hint=f"torch says: {first_line(error)}",
            ) from error
        parts = flat(result)
        if len(parts) < len(self.outputs):
            raise ShapeError(
                f"{self.kind} {self.own_name!r} gives too few values.",
                expected=str(len(self.outputs)),
                received=str(len(parts)),
            )
        return parts[0] if len(self.outputs) == 1 else tuple(parts)

    def filled(self, argument: Any, values: Sequence[Any]) -> Any:
        """An argument with its tensors in place."""
        if isinstance(argument, Slot):
            return values[argument.index]
        if isinstance(argument, Held):
            return getattr(self, argument.name)
        if isinstance(argument, list):
            return [self.filled(item, values) for item in argument]
        return argument


def named_function(target: str) -> Function:
    """What is called by that name."""
    found = function_for(target)
    assert found is not None, f"{target} only checks something"
    return found[0]


def flat(result: Any) -> list[Any]:
    """The values of a result, out of tuples and lists."""
    if not isinstance(result, (tuple, list)):
        return [result]
    return [value for part in result for value in flat(part)]
