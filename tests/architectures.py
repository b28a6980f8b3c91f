"""Famous networks with random weights, written from their papers: what the tests take apart at real size.

Build one under `torch.device("meta")` where only its shapes count; that costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def alexnet(classes: int = 1000) -> nn.Module:
    """Krizhevsky 2014, "One weird trick", as torchvision has it: 61,100,840 parameters; 3x224x224."""
    features = nn.Sequential(
        *(nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(inplace=True)),
        *(nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(inplace=True)),
        *(nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2)),
    )
    classifier = nn.Sequential(
        *(nn.Dropout(), nn.Linear(256 * 36, 4096), nn.ReLU(inplace=True)),
        *(nn.Dropout(), nn.Linear(4096, 4096), nn.ReLU(inplace=True), nn.Linear(4096, classes)),
    )
    return Classifier(features, nn.AdaptiveAvgPool2d(6), classifier)


class Classifier(nn.Module):
    """Features, a pooling to a fixed size, and a classifier on the flattened maps."""

    def __init__(self, features: nn.Module, avgpool: nn.Module, classifier: nn.Module) -> None:
        super().__init__()
        self.features, self.avgpool, self.classifier = features, avgpool, classifier
        self.eval()

    def forward(self, input: Tensor) -> Tensor:
        return self.classifier(torch.flatten(self.avgpool(self.features(input)), 1))


def vgg16(classes: int = 1000) -> nn.Module:
    """Simonyan & Zisserman 2014, configuration D: 138,357,544 parameters; 3x224x224.

    The convolutions and poolings are called conv1_1 … conv5_3 and pool1 … pool5, as in the paper.
    """
    features, channels = nn.Sequential(), 3
    for stage, (repeats, width) in enumerate(((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)), start=1):
        for index in range(1, repeats + 1):
            features.add_module(f"conv{stage}_{index}", nn.Conv2d(channels, width, 3, padding=1))
            features.add_module(f"relu{stage}_{index}", nn.ReLU(inplace=True))
            channels = width
        features.add_module(f"pool{stage}", nn.MaxPool2d(2))
    classifier = nn.Sequential(
        *(nn.Linear(512 * 49, 4096), nn.ReLU(inplace=True), nn.Dropout()),
        *(nn.Linear(4096, 4096), nn.ReLU(inplace=True), nn.Dropout(), nn.Linear(4096, classes)),
    )
    return Classifier(features, nn.AdaptiveAvgPool2d(7), classifier)


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions with a shortcut (He et al. 2015, figure 5).

    Args:
        early: the stride stands in the first 1x1, as in the paper; otherwise in the 3x3, as in torchvision.
    """

    def __init__(self, in_channels: int, width: int, stride: int, *, early: bool) -> None:
        super().__init__()
        first, second = (stride, 1) if early else (1, stride)
        self.conv1 = nn.Conv2d(in_channels, width, 1, first, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, second, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module | None = None
        if in_channels != 4 * width:
            shortcut = nn.Conv2d(in_channels, 4 * width, 1, stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(4 * width))

    def forward(self, input: Tensor) -> Tensor:
        maps = self.relu(self.bn1(self.conv1(input)))
        maps = self.bn3(self.conv3(self.relu(self.bn2(self.conv2(maps)))))
        maps += input if self.downsample is None else self.downsample(input)
        return self.relu(maps)


class ResNet(nn.Module):
    """Bottlenecks in four stages (He et al. 2015)."""

    def __init__(self, blocks: tuple[int, ...], classes: int, *, early: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        channels = 64
        for stage, count in enumerate(blocks):
            width, layer = 64 * 2**stage, nn.Sequential()
            for index in range(count):
                stride = 2 if stage and not index else 1
                layer.append(Bottleneck(channels, width, stride, early=early))
                channels = 4 * width
            self.add_module(f"layer{stage + 1}", layer)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, classes)
        self.eval()

    def forward(self, input: Tensor) -> Tensor:
        maps = self.maxpool(self.relu(self.bn1(self.conv1(input))))
        for name, layer in self.named_children():
            if name.startswith("layer"):
                maps = layer(maps)
        return self.fc(torch.flatten(self.avgpool(maps), 1))


BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}


def resnet(depth: int = 50, classes: int = 1000, *, early: bool = False) -> nn.Module:
    """ResNet-50 (25,557,032 parameters), -101 (44,549,160) or -152, in evaluation mode; 3x224x224.

    Args:
        depth: 50, 101 or 152.
        classes: how many outputs.
        early: as `Bottleneck`; the published receptive fields (483, 1027, 1507) are those of `early`.
    """
    return ResNet(BLOCKS[depth], classes, early=early)


