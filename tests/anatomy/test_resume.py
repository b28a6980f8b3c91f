"""A search that is stopped, or killed, goes on where it was and ends with the very same result."""

from __future__ import annotations

import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from convitro.anatomy import TopPatches, top_patches
from convitro.anatomy.patches import resume
from convitro.errors import LoadError

IMAGES = torch.rand(40, 3, 12, 12, generator=torch.Generator().manual_seed(1))
SCRIPT = """
import os, signal, sys, torch
from pathlib import Path
from torch import nn
from torch.utils.data import Dataset
import convitro

class Killing(Dataset):
    def __len__(self):
        return 40
    def __getitem__(self, index):
        if index == 22:
            os.kill(os.getpid(), signal.SIGKILL)
        return images[index]

images = torch.rand(40, 3, 12, 12, generator=torch.Generator().manual_seed(1))
torch.manual_seed(0)
torch.set_num_threads(1)
model = nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(5, 4, 3), nn.ReLU()).eval()
convitro.top_patches(model, Killing(), "3", k=4, batch_size=4, checkpoint=sys.argv[1], every=2)
"""


def network() -> nn.Sequential:
    torch.manual_seed(0)
    layers = (nn.Conv2d(3, 5, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(5, 4, 3), nn.ReLU())
    return nn.Sequential(*layers).eval()


class Watched(Dataset[Any]):
    """Notes what is read, and stops at one image as often as told."""

    def __init__(self, stop: int | None = None, error: BaseException | None = None) -> None:
        self.stop, self.error, self.read = stop, error or RuntimeError("stopped"), list[int]()

    def __len__(self) -> int:
        return len(IMAGES)

    def __getitem__(self, index: int) -> Tensor:
        self.read.append(index)
        if index == self.stop:
            raise self.error
        return IMAGES[index]


def search(data: Any, path: Path | None, **options: Any) -> TopPatches:
    settings = {"k": 4, "batch_size": 4, "every": 2, **options}
    return top_patches(
        settings.pop("model", network()), data, settings.pop("layer", "3"), checkpoint=path, **settings
    )


def same(one: TopPatches, other: TopPatches) -> None:
    for name in ("values", "images", "positions", "image_sizes"):
        assert torch.equal(getattr(one, name), getattr(other, name))
    assert one.seen == other.seen


@pytest.mark.parametrize("error", [RuntimeError("stopped"), KeyboardInterrupt("stopped")])
def test_what_is_stopped_goes_on(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "patches.safetensors"
    with pytest.raises(type(error), match="stopped"):
        search(Watched(29, error), path)
    rest = Watched()
    found = search(rest, path)
    same(found, search(IMAGES, None))
    assert set(rest.read) & set(range(4, 28)) == set()  # seven batches were done, one is read to be compared
    again = Watched()
    same(search(again, path), found)
    assert max(again.read) < 8  # finished: only the first batch is looked at


def test_stopped_several_times(tmp_path: Path) -> None:
    path = tmp_path / "patches.safetensors"
    for stop in (5, 6, 18, 39):
        with pytest.raises(RuntimeError, match="stopped"):
            search(Watched(stop), path)
    same(search(Watched(), path), search(IMAGES, None))


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_what_is_killed_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "patches.safetensors"
    run = subprocess.run([sys.executable, "-c", SCRIPT, str(path)], capture_output=True, text=True)
    assert run.returncode == -signal.SIGKILL, run.stderr
    rest = Watched()
    same(search(rest, path), search(IMAGES, None))
    assert 4 not in rest.read
    assert not list(tmp_path.glob("*.partial"))


def test_data_that_cannot_be_asked_for_a_number_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "patches.safetensors"

    def stream(stop: int = 99) -> Iterator[Tensor]:
        for index, image in enumerate(IMAGES):
            if index == stop:
                raise RuntimeError("stopped")
            yield image

    with pytest.raises(RuntimeError, match="stopped"):
        search(stream(21), path)
    found, expected = search(stream(), path), search(IMAGES, None)
    same(found, expected)
    for rank in range(4):
        assert torch.equal(found.patch(2, rank), expected.patch(2, rank))
    same(search(stream(), path), expected)


def test_a_file_is_replaced_in_one_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "patches.safetensors"
    with pytest.raises(RuntimeError, match="stopped"):
        search(Watched(21), path)
    before = path.read_bytes()

    def full(*_: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(resume.os, "fsync", full)
    with pytest.raises(LoadError, match="cannot be written"):
        search(Watched(), path)
    assert path.read_bytes() == before


def other_model() -> nn.Sequential:
    model = network()
    with torch.no_grad():
        next(model.parameters())[0, 0, 0, 0] += 1e-6
    return model


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (IMAGES, {"model": other_model()}, "another model"),
        (IMAGES, {"model": network().train()}, "another model"),
        (IMAGES, {"layer": "0"}, "another layer"),
        (IMAGES, {"k": 5}, "another k"),
        (IMAGES, {"filters": [0, 1]}, "another choice of filters"),
        (IMAGES, {"per_image": 2}, "another per_image"),
        (IMAGES, {"batch_size": 8}, "another batch size"),
        (IMAGES[:39], {}, "another number of images"),
        (IMAGES.flip(0), {}, "its first batch is another"),
    ],
)
def test_what_belongs_to_another_task_is_refused(
    tmp_path: Path, data: Tensor, options: dict[str, Any], message: str
) -> None:
    path = tmp_path / "patches.safetensors"
    search(IMAGES, path)
    before = path.read_bytes()
    with pytest.raises(LoadError, match=message):
        search(data, path, **options)
    assert path.read_bytes() == before


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "patches.safetensors"
    search(IMAGES, path)
    whole = path.read_bytes()

    class Evil:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "was here",))

    foreign = tmp_path / "weights.safetensors"
    from safetensors.torch import save_file

    save_file({"weight": torch.zeros(2)}, foreign)
    for data in (whole[: len(whole) // 2], b"", b"hello", pickle.dumps(Evil()), foreign.read_bytes()):
        path.write_bytes(data)
        with pytest.raises(LoadError, match="no checkpoint, or a damaged one"):
            search(IMAGES, path)
        assert path.read_bytes() == data
    assert not (tmp_path / "was here").exists()


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="cannot be written"):
        search(IMAGES, tmp_path / "nowhere" / "patches.safetensors")
