"""A training's folder read again, while it goes on or later: its numbers, its snapshots, its network.

Files are JSON and safetensors, and only read. What a network is made of comes from this package, from the
import path that the training was given (imported again, as `convitro.load` does), or from the caller.
"""

from __future__ import annotations

import copy
import json
import math
import re
import sys
import time
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from convitro.errors import ArgumentError, ConvitroError, LoadError, first_line
from convitro.lab.checkpoint import MODEL, part
from convitro.lab.folder import CHECKPOINT, CONFIG, EXAMPLE, FILTERS, LEFT_OUT, METRICS, RESULT, WEIGHTS
from convitro.lab.networks import build_network
from convitro.lab.result import Epoch, epoch_dict, epoch_of

SNAPSHOT = re.compile(r"(\d{4,9})\.safetensors")
MOST_PIXELS, MOST_CLASSES = 2**26, 10**6
"""Of a picture and its classes; a damaged config asks for no more memory than that."""
PATIENCE_S, EPOCHS_SILENT = 120.0, 4.0
"""One that wrote nothing for so many seconds, and so many of its epochs, has probably been broken off."""


def trained(
    folder: str | Path, model: nn.Module | str | None = None, *, epoch: int | None = None
) -> nn.Module:
    """The network that a training left in its folder, in evaluation mode, on the CPU.

    Args:
        folder: what `train(folder=...)` or `convitro train -o` was given.
        model: the same as `train` was given; needed only where that was a module, for its plan is not in the
            folder. Its own weights do not matter, and it stays as it is.
        epoch: the network after so many epochs, 0 for before the first one; None is the one that was kept.

    Raises:
        LoadError: no training is there, it is not finished and no `epoch` is given, a file is damaged or
            belongs to another network, or the network cannot be built again.
        ArgumentError: the network of that epoch was not kept.

    Source: own.

    Example:
        >>> import tempfile
        >>> from convitro.lab import train
        >>> images, labels = torch.rand(64, 1, 8, 8), torch.arange(64) % 2
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     result = train(data=(images, labels), epochs=2, folder=folder)
        ...     same, first = trained(folder), trained(folder, epoch=0)
        >>> torch.equal(same.conv1_1.weight, result.model.conv1_1.weight)
        True
        >>> torch.equal(first.conv1_1.weight, result.model.conv1_1.weight)
        False
    """
    run = Run(folder, model)
    if epoch is None and not run.ended:
        raise LoadError(
            f'trained: the training in "{folder}" is not finished.',
            expected=f"{RESULT} and {WEIGHTS}, which it writes at its end",
            received=f"{len(run.history())} of {run.planned} epochs",
            hint="go on with resume=True (--resume), or take the network of an epoch with epoch=",
        )
    return run.model(epoch)


