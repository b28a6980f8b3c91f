"""What is kept of a network after every epoch, so that its filters and maps can be seen as they were."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convitro.anatomy.trace import Function, Tracer


class _Behind(Tracer):
    """Finds the parameters of fully connected layers that run only after the last convolution."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__(model, wanted=())
        self.own = {id(parameter) for parameter in model.parameters()}
        self.behind: set[int] = set()
        self.needed: set[int] = set()

    def __torch_function__(
        self, func: Function, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs, convolutions = kwargs or {}, len(self.seen)
        result = super().__torch_function__(func, types, args, kwargs)
        used = {id(value) for value in (*args, *kwargs.values())} & self.own
        if len(self.seen) > convolutions:  # its maps may depend on all that ran before
            self.needed |= used | self.behind
        elif func is F.linear:
            self.behind |= used
        else:
            self.needed |= used
        return result


def left_out(network: nn.Module, input_size: tuple[int, int, int]) -> tuple[str, ...]:
    """Names in the state dict that no map depends on and that would be most of every snapshot.

    These are fully connected layers behind the last convolution, and only where they hold more numbers than
    everything else; the few of most networks are kept, and with them the network's answer.

    Args:
        network: as it will be trained; it is run once and left as it was.
        input_size: (C, H, W).

    Source: own.

    Example:
        >>> network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(144, 10))
        >>> left_out(network, (1, 8, 8))
        ('2.weight', '2.bias')
    """
    tracer = _Behind(network)
    tracer.run(torch.zeros(1, *input_size), mode="eval")
    behind = tracer.behind - tracer.needed
    entries = network.state_dict(keep_vars=True)
    names = tuple(name for name, entry in entries.items() if id(entry) in behind)
    large = sum(entries[name].numel() for name in names)
    return names if tracer.seen and 2 * large > sum(map(torch.numel, entries.values())) else ()


def snapshot(network: nn.Module, without: tuple[str, ...]) -> dict[str, Tensor]:
    """Parameters and buffers by their names, save those that are left out."""
    return {name: entry for name, entry in network.state_dict().items() if name not in without}
