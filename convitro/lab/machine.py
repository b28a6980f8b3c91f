"""On what a training runs: processors, devices, processes and machines, by Lightning Fabric."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from convitro.errors import ArgumentError, ConvitroError, ExperimentError, LoadError, first_line

if TYPE_CHECKING:
    from lightning_fabric import Fabric

LOST = re.compile(
    r"connection (was )?(closed|reset|refused)|broken pipe|socket|gloo|nccl|timed? ?out",
    re.IGNORECASE,
)
"""What a RuntimeError says when another process is gone."""


@dataclass(frozen=True)
class Machine:
    """Devices and processes. Under `torchrun` its own numbers count.

    Args:
        accelerator: "auto", "cpu", "cuda" or another of Lightning Fabric's.
        devices: how many on each machine, or "auto" for all; each gets a process. On "cpu": processes.
        nodes: machines.
        workers: processes that read pictures ahead, for data that is not in memory.

    Raises:
        ArgumentError: a number below what it may be.
    """

    accelerator: str = "auto"
    devices: int | str = 1
    nodes: int = 1
    workers: int = 0

    def __post_init__(self) -> None:
        least = {"devices": 1, "nodes": 1, "workers": 0}
        for name, smallest in least.items():
            value = getattr(self, name)
            if value != "auto" and (
                not isinstance(value, int) or isinstance(value, bool) or value < smallest
            ):
                raise ArgumentError(
                    f"train: `{name}` is not a whole number of at least {smallest}.",
                    expected=f"{smallest} or more" + (', or "auto"' if name == "devices" else ""),
                    received=repr(value),
                )

    def fabric(self, precision: str) -> Fabric:
        """Fabric for these devices, not yet launched.

        Raises:
            LoadError: Lightning Fabric is not installed.
            ArgumentError: this machine does not have them, or they do not have the precision.
        """
        try:
            from lightning_fabric import Fabric
        except ImportError as error:
            raise LoadError(
                "train: Lightning Fabric is not installed.", hint='`pip install "convitro[lab]"` adds it'
            ) from error
        devices, nodes = self.devices, self.nodes
        if torch.distributed.is_available() and torch.distributed.is_torchelastic_launched():
            devices = int(os.environ["LOCAL_WORLD_SIZE"])
            nodes = int(os.environ.get("GROUP_WORLD_SIZE", "1"))
        single = devices == 1 and nodes == 1
        try:
            return Fabric(
                accelerator=self.accelerator,
                strategy="auto" if single or devices == "auto" else "ddp",
                devices=devices,
                num_nodes=nodes,
                precision=precision,  # type: ignore[arg-type]
            )
        except Exception as error:  # Fabric has many kinds of errors for what a machine does not have
            raise ArgumentError(
                "train: this machine cannot run it so.",
                expected="an accelerator, devices and a precision that are there",
                received=first_line(error),
            ) from error


def is_first_process() -> bool:
    """Whether this is the one of several processes that writes and prints."""
    there = torch.distributed.is_available() and torch.distributed.is_initialized()
    return not there or torch.distributed.get_rank() == 0


@contextmanager
def lost_workers() -> Iterator[None]:
    """What torch says when another process of the training is gone becomes an ExperimentError."""
    try:
        yield
    except RuntimeError as error:
        among_several = torch.distributed.is_available() and torch.distributed.is_initialized()
        lost = among_several and LOST.search(str(error)) is not None
        if isinstance(error, ConvitroError) or not (lost or "DataLoader worker" in str(error)):
            raise
        raise ExperimentError(
            "train: another process of this training was lost.",
            expected="all processes to run to the end",
            received=first_line(error),
            hint="the last checkpoint is as it was; go on from it with resume=True (--resume)",
        ) from error
