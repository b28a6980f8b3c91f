"""Weights as training leaves them: wrapped, prefixed, on another device, damaged."""

from __future__ import annotations

import argparse
import datetime
import json
import pickle
import struct
import sys
from collections import OrderedDict
from importlib import import_module
from pathlib import Path, PureWindowsPath
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from convitro.errors import LoadError
from convitro.sources import load
from convitro.sources.inert import DICTIONARIES


def small() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())


class Wrapped(nn.Module):
    """An architecture that itself has a child called "model"."""

    def __init__(self) -> None:
        super().__init__()
        self.model = small()


State = dict[str, Tensor]


def arrives(path: Path, state: State, arch: Any = small) -> bool:
    loaded = load(path, arch=arch).state_dict()
    return all(torch.equal(entry, state[name]) for name, entry in loaded.items()) and len(loaded) == len(
        state
    )


def trained() -> State:
    state = small().state_dict()
    state["1.running_mean"].fill_(3.0)
    return state


@pytest.mark.parametrize(
    "prefix", ["module.", "_orig_mod.", "model.", "net.", "module._orig_mod.", "_orig_mod.module.model."]
)
@pytest.mark.parametrize("kind", ["pt", "safetensors"])
def test_prefixes_come_off(tmp_path: Path, prefix: str, kind: str) -> None:
    path = tmp_path / f"weights.{kind}"
    state = {prefix + name: entry for name, entry in trained().items()}
    (save_file if kind == "safetensors" else torch.save)(state, path)
    assert arrives(path, trained())


