"""What training leaves in a checkpoint beside the weights, read as things that do nothing."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


class Inert:
    """Stands for an object of a file: it takes whatever the file gives it, keeps nothing and does nothing."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Inert:
        return super().__new__(cls)

    def __setstate__(self, state: Any) -> None:
        """Ignore what the object was."""


# The arguments of the script, best scores, folders, dates: names that say what was saved, not what to run.
VALUES = (
    "argparse.Namespace",
    "types.SimpleNamespace",
    *(f"numpy.{name}" for name in ("dtype", "ndarray")),
    *(f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("scalar", "_reconstruct")),
    *(f"pathlib.{name}" for name in ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath")),
    *(f"datetime.{name}" for name in ("date", "datetime", "timedelta")),
)
DICTIONARIES = (
    "pytorch_lightning.utilities.parsing.AttributeDict",
    "lightning.pytorch.utilities.parsing.AttributeDict",
    "lightning_fabric.utilities.data.AttributeDict",
    "lightning.fabric.utilities.data.AttributeDict",
    "easydict.EasyDict",
    "munch.Munch",
)
STAND_INS: list[Any] = [(Inert, name) for name in VALUES] + [(OrderedDict, name) for name in DICTIONARIES]
ONE_AT_A_TIME = threading.Lock()  # torch's list is one for all threads


@contextmanager
def extras_stand_still() -> Iterator[None]:
    """While this lasts, `torch.load(..., weights_only=True)` reads what a script saved beside the weights.

    Nothing of it is built: in place of every such object stands one that does nothing. Whatever else a pickle
    asks for is refused as before.
    """
    with ONE_AT_A_TIME, torch.serialization.safe_globals(STAND_INS):
        yield
