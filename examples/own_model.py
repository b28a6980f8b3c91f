"""Open a layer of a model of your own: nothing in the model is edited, and nothing in it is changed."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import convitro
from convitro.pictures import load_picture, to_input


class Residual(nn.Module):
    """A small network as one might write it: functional calls, an in-place ReLU, a layer used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.norm = nn.BatchNorm2d(16)
        self.body = nn.Conv2d(16, 16, 3, padding=1)

    def forward(self, input: Tensor) -> Tensor:
        maps = F.max_pool2d(F.relu(self.norm(self.stem(input)), inplace=True), 2)
        maps = maps + F.relu(self.body(maps))
        return self.body(maps).mean((2, 3))


torch.manual_seed(0)
model = Residual().eval()
anatomy = convitro.dissect(model, to_input(load_picture("cat"), (3, 32, 32)))
print(anatomy)

layer = anatomy["stem"]
print(layer)
print("The map that filter 3 makes of the green channel:", tuple(layer.partial_maps(3)[0, 1].shape))
print("What filter 3 would have made of the largest channel alone:", tuple(layer.under("max")[0, 3].shape))
print(layer.pixel(filter=3, y=10, x=12))
