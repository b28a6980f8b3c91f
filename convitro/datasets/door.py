"""The public door: find out what a source is, and open it."""

from __future__ import annotations

from pathlib import Path

from convitro.datasets.arrays import ENDINGS, read_arrays
from convitro.datasets.cifar10 import cifar10_files, read_cifar10
from convitro.datasets.dataset import Dataset, Size
from convitro.datasets.folder import part_of, read_folder
from convitro.datasets.idx import idx_files, labels_beside, read_idx
from convitro.datasets.installed import read_details, read_digits, read_photographs
from convitro.errors import ArgumentError, LoadError

INSTALLED = {"details": read_details, "digits": read_digits, "photographs": read_photographs}
SPLITS = ("train", "test")
FORMS = (
    "a folder with CIFAR-10 or MNIST files, a folder of pictures, an .npz, .npy or .safetensors file, an IDX "
    'file, "digits", "photographs" or "details"'
)


def open_dataset(source: str | Path, input_size: Size | None = None, *, split: str | None = None) -> Dataset:
    """Open a data set that is there already; its form is found out, and nothing is downloaded.

    Args:
        source: one of
            a folder with CIFAR-10's files (binary, or Python batches: they are read, not run),
            a folder with MNIST's or Fashion-MNIST's files (IDX, also packed by gzip), or one such file,
            a folder of pictures, with a folder for each class or without,
            an .npz, .npy or .safetensors file of images and labels,
            "digits" (scikit-learn's, 8x8), "photographs" (the 15 bundled ones) or "details" (300 of these).
        input_size: (C, H, W) that images are brought to, as `pictures.to_input` does; None leaves them as
            they are. Folders of pictures need one.
        split: "train" or "test" where the data come in two parts. None takes "train", or all.

    Returns:
        A torch Dataset of (pixels, label): pixels (C, H, W) between 0 and 1, and a number, -1 where no label
        is known. It has `.name`, `.classes`, `.labels`, a length, and `.sample(count)`.

    Raises:
        ArgumentError: another `split`, or an `input_size` that no picture can have.
        LoadError: nothing like that is there, or it is damaged, incomplete, too large, or wants code to run.

    Source: own.

    Example:
        >>> print(open_dataset("photographs", (3, 32, 32)))
        photographs: 15 images
    """
    if split not in (None, *SPLITS):
        raise ArgumentError("open_dataset: no such part.", expected='"train" or "test"', received=repr(split))
    check_size(input_size)
    if isinstance(source, str) and source in INSTALLED:
        if split == "test":
            raise no_part(source, split)
        return INSTALLED[source](input_size)
    path = Path(source)
    if path.is_dir():
        return open_folder(path, input_size, split)
    if not path.is_file():
        raise LoadError(f'open_dataset: there is no "{source}".', expected=FORMS)
    if path.suffix in ENDINGS:
        return read_arrays(path, split, input_size)
    if "idx3" in path.name:
        return read_idx(path, labels_beside(path), split or "", input_size)
    if path.suffix == ".bin":
        return read_cifar10([path], split or "", input_size)
    raise LoadError(f'open_dataset: "{source}" is no data set that can be read.', expected=FORMS)


def open_folder(folder: Path, input_size: Size | None, split: str | None) -> Dataset:
    """What lies in a folder."""
    if files := cifar10_files(folder, split or "train"):
        return read_cifar10(files, split or "train", input_size)
    if pair := idx_files(folder, split or "train"):
        return read_idx(*pair, split or "train", input_size)
    try:
        inner = part_of(folder, split or "train")
        if split is not None and inner is None:
            raise no_part(folder, split)
        found = read_folder(inner or folder, (split or "train") if inner else "", input_size)
    except OSError as error:
        raise LoadError(f'open_dataset: "{folder}" cannot be read.', received=str(error)) from error
    if found is None:
        raise LoadError(
            f'open_dataset: there are no images in "{folder}".',
            expected=FORMS,
            received=", ".join(sorted(entry.name for entry in folder.iterdir())[:5]) or "an empty folder",
        )
    return found


def check_size(input_size: Size | None) -> None:
    """Raise unless it is one that pictures can be brought to."""
    if input_size is not None and (
        len(input_size) != 3 or input_size[0] not in (1, 3) or min(input_size) < 1
    ):
        raise ArgumentError(
            "open_dataset: a picture has 1 or 3 channels and a positive size.",
            expected="input_size (1, H, W) or (3, H, W)",
            received=f"input_size {tuple(input_size)}",
        )


def no_part(source: str | Path, split: str) -> LoadError:
    """The error for data that do not come in that part."""
    return LoadError(
        f'open_dataset: "{source}" has no part "{split}".',
        expected="data that come in two parts, such as CIFAR-10, MNIST, or a folder with folders train and "
        "test",
    )
