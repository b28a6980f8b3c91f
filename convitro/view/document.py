"""One document format for the page: a JSON manifest and the arrays that it describes, in one piece of bytes.

    4 bytes   length of the manifest in bytes, little-endian
    manifest  JSON in UTF-8, padded with spaces so that the arrays start on a multiple of 8 bytes
    arrays    raw little-endian values, each on a multiple of 8 bytes after the manifest

The manifest's `arrays` maps each name to its dtype, shape and offset. What a document holds stands elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

ALIGNMENT = 8
DTYPES = {"float32": "<f4", "uint8": "|u1"}  # what the page reads as Float32Array and Uint8Array


@dataclass(frozen=True)
class Document:
    """What the page reads in one piece.

    Args:
        manifest: JSON-able facts; the key "arrays" is the format's own.
        arrays: float32 or uint8, any shape.

    Example:
        >>> document = Document({"kind": "demo"}, {"map": np.zeros((2, 2), np.float32)})
        >>> read_document(document.to_bytes()).arrays["map"].shape
        (2, 2)
    """

    manifest: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]]

    def to_bytes(self) -> bytes:
        """The document as the page reads it."""
        table, chunks, offset = {}, [], 0
        for name, array in self.arrays.items():
            dtype = str(array.dtype)
            data = np.ascontiguousarray(array).astype(DTYPES[dtype], copy=False).tobytes()
            table[name] = {"dtype": dtype, "shape": list(array.shape), "offset": offset}
            chunks.append(data + bytes(-len(data) % ALIGNMENT))
            offset += len(chunks[-1])
        text = json.dumps({**self.manifest, "arrays": table}, allow_nan=False, ensure_ascii=False)
        head = text.encode()
        head += b" " * (-(4 + len(head)) % ALIGNMENT)
        return b"".join([len(head).to_bytes(4, "little"), head, *chunks])


def read_document(data: bytes) -> Document:
    """The inverse of `Document.to_bytes`, for tests and for tools that want the page's numbers.

    Raises:
        ValueError: the manifest is not JSON, or an array reaches beyond the data.
    """
    start = 4 + int.from_bytes(data[:4], "little")
    manifest = json.loads(data[4:start])
    arrays = {}
    for name, entry in manifest.pop("arrays").items():
        count = int(np.prod(entry["shape"], dtype=np.int64))
        values = np.frombuffer(data, DTYPES[entry["dtype"]], count, start + entry["offset"])
        arrays[name] = values.reshape(entry["shape"])
    return Document(manifest, arrays)
