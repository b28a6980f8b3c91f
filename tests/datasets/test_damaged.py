"""Files that are damaged, cut off, too large, or not what their name says: one clear error each."""

from __future__ import annotations

import gzip
import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from convitro.datasets import open_dataset
from convitro.errors import ArgumentError, LoadError

Write = Callable[[Path], object]
IMAGES, LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"


def idx(*sizes: int, values: int, kind: int = 8) -> bytes:
    head = bytes((0, 0, kind, len(sizes))) + b"".join(size.to_bytes(4, "big") for size in sizes)
    return head + bytes(values)


DAMAGED_IDX = {
    "empty": (b"", "damaged"),
    "cut off": (idx(2, 4, 4, values=31), "32 values, as its header says"),
    "too long": (idx(2, 4, 4, values=33), "32 values, as its header says"),
    "floats": (idx(2, 4, 4, values=32, kind=0x0D), "IDX file of bytes"),
    "two dimensions": (idx(2, 4, values=8), "in 3 dimensions"),
    "huge": (idx(2**31, 2**31, 2**31, values=8), "too large"),
    "no images": (idx(0, 28, 28, values=0), "damaged"),
}


@pytest.mark.parametrize(("data", "words"), DAMAGED_IDX.values(), ids=DAMAGED_IDX)
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_damaged_idx(tmp_path: Path, data: bytes, words: str, ending: str) -> None:
    (tmp_path / (IMAGES + ending)).write_bytes(gzip.compress(data) if ending else data)
    with pytest.raises(LoadError, match=words):
        open_dataset(tmp_path, split="test")


def test_damaged_gzip(tmp_path: Path) -> None:
    packed = gzip.compress(idx(2, 4, 4, values=32))
    for data in (packed[:-9], b"no gzip at all", packed[:12] + b"\xff\xff\xff" + packed[15:]):
        (tmp_path / (IMAGES + ".gz")).write_bytes(data)
        with pytest.raises(LoadError, match="a whole gzip file"):
            open_dataset(tmp_path, split="test")


def test_a_gzip_that_unpacks_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convitro.datasets.reading.MAX_BYTES", 10**6)
    monkeypatch.setattr("convitro.datasets.reading.file_bytes.__defaults__", (10**6,))
    (tmp_path / (IMAGES + ".gz")).write_bytes(gzip.compress(bytes(5 * 10**6)))
    with pytest.raises(LoadError, match="too large"):
        open_dataset(tmp_path, split="test")


def test_images_and_labels_that_do_not_belong_together(tmp_path: Path) -> None:
    (tmp_path / IMAGES).write_bytes(idx(2, 4, 4, values=32))
    (tmp_path / LABELS).write_bytes(idx(3, values=3))
    with pytest.raises(LoadError, match="2 images, 3 labels"):
        open_dataset(tmp_path, split="test")


@pytest.mark.parametrize("size", [0, 3072, 3074])
def test_damaged_binary_records(tmp_path: Path, size: int) -> None:
    (tmp_path / "data_batch_1.bin").write_bytes(bytes(size))
    with pytest.raises(LoadError, match="whole records of 3073 bytes"):
        open_dataset(tmp_path)


def test_a_label_that_cifar10_does_not_have(tmp_path: Path) -> None:
    (tmp_path / "data_batch_1.bin").write_bytes(bytes([10]) + bytes(3072))
    with pytest.raises(LoadError, match="labels from 0 to 9"):
        open_dataset(tmp_path)


BATCH = {b"data": np.zeros((2, 3072), np.uint8), b"labels": [0, 1]}


@pytest.mark.parametrize(
    "data",
    [
        pickle.dumps(BATCH, protocol=2)[:-40],
        pickle.dumps([1, 2, 3]),
        pickle.dumps({b"data": b"", b"labels": []}),
        pickle.dumps({**BATCH, b"labels": [0]}),
        pickle.dumps({**BATCH, b"labels": [0, "one"]}),
        pickle.dumps({**BATCH, b"data": np.zeros((2, 3072))}, protocol=2),
        pickle.dumps({**BATCH, b"data": np.array([[{}]], dtype=object)}, protocol=2),
        b"\x00\x01\x02",
    ],
)
def test_damaged_python_batches(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "data_batch_1").write_bytes(data)
    with pytest.raises(LoadError, match="damaged"):
        open_dataset(tmp_path)