class Unit(nn.Sequential):
    """Convolution, BatchNorm and ReLU."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int | tuple[int, int], **conv: Any):
        padding = conv.pop("padding", 0) if isinstance(kernel_size, int) else same(kernel_size)
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=padding, bias=False, **conv)
        self.bn = nn.BatchNorm2d(out_channels, eps=0.001)
        self.relu = nn.ReLU(inplace=True)


def same(kernel_size: tuple[int, int]) -> tuple[int, int]:
    """The padding that keeps the size."""
    return kernel_size[0] // 2, kernel_size[1] // 2


class Branches(nn.Module):
    """Several paths on the same input, their maps side by side."""

    def __init__(self, **paths: nn.Module) -> None:
        super().__init__()
        for name, path in paths.items():
            self.add_module(name, path)

    def forward(self, input: Tensor) -> Tensor:
        return torch.cat([path(input) for path in self.children()], 1)


def pooled(channels: int, width: int) -> nn.Module:
    """The pooling path of an Inception block."""
    return nn.Sequential(nn.AvgPool2d(3, 1, 1), Unit(channels, width, 1))


def path(channels: int, *steps: tuple[int, int | tuple[int, int]], stride: int = 1) -> nn.Module:
    """Convolutions (width, kernel size) in a row that keep the size, save for a last one with a stride."""
    units: list[nn.Module] = []
    for index, (width, size) in enumerate(steps):
        last = stride > 1 and index == len(steps) - 1
        if isinstance(size, int):
            units.append(
                Unit(channels, width, size, stride=stride if last else 1, padding=0 if last else size // 2)
            )
        else:
            units.append(Unit(channels, width, size))
        channels = width
    return nn.Sequential(*units)


def inception_a(channels: int, width: int) -> nn.Module:
    """Szegedy et al. 2015, figure 5, with the 5x5 of the first Inception."""
    return Branches(
        branch1x1=path(channels, (64, 1)),
        branch5x5=path(channels, (48, 1), (64, 5)),
        branch3x3dbl=path(channels, (64, 1), (96, 3), (96, 3)),
        branch_pool=pooled(channels, width),
    )


def inception_c(channels: int, width: int) -> nn.Module:
    """Figure 6: 7x7 in rows and columns."""
    row, column = (1, 7), (7, 1)
    return Branches(
        branch1x1=path(channels, (192, 1)),
        branch7x7=path(channels, (width, 1), (width, row), (192, column)),
        branch7x7dbl=path(channels, (width, 1), (width, column), (width, row), (width, column), (192, row)),
        branch_pool=pooled(channels, 192),
    )


def inception_e(channels: int) -> nn.Module:
    """Figure 7: 3x3 as a row beside a column."""

    def cross(width: int) -> nn.Module:
        return Branches(row=Unit(width, 384, (1, 3)), column=Unit(width, 384, (3, 1)))

    return Branches(
        branch1x1=path(channels, (320, 1)),
        branch3x3=nn.Sequential(path(channels, (384, 1)), cross(384)),
        branch3x3dbl=nn.Sequential(path(channels, (448, 1), (384, 3)), cross(384)),
        branch_pool=pooled(channels, 192),
    )


def inception_v3(classes: int = 1000) -> nn.Module:
    """Szegedy et al. 2015 without auxiliary classifier: 23,834,568 parameters; 3x299x299."""
    row, column = (1, 7), (7, 1)
    stem = (Unit(3, 32, 3, stride=2), Unit(32, 32, 3), Unit(32, 64, 3, padding=1), nn.MaxPool2d(3, 2))
    features = nn.Sequential(*stem, Unit(64, 80, 1), Unit(80, 192, 3), nn.MaxPool2d(3, 2))
    for name, block in (
        ("mixed_5b", inception_a(192, 32)),
        ("mixed_5c", inception_a(256, 64)),
        ("mixed_5d", inception_a(288, 64)),
        (
            "mixed_6a",
            Branches(
                branch3x3=path(288, (384, 3), stride=2),
                branch3x3dbl=path(288, (64, 1), (96, 3), (96, 3), stride=2),
                branch_pool=nn.MaxPool2d(3, 2),
            ),
        ),
        *((f"mixed_6{letter}", inception_c(768, width)) for letter, width in SIX),
        (
            "mixed_7a",
            Branches(
                branch3x3=path(768, (192, 1), (320, 3), stride=2),
                branch7x7x3=path(768, (192, 1), (192, row), (192, column), (192, 3), stride=2),
                branch_pool=nn.MaxPool2d(3, 2),
            ),
        ),
        ("mixed_7b", inception_e(1280)),
        ("mixed_7c", inception_e(2048)),
    ):
        features.add_module(name, block)
    return Classifier(features, nn.AdaptiveAvgPool2d(1), nn.Linear(2048, classes))


SIX = (("b", 128), ("c", 160), ("d", 160), ("e", 192))


def mobilenet_v1(classes: int = 1000) -> nn.Module:
    """Howard et al. 2017, width 1: 4,231,976 parameters; 3x224x224."""
    features, channels = nn.Sequential(Unit(3, 32, 3, stride=2, padding=1)), 32
    widths = (64, 128, 128, 256, 256, *[512] * 6, 1024, 1024)
    for index, width in enumerate(widths):
        stride = 2 if index in (1, 3, 5, 11) else 1
        features.append(Unit(channels, channels, 3, stride=stride, padding=1, groups=channels))
        features.append(Unit(channels, width, 1))
        channels = width
    return Classifier(features, nn.AdaptiveAvgPool2d(1), nn.Linear(channels, classes))


class DenseLayer(nn.Module):
    """BatchNorm, ReLU, 1x1, BatchNorm, ReLU, 3x3; its maps are put beside its input."""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.BatchNorm2d(channels), nn.BatchNorm2d(4 * growth)
        self.conv1 = nn.Conv2d(channels, 4 * growth, 1, bias=False)
        self.conv2 = nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)

    def forward(self, input: Tensor) -> Tensor:
        maps = self.conv1(F.relu(self.norm1(input), inplace=True))
        return torch.cat([input, self.conv2(F.relu(self.norm2(maps), inplace=True))], 1)


def densenet121(classes: int = 1000) -> nn.Module:
    """Huang et al. 2016: 7,978,856 parameters; 3x224x224."""
    stem = (nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True))
    features, channels = nn.Sequential(*stem, nn.MaxPool2d(3, 2, 1)), 64
    for stage, count in enumerate((6, 12, 24, 16), start=1):
        block = nn.Sequential()
        for _ in range(count):
            block.append(DenseLayer(channels, 32))
            channels += 32
        features.add_module(f"block{stage}", block)
        if stage < 4:
            norm, conv = nn.BatchNorm2d(channels), nn.Conv2d(channels, channels // 2, 1, bias=False)
            transition = nn.Sequential(norm, nn.ReLU(inplace=True), conv, nn.AvgPool2d(2))
            features.add_module(f"transition{stage}", transition)
            channels //= 2
    features.extend([nn.BatchNorm2d(channels), nn.ReLU(inplace=True)])
    return Classifier(features, nn.AdaptiveAvgPool2d(1), nn.Linear(channels, classes))


def double(in_channels: int, out_channels: int, padding: int) -> nn.Module:
    """Two 3x3 convolutions, each with a ReLU."""
    first = nn.Conv2d(in_channels, out_channels, 3, padding=padding)
    second = nn.Conv2d(out_channels, out_channels, 3, padding=padding)
    return nn.Sequential(first, nn.ReLU(inplace=True), second, nn.ReLU(inplace=True))


class UNet(nn.Module):
    """Ronneberger et al. 2015: down four times, up again, with cropped shortcuts.

    Args:
        width: maps of the first level; 64 in the paper.
        padding: of every 3x3; 0 in the paper (572x572 becomes 388x388), 1 keeps the size.
    """

    def __init__(self, channels: int = 1, classes: int = 2, width: int = 64, padding: int = 0) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(5)]
        self.pool = nn.MaxPool2d(2)
        self.down = nn.ModuleList(
            double(before, after, padding)
            for before, after in zip([channels, *widths[:-1]], widths, strict=True)
        )
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * wide, wide, 2, 2) for wide in widths[-2::-1])
        self.merge = nn.ModuleList(double(2 * wide, wide, padding) for wide in widths[-2::-1])
        self.head = nn.Conv2d(width, classes, 1)
        self.eval()

    def forward(self, input: Tensor) -> Tensor:
        kept: list[Tensor] = []
        maps = input
        for level, down in enumerate(self.down):
            maps = down(self.pool(maps) if level else maps)
            kept.append(maps)
        for up, merge, shortcut in zip(self.up, self.merge, kept[-2::-1], strict=True):
            maps = up(maps)
            height, width = maps.shape[-2:]
            top, left = (shortcut.shape[-2] - height) // 2, (shortcut.shape[-1] - width) // 2
            maps = merge(torch.cat([shortcut[..., top : top + height, left : left + width], maps], 1))
        return self.head(maps)


def unet(channels: int = 1, classes: int = 2, width: int = 64, padding: int = 0) -> nn.Module:
    """The U-Net, see `UNet`; 1x572x572."""
    return UNet(channels, classes, width, padding)


def every() -> Iterator[tuple[str, nn.Module, tuple[int, int, int]]]:
    """Name, network and input size of each, on the meta device: shapes without memory."""
    with torch.device("meta"):
        yield "alexnet", alexnet(), (3, 224, 224)
        yield "vgg16", vgg16(), (3, 224, 224)
        yield "resnet50", resnet(50), (3, 224, 224)
        yield "inception_v3", inception_v3(), (3, 299, 299)
        yield "mobilenet_v1", mobilenet_v1(), (3, 224, 224)
        yield "densenet121", densenet121(), (3, 224, 224)
        yield "unet", unet(), (1, 572, 572)
