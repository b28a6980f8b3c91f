"""Files that are there whole or not at all, whenever the power goes or the disk is full."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from convitro.errors import ExperimentError

PARTIAL = ".partial"


def write_atomically(path: Path, write: Callable[[Path], object], writer: str = "") -> None:
    """Let `write` make a file beside `path`, bring it onto the disk, then give it its name.

    Args:
        path: where it will be.
        write: makes it at the path that it is given.
        writer: tells those apart that may write the same file at the same time.

    Raises:
        ExperimentError: it cannot be written; what was there before is still there.
    """
    partial = path.with_name(path.name + writer + PARTIAL)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(partial)
        _onto_disk(partial)
        os.replace(partial, path)
        if os.name == "posix":  # elsewhere a folder cannot be opened
            _onto_disk(path.parent)
    except (OSError, SafetensorError) as error:
        _remove(partial)
        raise ExperimentError(
            f'train: "{path.name}" could not be written.',
            expected=f'room and permission in "{path.parent}"',
            received=str(error),
            hint="the last checkpoint is as it was; once there is room, go on with resume=True (--resume)",
        ) from error


def write_text(path: Path, text: str, writer: str = "") -> None:
    """A text file, atomically."""
    write_atomically(path, lambda partial: partial.write_text(text, encoding="utf-8"), writer)


def write_json(path: Path, content: Any, writer: str = "") -> None:
    """Strict JSON for people to read, atomically."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n", writer)


def write_tensors(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, str]) -> None:
    """A safetensors file, atomically; each tensor as a copy of its own, so that shared ones may be saved."""
    copies = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    write_atomically(path, lambda partial: save_file(copies, partial, metadata=dict(facts)))


def _onto_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(path: Path) -> None:
    """Give the room back; on a broken disk even that may fail, and the first error is the one to tell."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return
