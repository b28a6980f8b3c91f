"""One convolution of one run as data: what went in, the weights, the geometry, and what followed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from convitro import functional
from convitro.aggregation import Aggregation
from convitro.anatomy.stages import Chain, PoolGeometry
from convitro.anatomy.tables import by
from convitro.geometry import ConvProblem, with_padding


@dataclass(frozen=True, eq=False, repr=False)
class Convolution:
    """A recorded call of a 2-D convolution; its tensors are copies that nobody else writes to.

    Args:
        name: dotted module name; "#2" is appended for a second call.
        input: what the layer saw, before any padding of its own.
        weight, bias: the filters, and one number per filter or None.
        problem: all sizes.
        aggregation, window, combine: how the channels, a window, and a pixel and a weight become one number.
        chain: normalisation, activation and pooling that follow in the model.
    """

    name: str
    input: Float[Tensor, "N C_in H W"]
    weight: Float[Tensor, "C_out C KH KW"]
    bias: Float[Tensor, " C_out"] | None
    problem: ConvProblem
    aggregation: Aggregation
    window: Aggregation
    combine: str
    chain: Chain = field(default_factory=Chain)

    @property
    def activation(self) -> str:
        """Name of the activation that follows, or "none"."""
        return self.chain.activation

    @property
    def normalized(self) -> bool:
        """Whether a batch normalisation follows."""
        return self.chain.normalized

    @property
    def pool(self) -> PoolGeometry | None:
        """The pooling that follows, or None."""
        return self.chain.pool

    @property
    def filters(self) -> int:
        """How many filters the layer has."""
        return self.problem.out_channels

    @property
    def output_size(self) -> tuple[int, int]:
        """(H_out, W_out)."""
        return self.problem.output_size(*self.input.shape[-2:])

    @property
    def output_shape(self) -> tuple[int, int, int, int]:
        """(N, C_out, H_out, W_out), with C_out * C_in/groups maps where they are kept apart ("none")."""
        maps = self.filters * (self.problem.channels_per_filter if self.aggregation.separate else 1)
        return (self.input.shape[0], maps, *self.output_size)

    @property
    def parameters(self) -> int:
        """Weights, and biases if it has any."""
        return self.problem.parameters(bias=self.bias is not None)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of this call; FLOPs are twice as many."""
        return self.problem.macs(self.input.shape[0], *self.input.shape[-2:])

    def channels_of(self, filter: int) -> range:
        """The input channels that `filter` sees: those of its group."""
        count = self.problem.channels_per_filter
        group = filter // (self.filters // self.problem.groups)
        return range(group * count, (group + 1) * count)

    def convolve(
        self, input: Tensor, weight: Tensor, bias: Tensor | None, groups: int, aggregation: Any
    ) -> Tensor:
        """The same convolution on some of the channels and filters, or under another aggregation."""
        geometry = self.problem
        top, bottom, left, right = geometry.padding
        padding: Any = (top, left)
        if (top, left) != (bottom, right):
            if geometry.stride == (1, 1) and geometry.padding == with_padding(geometry, "same", "").padding:
                padding = "same"
            else:  # as another framework has it; zeros, which are neutral in a window's sum
                input, padding = F.pad(input, (left, right, top, bottom)), 0
        with torch.autocast(input.device.type, enabled=False):  # the copies have the dtype that counts
            return functional.conv2d(
                input,
                weight,
                bias,
                geometry.stride,
                padding,
                geometry.dilation,
                groups,
                aggregation=aggregation,
                window=self.window,
                combine=self.combine,
                padding_mode=geometry.padding_mode,
            )

    def to_dict(self) -> dict[str, Any]:
        """Sizes and settings as JSON types, without the values."""
        geometry = self.problem
        return {
            "name": self.name,
            "input_shape": list(self.input.shape),
            "output_shape": list(self.output_shape),
            "kernel_size": list(geometry.kernel_size),
            "stride": list(geometry.stride),
            "padding": list(geometry.padding),
            "padding_mode": geometry.padding_mode,
            "dilation": list(geometry.dilation),
            "groups": geometry.groups,
            "bias": self.bias is not None,
            "aggregation": self.aggregation.spec,
            "window": self.window.spec,
            "combine": self.combine,
            "stages": [str(stage) for stage in self.chain.stages],
            "parameters": self.parameters,
            "macs": self.macs,
        }


def describe(problem: ConvProblem) -> str:
    """What is not usual about a geometry, such as "stride 2, padding 1".

    Example:
        >>> from convitro.geometry import conv_problem
        >>> describe(conv_problem((8, 1, 3, 3), stride=(2, 1), padding=1, groups=4))
        'stride 2x1, padding 1, 4 groups'
    """
    top, bottom, left, right = problem.padding
    words = []
    if problem.stride != (1, 1):
        words.append(f"stride {by(problem.stride)}")
    if any(problem.padding):
        mode = "" if problem.padding_mode == "zeros" else f"{problem.padding_mode} "
        even = (top, left) == (bottom, right)
        words.append(f"{mode}padding {by((top, left)) if even else f'{top},{bottom} x {left},{right}'}")
    if problem.dilation != (1, 1):
        words.append(f"dilation {by(problem.dilation)}")
    if problem.groups > 1:
        words.append(f"{problem.groups} groups")
    return ", ".join(words)
