"""The folder of a run: what was asked, where it ran, its numbers, its checkpoint, its filters by epoch."""

from __future__ import annotations

import json
import platform
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Any

import torch
from torch import nn

from convitro.errors import ArgumentError, ExperimentError, LoadError
from convitro.lab.checkpoint import Checkpoint, State, read_checkpoint, save_checkpoint
from convitro.lab.files import write_json, write_picture, write_tensors, write_text
from convitro.lab.result import Epoch, epoch_dict
from convitro.lab.snapshot import snapshot

CONFIG, ENVIRONMENT, METRICS = "config.json", "environment.json", "metrics.jsonl"
CHECKPOINT, WEIGHTS, RESULT, FILTERS, EXAMPLE = (
    "checkpoint.safetensors",
    "model.safetensors",
    "result.json",
    "filters",
    "example.png",
)
LEFT_OUT = "left_out"
"""In the metadata of a snapshot: the names that it leaves out, as JSON."""


@dataclass(frozen=True)
class RunFolder:
    """Where a training is kept, and what of it.

    Args:
        path: the folder; it is made.
        resume: go on with the training that is there, if any; False refuses a folder that holds one.
        checkpoint_every: steps between checkpoints inside an epoch; 0 for one after each epoch only.
        filters: keep the network after every epoch, so that its filters and maps can be seen as they were.
        tensorboard: also write the numbers for TensorBoard.

    Files:
        config.json: network, data and recipe.
        example.png: one picture of the data, as the network sees it, for who looks at the run later; only of
            grey and colour pictures of the package's own data sets and of tensors, and only with Pillow.
        environment.json: machine and versions, once for each start.
        metrics.jsonl: one line per epoch.
        checkpoint.safetensors: what is needed to go on.
        model.safetensors, result.json: the trained weights and all numbers, at the end.
        filters/0000.safetensors …: parameters and buffers before the first epoch, after the first, and so on;
            without fully connected layers behind the last convolution where these are most of the network.

    Raises:
        ArgumentError: a negative `checkpoint_every`.
        LoadError: TensorBoard is asked for and not installed.
    """

    path: str | Path
    resume: bool = False
    checkpoint_every: int = 0
    filters: bool = True
    tensorboard: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.path, str | Path):
            raise ArgumentError(
                "train: `folder` is no path.", expected="a path or a RunFolder", received=repr(self.path)
            )
        if self.checkpoint_every < 0:
            raise ArgumentError(
                "train: `checkpoint_every` is negative.",
                expected="a number of steps, or 0",
                received=str(self.checkpoint_every),
            )
        if self.tensorboard:
            summary_writer()