def test_parts_that_were_compiled(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    torch.save({name.replace(".", "._orig_mod.", 1): entry for name, entry in trained().items()}, path)
    assert arrives(path, trained())


def test_a_prefix_that_the_architecture_has_stays(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    state = {f"model.{name}": entry for name, entry in trained().items()}
    torch.save(state, path)
    assert arrives(path, state, Wrapped)
    torch.save({f"model.{name}": entry for name, entry in state.items()}, path)  # here only one can be meant
    assert arrives(path, state, Wrapped)
    torch.save({f"model.{name}": entry for name, entry in list(state.items())[1:]}, path)
    with pytest.raises(LoadError, match=r"unexpected: model\.model\.0\.bias"):
        load(path, arch=Wrapped)


@pytest.mark.parametrize("prefix", ["backbone.", "encoder.body.", "generator_"])
def test_any_prefix_comes_off_where_just_the_names_of_the_architecture_remain(
    tmp_path: Path, prefix: str
) -> None:
    path = tmp_path / "weights.pt"
    state = {prefix + name: entry for name, entry in trained().items()}
    torch.save(state, path)
    assert arrives(path, trained())
    torch.save({**state, "loss.weight": torch.ones(4)}, path)
    with pytest.raises(LoadError, match=rf"missing: 0\.bias[\s\S]*unexpected: {prefix}0\.bias"):
        load(path, arch=small)


@pytest.mark.parametrize(
    "wrappers",
    [
        ("state_dict",),
        ("model", "state_dict"),
        ("state_dict", "model"),
        ("ema",),
        ("model_ema", "state_dict"),
        ("weights", "net"),
    ],
    ids=".".join,
)
def test_wrappers_come_off(tmp_path: Path, wrappers: tuple[str, ...]) -> None:
    path = tmp_path / "checkpoint.ckpt"
    content: Any = trained()
    for name in reversed(wrappers):
        content = {"epoch": 3, name: content}
    torch.save(content, path)
    assert arrives(path, trained())


@pytest.mark.parametrize(
    "content",
    [
        {"generator": trained(), "epoch": 3, "optimizer": {"state": {}, "param_groups": [{"lr": 0.1}]}},
        {"checkpoint": {"model": trained()}, "epoch": 3},
    ],
    ids=["the only one with weights", "the only one at all"],
)
def test_an_unusual_wrapper_comes_off_where_nothing_else_can_be_meant(
    tmp_path: Path, content: dict[str, Any]
) -> None:
    path = tmp_path / "checkpoint.pt"
    torch.save(content, path)
    assert arrives(path, trained())


def test_two_networks_in_a_checkpoint_are_not_chosen_between(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    torch.save({"generator": trained(), "discriminator": trained()}, path)
    with pytest.raises(LoadError, match=r"holds no weights[\s\S]*a dictionary of generator, discriminator"):
        load(path, arch=small)


EXTRAS: dict[str, Any] = {
    "the script's arguments": argparse.Namespace(lr=0.1, data=Path("pictures")),
    "a score of NumPy": np.float64(93.5),
    "a curve of NumPy": np.arange(5.0),
    "a folder": PureWindowsPath("C:/runs"),
    "a date": datetime.datetime(2026, 11, 22, 4, 50),
    "a time": datetime.timedelta(seconds=5),
    "a namespace": SimpleNamespace(lr=0.1),
}


@pytest.mark.parametrize("extra", EXTRAS)
@pytest.mark.parametrize("zipped", [True, False])
def test_what_a_script_keeps_beside_the_weights_is_passed_over(
    tmp_path: Path, extra: str, zipped: bool
) -> None:
    path = tmp_path / "checkpoint.pt"
    content = {"state_dict": trained(), "extra": EXTRAS[extra]}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    assert arrives(path, trained())
    with pytest.raises(pickle.UnpicklingError, match="Weights only load failed"):
        torch.load(path, weights_only=True)  # the door is closed again


@pytest.mark.parametrize("name", DICTIONARIES)
def test_a_dictionary_of_settings_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = tmp_path / "epoch=3.ckpt"
    module, _, kind = name.rpartition(".")
    settings = type(kind, (dict,), {"__module__": module})
    parts = module.split(".")
    with monkeypatch.context() as patch:
        for index in range(len(parts)):
            parent = ModuleType(".".join(parts[: index + 1]))
            setattr(parent, kind, settings)
            patch.setitem(sys.modules, parent.__name__, parent)
        torch.save({"state_dict": trained(), "hyper_parameters": settings(lr=0.1)}, path)
    assert arrives(path, trained())


@pytest.mark.parametrize(
    "name", ["subprocess.Popen", "builtins.eval", "os.system", "argparse.ArgumentParser"]
)
def test_what_is_no_plain_value_is_still_refused(tmp_path: Path, name: str) -> None:
    module, _, function = name.partition(".")
    called = type("Called", (), {"__reduce__": lambda self: (getattr(import_module(module), function), ())})
    path = tmp_path / "checkpoint.pt"
    torch.save({"state_dict": trained(), "args": argparse.Namespace(a=called())}, path)
    with pytest.raises(LoadError, match=r"holds more than weights[\s\S]*it was not run"):
        load(path, arch=small)


def test_averaged_weights_are_taken_only_where_there_are_no_others(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    averaged = {name: torch.zeros_like(entry) for name, entry in trained().items()}
    torch.save({"ema": averaged, "model": trained()}, path)
    assert arrives(path, trained())


def test_a_checkpoint_of_lightning(tmp_path: Path) -> None:
    path = tmp_path / "epoch=3.ckpt"
    state = OrderedDict((f"model.{name}", entry) for name, entry in trained().items())
    more = {"hyper_parameters": {"lr": 0.1}, "callbacks": {}, "loops": {"fit": [1]}, "global_step": 7}
    torch.save(
        {"state_dict": state, "pytorch-lightning_version": "2.3", "optimizer_states": [], **more}, path
    )
    assert arrives(path, trained())


@pytest.mark.parametrize("device", ["cuda:0", "cuda:7", "mps", "xpu:0"])
@pytest.mark.parametrize("zipped", [True, False])
def test_tensors_of_another_device_come_to_the_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: str, zipped: bool
) -> None:
    """What such a machine writes: the file names its device beside each tensor."""
    path = tmp_path / "weights.pt"
    with monkeypatch.context() as patch:
        patch.setattr(torch.serialization, "location_tag", lambda storage: device)
        torch.save(trained(), path, _use_new_zipfile_serialization=zipped)
    assert device.encode() in path.read_bytes()
    assert arrives(path, trained())


def test_a_checkpoint_that_holds_itself_ends(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    content: dict[str, Any] = {}
    content["model"] = content
    torch.save(content, path)
    with pytest.raises(LoadError, match="holds no weights"):
        load(path, arch=small)


def header(entries: Any, numbers: int = 8) -> bytes:
    text = json.dumps(entries).encode() if not isinstance(entries, bytes) else entries
    return struct.pack("<Q", len(text)) + text + bytes(numbers)


FLOATS = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    "content",
    [
        header({"a": {**FLOATS, "shape": [10**9, 10**9]}}),
        header({"a": {**FLOATS, "shape": [2**63, 2]}}),
        header({"a": {**FLOATS, "data_offsets": [0, 10**12]}}),
        header({"a": {**FLOATS, "data_offsets": [8, 0]}}),
        header({"a": {**FLOATS, "dtype": "F99"}}),
        header({"a": FLOATS, "b": FLOATS}),
        header({"a": FLOATS}, numbers=4),
        header(b"not json"),
        header(b"[" * 50_000),
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 10**8) + b"{}",
        b"\x00" * 7,
    ],
    ids=range(12),
)
def test_safetensors_whose_header_is_wrong(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(content)
    with pytest.raises(LoadError, match=r"cannot be read as weights[\s\S]*bytes that begin with"):
        load(path, arch=small)


@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")
def test_a_real_torchscript_archive_is_told(tmp_path: Path) -> None:
    path = tmp_path / "script.pt"
    torch.jit.save(torch.jit.trace(small().eval(), torch.zeros(1, 3, 8, 8)), path)
    with pytest.raises(LoadError, match=r"is a TorchScript program[\s\S]*torch\.jit\.load"):
        load(path, arch=small)
