"""Data sets as people have them: real ones, small ones made here, and damaged copies of both."""

from __future__ import annotations

import gzip
import pickle
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch.utils.data import DataLoader

from convitro.anatomy.batches import batches
from convitro.datasets import Dataset, open_dataset
from convitro.errors import LoadError
from convitro.pictures import load_picture, to_input


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (6, 3, 32, 32), dtype=np.uint8)


def cifar_records(pixels: np.ndarray) -> bytes:
    return b"".join(bytes([number]) + image.tobytes() for number, image in enumerate(pixels))


def idx(array: np.ndarray) -> bytes:
    head = bytes((0, 0, 8, array.ndim))
    return head + b"".join(size.to_bytes(4, "big") for size in array.shape) + array.tobytes()


def mnist_folder(folder: Path, ending: str = "") -> np.ndarray:
    images = np.random.default_rng(1).integers(0, 256, (5, 28, 28), dtype=np.uint8)
    pack: Callable[[bytes], bytes] = gzip.compress if ending else lambda data: data
    (folder / f"t10k-images-idx3-ubyte{ending}").write_bytes(pack(idx(images)))
    (folder / f"t10k-labels-idx1-ubyte{ending}").write_bytes(pack(idx(np.arange(5, dtype=np.uint8))))
    return images


def check(dataset: Dataset, pixels: np.ndarray, labels: list[int]) -> None:
    assert len(dataset) == len(pixels)
    for (image, label), raw, expected in zip(dataset, pixels, labels, strict=True):
        assert label == expected
        torch.testing.assert_close(image, torch.from_numpy(raw).float() / 255, rtol=0, atol=1e-7)


def test_cifar10_in_binary(tmp_path: Path, pixels: np.ndarray) -> None:
    (tmp_path / "data_batch_1.bin").write_bytes(cifar_records(pixels[:4]))
    (tmp_path / "data_batch_2.bin").write_bytes(cifar_records(pixels[4:]))
    (tmp_path / "test_batch.bin").write_bytes(cifar_records(pixels[:1]))
    train = open_dataset(tmp_path)
    check(train, pixels, [0, 1, 2, 3, 0, 1])
    assert (train.name, train.split, train.classes[3], train.labelled) == ("CIFAR-10", "train", "cat", True)
    check(open_dataset(tmp_path, split="test"), pixels[:1], [0])
    check(open_dataset(tmp_path / "data_batch_2.bin"), pixels[4:], [0, 1])


@pytest.mark.parametrize("protocol", [2, 4])
def test_cifar10_in_python_batches_is_read_without_numpy(
    tmp_path: Path, pixels: np.ndarray, protocol: int
) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    batch = {b"data": pixels.reshape(6, -1), b"labels": [5, 4, 3, 2, 1, 0], b"batch_label": b"one"}
    (folder / "data_batch_1").write_bytes(pickle.dumps(batch, protocol=protocol))
    check(open_dataset(tmp_path), pixels, [5, 4, 3, 2, 1, 0])


class Hostile:
    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("function", [exec, eval, np.load, np.frombuffer])
def test_a_pickle_that_wants_to_run_something_is_refused(tmp_path: Path, function: Any) -> None:
    target = tmp_path / "ran"
    hostile = Hostile(function, f"open({str(target)!r}, 'w')")
    (tmp_path / "data_batch_1").write_bytes(pickle.dumps({b"data": hostile, b"labels": [0]}, protocol=2))
    with pytest.raises(LoadError, match="asks for code to be run"):
        open_dataset(tmp_path)
    assert not target.exists()


def test_a_pickle_cannot_change_the_next_reader(tmp_path: Path, pixels: np.ndarray) -> None:
    """A state given to a stand-in class itself would stay, were the class shared."""
    attack = b"\x80\x02cnumpy\nndarray\n}(X\x0c\x00\x00\x00__setstate__K\x01ub."
    (tmp_path / "data_batch_1").write_bytes(attack)
    with pytest.raises(LoadError, match="damaged"):
        open_dataset(tmp_path)
    batch = {b"data": pixels.reshape(6, -1), b"labels": [0] * 6}
    (tmp_path / "data_batch_1").write_bytes(pickle.dumps(batch, protocol=2))
    assert len(open_dataset(tmp_path)) == 6


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_mnist(tmp_path: Path, ending: str) -> None:
    images = mnist_folder(tmp_path, ending)
    dataset = open_dataset(tmp_path, split="test")
    check(dataset, images[:, None], [0, 1, 2, 3, 4])
    assert dataset.classes == tuple("0123456789")
    single = open_dataset(tmp_path / f"t10k-images-idx3-ubyte{ending}")
    check(single, images[:, None], [0, 1, 2, 3, 4])


def test_fashion_mnist_is_known_by_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "FashionMNIST" / "raw"
    folder.mkdir(parents=True)
    mnist_folder(folder)
    dataset = open_dataset(folder, split="test")
    assert (dataset.name, dataset.classes[9]) == ("FashionMNIST", "ankle boot")


