"""Files of Keras: what was saved comes back; what is damaged, huge or hostile gets one clear error."""

from __future__ import annotations

import io
import json
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

import convitro
from convitro.errors import ArgumentError, LoadError, UnsupportedError
from convitro.keras import Conv2D
from convitro.sources import load
from convitro.sources.keras import loading
from tests.sources.keras_pairs import L, keras, randomized

pytestmark = pytest.mark.filterwarnings(  # when Keras writes its own variables, with newer numpy
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)


def network() -> Any:
    return randomized(
        keras.Sequential(
            [
                keras.Input((8, 8, 3)),
                L.Conv2D(4, 3, padding="same", activation="relu", kernel_regularizer="l2", name="conv"),
                L.BatchNormalization(),
                L.Dropout(0.5, seed=1),
                L.MaxPooling2D(2),
                L.Flatten(),
                L.Dense(3, activation="softmax", kernel_constraint="max_norm"),
            ],
            name="net",
        )
    )


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keras") / "net.keras"
    network().save(path)
    return path


def rewritten(saved: Path, path: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    """The same file with another description."""
    with zipfile.ZipFile(saved) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    config = change(config) or config
    members["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def with_weights(saved: Path, path: Path, change: Callable[[h5py.File], Any]) -> Path:
    """The same file with other weights."""
    with zipfile.ZipFile(saved) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    buffer = io.BytesIO(members["model.weights.h5"])
    with h5py.File(buffer, "r+") as file:
        change(file)
    members["model.weights.h5"] = buffer.getvalue()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize("suffix", [".keras", ".h5", ".hdf5"])
@pytest.mark.parametrize("compiled", [False, True], ids=["plain", "compiled"])
def test_what_was_saved_comes_back(tmp_path: Path, suffix: str, compiled: bool) -> None:
    model, path = network(), tmp_path / f"net{suffix}"
    if compiled:
        model.compile("adam", "mse", jit_compile=False)
        model.train_on_batch(np.zeros((2, 8, 8, 3), "float32"), np.zeros((2, 3), "float32"))
    model.save(path)
    picture = torch.randn(2, 3, 8, 8)
    found = load(path)
    assert (found.training, found.input_size) == (False, (3, 8, 8))
    expected = model(picture.permute(0, 2, 3, 1), training=False).detach()
    torch.testing.assert_close(found(picture), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_our_own_layer_comes_back_with_its_aggregation(tmp_path: Path, suffix: str) -> None:
    layer = Conv2D(3, 3, strides=2, padding="same", aggregation="logsumexp(beta=2.0)", name="smooth")
    model = randomized(keras.Sequential([keras.Input((8, 8, 3)), layer]))
    model.save(tmp_path / f"net{suffix}")
    found = convitro.dissect(load(tmp_path / f"net{suffix}"), torch.randn(1, 3, 8, 8))["smooth"]
    assert found.aggregation.spec == "logsumexp(beta=2.0)"
    theirs = model(found.input.permute(0, 2, 3, 1)).detach().permute(0, 3, 1, 2)
    torch.testing.assert_close(found.output, theirs, rtol=1e-4, atol=1e-5)


def test_a_registered_layer_of_ones_own_comes_back(tmp_path: Path) -> None:
    @keras.saving.register_keras_serializable("tests_of_files")
    class Doubled(L.Layer):
        def call(self, maps: Any) -> Any:
            return maps * 2

    model = keras.Sequential([keras.Input((4, 4, 1)), Doubled()])
    model.save(tmp_path / "net.keras")
    picture = torch.randn(1, 1, 4, 4)
    torch.testing.assert_close(load(tmp_path / "net.keras")(picture), picture * 2)


def layers(config: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = config["config"]["layers"]
    return found


def lambda_layer(config: dict[str, Any]) -> None:
    code = {"class_name": "__lambda__", "config": {"code": "4wEAAAA=", "defaults": None, "closure": None}}
    layers(config)[3] = {
        "module": "keras.layers",
        "class_name": "Lambda",
        "config": {"name": "l", "function": code},
        "registered_name": None,
    }


def function_of_os(config: dict[str, Any]) -> None:
    layers(config)[1]["config"]["activation"] = {
        "module": "os",
        "class_name": "function",
        "config": "system",
        "registered_name": "system",
    }


def class_of_subprocess(config: dict[str, Any]) -> None:
    layers(config)[3] = {"module": "subprocess", "class_name": "Popen", "config": {"args": ["touch", "hit"]}}


def function_of_keras(config: dict[str, Any]) -> None:
    layers(config)[1]["config"]["activation"] = {
        "module": "keras.utils",
        "class_name": "function",
        "config": "get_file",
        "registered_name": "get_file",
    }


def wrapped_pickle(config: dict[str, Any]) -> None:
    layers(config)[3] = {
        "module": "keras.layers",
        "class_name": "TorchModuleWrapper",
        "config": {"module": {"class_name": "__bytes__", "config": {"value": "gASVKQ=="}}, "name": "w"},
        "registered_name": None,
    }


def words_from_a_file(config: dict[str, Any]) -> None:
    layers(config)[3] = {
        "module": "keras.layers",
        "class_name": "StringLookup",
        "config": {"name": "s", "vocabulary": "/etc/passwd"},
        "registered_name": None,
    }


def deep_in_a_wrapper(config: dict[str, Any]) -> None:
    inner = {"module": "keras.layers", "class_name": "TFSMLayer", "config": {"filepath": "x"}}
    layers(config)[3] = {
        "module": "keras.layers",
        "class_name": "TimeDistributed",
        "config": {"layer": inner},
    }


def hidden_behind_a_name(config: dict[str, Any]) -> None:
    layers(config)[1].update(module="os", registered_name="convitro>Conv2D")


def initialiser_elsewhere(config: dict[str, Any]) -> None:
    layers(config)[1]["config"]["kernel_initializer"] = {
        "module": "keras.saving",
        "class_name": "load_model",
        "config": {"filepath": "x.keras"},
        "registered_name": None,
    }


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda_layer, r"a Lambda layer[\s\S]*safe_mode=False"),
        (function_of_os, "the function `os.system`"),
        (class_of_subprocess, "the class `subprocess.Popen`"),
        (function_of_keras, "the function `keras.utils.get_file`"),
        (wrapped_pickle, "the class `keras.layers.TorchModuleWrapper`"),
        (words_from_a_file, "the class `keras.layers.StringLookup`"),
        (deep_in_a_wrapper, "the class `keras.layers.TFSMLayer`"),
        (initialiser_elsewhere, "the class `keras.saving.load_model`"),
    ],
)
def test_code_in_a_file_is_refused_before_keras_sees_it(
    saved: Path, tmp_path: Path, change: Any, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(loading, "described", lambda *_: pytest.fail("Keras was asked"))
    with pytest.raises(LoadError, match=f"It was not run[\\s\\S]*{found}"):
        load(rewritten(saved, tmp_path / "net.keras", change))
    assert not (tmp_path / "hit").exists()


def test_a_borrowed_name_makes_only_what_is_registered(saved: Path, tmp_path: Path) -> None:
    """A name that is registered leads to that class alone, whatever module stands beside it."""
    path = rewritten(saved, tmp_path / "net.keras", hidden_behind_a_name)
    assert "conv" in convitro.dissect(load(path), torch.zeros(1, 3, 8, 8))


def test_code_in_an_hdf5_file_is_refused(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((4, 4, 1)), L.Lambda(lambda x: x * 2, output_shape=(4, 4, 1))])
    model.save(tmp_path / "net.h5")
    with pytest.raises(LoadError, match="received: a Lambda layer"):
        load(tmp_path / "net.h5")


def wide(config: dict[str, Any]) -> None:
    layers(config)[6]["config"]["units"] = 10**9


def deep(config: dict[str, Any]) -> dict[str, Any]:
    nested: Any = 0
    for _ in range(900):
        nested = [nested]
    return {**config, "more": nested}


def tall(config: dict[str, Any]) -> None:
    layers(config)[0]["config"]["batch_shape"] = [None, 10**9, 10**9, 3]


def spread(config: dict[str, Any]) -> None:
    layers(config)[4] = {
        "module": "keras.layers",
        "class_name": "UpSampling2D",
        "config": {"name": "up", "size": [10**6, 10**6], "data_format": "channels_last"},
        "registered_name": None,
    }
    del layers(config)[5:]


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (wide, r"layers that need [\d,]{9,}"),
        (tall, "a shape of None x 1000000000"),
        (deep, "entries nested more than 200 deep"),
        (spread, 'the layer "up" makes [0-9,]{9,} numbers'),
    ],
)
def test_sizes_are_bounded_before_memory_is_taken(
    saved: Path, tmp_path: Path, change: Any, found: str
) -> None:
    with pytest.raises((LoadError, UnsupportedError), match=found):
        load(rewritten(saved, tmp_path / "net.keras", change))


