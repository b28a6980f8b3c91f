"""A whole training of the embedded network, ours against the same code with torch's own layers.

    python benchmarks/training_run.py CIFAR10_FOLDER [--epochs 3] [--images 20000] [--output run.json]

Both see the same pictures in the same order from the same first weights. Kernels are built before the clock
runs, and the machine should have nothing else to do. Written: seconds per epoch, the ratio, both accuracies.
"""

from __future__ import annotations

import argparse
import copy
import json
from pathlib import Path
from statistics import median

import torch
from torch import nn

from convitro.datasets import open_dataset
from convitro.lab import Machine, Recipe, Training, train
from convitro.models import small_vgg


class TorchConv2d(nn.Conv2d):
    """torch's layer, which the lab leaves as it is because it is a class of its own."""


class TorchSequential(nn.Sequential):
    """torch's container, which the lab does not fuse for the same reason."""


def with_torch_layers(model: nn.Sequential) -> nn.Sequential:
    """A copy that the lab trains as torch computes it."""
    model = copy.deepcopy(model)
    model.__class__ = TorchSequential
    for layer in model:
        if type(layer) is nn.Conv2d:
            layer.__class__ = TorchConv2d
    return model


def compare(folder: str, epochs: int, images: int) -> dict[str, object]:
    """Train both; what each took and reached."""
    data = open_dataset(folder, split="train").sample(images), open_dataset(folder, split="test")
    recipe = Recipe(epochs=epochs, batch_size=128, mirror=True, shift=4, calibrate=True)
    torch.manual_seed(0)
    plan = small_vgg(pretrained=False)
    runs: dict[str, Training] = {}
    for name, model in (("convitro", plan), ("torch", with_torch_layers(plan))):
        train(model, (data[0].sample(512), data[1].sample(256)), recipe.but(epochs=1))  # kernels are built
        runs[name] = train(model, data, recipe, machine=Machine("cpu"))
    seconds = {name: [epoch.seconds for epoch in run.epochs] for name, run in runs.items()}
    return {
        "threads": torch.get_num_threads(),
        "images": len(data[0]),
        "epoch_s": seconds,
        "ratio": median(seconds["torch"]) / median(seconds["convitro"]),
        "loss": {name: run.curve("loss").tolist() for name, run in runs.items()},
        "test_accuracy": {name: run.test_accuracy for name, run in runs.items()},
    }


def main() -> None:
    """Read the arguments, measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", help="folder with CIFAR-10's files")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--output", type=Path, help="where the JSON goes; printed if left out")
    arguments = parser.parse_args()
    text = json.dumps(compare(arguments.folder, arguments.epochs, arguments.images), indent=1)
    if arguments.output:
        arguments.output.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
