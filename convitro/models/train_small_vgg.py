"""Train the embedded network on CIFAR-10's binary files and write its weights and model card.

    python -m convitro.models.train_small_vgg FOLDER [--epochs 40] [--seed 0]

FOLDER holds `data_batch_*.bin` and `test_batch.bin`, the binary version of
https://www.cs.toronto.edu/~kriz/cifar.html.
"""

from __future__ import annotations

import argparse
import datetime
import os
import time
from collections import OrderedDict
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from rich.progress import Progress, TextColumn
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from convitro.models.small_vgg import CLASSES, WEIGHTS, small_vgg

RECORD_BYTES = 1 + 3 * 32 * 32
BATCH = 128
PEAK_LEARNING_RATE = 0.2


class Pictures(NamedTuple):
    """Labelled pictures: `images` (N, 3, 32, 32) in 0..1, `labels` (N,)."""

    images: Tensor
    labels: Tensor


def read_cifar10(files: list[Path]) -> Pictures:
    """Read CIFAR-10 records: one label byte, then 3072 bytes of red, green and blue rows."""
    if not files:
        raise FileNotFoundError("no CIFAR-10 .bin file found: give the folder that holds data_batch_*.bin")
    blocks = []
    for file in files:
        raw = np.fromfile(file, dtype=np.uint8)
        if raw.size == 0 or raw.size % RECORD_BYTES:
            raise ValueError(f"{file} is damaged: {raw.size} bytes are not whole records of {RECORD_BYTES}")
        blocks.append(raw.reshape(-1, RECORD_BYTES))
    records = torch.from_numpy(np.concatenate(blocks))
    return Pictures(records[:, 1:].reshape(-1, 3, 32, 32).float() / 255, records[:, 0].long())


def augment(images: Tensor) -> Tensor:
    """Mirror half of the pictures, shift each by up to 4 pixels, and grey out one 8x8 square of each."""
    n = images.shape[0]
    flip = torch.rand(n) < 0.5
    images = torch.where(flip[:, None, None, None], images.flip(-1), images)
    padded = F.pad(images, (4, 4, 4, 4), mode="reflect")
    grid = torch.arange(32)
    rows = torch.randint(0, 9, (n, 1)) + grid  # (N, 32)
    columns = torch.randint(0, 9, (n, 1)) + grid
    shifted = padded[torch.arange(n)[:, None, None], :, rows[:, :, None], columns[:, None, :]].permute(
        0, 3, 1, 2
    )
    top, left = torch.randint(0, 32, (n, 1)), torch.randint(0, 32, (n, 1))
    square = ((grid - top).abs() < 4)[:, None, :, None] & ((grid - left).abs() < 4)[:, None, None, :]
    return shifted.masked_fill(square, 0.5)


def with_batch_norm(model: nn.Sequential) -> nn.Sequential:
    """The same network with a BatchNorm after every convolution, sharing its modules."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for name, module in model.named_children():
        layers[name] = module
        if isinstance(module, nn.Conv2d):
            layers[name.replace("conv", "norm")] = nn.BatchNorm2d(module.out_channels)
    return nn.Sequential(layers)


def fold_batch_norm(trained: nn.Sequential) -> nn.Sequential:
    """The network of the package again: each BatchNorm folded into the weights and bias before it."""
    trained.eval()
    children = dict(trained.named_children())
    model = small_vgg(pretrained=False).eval()
    for name, module in model.named_children():
        source = children[name]
        norm = children.get(name.replace("conv", "norm"))
        if isinstance(source, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            source = fuse_conv_bn_eval(source, norm)
        module.load_state_dict(source.state_dict())
    return model


@torch.no_grad()
def accuracy(model: nn.Module, data: Pictures) -> float:
    """The share of pictures, 0..1, whose highest score is their label's."""
    hits = sum(
        (model(images).argmax(1) == labels).sum().item()
        for images, labels in zip(data.images.split(500), data.labels.split(500), strict=True)
    )
    return hits / len(data.labels)