class Run:
    """One training's folder. It may still be written to: all but its config is read anew when asked for.

    Args:
        folder, model: as for `trained`.

    Raises:
        LoadError: there is no training in the folder, or its config is damaged.
    """

    def __init__(self, folder: str | Path, model: nn.Module | str | None = None) -> None:
        self.path, self._given = Path(folder), model
        if not (self.path / CONFIG).is_file():
            raise LoadError(
                f'trained: there is no training in "{folder}".',
                expected=f"a folder with {CONFIG}, as `convitro train -o FOLDER` makes it",
                received="no such folder" if not self.path.exists() else f"no {CONFIG} in it",
            )
        config = read(self.path / CONFIG)
        try:
            network, data, recipe = config["network"], config["data"], config["recipe"]
            self.name, self.source = str(network["name"]), network["source"]
            self.entries = tuple(map(str, network["parameters"]))
            self.data, self.classes = str(data["name"]), tuple(map(str, data["classes"]))
            channels, rows, columns = map(int, data["input_size"])
            self.aggregation, self.planned = recipe["aggregation"], int(recipe["epochs"])
            if not isinstance(self.source, str | None) or not isinstance(self.aggregation, str | None):
                raise ValueError("no text for the source or the aggregation")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise damaged(self.path / CONFIG, f"{type(error).__name__}: {error}") from error
        self.input_size = channels, rows, columns
        pixels = math.prod(self.input_size)
        if min(self.input_size) < 1 or pixels > MOST_PIXELS or not 0 < len(self.classes) <= MOST_CLASSES:
            raise damaged(self.path / CONFIG, f"pictures of {self.input_size}, {len(self.classes)} classes")

    @property
    def example(self) -> Path | None:
        """A file with a picture of its data; None where there is none."""
        file = self.path / EXAMPLE
        return file if file.is_file() else None

    @property
    def result(self) -> Mapping[str, Any] | None:
        """What the training came to; None while it has not ended."""
        file = self.path / RESULT
        if not file.is_file():
            return None
        result = read(file)
        if not isinstance(result, dict) or "ended" not in result:
            raise damaged(file, "JSON without `ended`")
        return result

    @property
    def ended(self) -> str:
        """How it ended, as in `Training`; empty while it has not."""
        result = self.result
        return "" if result is None else str(result["ended"])

    @property
    def state(self) -> str:
        """How it ended, or else "running", or "silent" where nothing has been written for long."""
        if ended := self.ended:
            return ended
        usual = max((epoch.seconds for epoch in self.history()[-3:]), default=0.0)
        return "silent" if self.silence_s > max(PATIENCE_S, EPOCHS_SILENT * usual) else "running"

    @property
    def silence_s(self) -> float:
        """Seconds since it last wrote anything."""
        files = [self.path / name for name in (CONFIG, METRICS, CHECKPOINT, RESULT)]
        return max(0.0, time.time() - max(file.stat().st_mtime for file in files if file.exists()))

    def history(self) -> tuple[Epoch, ...]:
        """The numbers of every finished epoch."""
        file = self.path / METRICS
        try:
            lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
            return tuple(epoch_of(json.loads(line)) for line in lines if line.strip())
        except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
            raise damaged(file, str(error)) from error

    def snapshots(self) -> tuple[int, ...]:
        """The epochs whose network was kept, in order; 0 is before the first one."""
        folder = self.path / FILTERS
        names = [SNAPSHOT.fullmatch(file.name) for file in folder.iterdir()] if folder.is_dir() else []
        return tuple(sorted(int(name[1]) for name in names if name))

    def weights(self, epoch: int, names: tuple[str, ...] | None = None) -> dict[str, Tensor]:
        """What the snapshot of an epoch holds; only these of its entries, as far as it has them.

        Raises:
            ArgumentError: the network of that epoch was not kept.
            LoadError: the file is damaged.
        """
        return self._snapshot(epoch, names)[0]

    def model(self, epoch: int | None = None) -> nn.Module:
        """The network as it was kept; None: at the end, or where it stands by now.

        Layers behind the last convolution that a snapshot leaves out are zero: no map depends on them.

        Raises:
            ArgumentError, LoadError: as `trained`; or the snapshot holds only weights of convolutions.
        """
        if epoch is None:
            state = self._kept()
        else:
            state, without, _ = self._snapshot(epoch, None)
            missing = set(self.entries) - set(state)
            if not missing <= set(without):
                raise LoadError(
                    f'trained: the snapshot of epoch {epoch} in "{self.path}" is not a whole network.',
                    expected=f"{len(self.entries)} entries",
                    received=f"{len(state)}, without {', '.join(sorted(missing)[:3])}",
                    hint="an earlier version kept only weights of convolutions; train again to see more",
                )
            own = self._plan.state_dict()
            state |= {name: torch.zeros_like(own[name]) for name in missing if name in own}
        return fitted(copy.deepcopy(self._plan), state, self.path)

    def answers(self, epoch: int) -> bool:
        """Whether the snapshot of an epoch holds the network to its end, so that it can be asked."""
        return set(self.entries) <= set(self._snapshot(epoch, ())[2])

    def facts(self) -> dict[str, Any]:
        """Where the training stands, as JSON: what a page shows of it."""
        result = self.result or {}
        return {
            "network": self.name,
            "data": self.data,
            "folder": str(self.path),
            "state": self.state,
            "planned": self.planned,
            "silence_s": self.silence_s,
            "kept": result.get("kept"),
            "test_loss": result.get("test_loss"),
            "test_accuracy": result.get("test_accuracy"),
            "history": [epoch_dict(epoch) for epoch in self.history()],
        }

    def _kept(self) -> dict[str, Tensor]:
        """The weights at the end, or where the training stands by now."""
        file, prefix = (self.path / WEIGHTS, "") if self.ended else (self.path / CHECKPOINT, MODEL)
        if self.ended or file.is_file():
            return part(tensors(file)[0], prefix)
        if not (epochs := self.snapshots()):
            raise LoadError(
                f'trained: the training in "{self.path}" has written no network yet.',
                expected="at least the one before its first epoch",
                hint="try again in a moment",
            )
        return self._snapshot(epochs[-1], None)[0]

    def _snapshot(
        self, epoch: int, names: tuple[str, ...] | None
    ) -> tuple[dict[str, Tensor], tuple[str, ...], tuple[str, ...]]:
        """Entries of the snapshot of an epoch; the names that it leaves out; all names that it has."""
        file = self.path / FILTERS / f"{epoch:04}.safetensors"
        if not file.is_file():
            kept = self.snapshots()
            raise ArgumentError(
                f'trained: the network of epoch {epoch} is not in "{self.path}".',
                expected=f"an epoch of {kept[0]} to {kept[-1]}" if kept else "a run that keeps its filters",
                received=str(epoch),
            )
        entries, facts, all_names = tensors(file, names)
        try:
            without = tuple(map(str, json.loads(facts.get(LEFT_OUT, "[]"))))
        except (ValueError, TypeError) as error:
            raise damaged(file, str(error)) from error
        return entries, without, all_names

    @cached_property
    def _plan(self) -> nn.Module:
        """The network with any weights, built as `train` built it."""
        given: Any = self.source if self._given is None else self._given
        if given is None and self.name != "default network":
            raise LoadError(
                f'trained: the plan of {self.name} is not in "{self.path}".',
                expected="model=: the network that this training was given",
                hint="on the command line: MODEL beside --run; only a `module:callable` is remembered",
            )
        if isinstance(given, str) and given.partition(":")[0].partition(".")[0] in sys.stdlib_module_names:
            raise LoadError(f'trained: "{given}" is no network.', expected='"module:callable" of a network')
        try:
            with torch.random.fork_rng(devices=[]):
                network = build_network(given, self.input_size, len(self.classes), self.aggregation)
        except ConvitroError as error:
            raise LoadError(
                f'trained: the network of "{self.path}" cannot be built again.',
                expected=f"{self.name} for pictures of {'x'.join(map(str, self.input_size))}",
                received=first_line(error),
                hint="import what it needs first, such as an aggregation of your own; or give it as model=",
            ) from error
        return network.to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]


