"""A training's state in one safetensors file: weights, optimiser, and where it stands. No pickle."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from convitro.errors import ExperimentError
from convitro.lab.files import write_tensors
from convitro.lab.result import Epoch, epoch_dict, epoch_of, strict

FORMAT = "1"
MODEL, BEST, OPTIMIZER = "model/", "best/", "optimizer/"


@dataclass
class State:
    """Where a training stands. Random numbers follow from it: they are drawn anew for each step.

    Attributes:
        epoch: how many are complete.
        step: how many steps of the next one are.
        sums: of its losses, of its hits, and of its pictures so far.
        seconds: it took so far.
        history: the complete epochs.
        ended: how it ended, as in `Training`; empty while it goes on.
        kept: the epoch with the lowest loss on held-out pictures so far, and that loss; the last one where
            nothing is compared.
        best: the weights of that epoch, where the last ones are not what is kept.
        scaler: the state of the loss scaling of half precision.
    """

    epoch: int = 0
    step: int = 0
    sums: tuple[float, float, float] = (0.0, 0.0, 0.0)
    seconds: float = 0.0
    history: list[Epoch] = field(default_factory=list)
    ended: str = ""
    kept: int = 0
    lowest: float = float("inf")
    best: dict[str, Tensor] = field(default_factory=dict)
    scaler: dict[str, Any] = field(default_factory=dict)


def save_checkpoint(path: Path, state: State, network: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Write everything that the training needs to go on, atomically."""
    tensors = {MODEL + name: tensor for name, tensor in network.state_dict().items()}
    tensors |= {BEST + name: tensor for name, tensor in state.best.items()}
    for index, values in optimizer.state_dict()["state"].items():
        kept = {name: value for name, value in values.items() if isinstance(value, Tensor)}
        tensors |= {f"{OPTIMIZER}{index}/{name}": value for name, value in kept.items()}
    numbers = {
        "epoch": state.epoch,
        "step": state.step,
        "sums": [strict(value) for value in state.sums],
        "seconds": state.seconds,
        "history": [epoch_dict(epoch) for epoch in state.history],
        "ended": state.ended,
        "kept": state.kept,
        "lowest": strict(state.lowest),
        "scaler": state.scaler,
    }
    write_tensors(path, tensors, {"format": FORMAT, "state": json.dumps(numbers, allow_nan=False)})


@dataclass(frozen=True)
class Checkpoint:
    """What `save_checkpoint` wrote: the state, and tensors by name."""

    state: State
    tensors: dict[str, Tensor]

    def restore(self, network: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Give network and optimiser the numbers that they had; the layout of each in memory stays.

        Raises:
            ExperimentError: the checkpoint belongs to another network.
        """
        try:
            network.load_state_dict(part(self.tensors, MODEL))
        except RuntimeError as error:
            raise ExperimentError(
                "train: the checkpoint belongs to another network.",
                expected="the network that the training began with",
                received=str(error).strip().rpartition("\n")[2].strip(),
            ) from error
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        values: dict[int, dict[str, Tensor]] = {}
        for name, tensor in part(self.tensors, OPTIMIZER).items():
            index, _, entry = name.partition("/")
            like = parameters[int(index)].detach()
            same = tensor.shape == like.shape and tensor.dim() > 0
            values.setdefault(int(index), {})[entry] = (
                torch.empty_like(like, dtype=tensor.dtype).copy_(tensor) if same else tensor
            )
        optimizer.load_state_dict({**optimizer.state_dict(), "state": values})


def read_checkpoint(path: Path) -> Checkpoint:
    """What `save_checkpoint` wrote.

    Raises:
        ExperimentError: it is damaged, or of another version.
    """
    try:
        with safe_open(path, framework="pt") as file:
            facts = file.metadata() or {}
            if facts.get("format") != FORMAT:
                raise ValueError(f"format {facts.get('format')} instead of {FORMAT}")
            numbers = json.loads(facts["state"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
        history = [epoch_of(values) for values in numbers.pop("history")]
        sums = tuple(map(float, numbers.pop("sums")))
        lowest = float(numbers.pop("lowest"))
        state = State(**numbers, history=history, sums=sums, lowest=lowest, best=part(tensors, BEST))  # type: ignore[arg-type]
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise ExperimentError(
            f'train: the checkpoint "{path}" cannot be read.',
            expected="a file that a training wrote",
            received=f"{type(error).__name__}: {error}",
            hint="remove it to begin that training anew",
        ) from error
    return Checkpoint(state, tensors)


def part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors under a prefix, without it."""
    return {name[len(prefix) :]: tensor for name, tensor in tensors.items() if name.startswith(prefix)}
