"""The three choices of a layer taken together: (combine, window, aggregation)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from convitro.aggregation.base import Aggregation
from convitro.aggregation.combine import Combine, resolve_combine
from convitro.aggregation.registry import resolve
from convitro.errors import ArgumentError


@dataclass(frozen=True)
class Operator:
    """What a layer does with the numbers under a window: combine, reduce the window, reduce the channels.

    Example:
        >>> operator("max").multiplies_and_adds, operator("max", combine="add").multiplies_and_adds
        (True, False)
    """

    combine: Combine
    window: Aggregation
    aggregation: Aggregation

    @property
    def multiplies_and_adds(self) -> bool:
        """The partial maps are those of a plain convolution."""
        return self.combine.name == "multiply" and self.window.name == "sum"


def operator(aggregation: Any = "sum", window: Any = "sum", combine: Any = "multiply") -> Operator:
    """The operator that three names or instances stand for.

    Raises:
        ArgumentError: an unknown name, or a window that needs all its items at once ("median", "none").
    """
    chosen = Operator(resolve_combine(combine), resolve(window, argument="window"), resolve(aggregation))
    if chosen.window.separate or not chosen.window.streams:
        raise ArgumentError(
            "conv2d: this window cannot be used.",
            expected="an aggregation with a state of fixed size",
            received=f'window="{chosen.window}"',
        )
    return chosen