def test_the_real_files(shared: Path) -> None:
    mnist, cifar = (open_dataset(shared / "data" / name, split="test") for name in ("mnist", "cifar10"))
    assert (len(mnist), len(cifar), len(open_dataset(shared / "data" / "cifar10"))) == (10000, 1000, 20000)
    assert mnist.classes == tuple("0123456789")
    assert int(torch.bincount(cifar.labels, minlength=10).min()) > 80
    images = torch.stack([cifar[index][0] for index in range(200)])
    from convitro.models import small_vgg

    assert float((small_vgg()(images).argmax(1) == cifar.labels[:200]).float().mean()) > 0.8


def picture(path: Path, colour: tuple[int, int, int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (20, 10), colour).save(path)


def test_a_folder_for_each_class(tmp_path: Path) -> None:
    for part, count in (("train", 2), ("test", 1)):
        for name, colour in (("dog", (255, 0, 0)), ("cat", (0, 0, 255))):
            for number in range(count):
                picture(tmp_path / part / name / f"{number}.png", colour)
    (tmp_path / "train" / "dog" / "notes.txt").write_text("no picture")
    train = open_dataset(tmp_path, (3, 8, 8))
    assert (train.classes, train.labels.tolist(), train.split) == (("cat", "dog"), [0, 0, 1, 1], "train")
    torch.testing.assert_close(train[3][0][:, 0, 0], torch.tensor([1.0, 0, 0]))
    assert len(open_dataset(tmp_path, (3, 8, 8), split="test")) == 2
    assert open_dataset(tmp_path / "test", (1, 4, 4))[0][0].shape == (1, 4, 4)


def test_pictures_in_one_folder_have_no_labels(tmp_path: Path) -> None:
    picture(tmp_path / "one.png", (9, 9, 9))
    dataset = open_dataset(tmp_path, (3, 4, 4))
    assert (dataset[0][1], dataset.labelled, dataset.classes) == (-1, False, ())
    with pytest.raises(LoadError, match="may be of any size"):
        open_dataset(tmp_path)


def test_arrays_in_every_form(tmp_path: Path, pixels: np.ndarray) -> None:
    labels = np.arange(6)
    np.savez(tmp_path / "a.npz", images=pixels, labels=labels)
    np.savez_compressed(tmp_path / "b.npz", x=pixels.transpose(0, 2, 3, 1), y=labels[:, None])
    np.save(tmp_path / "c.npy", pixels.astype(np.float32) / 255)
    save_file(
        {"images": torch.from_numpy(pixels), "labels": torch.from_numpy(labels)}, tmp_path / "d.safetensors"
    )
    np.save(tmp_path / "e.npy", pixels.astype(">u2"))
    for name in ("a.npz", "b.npz", "d.safetensors"):
        dataset = open_dataset(tmp_path / name)
        check(dataset, pixels, labels.tolist())
        assert dataset.classes == tuple("012345")
    check(open_dataset(tmp_path / "c.npy"), pixels, [-1] * 6)
    check(open_dataset(tmp_path / "e.npy"), pixels, [-1] * 6)


def test_arrays_in_two_parts(tmp_path: Path, pixels: np.ndarray) -> None:
    grey, labels = pixels[:, 0], np.arange(6)
    np.savez(tmp_path / "m.npz", x_train=grey[:4], y_train=labels[:4], x_test=grey[4:], y_test=labels[4:])
    check(open_dataset(tmp_path / "m.npz"), grey[:4, None], [0, 1, 2, 3])
    check(open_dataset(tmp_path / "m.npz", split="test"), grey[4:, None], [4, 5])


def test_digits_come_from_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    digits = types.SimpleNamespace(images=np.full((3, 8, 8), 8.0), target=np.array([1, 0, 2]))
    module = types.SimpleNamespace(load_digits=lambda: digits)
    monkeypatch.setitem(sys.modules, "sklearn", types.ModuleType("sklearn"))
    monkeypatch.setitem(sys.modules, "sklearn.datasets", module)
    image, label = open_dataset("digits")[0]
    torch.testing.assert_close(image, torch.full((1, 8, 8), 0.5))
    assert label == 1
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(LoadError, match="scikit-learn, which is not installed"):
        open_dataset("digits")


def test_images_are_brought_to_another_size_as_pictures_are(tmp_path: Path) -> None:
    image = load_picture("cat").resize((32, 32))
    np.save(tmp_path / "cat.npy", np.asarray(image)[None])
    for size in ((3, 32, 32), (1, 32, 32), (3, 28, 28), (1, 12, 20)):
        torch.testing.assert_close(
            open_dataset(tmp_path / "cat.npy", size)[0][0], to_input(image, size)[0], rtol=0, atol=1e-6
        )


def test_samples_are_reproducible_and_can_be_drawn_again() -> None:
    dataset = open_dataset("photographs", (3, 8, 8))
    one, other = dataset.sample(6), dataset.sample(6)
    assert one.order == other.order != dataset.sample(6, seed=1).order
    assert len(one) == 6
    assert set(one.sample(3).order or ()) <= set(one.order or ())
    assert dataset.sample(100) is dataset
    with pytest.raises(IndexError, match="not one numbered 6"):
        one[6]


def test_loaders_and_batches_take_it() -> None:
    dataset = open_dataset("photographs", (3, 8, 8))
    images, labels = next(iter(DataLoader(dataset, batch_size=4)))
    assert images.shape == (4, 3, 8, 8)
    assert labels.tolist() == [-1] * 4
    assert batches(dataset, 8).total == 15
    assert str(dataset) == "photographs: 15 images"
