"""What the anatomy's tests share: what a model computes inside, and a full-size residual network."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

Capture = Callable[[nn.Module, Tensor], dict[str, Tensor]]


@pytest.fixture
def capture() -> Capture:
    """Run a model and keep what every module returned, copied at once: in-place layers overwrite it."""

    def run(model: nn.Module, input: Tensor) -> dict[str, Tensor]:
        kept: dict[str, Tensor] = {}

        def keep(name: str) -> Callable[[nn.Module, object, Tensor], None]:
            return lambda module, args, output: kept.update({name: output.detach().clone()})

        handles = [module.register_forward_hook(keep(name)) for name, module in model.named_modules()]
        with torch.no_grad():
            model(input.clone())
        for handle in handles:
            handle.remove()
        return kept

    return run


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with BatchNorm and a shortcut (He et al. 2016)."""

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.shortcut: nn.Module | None = None
        if stride > 1:
            conv = nn.Conv2d(in_channels, channels, 1, stride, bias=False)
            self.shortcut = nn.Sequential(conv, nn.BatchNorm2d(channels))

    def forward(self, input: Tensor) -> Tensor:
        maps = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(input)))))
        maps += input if self.shortcut is None else self.shortcut(input)
        return self.relu(maps)


@pytest.fixture
def resnet18() -> nn.Module:
    """ResNet-18 with random weights, in evaluation mode."""
    layers: list[nn.Module] = [
        nn.Conv2d(3, 64, 7, 2, 3, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, 2, 1),
    ]
    channels = 64
    for width in (64, 128, 256, 512):
        stride = 1 if width == channels else 2
        layers.append(nn.Sequential(ResidualBlock(channels, width, stride), ResidualBlock(width, width, 1)))
        channels = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 1000)).eval()


class Functional(nn.Module):
    """A network written without layer modules: only parameters and function calls."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.randn(4, 3, 3, 3))
        self.second = nn.Parameter(torch.randn(6, 4, 2, 2))

    def forward(self, input: Tensor) -> Tensor:
        maps = F.max_pool2d(F.relu(F.conv2d(input, self.first, padding=1), inplace=True), 2)
        return torch.conv2d(input=maps, weight=self.second, bias=None, stride=(2, 1)).relu_()


@pytest.fixture
def functional_model() -> nn.Module:
    return Functional()
