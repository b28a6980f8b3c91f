"""The architectures of the real trained networks in the folder of real data, each with its weights.

Others trained them; `models/README.md` in that folder tells who, and what is known about each. Every builder
takes the folder, as the fixture `shared` gives it, and returns the network in evaluation mode.
"""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import TypeVar

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

Model = TypeVar("Model", bound=nn.Module)
TINY_VGG_CLASSES = (
    "lifeboat",
    "ladybug",
    "pizza",
    "bell pepper",
    "school bus",
    "koala",
    "espresso",
    "red panda",
    "orange",
    "sport car",
)
TINY_VGG_PICTURES = {  # how the file names of its 20 pictures begin, and which class is right
    "boat": 0,
    "bug": 1,
    "pizza": 2,
    "pepper": 3,
    "bus": 4,
    "koala": 5,
    "espresso": 6,
    "panda": 7,
    "orange": 8,
    "car": 9,
}


class TinyVgg(nn.Sequential):
    """CNN Explainer's network: RGB pixels 0..1, (N, 3, 64, 64) -> (N, 10)."""

    input_size = (3, 64, 64)

    def __init__(self) -> None:
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        for stage in (1, 2):
            for position in (1, 2):
                first = (stage, position) == (1, 1)
                layers[f"conv_{stage}_{position}"] = nn.Conv2d(3 if first else 10, 10, 3)
                layers[f"relu_{stage}_{position}"] = nn.ReLU()
            layers[f"max_pool_{stage}"] = nn.MaxPool2d(2)
        layers["flatten"] = nn.Flatten()
        layers["output"] = nn.Linear(1690, 10)
        super().__init__(layers)


class CaptumCifar(nn.Module):
    """The network of Captum's CIFAR-10 tutorial: (pixels - 0.5) / 0.5, (N, 3, 32, 32) -> (N, 10)."""

    input_size = (3, 32, 32)

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(400, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, input: Tensor) -> Tensor:
        maps = F.max_pool2d(F.relu(self.conv1(input)), 2)
        maps = F.max_pool2d(F.relu(self.conv2(maps)), 2)
        scores: Tensor = self.fc3(F.relu(self.fc2(F.relu(self.fc1(maps.flatten(1))))))
        return scores


class BurnMnist(nn.Module):
    """The network of Burn's PyTorch example: (pixels - 0.1307) / 0.3081, (N, 1, 28, 28) -> (N, 10)."""

    input_size = (1, 28, 28)

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3)
        self.conv2 = nn.Conv2d(8, 16, 3)
        self.conv3 = nn.Conv2d(16, 24, 3)
        self.norm1 = nn.BatchNorm2d(24)
        self.fc1 = nn.Linear(24 * 22 * 22, 32)
        self.fc2 = nn.Linear(32, 10)
        self.norm2 = nn.BatchNorm1d(10)

    def forward(self, input: Tensor) -> Tensor:
        maps = F.relu(self.conv2(F.relu(self.conv1(input))))
        maps = self.norm1(F.relu(self.conv3(maps)))
        scores: Tensor = self.norm2(self.fc2(F.relu(self.fc1(maps.flatten(1)))))
        return scores


class Mnist8(nn.Sequential):
    """The layers of the ONNX model zoo's mnist-8: pixels 0..255, (N, 1, 28, 28) -> (N, 10)."""

    input_size = (1, 28, 28)

    def __init__(self) -> None:
        super().__init__(
            OrderedDict(
                conv1=nn.Conv2d(1, 8, 5, padding=2),
                relu1=nn.ReLU(),
                pool1=nn.MaxPool2d(2),
                conv2=nn.Conv2d(8, 16, 5, padding=2),
                relu2=nn.ReLU(),
                pool2=nn.MaxPool2d(3),
                flatten=nn.Flatten(),
                scores=nn.Linear(256, 10),
            )
        )


def tiny_vgg(shared: Path) -> TinyVgg:
    """Trained by CNN Explainer; the right class of its pictures is in `TINY_VGG_PICTURES`."""
    return fitted(TinyVgg(), load_file(shared / "models" / "tiny_vgg.safetensors"))


def captum_cifar(shared: Path) -> CaptumCifar:
    """Trained by Captum's tutorial."""
    state = torch.load(shared / "models" / "captum_cifar.pt", map_location="cpu", weights_only=True)
    return fitted(CaptumCifar(), state)


def burn_mnist(shared: Path) -> BurnMnist:
    """Trained by Burn's example."""
    return fitted(BurnMnist(), load_file(shared / "models" / "burn_mnist.safetensors"))


def mnist8(shared: Path) -> Mnist8:
    """The weights of mnist-8.onnx in PyTorch's own layers, read entry by entry."""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(shared / "models" / "mnist-8.onnx").graph
    raw = {entry.name: torch.tensor(numpy_helper.to_array(entry)) for entry in graph.initializer}
    state = {
        "conv1.weight": raw["Parameter5"],
        "conv1.bias": raw["Parameter6"].flatten(),
        "conv2.weight": raw["Parameter87"],
        "conv2.bias": raw["Parameter88"].flatten(),
        "scores.weight": raw["Parameter193"].reshape(256, 10).T.contiguous(),
        "scores.bias": raw["Parameter194"].flatten(),
    }
    return fitted(Mnist8(), state)


def fitted(model: Model, state: dict[str, Tensor]) -> Model:
    """The model with these weights, in evaluation mode."""
    model.load_state_dict(state)
    return model.eval()