def outside(file: h5py.File) -> None:
    del file["layers/conv2d/vars/0"]
    file["layers/conv2d/vars/0"] = h5py.ExternalLink("/etc/other.h5", "/x")


def softly(file: h5py.File) -> None:
    file["layers/again"] = h5py.SoftLink("/layers")


def beside(file: h5py.File) -> None:
    del file["layers/conv2d/vars/0"]
    file["layers/conv2d/vars"].create_dataset("0", (3, 3, 3, 4), "f4", external=[("/etc/passwd", 0, 432)])


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("/etc/other.h5", "x", (4,))
    del file["layers/conv2d/vars/1"]
    file["layers/conv2d/vars"].create_virtual_dataset("1", layout)


def swollen(file: h5py.File) -> None:
    del file["layers/conv2d/vars/1"]
    file["layers/conv2d/vars"].create_dataset("1", (10**6, 10**6), "f4", chunks=(10, 10), compression="gzip")


def shorter(file: h5py.File) -> None:
    del file["layers/conv2d/vars/1"]
    file["layers/conv2d/vars/1"] = np.zeros(3, "float32")


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (outside, "a link to elsewhere: 0"),
        (softly, "a link to elsewhere: again"),
        (beside, "data that lie in another file"),
        (virtual, "data that lie in another file"),
        (swollen, "weights that unfold to 4,000,000,"),
        (shorter, "Keras cannot make the model"),
    ],
)
def test_weights_are_only_numbers_of_this_file(saved: Path, tmp_path: Path, change: Any, found: str) -> None:
    with pytest.raises(LoadError, match=found):
        load(with_weights(saved, tmp_path / "net.keras", change))


