"""The files of Keras, opened with care: sizes are bounded before anything is read, no link is followed."""

from __future__ import annotations

import json
import math
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from convitro.errors import LoadError, UnsupportedError
from convitro.sources.weights import damaged

CONFIG, WEIGHTS = "config.json", "model.weights.h5"
CONFIG_BYTES = 16 * 2**20
EXPANSION = 100
"""How many times its own size a file may unfold to; Keras itself compresses nothing."""
FLOOR_BYTES = 16 * 2**20
OBJECTS = 200_000
FORMAT = "a model that Keras 3 saved as .keras, or a whole model as .h5"


def read_archive(path: Path, folder: Path) -> tuple[Any, int, Path]:
    """The description of the model in a .keras file, how many numbers its weights hold, and where they are.

    Args:
        path: of the file.
        folder: where the weights are unfolded, since HDF5 jumps to and fro; checksums are tested meanwhile.

    Raises:
        LoadError: no such archive, damaged, or larger inside than any model of its size.
        UnsupportedError: weights in a form that Keras no longer writes.
    """
    import h5py

    try:
        with zipfile.ZipFile(path) as archive:
            check_members(archive, path)
            config, weights = read_json(archive.read(CONFIG), path), folder / WEIGHTS
            with archive.open(WEIGHTS) as member, weights.open("wb") as unfolded:
                shutil.copyfileobj(member, unfolded, 2**20)
        with h5py.File(weights, "r") as file:
            return config, count_numbers(file, path), weights
    except (LoadError, UnsupportedError):
        raise
    except Exception as error:  # a damaged archive may make its readers raise anything
        raise broken(path) from error


def check_members(archive: zipfile.ZipFile, path: Path) -> None:
    """Refuse an archive that is not Keras', or that unfolds to more than it can hold."""
    members = archive.infolist()
    names = [member.filename for member in members]
    if CONFIG not in names or len(set(names)) < len(names):
        raise broken(path, f"an archive of {', '.join(names[:4]) or 'nothing'}")
    if WEIGHTS not in names:
        raise UnsupportedError(
            f'load: "{path}" has no {WEIGHTS}.',
            expected="weights as HDF5, as Keras writes them by default",
            received=", ".join(names[:4]),
        )
    limit = EXPANSION * path.stat().st_size + FLOOR_BYTES
    total = sum(member.file_size for member in members)
    if archive.getinfo(CONFIG).file_size > CONFIG_BYTES or total > limit:
        raise broken(path, f"an archive that unfolds to {total:,} bytes")


def read_hdf5(path: Path) -> tuple[Any, int, Path]:
    """The description of the model in a whole .h5 file, how many numbers its weights hold, and the file.

    Raises:
        LoadError: no such file, damaged, weights without a model, or larger inside than its size allows.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            numbers = count_numbers(file, path)
            text = file.attrs.get("model_config")
            if text is None:
                raise LoadError(
                    f'load: "{path}" holds weights without a model.',
                    expected="a whole model",
                    hint="save with `model.save(path)`, or load the weights in Keras and give the live model",
                )
            return read_json(text.encode() if isinstance(text, str) else bytes(text), path), numbers, path
    except LoadError:
        raise
    except Exception as error:  # as above
        raise broken(path) from error


def read_json(text: bytes, path: Path) -> Any:
    """The description as dictionaries and lists."""
    if len(text) > CONFIG_BYTES:
        raise broken(path, f"a description of {len(text):,} bytes")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise broken(path, "a description that is no JSON") from error


def count_numbers(file: Any, path: Path) -> int:
    """How many numbers the data sets of a file hold.

    Raises:
        LoadError: a link, data that lie in another file, or more than a file of this size can hold.
    """
    numbers, unfolded = 0, 0
    for data in datasets(file, path):
        if data.external or data.is_virtual:
            raise broken(path, f"data that lie in another file: {data.name}")
        if data.dtype.kind not in "fiubSV" or data.dtype.hasobject:
            raise broken(path, f"data that are no numbers: {data.name}")
        numbers += math.prod(data.shape)
        unfolded += math.prod(data.shape) * data.dtype.itemsize
    if unfolded > EXPANSION * path.stat().st_size + FLOOR_BYTES:
        raise broken(path, f"weights that unfold to {unfolded:,} bytes")
    return numbers


def datasets(file: Any, path: Path) -> Iterator[Any]:
    """All data sets of an HDF5 file, each once; a link to elsewhere is refused."""
    import h5py

    waiting, known = [file], set()
    while waiting:
        group = waiting.pop()
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise broken(path, f"a link to elsewhere: {name}")
            item = group[name]
            address = h5py.h5o.get_info(item.id).addr
            if address in known:
                continue
            known.add(address)
            if len(known) > OBJECTS:
                raise broken(path, f"more than {OBJECTS:,} entries")
            if isinstance(item, h5py.Group):
                waiting.append(item)
            elif isinstance(item, h5py.Dataset):
                yield item


def broken(path: Path, received: str = "") -> LoadError:
    """The error for a file that Keras did not write, or not to its end."""
    general = damaged(path)
    return LoadError(
        f'load: "{path}" cannot be read as a model of Keras.',
        expected=FORMAT,
        received=received or general.received,
        hint=general.hint,
    )
