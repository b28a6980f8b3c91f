"""A layer of a run as a row of numbers, and its place in the tree of modules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from convitro.anatomy.receptive.field import ReceptiveField

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Row:
    """One layer of a run.

    Args:
        name: dotted module name, with "conv2d" and the like for function calls and "#2" for a second call.
        kind: class of the module, or the function.
        input_shape, output_shape: of its first tensors; None where there is none or nothing ran.
        kernel_size: of a convolution.
        groups: of a convolution.
        parameters: those not counted in a row before.
        shared: those that were.
        trainable: whether any of them requires a gradient.
        macs: multiply-accumulates in convolutions and linear layers.
        output_bytes: memory that its outputs take and nothing took before; 0 for what works in place.
        field: what its units see of the image; None where there is no image, or no unit sees it.
        time_ms: median time of its forward, where it was measured.
        advice: what follows from the numbers, in sentences.
    """

    name: str
    kind: str
    input_shape: Shape | None = None
    output_shape: Shape | None = None
    kernel_size: Shape | None = None
    groups: int | None = None
    parameters: int = 0
    shared: int = 0
    trainable: bool = False
    macs: int = 0
    output_bytes: int = 0
    field: ReceptiveField | None = None
    time_ms: float | None = None
    advice: tuple[str, ...] = ()

    @property
    def flops(self) -> int:
        """Floating point operations: 2 for each MAC."""
        return 2 * self.macs

    def to_dict(self) -> dict[str, Any]:
        """All values as JSON types."""
        found: dict[str, Any] = {name: getattr(self, name) for name in self.__dataclass_fields__}
        found = {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}
        seen = None if self.field is None else self.field.to_dict()
        names = ("size", "stride", "start", "whole", "exact")
        found["flops"] = self.flops
        found["receptive_field"] = None if seen is None else {name: seen[name] for name in names}
        del found["field"]
        return found


class Node(NamedTuple):
    """A row in the tree of modules: how deep it stands, and its name there."""

    level: int
    variable: str
    row: Row