def test_an_archive_that_unfolds_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", "{}")
        archive.writestr("model.weights.h5", bytes(60 * 2**20))
    with pytest.raises(LoadError, match="an archive that unfolds to 62,914,562 bytes"):
        load(path)


def test_other_files_are_told_apart(tmp_path: Path, saved: Path) -> None:
    (tmp_path / "text.keras").write_text("no archive")
    (tmp_path / "empty.h5").write_bytes(b"")
    network().save_weights(tmp_path / "net.weights.h5")
    with zipfile.ZipFile(tmp_path / "other.keras", "w") as archive:
        archive.writestr("a.txt", "b")
    for name, found in {
        "text.keras": "cannot be read as a model of Keras",
        "empty.h5": "received: 0 bytes",
        "net.weights.h5": "holds weights without a model",
        "other.keras": "an archive of a.txt",
    }.items():
        with pytest.raises(LoadError, match=found):
            load(tmp_path / name)
    with pytest.raises(ArgumentError, match="is an architecture itself"):
        load(saved, arch="a:b")


def test_truncated_and_flipped_files_are_refused_or_whole(saved: Path, tmp_path: Path) -> None:
    """Every fault ends in one of our errors; whatever opens in spite of it computes."""
    network().save(tmp_path / "net.h5")
    dice, refused = random.Random(0), []
    for source in (saved, tmp_path / "net.h5"):
        content = source.read_bytes()
        path = tmp_path / f"faulty{source.suffix}"
        for round in range(40):
            faulty = bytearray(content)
            if round % 4 == 0:
                faulty = faulty[: dice.randrange(len(content))]
            else:
                for _ in range(dice.choice((1, 4, 32))):
                    faulty[dice.randrange(len(faulty))] = dice.randrange(256)
            path.write_bytes(bytes(faulty))
            try:
                assert load(path)(torch.zeros(1, 3, 8, 8)).shape[0] == 1
            except (LoadError, UnsupportedError) as error:
                refused.append(str(error))
    assert len(refused) > 40
    assert all(text.startswith(("load: ", "keras: ")) for text in refused)


def test_a_refused_file_leaves_nothing_waiting(saved: Path, tmp_path: Path) -> None:
    """Memory that was not given is not given later, when Keras next leaves such a scope."""
    with pytest.raises(LoadError, match="layers that need"):
        load(rewritten(saved, tmp_path / "net.keras", wide))
    with keras.StatelessScope():
        pass
    assert load(saved)(torch.zeros(1, 3, 8, 8)).shape == (1, 3)
