"""Data that a small network learns in a second: stripes, upright or lying, in noise."""

import pytest
import torch
from torch import Tensor, nn

Data = tuple[Tensor, Tensor]


@pytest.fixture
def stripes() -> Data:
    """96 pictures 1x8x8 of two classes."""
    generator = torch.Generator().manual_seed(1)
    labels = torch.arange(96) % 2
    images = 0.6 * torch.rand(96, 1, 8, 8, generator=generator)
    images[labels == 0, :, ::2] += 0.4
    images[labels == 1, :, :, ::2] += 0.4
    return images, labels


class Plain(nn.Module):
    """Not a Sequential, with a BatchNorm, dropout and a layer that runs twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.again = nn.Conv2d(4, 4, 3, padding=1)
        self.drop = nn.Dropout(0.2)
        self.last = nn.Linear(4, 2)

    def forward(self, input: Tensor) -> Tensor:
        maps = torch.relu(self.norm(self.first(input)))
        maps = torch.relu(self.again(torch.relu(self.again(maps))))
        return self.last(self.drop(maps.mean((2, 3))))


@pytest.fixture
def plain() -> Plain:
    return Plain()
