"""A node of an ONNX graph as a step: computed by torch functions, with its weights as parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from convitro.errors import ConvitroError, ShapeError, first_line
from convitro.sources.graph import Step
from convitro.sources.onnx.node import Node, Operator


class Operation(Step):
    """One node, computed by the function that the table has for it.

    Args:
        node: what the model says.
        operator: how such nodes are computed.
        held: position of an input -> the numbers that stand there always. Those of the operator's weights
            that are trained become parameters, others stay numbers that move with the model.
        taken_in: names of nodes that this step does as well.
    """

    def __init__(
        self,
        node: Node,
        operator: Operator,
        held: Mapping[int, Tensor] | None = None,
        taken_in: tuple[str, ...] = (),
    ) -> None:
        held = held or {}
        inputs = ["" if index in held else name for index, name in enumerate(node.inputs)]
        inputs += [""] * (max(held, default=-1) + 1 - len(inputs))
        super().__init__(node.name, node.op, inputs, node.outputs)
        self.node, self.compute, self.taken_in = node, operator.compute, taken_in
        self._held: dict[int, str] = {}
        for index, numbers in held.items():
            name = operator.weights.get(index, f"input{index}")
            if isinstance(numbers, nn.Parameter):
                self.register_parameter(name, numbers)
            else:
                self.register_buffer(name, numbers)
            self._held[index] = name

    def forward(self, *values: Any) -> Any:
        arguments = list(values)
        for index, name in self._held.items():
            arguments[index] = getattr(self, name)
        while arguments and arguments[-1] is None:
            arguments.pop()
        try:
            return self.compute(self.node, *arguments)
        except ConvitroError:
            raise
        except (
            RuntimeError,
            ValueError,
            IndexError,
            TypeError,
            KeyError,
            AttributeError,
            ArithmeticError,
        ) as error:
            shapes = [tuple(value.shape) if isinstance(value, Tensor) else value for value in arguments]
            raise ShapeError(
                f"{self.kind} {self.own_name!r} cannot be computed.",
                received=", ".join(map(str, shapes)),
                hint=f"torch says: {first_line(error)}",
            ) from error

    def extra_repr(self) -> str:
        more = f", with {', '.join(map(repr, self.taken_in))}" if self.taken_in else ""
        return super().extra_repr() + more
