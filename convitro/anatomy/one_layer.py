"""The activated maps of one layer for many inputs, without the network behind it."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import torch
from torch import Tensor, nn

from convitro.anatomy.observe import device_of
from convitro.anatomy.stages import Chain
from convitro.anatomy.trace import Tracer


class ReachedLayer(BaseException):
    """The layer has run, and nothing after it matters; no `except Exception` of a model catches this."""


class OneLayer(Tracer):
    """Runs a model again and again and returns what one layer makes of each input.

    The first run goes to the end, to see which normalisation and activation follow the layer; later ones stop
    right behind the layer. Use it inside `prepared()`.

    Args:
        model: what runs.
        layer: a name as `dissect` gives it.
    """

    def __init__(self, model: nn.Module, layer: str) -> None:
        super().__init__(model, [layer])
        self.layer = layer
        self.chain: Chain | None = None
        self.output: Tensor | None = None
        self.device = device_of(model)

    def maps_of(self, *args: Any, **kwargs: Any) -> Tensor | None:
        """The activated maps (N, C_out, H_out, W_out) for these arguments; None if no such layer ran."""
        self.forget()
        self.output = None
        with self:
            with suppress(ReachedLayer):
                self.model(*args, **kwargs)
            if self.output is None:
                return None
            if self.chain is None:
                self.chain = self.traced[0].chain
            activated: Tensor = self.chain.activated(self.output)
        return activated

    def _record(self, call: dict[str, Any], result: Tensor) -> None:
        if self.chain is None:
            super()._record(call, result)
            name = self.seen[-1]
        else:
            name = self._next_name()
        if name == self.layer:
            with torch.enable_grad():  # a graph that led here leads on, even where the model forbids it
                output = result.clone()  # stays, whatever is done to the maps in place
                self.output = output if output.ndim == 4 else output.unsqueeze(0)
            if self.chain is not None:
                raise ReachedLayer