def npy(array: np.ndarray) -> bytes:
    page = io.BytesIO()
    np.save(page, array)
    return page.getvalue()


def promise(count: int) -> bytes:
    """An .npy file whose header promises so many images, with the bytes of one."""
    page = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        page, {"descr": "|u1", "fortran_order": False, "shape": (count, 32, 32)}
    )
    return page.getvalue() + bytes(32 * 32)


DAMAGED_ARRAYS = {
    "cut off": (npy(np.zeros((2, 8, 8), np.uint8))[:-1], "damaged"),
    "no array": (b"hello", "damaged"),
    "objects": (pickle.dumps([1]), "damaged"),
    "promises more": (promise(1000), "promises 1,024,000 bytes"),
    "promises far more": (promise(10**9), "too large"),
    "a vector": (npy(np.zeros(5, np.uint8)), "images \\(N, H, W\\)"),
    "text": (npy(np.array([["a"]])), "not of numbers"),
    "complex": (npy(np.zeros((1, 2, 2), complex)), "not of numbers"),
    "nothing": (npy(np.zeros((0, 8, 8), np.uint8)), "damaged"),
    "not scaled": (npy(np.full((1, 8, 8), 255.0)), "are no pixels"),
    "negative": (npy(np.full((1, 8, 8), -1)), "are no pixels"),
    "nan": (npy(np.full((1, 8, 8), np.nan)), "are no pixels"),
}


@pytest.mark.parametrize(("data", "words"), DAMAGED_ARRAYS.values(), ids=DAMAGED_ARRAYS)
@pytest.mark.parametrize("ending", [".npy", ".npz"])
def test_damaged_arrays(tmp_path: Path, data: bytes, words: str, ending: str) -> None:
    path = tmp_path / f"x{ending}"
    if ending == ".npz":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("images.npy", data)
    else:
        path.write_bytes(data)
    with pytest.raises(LoadError, match=words):
        open_dataset(path)


def test_an_array_of_objects_is_not_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(LoadError, match="Python objects"):
        open_dataset(tmp_path / "x.npy")


def test_damaged_archives_and_safetensors(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", images=np.zeros((2, 8, 8), np.uint8))
    save_file({"images": torch.zeros(2, 8, 8)}, tmp_path / "x.safetensors")
    for name in ("x.npz", "x.safetensors"):
        path = tmp_path / name
        path.write_bytes(path.read_bytes()[:-20])
        with pytest.raises(LoadError, match="damaged"):
            open_dataset(path)


def test_arrays_with_other_names_or_other_labels(tmp_path: Path) -> None:
    images = np.zeros((2, 8, 8), np.uint8)
    np.savez(tmp_path / "names.npz", pictures=images)
    with pytest.raises(LoadError, match="received: pictures"):
        open_dataset(tmp_path / "names.npz")
    for labels in (np.arange(3), np.array([0.5, 1]), np.array([-1, 0])):
        np.savez(tmp_path / "labels.npz", images=images, labels=labels)
        with pytest.raises(LoadError, match="do not fit the images"):
            open_dataset(tmp_path / "labels.npz")
    with pytest.raises(LoadError, match='no part "test"'):
        open_dataset(tmp_path / "labels.npz", split="test")


def test_a_damaged_picture_is_named_when_it_is_read(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes((tmp_path / "good.png").read_bytes()[:40])
    dataset = open_dataset(tmp_path, (3, 4, 4))
    with pytest.raises(LoadError, match=r"bad\.png"):
        dataset[0]
    assert dataset[1][0].shape == (3, 4, 4)


def test_what_is_no_data_set(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    for source, words in (
        (tmp_path, r"notes\.txt"),
        (tmp_path / "notes.txt", "no data set that can be read"),
        (tmp_path / "nothing", "there is no"),
    ):
        with pytest.raises(LoadError, match=words):
            open_dataset(source)
    for name in ("photographs", tmp_path):
        with pytest.raises(LoadError, match='no part "test"'):
            open_dataset(name, split="test")


def test_wrong_arguments() -> None:
    with pytest.raises(ArgumentError, match="no such part"):
        open_dataset("photographs", split="val")
    for size in ((2, 8, 8), (3, 0, 8), (3, 8)):
        with pytest.raises(ArgumentError, match="1 or 3 channels"):
            open_dataset("photographs", size)  # type: ignore[arg-type]
