"""Deconvnet and guided backpropagation written out for plain sequences: turned filters, switches, rectifying.

Nothing of autograd is used; signals are collected where windows overlap by adding at indices.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def turned(conv: nn.Conv2d, signal: Tensor, size: tuple[int, int]) -> Tensor:
    """The signal through the filters turned around: transposed convolution, no bias."""
    strides, paddings, dilations = conv.stride, conv.padding, conv.dilation
    assert not isinstance(paddings, str)
    rest = [
        size[axis]
        - (
            (signal.shape[2 + axis] - 1) * strides[axis]
            - 2 * paddings[axis]
            + dilations[axis] * (conv.kernel_size[axis] - 1)
            + 1
        )
        for axis in range(2)
    ]
    return F.conv_transpose2d(
        signal, conv.weight.detach(), None, strides, paddings, (rest[0], rest[1]), conv.groups, dilations
    )


def unpooled(pool: nn.MaxPool2d, maps: Tensor, signal: Tensor) -> Tensor:
    """Each signal at the pixel that won its window; a pixel that won several gets the sum."""
    _, switches = F.max_pool2d(
        maps, pool.kernel_size, pool.stride, pool.padding, pool.dilation, pool.ceil_mode, return_indices=True
    )
    images, channels, height, width = maps.shape
    result = torch.zeros(images, channels, height * width, dtype=maps.dtype)
    n, c = torch.meshgrid(torch.arange(images), torch.arange(channels), indexing="ij")
    places = (n[:, :, None].expand_as(switches.flatten(2)), c[:, :, None].expand_as(switches.flatten(2)))
    result.index_put_((*places, switches.flatten(2)), signal.flatten(2), accumulate=True)
    return result.view_as(maps)


def back(steps: Sequence[nn.Module], image: Tensor, signal: Tensor, method: str = "deconvnet") -> Tensor:
    """The signal after the last of the steps, sent back to the image."""
    before = []
    with torch.no_grad():
        for step in steps:
            before.append(image)
            image = step(image.clone())
        for step, maps in zip(reversed(steps), reversed(before), strict=True):
            if isinstance(step, nn.Conv2d):
                signal = turned(step, signal, (maps.shape[2], maps.shape[3]))
            elif isinstance(step, nn.MaxPool2d):
                signal = unpooled(step, maps, signal)
            elif isinstance(step, nn.ReLU):
                signal = signal.clamp_min(0) * ((maps > 0) if method == "guided" else 1)
            elif isinstance(step, nn.BatchNorm2d):
                assert step.running_var is not None
                scale = step.weight.detach() / torch.sqrt(step.running_var + step.eps)
                signal = signal * scale[:, None, None]
            else:
                raise AssertionError(step)
    return signal
