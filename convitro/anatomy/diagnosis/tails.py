"""Where an activation no longer answers: the value at which it rests, and the ends at which it saturates."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from convitro.anatomy.stages import Activation

FAR = 1e6  # so far out that every activation has reached its end
STRAIGHT = {"relu", "relu6", "hardtanh", "hardsigmoid", "hardswish", "threshold"} | {
    "clamp",
    "clamp_min",
    "clamp_max",
    "clip",
}
NEAR = 1e-3  # a curved activation that comes this close to its resting value rests
END_SHARE = 0.01  # and one that comes this close to an end, as a share of the way between both, is saturated


@dataclass(frozen=True)
class Tails:
    """What is constant far out.

    Args:
        rest: the value of a unit that does not respond, such as 0 of a ReLU; None where every value tells
            something, or where that end counts as saturated.
        ends: the values at which a bounded activation saturates, such as -1 and 1 of tanh, 6 of ReLU6.
        rest_margin, end_margin: how near to them a value counts as being there.
    """

    rest: float | None = None
    ends: tuple[float, ...] = ()
    rest_margin: float = 0.0
    end_margin: float = 0.0

    def active(self, values: Tensor) -> Tensor:
        """Which values differ from the resting value."""
        assert self.rest is not None
        if self.rest_margin == 0:
            return values != self.rest
        return (values - self.rest).abs() > self.rest_margin

    def saturated(self, values: Tensor) -> Tensor:
        """Which values lie at an end."""
        return torch.stack([(values - end).abs() <= self.end_margin for end in self.ends]).any(0)


def tails_of(activation: Activation) -> Tails:
    """The tails of an activation, found by asking the very function that the model called.

    An activation that is bounded on both sides saturates at both, unless its lower end is 0 and it is a
    clipped ReLU: that end is its rest. One that is constant only far below rests there.

    Source: own.

    Example:
        >>> import torch.nn.functional as F
        >>> tails_of(Activation("relu", F.relu)).rest
        0.0
        >>> tails_of(Activation("tanh", torch.tanh)).ends
        (-1.0, 1.0)
        >>> tails_of(Activation("relu6", F.relu6)).rest, tails_of(Activation("relu6", F.relu6)).ends
        (0.0, (6.0,))
        >>> tails_of(Activation("leaky_relu", F.leaky_relu)).rest is None
        True
    """
    if activation.weight is not None:  # PReLU: its slopes are learned, one per filter
        return Tails()
    probes = torch.tensor([-2 * FAR, -FAR, FAR, 2 * FAR]).reshape(1, 1, 1, 4)
    low, lower, higher, high = activation.apply(probes).flatten().tolist()
    bottom = round_off(lower) if abs(low - lower) < NEAR else None
    top = round_off(higher) if abs(high - higher) < NEAR else None
    straight = activation.name in STRAIGHT
    if bottom is None:
        return Tails()
    if top is None:
        return Tails(rest=bottom, rest_margin=0.0 if straight else NEAR)
    margin = 0.0 if straight else END_SHARE * (top - bottom)
    if straight and bottom == 0 and activation.name != "hardsigmoid":
        return Tails(rest=bottom, ends=(top,), end_margin=margin)
    return Tails(ends=(bottom, top), end_margin=margin)


def round_off(value: float) -> float:
    """The end that a value near it stands for: softsign reaches 1 only at infinity."""
    nearest = round(value, 3)
    return (nearest if abs(value - nearest) < 1e-5 else value) + 0.0  # no -0.0
