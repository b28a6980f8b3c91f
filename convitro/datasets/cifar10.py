"""CIFAR-10 in its two official forms: binary records, and Python batches that are read without being run."""

from __future__ import annotations

import io
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from convitro.datasets.dataset import Dataset, Size, Stored
from convitro.datasets.reading import damaged, file_bytes
from convitro.errors import LoadError

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
PIXELS = 3 * 32 * 32
RECORD = 1 + PIXELS
FOLDERS = ("", "cifar-10-batches-bin", "cifar-10-batches-py")
BATCH_BYTES = 256 * 2**20
NAMES = {"train": re.compile(r"data_batch_\d+(\.bin)?"), "test": re.compile(r"test_batch(\.bin)?")}


def cifar10_files(folder: Path, split: str) -> list[Path]:
    """The files of a part in a folder of CIFAR-10, or in the folder that its archive makes."""
    for name in FOLDERS:
        inner = folder / name
        if inner.is_dir():
            found = sorted(file for file in inner.iterdir() if NAMES[split].fullmatch(file.name))
            binary = [file for file in found if file.suffix == ".bin"]
            if found:
                return binary or found
    return []


def read_cifar10(files: list[Path], split: str, input_size: Size | None) -> Dataset:
    """The images of these files, one file after the other.

    Raises:
        LoadError: a file is damaged, or asks for code to be run.
    """
    parts = [read_binary(file) if file.suffix == ".bin" else read_python(file) for file in files]
    images, labels = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
    return Dataset("CIFAR-10", Stored(images, input_size), labels, class_names(files[0].parent), split)


def class_names(folder: Path) -> tuple[str, ...]:
    """Those of batches.meta.txt if it names ten, else the usual ones."""
    file = folder / "batches.meta.txt"
    names = file.read_text("utf-8", "replace").split() if file.is_file() else []
    return tuple(names) if len(names) == len(CLASSES) else CLASSES


def read_binary(path: Path) -> tuple[Tensor, Tensor]:
    """Records of one label byte and 3072 bytes of red, green and blue rows."""
    data = np.frombuffer(file_bytes(path, BATCH_BYTES), dtype=np.uint8)
    if data.size == 0 or data.size % RECORD:
        raise damaged(path, f"whole records of {RECORD} bytes", f"{data.size} bytes")
    records = torch.from_numpy(data.reshape(-1, RECORD).copy())
    return records[:, 1:].reshape(-1, 3, 32, 32), checked_labels(records[:, 0].long(), path)


def checked_labels(labels: Tensor, path: Path) -> Tensor:
    """Labels of ten classes; a LoadError for others."""
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < len(CLASSES):
        raise damaged(path, "labels from 0 to 9", f"labels from {int(labels.min())} to {int(labels.max())}")
    return labels


def read_python(path: Path) -> tuple[Tensor, Tensor]:
    """A pickled dict of `data`, bytes (N, 3072), and `labels`, read by `Reader`."""
    batch = unpickled(path)
    fields = {key.decode() if isinstance(key, bytes) else key: value for key, value in batch.items()}
    data, labels = fields.get("data"), fields.get("labels")
    fits = isinstance(data, bytes) and isinstance(labels, list) and len(data) == PIXELS * len(labels) > 0
    if not fits or not all(isinstance(label, int) for label in labels or ()):
        raise damaged(
            path, "a batch of `data` (N, 3072) bytes and `labels`", f"fields {', '.join(map(str, fields))}"
        )
    assert data is not None
    images = torch.frombuffer(bytearray(data), dtype=torch.uint8).reshape(-1, 3, 32, 32)
    return images, checked_labels(torch.tensor(labels, dtype=torch.int64), path)


def unpickled(path: Path) -> dict[Any, Any]:
    """The dict in a pickle. Nothing that the pickle names is imported or called.

    Raises:
        LoadError: the pickle is damaged, or asks for more than an array of bytes.
    """
    try:
        batch = Reader(io.BytesIO(file_bytes(path, BATCH_BYTES)), encoding="bytes").load()
        if not isinstance(batch, dict):
            raise TypeError(f"one {type(batch).__name__}")
        arrays = {key: value.content for key, value in batch.items() if isinstance(value, Array)}
    except Forbidden as error:
        raise LoadError(
            f'open_dataset: "{path}" asks for code to be run, which CIFAR-10 does not; it was not run.',
            expected="a batch of CIFAR-10: arrays, lists and text",
            received=f"a call of `{error}`",
            hint="get the binary version of CIFAR-10 from its own page",
        ) from error
    except LoadError:
        raise
    except Exception as error:  # a damaged pickle may make the unpickler raise anything
        raise damaged(path, "a Python batch of CIFAR-10", f"{type(error).__name__}: {error}") from error
    return {**batch, **arrays}


class Forbidden(Exception):
    """A pickle named something that is not on the list."""


class Array:
    """What stands for a NumPy array: it keeps the bytes and knows nothing else."""

    def __init__(self, *_: Any) -> None:
        self.content = b""

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, fortran, content = state
        if kind != "u1" or fortran or not isinstance(content, bytes) or len(shape) != 2:
            raise TypeError("an array that does not hold rows of bytes")
        self.content = content


class Kind(str):
    """What stands for a NumPy dtype: its name."""

    def __new__(cls, name: Any = "", *_: Any) -> Kind:
        return super().__new__(cls, name.decode() if isinstance(name, bytes) else name)

    def __setstate__(self, state: Any) -> None:
        """Byte order and the like, which bytes do not have."""


class Reader(pickle.Unpickler):
    """Reads a pickle, giving stand-ins for the few names that a CIFAR-10 batch needs, and none for others."""

    def find_class(self, module: str, name: str) -> Any:
        """The stand-in for a name; each reader has its own, so that no pickle can change another's."""
        if name == "_reconstruct" and module in ("numpy.core.multiarray", "numpy._core.multiarray"):
            return type("Array", (Array,), {})
        if module == "numpy" and name in ("ndarray", "dtype"):
            return type("Kind", (Kind,), {})
        if (module, name) == ("_codecs", "encode"):
            return lambda text, encoding: text.encode("latin-1")
        raise Forbidden(f"{module}.{name}")
