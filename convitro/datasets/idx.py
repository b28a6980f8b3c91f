"""MNIST's format IDX: MNIST, Fashion-MNIST and others of the same form, packed by gzip or not."""

from __future__ import annotations

import math
import struct
from pathlib import Path

import torch
from torch import Tensor

from convitro.datasets.dataset import Dataset, Size, Stored, numbered, unlabelled
from convitro.datasets.reading import MAX_BYTES, damaged, file_bytes, too_large
from convitro.errors import LoadError

FASHION = (
    "T-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)
BYTES = 0x08  # the format's code for unsigned bytes
BEGINNINGS = {"train": "train", "test": "t10k"}
FORMS = ("{0}-{1}-idx{2}-ubyte", "{0}-{1}.idx{2}-ubyte")


def idx_files(folder: Path, split: str) -> tuple[Path, Path | None] | None:
    """Images and labels of a part in a folder; None where there are no images."""
    for inner in (folder, folder / "raw", folder / "MNIST" / "raw", folder / "FashionMNIST" / "raw"):
        images = found(inner, split, "images", 3)
        if images is not None:
            return images, found(inner, split, "labels", 1)
    return None


def found(folder: Path, split: str, what: str, dimensions: int) -> Path | None:
    """The file of that kind in a folder, unpacked or packed."""
    names = (form.format(BEGINNINGS[split], what, dimensions) for form in FORMS)
    paths = (folder / (name + ending) for name in names for ending in ("", ".gz"))
    return next((path for path in paths if path.is_file()), None)


def labels_beside(images: Path) -> Path | None:
    """The file of labels that belongs to a file of images."""
    name = images.name.replace("images", "labels").replace("idx3", "idx1")
    return images.with_name(name) if name != images.name and images.with_name(name).is_file() else None


def read_idx(images_file: Path, labels_file: Path | None, split: str, input_size: Size | None) -> Dataset:
    """Grey images, and their labels where there is a file of them.

    Raises:
        LoadError: a file is damaged or too large, or the numbers of images and labels differ.
    """
    images = read_array(images_file, 3)
    if labels_file is None:
        labels = unlabelled(len(images))
        classes: tuple[str, ...] = ()
    else:
        labels = read_array(labels_file, 1).long()
        if len(labels) != len(images):
            raise LoadError(
                f'open_dataset: "{images_file.name}" and "{labels_file.name}" do not belong together.',
                expected="one label for each image",
                received=f"{len(images)} images, {len(labels)} labels",
            )
        classes = names_of(images_file, int(labels.max()) + 1 if len(labels) else 0)
    folder = images_file.resolve().parent
    name = folder.parent.name if folder.name == "raw" else folder.name
    return Dataset(name, Stored(images.unsqueeze(1), input_size), labels, classes, split)


def names_of(file: Path, classes: int) -> tuple[str, ...]:
    """The garments if a folder on the way says "fashion": the files themselves do not tell; else digits."""
    fashion = any("fashion" in part.lower() for part in file.resolve().parts)
    return FASHION if fashion and classes <= len(FASHION) else numbered(max(classes, 10))


def read_array(path: Path, dimensions: int) -> Tensor:
    """An array of bytes: two zeros, a type code, the number of dimensions, their sizes, and the values."""
    header = 4 + 4 * dimensions
    data = file_bytes(path)
    if len(data) < header or data[:3] != bytes((0, 0, BYTES)) or data[3] != dimensions:
        raise damaged(
            path, f"an IDX file of bytes in {dimensions} dimensions", f"{len(data)} bytes: {data[:4]!r}"
        )
    sizes = struct.unpack(f">{dimensions}I", data[4:header])
    count = math.prod(sizes)
    if count > MAX_BYTES:
        raise too_large(path, count)
    if len(data) != header + count or 0 in sizes:
        raise damaged(
            path,
            f"{' x '.join(map(str, sizes))} = {count:,} values, as its header says",
            f"{len(data) - header:,} values",
        )
    return torch.frombuffer(bytearray(data[header:]), dtype=torch.uint8).reshape(sizes)
