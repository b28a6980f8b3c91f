"""The members of a .pt2 archive: JSON and numbers. Pickles are read as weights only, or not at all."""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from convitro.errors import LoadError, first_line

# torch.export's number of a dtype.
DTYPES: dict[int, torch.dtype] = {
    1: torch.uint8,
    2: torch.int8,
    3: torch.int16,
    4: torch.int32,
    5: torch.int64,
    6: torch.float16,
    7: torch.float32,
    8: torch.float64,
    10: torch.complex64,
    11: torch.complex128,
    12: torch.bool,
    13: torch.bfloat16,
    28: torch.uint16,
    34: torch.uint32,
    35: torch.uint64,
}
MOST_NUMBERS = 2**31  # of one tensor: the same number may stand in it any number of times
STRIDED = 7  # torch.export's number of the only layout that is read
PROGRAM, STATE, CONSTANTS = "serialized_exported_program", "serialized_state_dict", "serialized_constants"


class Archive:
    """An opened archive. Only what is asked for is read, and nothing is unpacked to disk.

    Args:
        path: of the file.

    Raises:
        LoadError: it is no such archive, damaged, or out of reach.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            content = path.read_bytes()
            self._zip = zipfile.ZipFile(io.BytesIO(content))
            names = self._zip.namelist()
        except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            raise self.damaged(str(error)) from error
        inner = {name.partition("/")[0] for name in names}
        root = f"{next(iter(inner))}/" if len(inner) == 1 and all("/" in name for name in names) else ""
        self.members = {name.removeprefix(root): name for name in names}
        self._storages: dict[str, bytearray] = {}

    def damaged(self, reason: str) -> LoadError:
        """The error for an archive that cannot be read."""
        return LoadError(
            f'load: "{self.path}" cannot be read as a program of torch.export.',
            expected="what `torch.export.save` wrote",
            received=reason,
            hint="a damaged or incomplete file: save or download it again",
        )

    def read(self, member: str) -> bytes:
        """One member. It must not be compressed: torch never does that, and it may hide any amount."""
        try:
            entry = self._zip.getinfo(self.members[member])
            if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
                raise self.damaged(f'the member "{member}" is compressed or encrypted')
            return self._zip.read(entry)
        except (KeyError, zipfile.BadZipFile, ValueError, OSError, EOFError, NotImplementedError) as error:
            raise self.damaged(f'the member "{member}": {error}') from error

    def read_json(self, member: str) -> Any:
        """One member as JSON."""
        try:
            return json.loads(self.read(member))
        except (ValueError, RecursionError) as error:
            raise self.damaged(f'the member "{member}": {error}') from error

    def program(self) -> dict[str, Any]:
        """The one program in the archive.

        Raises:
            LoadError: none, or several.
        """
        found = [name for name in self.members if name.startswith("models/") and name.endswith(".json")]
        found += [name for name in self.members if name.startswith(PROGRAM)]
        if len(found) != 1:
            raise self.damaged(f"{len(found)} programs in the archive")
        self.model = found[0].removeprefix("models/").removesuffix(".json")
        program = self.read_json(found[0])
        if not isinstance(program, dict):
            raise self.damaged(f"a program that is a {type(program).__name__}")
        return program

    def weights(self) -> dict[str, Tensor]:
        """Parameters and buffers by their names in the original model."""
        return self.tensors("weights", STATE)

    def constants(self) -> dict[str, Tensor]:
        """Tensors that the original code held otherwise."""
        return self.tensors("constants", CONSTANTS)

    def tensors(self, folder: str, older: str) -> dict[str, Tensor]:
        """Tensors of one kind, as the present or as an earlier version of torch stored them."""
        config = f"data/{folder}/{self.model}_{folder}_config.json"
        if config in self.members:
            return self.from_config(self.read_json(config), f"data/{folder}/")
        names = [f"data/{folder}/{self.model}.pt", *(name for name in self.members if name.startswith(older))]
        stored = next((name for name in names if name in self.members), None)
        content = self.read(stored) if stored else b""
        if not content:
            return {}
        found = self.unpickled(content, stored or "")
        if not isinstance(found, Mapping):
            raise self.damaged(f'the member "{stored}" is no dictionary of tensors')
        return {name: value for name, value in found.items() if isinstance(value, Tensor)}

    def from_config(self, config: Any, folder: str) -> dict[str, Tensor]:
        """Tensors as a list of names, members and sizes describes them; equal ones are one tensor."""
        entries = config.get("config") if isinstance(config, Mapping) else None
        if not isinstance(entries, Mapping):
            raise self.damaged(f"no list of tensors in {folder}")
        found: dict[str, Tensor] = {}
        same: dict[str, Tensor] = {}
        for name, entry in entries.items():
            key = json.dumps(entry, sort_keys=True)
            if key not in same:
                same[key] = self.tensor(name, entry, folder)
            found[name] = same[key]
        return found

    def tensor(self, name: str, entry: Any, folder: str) -> Tensor:
        """One tensor from the bytes that hold it."""
        try:
            member, trained = folder + entry["path_name"], bool(entry["is_param"])
            if entry["use_pickle"]:
                value = self.unpickled(self.read(member), member)
                if not isinstance(value, Tensor):
                    raise self.damaged(f'the member "{member}" holds a {type(value).__name__}, no tensor')
            else:
                if member not in self._storages:
                    self._storages[member] = bytearray(self.read(member))
                value = self.viewed(name, entry["tensor_meta"], self._storages[member])
        except (KeyError, TypeError, AttributeError) as error:
            raise self.damaged(f'the tensor "{name}" is described incompletely: {error}') from error
        if trained and value.is_floating_point():
            return value if isinstance(value, nn.Parameter) else nn.Parameter(value)
        return value

    def viewed(self, name: str, meta: Any, content: bytearray) -> Tensor:
        """Bytes as a tensor; its sizes and strides must lie within them. Tensors may share them."""
        sizes, strides = [whole(size) for size in meta["sizes"]], [whole(step) for step in meta["strides"]]
        offset, dtype = whole(meta["storage_offset"]), DTYPES.get(meta["dtype"])
        if dtype is None or meta["layout"] != STRIDED or len(sizes) != len(strides):
            raise self.damaged(f'the tensor "{name}" has a dtype or layout that is not read')
        if min([offset, *sizes, *strides]) < 0:
            raise self.damaged(f'the tensor "{name}" has negative sizes')
        if math.prod(sizes) == 0:
            return torch.empty(sizes, dtype=dtype)
        last = offset + sum((size - 1) * step for size, step in zip(sizes, strides, strict=True))
        outside = (last + 1) * dtype.itemsize > len(content) or len(content) % dtype.itemsize
        if outside or math.prod(sizes) > MOST_NUMBERS:
            raise self.damaged(
                f'the tensor "{name}" of {"x".join(map(str, sizes))} numbers lies in {len(content):,} bytes'
            )
        return torch.frombuffer(content, dtype=dtype).as_strided(sizes, strides, offset)

    def unpickled(self, content: bytes, member: str) -> Any:
        """What `torch.save` wrote, read without running code."""
        try:
            return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        except Exception as error:  # a damaged pickle may make the unpickler raise anything
            raise LoadError(
                f'load: "{self.path}" holds more than weights in "{member}". It was not run.',
                expected="tensors",
                received=first_line(error),
                hint="save with a version of torch from 2.8 on, without objects of one's own",
            ) from error


def whole(stated: Any) -> int:
    """A size as the archive states it; a KeyError for an expression, which no stored tensor has."""
    value = stated["as_int"]
    if type(value) is not int:
        raise TypeError(f"{value!r} is no size")
    return value
