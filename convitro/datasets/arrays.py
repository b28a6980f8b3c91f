"""Images and labels as arrays: .npz, .npy and .safetensors. Nothing in them is ever executed."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from convitro.datasets.dataset import Dataset, Size, Stored, numbered, unlabelled
from convitro.datasets.reading import MAX_BYTES, damaged, too_large
from convitro.errors import LoadError

IMAGES = ("images", "x", "X", "data")
LABELS = ("labels", "y", "Y", "targets", "label")
ENDINGS = (".npz", ".npy", ".safetensors")
WRONG = (ValueError, EOFError, OSError, KeyError, zipfile.BadZipFile, SafetensorError, NotImplementedError)


def read_arrays(path: Path, split: str | None, input_size: Size | None) -> Dataset:
    """The images of a file, and the labels beside them.

    An .npy file is the images. In the others they are called images, x, X or data, and the labels labels, y,
    Y, targets or label; with _train and _test behind, they are two parts.

    Raises:
        LoadError: the file is damaged, too large, holds objects, or has no array of such a name.
    """
    try:
        names, read = contents(path)
        part = chosen_part(names, split)
        image_name = one_of(IMAGES, names, part)
        label_name = one_of(LABELS, names, part)
        if image_name is None:
            raise LoadError(
                f'open_dataset: "{path}" has no array of images{f" for {part}" if part else ""}.',
                expected=f"one called {', '.join(IMAGES)}" + (f", with _{part} behind" if part else ""),
                received=", ".join(names) or "no array",
            )
        images = as_images(read(image_name), path)
        labels = unlabelled(len(images)) if label_name is None else as_labels(read(label_name), images, path)
    except WRONG as error:
        raise damaged(path, "arrays of numbers", f"{type(error).__name__}: {error}") from error
    classes = numbered(int(labels.max()) + 1) if label_name is not None else ()
    return Dataset(path.stem, Stored(images, input_size), labels, classes, part)


def contents(path: Path) -> tuple[list[str], Callable[[str], Tensor]]:
    """The names of a file's arrays, and what reads one of them."""
    if path.suffix == ".npy":
        return ["images"], lambda _: torch.from_numpy(read_npy_file(path))
    if path.suffix == ".npz":
        with zipfile.ZipFile(path) as archive:
            names = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
        return names, lambda name: torch.from_numpy(read_member(path, name + ".npy"))
    with safe_open(path, framework="pt") as file:
        stored = list(file.keys())
    if path.stat().st_size > MAX_BYTES:
        raise too_large(path, path.stat().st_size)
    return stored, lambda name: read_safetensor(path, name)


def read_npy_file(path: Path) -> np.ndarray:
    """The array of an .npy file."""
    with path.open("rb") as file:
        check_header(file, path, path.stat().st_size)
    return numbers(np.load(path, allow_pickle=False))


def read_member(path: Path, name: str) -> np.ndarray:
    """One array of an .npz file; its header is believed only as far as the archive has bytes."""
    with zipfile.ZipFile(path) as archive:
        with archive.open(name) as file:
            check_header(file, path, archive.getinfo(name).file_size)  # type: ignore[arg-type]
        with archive.open(name) as file:
            return numbers(np.lib.format.read_array(file, allow_pickle=False))


def read_safetensor(path: Path, name: str) -> Tensor:
    """One tensor of a safetensors file."""
    with safe_open(path, framework="pt") as file:
        tensor: Tensor = file.get_tensor(name)
        return tensor


def numbers(array: np.ndarray) -> np.ndarray:
    """The array in this machine's byte order, as kinds that torch has."""
    if array.dtype.kind not in "buif":
        raise ValueError(f"an array of {array.dtype}, not of numbers")
    kinds = {"uint16": np.int32, "uint32": np.int64, "uint64": np.int64}
    native = array.astype(kinds.get(array.dtype.name, array.dtype.newbyteorder("=")), copy=False)
    return np.ascontiguousarray(native)


def check_header(file: BinaryIO, path: Path, size_bytes: int) -> None:
    """Raise unless an .npy header promises no more than there is, and no objects."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, kind = read(file)
    promised = math.prod(shape) * kind.itemsize
    if kind.hasobject:
        raise ValueError("an array of Python objects, which could run code")
    if promised > MAX_BYTES:
        raise too_large(path, promised)
    if promised > size_bytes:
        raise ValueError(f"its header promises {promised:,} bytes, there are {size_bytes:,}")


def chosen_part(names: list[str], split: str | None) -> str:
    """ "train" or "test" where the arrays are named so; "" where there is only one part."""
    parts = [part for part in ("train", "test") if any(name.endswith(f"_{part}") for name in names)]
    if split is None:
        return parts[0] if parts else ""
    if split not in parts:
        raise LoadError(
            f'open_dataset: there is no part "{split}" in this file.',
            expected=f"arrays whose names end with _{split}",
            received=", ".join(names),
        )
    return split


def one_of(candidates: tuple[str, ...], names: list[str], part: str) -> str | None:
    """The first of the candidates that the file has."""
    wanted = [f"{name}_{part}" if part else name for name in candidates]
    return next((name for name in wanted if name in names), None)


def as_images(array: Tensor, path: Path) -> Tensor:
    """Images (N, C, H, W): bytes, or numbers 0..1. The channels may come last, or be missing."""
    if array.ndim == 3:
        array = array.unsqueeze(1)
    if array.ndim != 4 or 0 in array.shape:
        raise damaged(
            path, "images (N, H, W), (N, C, H, W) or (N, H, W, C)", f"an array {tuple(array.shape)}", ""
        )
    if array.shape[-1] in (1, 3) and array.shape[1] not in (1, 3):
        array = array.permute(0, 3, 1, 2).contiguous()
    low, high = float(array.min()), float(array.max())
    if array.is_floating_point() and low >= 0 and high <= 1:
        return array
    whole = array.dtype == torch.bool or not array.is_floating_point()
    if not whole or not (low >= 0 and high <= 255):
        raise LoadError(
            f'open_dataset: the images in "{path}" are no pixels.',
            expected="bytes from 0 to 255, or floating point from 0 to 1",
            received=f"{array.dtype} from {low:.4g} to {high:.4g}",
            hint="divide by 255 if that is white; what a network subtracts is told by --mean and --std",
        )
    return array.float() if array.dtype == torch.bool else array.to(torch.uint8)


def as_labels(array: Tensor, images: Tensor, path: Path) -> Tensor:
    """Labels (N,), also from (N, 1)."""
    flat = array.reshape(-1)
    if array.is_floating_point() or len(flat) != len(images) or int(flat.min()) < 0:
        raise LoadError(
            f'open_dataset: the labels in "{path}" do not fit the images.',
            expected=f"{len(images)} whole numbers, counted from 0",
            received=f"{array.dtype} {tuple(array.shape)}",
        )
    return flat.long()