def fitted(network: nn.Module, state: Mapping[str, Tensor], origin: Path) -> nn.Module:
    """`network` with these weights, in their precision."""
    precision = next((entry.dtype for entry in state.values() if entry.is_floating_point()), torch.float32)
    try:
        network.to(precision).load_state_dict(state)
    except RuntimeError as error:
        raise LoadError(
            f'trained: the weights in "{origin}" belong to another network.',
            expected="the network that the training began with",
            received=str(error).strip().rpartition("\n")[2].strip(),
            hint="give that network as model=; an import path may have changed since",
        ) from error
    return network


def tensors(
    file: Path, names: tuple[str, ...] | None = None
) -> tuple[dict[str, Tensor], dict[str, str], tuple[str, ...]]:
    """Entries of a safetensors file, its facts, and the names of all of its entries."""
    try:
        with safe_open(file, framework="pt") as opened:
            there = tuple(opened.keys())
            wanted = there if names is None else [name for name in names if name in there]
            return {name: opened.get_tensor(name) for name in wanted}, opened.metadata() or {}, there
    except (SafetensorError, OSError) as error:
        raise damaged(file, str(error)) from error


def read(file: Path) -> Any:
    """What a JSON file of the folder holds."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise damaged(file, str(error)) from error


def damaged(file: Path, received: str) -> LoadError:
    """The error for a file that no training wrote so."""
    return LoadError(
        f'trained: "{file}" cannot be read.', expected="a file that a training wrote", received=received
    )
