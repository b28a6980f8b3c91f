"""The activated maps of one layer for many batches, without the network behind it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from convitro.anatomy.stages import Chain
from convitro.anatomy.trace import Tracer


class ReachedLayer(BaseException):
    """The layer has run, and nothing after it matters; no `except Exception` of a model catches this."""


class LayerMaps(Tracer):
    """Runs a model again and again and returns what one layer makes of each batch.

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
        first = next((tensor for tensor in model.parameters()), None)
        self.device = torch.device("cpu") if first is None else first.device

    def of(self, images: Tensor) -> Tensor | None:
        """The activated maps (N, C_out, H_out, W_out); None if no such layer ran."""
        self.forget()
        self.output = None
        try:
            with self:
                self.model(images.to(self.device, copy=True))
        except ReachedLayer:
            pass
        if self.output is None:
            return None
        if self.chain is None:
            self.chain = self.traced[0].chain
        return self.chain.activated(self.output)

    def _record(self, call: dict[str, Any], result: Tensor) -> None:
        if self.chain is None:
            super()._record(call, result)
            name = self.seen[-1]
        else:
            name = self._next_name()
        if name == self.layer:
            self.output = result.clone() if result.ndim == 4 else result[None].clone()
            if self.chain is not None:
                raise ReachedLayer
