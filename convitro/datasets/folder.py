"""A folder of pictures: one folder for each class, or all in one."""

from __future__ import annotations

from pathlib import Path

import torch

from convitro.datasets.dataset import Dataset, Files, Size, unlabelled
from convitro.errors import LoadError

ENDINGS = {".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp"}
PARTS = {"train": ("train", "training"), "test": ("test", "val", "valid", "validation")}
MOST_FILES = 2_000_000


def pictures_in(folder: Path) -> list[Path]:
    """The files of a folder that are named like pictures, sorted."""
    files = (file for file in folder.iterdir() if file.suffix.lower() in ENDINGS and file.is_file())
    return sorted(file for file in files if not file.name.startswith("."))


def part_of(folder: Path, split: str) -> Path | None:
    """The folder within that holds a part, if there is one."""
    return next((folder / name for name in PARTS[split] if (folder / name).is_dir()), None)


def read_folder(folder: Path, split: str, input_size: Size | None) -> Dataset | None:
    """The pictures below a folder: those of its folders, which are the classes, or else its own.

    Returns:
        None where there are no pictures.

    Raises:
        LoadError: `input_size` is missing, or there are more than two million pictures.
    """
    inner = sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    classes = {entry.name: pictures_in(entry) for entry in inner}
    classes = {name: files for name, files in classes.items() if files}
    paths = [path for files in classes.values() for path in files]
    labels = torch.tensor([number for number, files in enumerate(classes.values()) for _ in files])
    if not classes:
        paths = pictures_in(folder)
        labels = unlabelled(len(paths))
    if not paths:
        return None
    if len(paths) > MOST_FILES:
        raise LoadError(
            f'open_dataset: "{folder}" holds too many pictures.',
            expected=f"at most {MOST_FILES:,}",
            received=f"{len(paths):,}",
        )
    if input_size is None:
        raise LoadError(
            f'open_dataset: the pictures in "{folder}" may be of any size.',
            expected="input_size=(C, H, W), to which all are brought",
            hint="a network's own is `open_network(...).input_size`; on the command line: --input 3x32x32",
        )
    name = folder.resolve().name
    return Dataset(name, Files(tuple(paths), input_size), labels, tuple(classes), split)
