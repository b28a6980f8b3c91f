"""Files with random damage: each gives a model or one of our errors, never anything else, and at once."""

from __future__ import annotations

import io
import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save as safetensors_bytes
from torch import nn

from convitro.errors import ConvitroError
from convitro.sources import load
from tests.sources.onnx.building import model, node

TRIES = 150


def small() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())


def onnx_bytes() -> bytes:
    weights = {"w": torch.randn(4, 3, 3, 3), "b": torch.randn(4), "s": torch.tensor([0, -1])}
    nodes = [
        node("Conv", "x w b", "c", "conv", pads=[1, 1, 1, 1]),
        node("Relu", "c", "r"),
        node("MaxPool", "r", "p", kernel_shape=[2, 2], strides=[2, 2]),
        node("Hardmax", "p", "h"),
        node("Reshape", "h s", "y"),
    ]
    return bytes(model(nodes, {"x": (1, 3, 8, 8)}, ["y"], weights).SerializeToString())


def exported_bytes() -> bytes:
    buffer = io.BytesIO()
    torch.export.save(torch.export.export(small().eval(), (torch.zeros(1, 3, 8, 8),)), buffer)
    return buffer.getvalue()


def pickled_bytes() -> bytes:
    buffer = io.BytesIO()
    torch.save({"epoch": 3, "state_dict": small().state_dict()}, buffer)
    return buffer.getvalue()


FORMATS: dict[str, Callable[[], bytes]] = {
    "onnx": onnx_bytes,
    "pt2": exported_bytes,
    "pt": pickled_bytes,
    "safetensors": lambda: safetensors_bytes(small().state_dict()),
}


@pytest.fixture(scope="module", params=list(FORMATS))
def whole(request: pytest.FixtureRequest) -> tuple[str, bytes]:
    torch.manual_seed(0)
    return request.param, FORMATS[request.param]()


def opens(path: Path, content: bytes) -> bool:
    """Whether that content is a model; it also has to run, or to say why it does not."""
    path.write_bytes(content)
    try:
        loaded = load(path, arch=None if path.suffix in (".onnx", ".pt2") else small)
        with torch.no_grad():
            loaded(torch.zeros(1, 3, 8, 8))
    except ConvitroError:
        return False
    return True


def test_the_whole_file_opens(whole: tuple[str, bytes], tmp_path: Path) -> None:
    assert opens(tmp_path / f"model.{whole[0]}", whole[1])


def test_a_file_that_ends_early(whole: tuple[str, bytes], tmp_path: Path) -> None:
    chance = random.Random(0)
    ends = [*range(0, 40, 5), *(chance.randrange(len(whole[1])) for _ in range(TRIES // 3))]
    opened = [opens(tmp_path / f"model.{whole[0]}", whole[1][:end]) for end in ends]
    assert sum(opened) <= len(opened) // 10


def test_bytes_that_were_changed(whole: tuple[str, bytes], tmp_path: Path) -> None:
    """One to eight bytes, most of them where the file describes itself."""
    chance = random.Random(1)
    for _ in range(TRIES):
        content = bytearray(whole[1])
        for _ in range(chance.choice([1, 1, 1, 2, 8])):
            place = chance.randrange(chance.choice([200, len(content)]))
            content[place] = chance.choice([0, 255, content[place] ^ (1 << chance.randrange(8)), 127])
        opens(tmp_path / f"model.{whole[0]}", bytes(content))


def test_json_that_was_changed(tmp_path: Path) -> None:
    """The checksums of an archive catch most damage, but not what somebody wrote on purpose."""
    chance = random.Random(2)
    with zipfile.ZipFile(io.BytesIO(exported_bytes())) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    described = [name for name in members if name.endswith(".json")]
    opened = 0
    for _ in range(TRIES):
        name = chance.choice(described)
        text = bytearray(members[name])
        for _ in range(chance.choice([1, 1, 2])):
            place = chance.randrange(len(text))
            text[place : place + chance.choice([1, 1, 6])] = chance.choice(
                [b"9", b"0", b"-", b"null", b'"', b"{}", b"e9"]
            )
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for member, content in {**members, name: bytes(text)}.items():
                archive.writestr(member, content)
        opened += opens(tmp_path / "model.pt2", buffer.getvalue())
    assert 0 < opened < TRIES
