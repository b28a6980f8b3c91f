"""Small trainings with all that their folders hold, and the same as if they had stopped on the way."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from torch import Tensor

from convitro.lab import Run, train
from convitro.sources import Network

EPOCHS = 4


def coloured() -> tuple[Tensor, Tensor]:
    """96 pictures 3x12x12: stripes upright in red or lying in blue, in noise."""
    generator = torch.Generator().manual_seed(1)
    labels = torch.arange(96) % 2
    images = 0.6 * torch.rand(96, 3, 12, 12, generator=generator)
    images[labels == 0, 0, ::2] += 0.4
    images[labels == 1, 2, :, ::2] += 0.4
    return images, labels


def finished(folder: Path) -> Path:
    """A training of the default network that has ended."""
    train(data=coloured(), folder=folder, epochs=EPOCHS, batch_size=16)
    return folder


def stopped(whole: Path, folder: Path, epochs: int) -> Path:
    """The folder as it was after so many epochs."""
    shutil.copytree(whole, folder)
    for name in ("result.json", "model.safetensors", "checkpoint.safetensors"):
        (folder / name).unlink()
    for epoch in range(epochs + 1, EPOCHS + 1):
        (folder / f"filters/{epoch:04}.safetensors").unlink()
    lines = (folder / "metrics.jsonl").read_text().splitlines(keepends=True)
    (folder / "metrics.jsonl").write_text("".join(lines[:epochs]))
    return folder


def goes_on(whole: Path, folder: Path, epochs: int) -> None:
    """What the training writes until so many epochs are done; all of them end it."""
    for epoch in range(epochs + 1):
        name = f"filters/{epoch:04}.safetensors"
        shutil.copy(whole / name, folder / name)
    lines = (whole / "metrics.jsonl").read_text().splitlines(keepends=True)
    (folder / "metrics.jsonl").write_text("".join(lines[:epochs]))
    if epochs == EPOCHS:
        for name in ("model.safetensors", "result.json"):
            shutil.copy(whole / name, folder / name)


def opened(folder: Path) -> tuple[Network, Run]:
    """The network of a folder and its training, as the command line opens them."""
    run = Run(folder)
    return Network(run.model().float(), "stripes", run.input_size, run.classes), run