def train(data: Pictures, epochs: int, seed: int) -> nn.Sequential:
    """SGD with Nesterov momentum over one cycle of the learning rate; returns it without BatchNorm."""
    torch.manual_seed(seed)
    network = with_batch_norm(small_vgg(pretrained=False))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=True)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    steps = epochs * (len(data.labels) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, PEAK_LEARNING_RATE, total_steps=steps, pct_start=0.25
    )
    columns = (*Progress.get_default_columns(), TextColumn("{task.fields[note]}"))
    with Progress(*columns) as progress:
        task = progress.add_task("training", total=steps, note="")
        for epoch in range(epochs):
            for batch in torch.randperm(len(data.labels)).split(BATCH)[: steps // epochs]:
                images = augment(data.images[batch]).contiguous(memory_format=torch.channels_last)
                loss = F.cross_entropy(network(images), data.labels[batch], label_smoothing=0.05)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                progress.update(task, advance=1, note=f"epoch {epoch + 1}/{epochs}  loss {loss.item():.3f}")
    return fold_batch_norm(network)


def model_card(facts: dict[str, str]) -> str:
    """The model card as Markdown, from the facts that are also stored beside the weights."""
    rows = "\n".join(f"| {name} | {value} |" for name, value in facts.items())
    return f"""# small_vgg, the embedded network

Six 3x3 convolutions in three stages, each with ReLU, each stage closed by a 2x2 max-pool, then an average
over what is left and one linear layer. It takes RGB values between 0 and 1 without any normalisation. It was
trained with a BatchNorm after every convolution; at the end each was folded into the weights and bias of its
convolution, which changes no output beyond rounding.

| fact | value |
|---|---|
{rows}

It exists to be looked into: to explain, to test and to measure. It was trained on tiny pictures of ten kinds
of things, it knows nothing else, and its scores are no probabilities to rely on.
Made by `convitro/models/train_small_vgg.py`; this file is written by that script.
"""


def main() -> None:
    """Train, measure once on the test file, and write weights and card."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="folder with CIFAR-10's binary files")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=WEIGHTS, help="where the .safetensors file goes")
    arguments = parser.parse_args()

    data = read_cifar10(sorted(arguments.folder.glob("data_batch_*.bin")))
    test = read_cifar10([arguments.folder / "test_batch.bin"])
    start = time.perf_counter()
    model = train(data, arguments.epochs, arguments.seed)
    threads = torch.get_num_threads()
    minutes = (time.perf_counter() - start) / 60
    facts = {
        "data": f"CIFAR-10 (Krizhevsky 2009), {len(data.labels):,} training pictures",
        "augmentation": "mirroring, shifts up to 4 pixels, one grey 8x8 square",
        "optimiser": f"SGD, Nesterov momentum 0.9, weight decay 5e-4, one cycle up to {PEAK_LEARNING_RATE}, "
        f"batch {BATCH}, {arguments.epochs} epochs, seed {arguments.seed}",
        "accuracy": f"{accuracy(model, test):.1%} on the {len(test.labels):,} test pictures "
        f"({accuracy(model, data):.1%} on the training pictures)",
        "classes": ", ".join(CLASSES),
        "parameters": f"{sum(p.numel() for p in model.parameters()):,}",
        "date": datetime.date.today().isoformat(),
        "training time": f"{minutes:.0f} minutes, {threads} CPU threads, PyTorch {torch.__version__}",
        "licence": "Apache-2.0, as the package",
    }
    partial = arguments.output.with_suffix(".partial")
    save_file(
        {name: tensor.contiguous() for name, tensor in model.state_dict().items()}, partial, metadata=facts
    )
    os.replace(partial, arguments.output)
    arguments.output.with_suffix(".md").write_text(model_card(facts), encoding="utf-8")
    print(f"accuracy {facts['accuracy']}; wrote {arguments.output}")


if __name__ == "__main__":
    main()
