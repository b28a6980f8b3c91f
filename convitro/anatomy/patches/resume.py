"""A half-done ranking on disk: written in one step, read without running code, refused by other tasks."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from convitro.anatomy.patches.ranking import Ranking
from convitro.errors import LoadError

FORMAT = "convitro top patches 1"
WORDS = {
    "model": "model",
    "layer": "layer",
    "k": "k",
    "filters": "choice of filters",
    "per_image": "per_image",
    "batch_size": "batch size",
    "total": "number of images",
    "first": "data: its first batch is another one",
}


@dataclass(frozen=True)
class Task:
    """What a ranking is made of; a file goes on only with the same.

    Args:
        model: class and digest of its weights and modes.
        layer, k, filters, per_image, batch_size: as the caller has them.
        total: how many images there are, if that is known.
        first: digest of the first batch.
    """

    model: str
    layer: str
    k: int
    filters: list[int] | None
    per_image: int
    batch_size: int
    total: int | None
    first: str


def write(path: Path, task: Task, ranking: Ranking, done: int, *, finished: bool) -> None:
    """Put the state into the file in one step: whoever reads it finds the old state or the new one.

    Raises:
        LoadError: the file cannot be written.
    """
    about = {"format": FORMAT, "done": done, "finished": finished, "task": asdict(task)}
    data = save(ranking.tensors(), metadata={"about": json.dumps(about)})
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise LoadError(f'top_patches: "{path}" cannot be written.', received=str(error)) from error


def read(path: Path, task: Task) -> tuple[Ranking, int, bool]:
    """The state in a file: ranking, images done, whether all are.

    Raises:
        LoadError: it is damaged, or belongs to another task.
    """
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {}).get("about", "{}"))
            ranking = Ranking(
                **{name: file.get_tensor(name) for name in ("values", "images", "positions", "sizes")}
            )
        if about.get("format") != FORMAT:
            raise KeyError("format")
        found, done, finished = about["task"], int(about["done"]), bool(about["finished"])
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise LoadError(
            f'top_patches: "{path}" is no checkpoint, or a damaged one.',
            expected="a file that top_patches wrote",
            received=str(error),
            hint="delete it, or name another file",
        ) from error
    check_same(path, asdict(task), found)
    return ranking, done, finished


def check_same(path: Path, wanted: dict[str, Any], found: dict[str, Any]) -> None:
    """Raise unless the file belongs to this task.

    Raises:
        LoadError: it belongs to another.
    """
    for key, word in WORDS.items():
        if found.get(key) != wanted[key]:
            raise LoadError(
                f'top_patches: "{path}" belongs to another {word}.',
                expected=shortened(wanted[key]),
                received=shortened(found.get(key)),
                hint="name another file, or delete this one to begin anew",
            )


def shortened(value: Any) -> str:
    """A value in at most 60 characters."""
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "…"


def model_digest(model: nn.Module) -> str:
    """The class of a model with a digest of its weights, buffers and modes."""
    digest = hashlib.sha256(
        repr([(name, module.training) for name, module in model.named_modules()]).encode()
    )
    for name, tensor in model.state_dict().items():
        if isinstance(tensor, Tensor):
            digest.update(f"{name} ".encode() + tensor_digest(tensor).encode())
    return f"{type(model).__name__} {digest.hexdigest()[:16]}"


def tensor_digest(tensor: Tensor) -> str:
    """A digest of shape, dtype and every bit of a tensor."""
    data = tensor.detach().cpu().contiguous()
    digest = hashlib.sha256(f"{tuple(data.shape)} {data.dtype} ".encode())
    bits: Any = data.flatten().view(torch.uint8).numpy()
    digest.update(bits)
    return digest.hexdigest()[:16]