class Store:
    """The files of one run; only the first of several processes has one.

    Args:
        folder: where, and what.
        config: network, data and recipe as JSON; a training that is taken up again must have the same.
        device: on what it runs, in words.
        without: entries of the state dict that snapshots leave out.

    Raises:
        ExperimentError: the folder holds a training and `resume` is False, or it holds another one, or it
            cannot be written.
    """

    def __init__(
        self, folder: RunFolder, config: dict[str, Any], device: str, without: tuple[str, ...] = ()
    ) -> None:
        self.folder, self.path, self.without = folder, Path(folder.path), without
        self.checkpoint: Checkpoint | None = None
        if (self.path / CONFIG).exists():
            self._check_same(config)
            if (self.path / CHECKPOINT).exists():
                self.checkpoint = read_checkpoint(self.path / CHECKPOINT)
        else:
            write_json(self.path / CONFIG, config)
        write_json(self.path / ENVIRONMENT, [*self._earlier_starts(), environment(device)])
        self._writer: Any = None

    def _check_same(self, config: dict[str, Any]) -> None:
        if not self.folder.resume:
            raise ExperimentError(
                f'train: the folder "{self.path}" holds a training already.',
                expected="a new folder, or resume=True (--resume) to go on with that training",
            )
        earlier = read_json(self.path / CONFIG)
        if changed := sorted(differences(earlier, config)):
            raise ExperimentError(
                f'train: the folder "{self.path}" holds another training.',
                expected="the same network, data and recipe",
                received="; ".join(changed),
                hint="give another folder, or the settings that this training began with",
            )

    def _earlier_starts(self) -> list[Any]:
        file = self.path / ENVIRONMENT
        starts = read_json(file) if file.exists() else []
        return starts if isinstance(starts, list) else []

    def write_example(self, picture: torch.Tensor | None) -> None:
        """A picture of the data (C, H, W), values 0..1; None where there is none to show.

        Training does not need Pillow; without it there is no picture in the folder.
        """
        if picture is not None and find_spec("PIL") is not None and not (self.path / EXAMPLE).exists():
            pixels = (picture.detach().cpu().clamp(0, 1) * 255).round().to(torch.uint8)
            write_picture(self.path / EXAMPLE, pixels)

    def save(self, state: State, network: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """The checkpoint."""
        save_checkpoint(self.path / CHECKPOINT, state, network, optimizer)

    def write_epoch(self, history: list[Epoch], network: nn.Module) -> None:
        """Its numbers and the network; with no epoch yet, the network before the first one."""
        lines = (json.dumps(epoch_dict(epoch), allow_nan=False) for epoch in history)
        write_text(self.path / METRICS, "".join(f"{line}\n" for line in lines))
        if self.folder.filters:
            file = self.path / FILTERS / f"{len(history):04}.safetensors"
            facts = {"epoch": str(len(history)), LEFT_OUT: json.dumps(self.without)}
            write_tensors(file, snapshot(network, self.without), facts)
        if self.folder.tensorboard and history:
            self._to_tensorboard(history[-1])

    def _to_tensorboard(self, epoch: Epoch) -> None:
        if self._writer is None:
            self._writer = summary_writer()(str(self.path / "tensorboard"), purge_step=epoch.epoch)
        for name, value in epoch_dict(epoch).items():
            if name != "epoch" and value is not None:
                self._writer.add_scalar(name, float(value), epoch.epoch)
        self._writer.flush()

    def write_result(self, result: dict[str, Any], network: nn.Module) -> None:
        """The trained weights and all numbers."""
        facts = {"aggregation": str(result["recipe"]["aggregation"]), "data": result["data"]}
        write_tensors(self.path / WEIGHTS, dict(network.state_dict()), facts)
        write_json(self.path / RESULT, result)
        if self._writer is not None:
            self._writer.close()


def environment(device: str) -> dict[str, Any]:
    """Machine and versions, at the start of a run."""
    return {
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": typed(sys.argv),
        "device": device,
        "threads": torch.get_num_threads(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "convitro": version("convitro"),
    }


def typed(arguments: Sequence[str]) -> str:
    """A command as it was typed, but for where files are on this machine: of a whole path its end remains.

    Args:
        arguments: as `sys.argv` has them.

    Example:
        >>> print(typed(["/env/bin/convitro", "train", "-o", "runs/max", "--data", "/home/me/digits"]))
        convitro train -o runs/max --data .../digits
        >>> print(typed(["/env/lib/convitro/__main__.py", "train", "--aggregation", "norm(q=3)"]))
        convitro train --aggregation 'norm(q=3)'
    """
    program = PurePath(arguments[0] if arguments else "")
    name = program.parent.name if program.name == "__main__.py" else program.name
    name = "python" if name in ("", "-c") else name.removesuffix(".exe")
    return shlex.join([name, *map(_placeless, arguments[1:])])


def _placeless(argument: str) -> str:
    """An argument without the folders of a whole path, also behind "--option="."""
    option, equals, value = argument.partition("=") if argument.startswith("-") else ("", "", argument)
    whole = any(kind(value).is_absolute() for kind in (PurePosixPath, PureWindowsPath))
    if not whole and not value.startswith("~"):
        return argument
    return f"{option}{equals}.../{PureWindowsPath(value).name}"


def read_json(file: Path) -> Any:
    """What lies in a file of a run; an ExperimentError where it is damaged."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ExperimentError(
            f'train: "{file}" cannot be read.', expected="JSON that a training wrote", received=str(error)
        ) from error


def summary_writer() -> Any:
    """torch.utils.tensorboard.SummaryWriter; a LoadError where TensorBoard is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise LoadError(
            "train: TensorBoard is not installed.", hint='`pip install "convitro[tensorboard]"` adds it'
        ) from error
    return SummaryWriter


def differences(earlier: Any, later: Any, place: str = "") -> list[str]:
    """What differs between two configurations, as "recipe.epochs 5 -> 10"."""
    if isinstance(earlier, dict) and isinstance(later, dict):
        names = sorted({*earlier, *later})
        pairs = ((name, earlier.get(name), later.get(name)) for name in names)
        return [text for name, a, b in pairs for text in differences(a, b, f"{place}.{name}".lstrip("."))]
    return [] if earlier == later else [f"{place} {earlier} -> {later}"]
