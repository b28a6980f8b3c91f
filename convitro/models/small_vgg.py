"""The embedded network, a small VGG for 32x32 RGB pictures: its architecture and weights, no training."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import safe_open
from torch import nn

INPUT_SIZE = (3, 32, 32)
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
WIDTHS = ((32, 32), (64, 64), (96, 96))
WEIGHTS = Path(__file__).with_name("small_vgg.safetensors")


def small_vgg(*, pretrained: bool = True) -> nn.Sequential:
    """Build the embedded network: three stages of two 3x3 convolutions with ReLU and one 2x2 max-pool.

    It takes RGB values between 0 and 1 as they are: nothing is subtracted or divided, so every number that
    the first layer multiplies is a pixel of the picture. `small_vgg.md` beside the weights tells how it was
    trained.

    Args:
        pretrained: load the weights of the package; otherwise PyTorch's own initialisation.

    Returns:
        An `nn.Sequential` in evaluation mode (training mode if not pretrained): `conv1_1` … `classifier`.

    Shape:
        input (N, 3, 32, 32) -> scores (N, 10), one per name of `CLASSES`.

    Source: own; the layout follows Simonyan & Zisserman 2015 (VGG), table 1.

    Example:
        >>> small_vgg()(torch.zeros(1, 3, 32, 32)).shape
        torch.Size([1, 10])
    """
    model = stages(INPUT_SIZE[0], len(CLASSES), WIDTHS)
    if pretrained:
        model.load_state_dict(read_weights())
        model.eval()
    return model


def stages(in_channels: int, classes: int, widths: Sequence[Sequence[int]]) -> nn.Sequential:
    """The network's plan for other data: one stage of 3x3 convolutions per entry of `widths`.

    Example:
        >>> print(*(name for name, _ in stages(1, 10, [[16]]).named_children()))
        conv1_1 relu1_1 pool1 average flatten classifier
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for stage, filters in enumerate(widths, start=1):
        for position, out_channels in enumerate(filters, start=1):
            layers[f"conv{stage}_{position}"] = nn.Conv2d(in_channels, out_channels, 3, padding=1)
            layers[f"relu{stage}_{position}"] = nn.ReLU()
            in_channels = out_channels
        layers[f"pool{stage}"] = nn.MaxPool2d(2)
    layers["average"] = nn.AdaptiveAvgPool2d(1)
    layers["flatten"] = nn.Flatten()
    layers["classifier"] = nn.Linear(in_channels, classes)
    return nn.Sequential(layers)


def read_weights() -> dict[str, torch.Tensor]:
    """Read the package's weights as a state dict of float32 tensors (safetensors: no code is executed)."""
    with safe_open(WEIGHTS, framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
