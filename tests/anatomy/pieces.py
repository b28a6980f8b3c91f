"""What networks of tests are put together from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn


class Do(nn.Module):
    """A function with its settings, as a layer."""

    def __init__(self, function: Callable[..., Tensor], *settings: Any) -> None:
        super().__init__()
        self.function, self.settings = function, settings

    def forward(self, input: Tensor) -> Tensor:
        return self.function(input, *self.settings)

    def extra_repr(self) -> str:
        return f"{self.function.__name__} {self.settings}"


def conv(size: Any = 3, inputs: int = 1, outputs: int = 1, **options: Any) -> nn.Module:
    """A convolution, of one channel into one unless it is said otherwise."""
    return nn.Conv2d(inputs, outputs, size, **options)
