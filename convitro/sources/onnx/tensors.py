"""Numbers in ONNX files as tensors. Never more memory is taken than the file has bytes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from convitro.errors import LoadError, UnsupportedError

# ONNX's number of a dtype: the dtype here, and the field that holds its numbers where they are not raw.
DTYPES: dict[int, tuple[torch.dtype, str]] = {
    1: (torch.float32, "float_data"),
    2: (torch.uint8, "int32_data"),
    3: (torch.int8, "int32_data"),
    4: (torch.uint16, "int32_data"),
    5: (torch.int16, "int32_data"),
    6: (torch.int32, "int32_data"),
    7: (torch.int64, "int64_data"),
    9: (torch.bool, "int32_data"),
    10: (torch.float16, "int32_data"),
    11: (torch.float64, "double_data"),
    12: (torch.uint32, "uint64_data"),
    13: (torch.uint64, "uint64_data"),
    14: (torch.complex64, "float_data"),
    15: (torch.complex128, "double_data"),
    16: (torch.bfloat16, "int32_data"),
}
BITS = {torch.float16: np.uint16, torch.bfloat16: np.uint16}  # kept as their bit patterns
EXTERNAL = 1


def torch_dtype(number: int) -> torch.dtype:
    """The dtype that ONNX gives that number.

    Raises:
        UnsupportedError: text, and the packed and 8-bit floating point ones.
    """
    if number not in DTYPES:
        raise UnsupportedError(
            f"load: the ONNX dtype number {number} cannot be computed with.",
            expected="floating point numbers of 16 to 64 bits, whole numbers of 8 to 64, truth values",
        )
    return DTYPES[number][0]


def onnx_dtype(dtype: torch.dtype) -> int:
    """The number that ONNX gives a dtype."""
    return next(number for number, (known, _) in DTYPES.items() if known is dtype)


def read_tensor(stored: Any, folder: Path | None = None) -> Tensor:
    """A tensor of an ONNX file.

    Args:
        stored: the TensorProto.
        folder: where the model lies; only there numbers in files of their own are looked for.

    Raises:
        LoadError: sizes that are negative or do not fit what is stored; a file elsewhere, missing or short.
        UnsupportedError: a dtype that torch does not have.
    """
    dtype = torch_dtype(stored.data_type)
    sizes = tuple(stored.dims)
    if min(sizes, default=0) < 0:
        raise LoadError(f'load: the tensor "{stored.name}" has a negative size.', received=str(sizes))
    count, width = math.prod(sizes), dtype.itemsize
    if stored.data_location == EXTERNAL:
        raw = read_external(stored, folder, count * width)
    elif stored.HasField("raw_data"):
        raw = stored.raw_data
    else:
        return from_field(stored, dtype, sizes)
    if len(raw) != count * width:
        raise wrong_length(stored.name, sizes, dtype, f"{len(raw):,} bytes")
    if not count:
        return torch.empty(sizes, dtype=dtype)
    return torch.frombuffer(bytearray(raw), dtype=dtype).reshape(sizes)


def from_field(stored: Any, dtype: torch.dtype, sizes: tuple[int, ...]) -> Tensor:
    """Numbers that are stored one by one."""
    numbers = getattr(stored, DTYPES[stored.data_type][1])
    parts = 2 if dtype.is_complex else 1
    if len(numbers) != math.prod(sizes) * parts:
        raise wrong_length(stored.name, sizes, dtype, f"{len(numbers):,} numbers")
    if dtype in BITS:
        return (
            torch.from_numpy(np.array(numbers, dtype=np.int64).astype(np.uint16)).view(dtype).reshape(sizes)
        )
    if dtype.is_complex:
        whole = np.array(numbers, dtype=np.float64).reshape(-1, 2)
        return torch.view_as_complex(torch.from_numpy(whole)).to(dtype).reshape(sizes)
    wide = np.uint64 if dtype is torch.uint64 else np.float64 if dtype.is_floating_point else np.int64
    with np.errstate(invalid="ignore"):  # some NaN are of a kind that NumPy warns of
        return torch.from_numpy(np.array(numbers, dtype=wide)).to(dtype).reshape(sizes)


def wrong_length(name: str, sizes: tuple[int, ...], dtype: torch.dtype, received: str) -> LoadError:
    """The error for a tensor with more or fewer numbers than it says."""
    return LoadError(
        f'load: the tensor "{name}" does not hold what it says.',
        expected=f"{'x'.join(map(str, sizes)) or 'one'} numbers of {str(dtype).removeprefix('torch.')}",
        received=received,
        hint="a damaged or incomplete file: save or download it again",
    )


def read_external(stored: Any, folder: Path | None, length: int) -> bytes:
    """Numbers that lie in a file of their own, which must be inside the model's folder."""
    entries = {entry.key: entry.value for entry in stored.external_data}
    path = external_path(stored.name, entries.get("location", ""), folder)
    try:
        offset, stated = int(entries.get("offset", 0)), int(entries.get("length", length))
    except ValueError as error:
        raise LoadError(
            f'load: the tensor "{stored.name}" lies at no number.', received=str(entries)
        ) from error
    try:
        size = path.stat().st_size
        if offset < 0 or stated != length or offset + length > size:
            raise LoadError(
                f'load: the tensor "{stored.name}" is not whole in "{path.name}".',
                expected=f"{length:,} bytes from byte {offset:,} on",
                received=f"{stated:,} bytes stated; the file has {size:,}",
                hint="a damaged or incomplete file: save or download it again",
            )
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(length)
    except OSError as error:
        raise LoadError(
            f'load: the numbers of the tensor "{stored.name}" cannot be read.', received=str(error)
        ) from error


def external_path(name: str, location: str, folder: Path | None) -> Path:
    """The file of that location; a LoadError where it would lie outside of the model's folder."""
    if folder is None:
        raise LoadError(
            f'load: the numbers of the tensor "{name}" lie in a file of their own.',
            expected="the path of the model, beside which that file lies",
            received=f'"{location}"',
        )
    home = folder.resolve()
    try:
        path = (home / location).resolve()
        inside = path.is_relative_to(home) and path != home and not Path(location).is_absolute()
    except (OSError, ValueError, RuntimeError):  # no path at all, or links in a circle
        path, inside = home, False
    if not inside or ".." in Path(location).parts:
        raise LoadError(
            f'load: the tensor "{name}" points outside of the model\'s folder. It was not followed.',
            expected="a file beside the model",
            received=repr(location),
        )
    if not path.is_file():
        raise LoadError(
            f'load: the file with the numbers of the tensor "{name}" is missing.',
            expected=f'"{location}" beside the model',
            hint="a model with large tensors consists of several files: all are needed",
        )
    return path
