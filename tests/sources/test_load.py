"""Loading: right weights arrive exactly, wrong ones are listed, and no file ever gets its code run."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import convitro
from convitro.errors import ArgumentError, LoadError, UnsupportedError
from convitro.pictures import load_picture, to_input
from convitro.sources import load


class LeNet(nn.Module):
    """The architecture of Captum's CIFAR-10 tutorial."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 6, 5), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, input: Tensor) -> Tensor:
        for conv in (self.conv1, self.conv2):
            input = torch.max_pool2d(conv(input).relu(), 2)
        return self.fc3(self.fc2(self.fc1(input.flatten(1)).relu()).relu())


class TinyVGG(nn.Module):
    """The network of CNN Explainer: four valid 3x3 convolutions, two pools, one linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_1_1, self.conv_1_2 = nn.Conv2d(3, 10, 3), nn.Conv2d(10, 10, 3)
        self.conv_2_1, self.conv_2_2 = nn.Conv2d(10, 10, 3), nn.Conv2d(10, 10, 3)
        self.output = nn.Linear(1690, 10)

    def forward(self, input: Tensor) -> Tensor:
        for pair in ((self.conv_1_1, self.conv_1_2), (self.conv_2_1, self.conv_2_2)):
            for conv in pair:
                input = conv(input).relu()
            input = torch.max_pool2d(input, 2)
        return self.output(input.flatten(1))


def small() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())


def needs_an_argument(width: int) -> nn.Module:
    return nn.Conv2d(3, width, 3)


INSTANCE = nn.Conv2d(1, 2, 3)
NUMBER = 7
HERE = __name__

Save = Callable[[dict[str, Tensor], Path], object]


def test_captum_weights_open_and_answer(shared: Path) -> None:
    path = shared / "models/captum_cifar.pt"
    model = load(path, arch=LeNet)
    stored = torch.load(path, weights_only=True)
    for name, entry in model.state_dict().items():
        torch.testing.assert_close(entry, stored[name], rtol=0, atol=0)
    assert model(torch.zeros(1, 3, 32, 32)).shape == (1, 10)


def test_tiny_vgg_names_most_of_its_pictures(shared: Path) -> None:
    model = load(str(shared / "models/tiny_vgg.safetensors"), arch=TinyVGG)
    files = sorted((shared / "models/tiny_vgg_images").glob("*.jpeg"))
    words = (
        "boat",
        "bug",
        "pizza",
        "pepper",
        "bus",
        "koala",
        "espresso",
        "panda",
        "orange",
        "car",
    )  # in class order
    scores = torch.cat([model(to_input(load_picture(file), (3, 64, 64))) for file in files])
    named = [words[index] in file.stem for index, file in zip(scores.argmax(1).tolist(), files, strict=True)]
    assert len(named) == 20
    assert sum(named) >= 12


@pytest.mark.parametrize("save", [torch.save, save_file], ids=["torch", "safetensors"])
def test_a_state_dict_comes_back_exactly(tmp_path: Path, save: Save) -> None:
    path = tmp_path / ("weights.safetensors" if save is save_file else "weights.pt")
    model = small()
    model.get_buffer("1.running_mean").fill_(3.0)
    save(model.state_dict(), path)
    loaded = load(path, arch=small)
    assert not loaded.training
    for name, entry in loaded.state_dict().items():
        torch.testing.assert_close(entry, model.state_dict()[name], rtol=0, atol=0)


@pytest.mark.parametrize("wrapper", ["state_dict", "model_state_dict", "model"])
def test_a_checkpoint_of_parallel_training_is_unwrapped(tmp_path: Path, wrapper: str) -> None:
    model = small()
    path = tmp_path / "checkpoint.pth"
    torch.save({"epoch": 3, wrapper: nn.DataParallel(model).state_dict()}, path)
    loaded = load(path, arch=small).state_dict()
    torch.testing.assert_close(loaded["0.weight"], model.state_dict()["0.weight"], rtol=0, atol=0)


def test_half_precision_weights_fit_a_float32_architecture(tmp_path: Path) -> None:
    path = tmp_path / "half.pt"
    torch.save(small().half().state_dict(), path)
    assert load(path, arch=small).state_dict()["0.weight"].dtype == torch.float32


def test_every_kind_of_misfit_is_listed(tmp_path: Path) -> None:
    path = tmp_path / "other.pt"
    state = small().state_dict()
    del state["1.bias"]
    state["0.weight"] = torch.zeros(4, 3, 5, 5)
    state["head.weight"] = torch.zeros(2)
    torch.save(state, path)
    with pytest.raises(LoadError, match="does not fit the architecture") as caught:
        load(path, arch=small)
    assert "missing: 1.bias" in caught.value.received
    assert "unexpected: head.weight" in caught.value.received
    assert "wrong shape: 0.weight (4, 3, 5, 5) instead of (4, 3, 3, 3)" in caught.value.received


def test_weights_trained_under_another_aggregation_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    trained = nn.Sequential(convitro.Conv2d(3, 4, 3, aggregation="max"))
    torch.save({"model": nn.DataParallel(trained).state_dict()}, path)
    with pytest.raises(LoadError, match=r"0\.aggregation=max \(this layer has sum\)"):
        load(path, arch=lambda: nn.Sequential(convitro.Conv2d(3, 4, 3)))


def test_a_long_list_of_misfits_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "other.pt"
    torch.save({f"entry{index:02}": torch.zeros(1) for index in range(30)}, path)
    with pytest.raises(LoadError, match="entry07 and 22 more"):
        load(path, arch=small)


class Trap:
    """A pickle that would write a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.write_text, (self.path, "the code ran")


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("plain", [True, False], ids=["plain pickle", "torch.save"])
@pytest.mark.parametrize("name", ["weights.pt", "weights.safetensors"])
def test_code_in_a_file_is_never_run(tmp_path: Path, name: str, plain: bool, protocol: int) -> None:
    path, mark = tmp_path / name, tmp_path / "mark"
    content = {"0.weight": Trap(mark)}
    if plain:
        path.write_bytes(pickle.dumps(content, protocol=protocol))
    else:
        torch.save(content, path, pickle_protocol=protocol)
    with pytest.raises(LoadError, match=r"it was not run|cannot be read as weights"):
        load(path, arch=small)
    assert not mark.exists()


def test_a_file_out_of_reach_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "weights.pt"
    torch.save(small().state_dict(), path)

    def refuse(*args: object, **settings: object) -> object:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("torch.load", refuse)
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(LoadError, match=r"cannot be read as weights[\s\S]*Permission denied"):
        load(path, arch=small)


def test_a_whole_pickled_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    torch.save(small(), path)
    with pytest.raises(LoadError, match=r"holds more than weights[\s\S]*torch\.save\(model\.state_dict"):
        load(path, arch=small)


@pytest.mark.parametrize("name", ["weights.pt", "weights.safetensors"])
@pytest.mark.parametrize("content", [b"", b"hello", b"\x80\x02}q\x00.", b"PK\x03\x04" + bytes(60)])
def test_a_damaged_file_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(LoadError, match=r"cannot be read as weights|holds no weights"):
        load(path, arch=small)


@pytest.mark.parametrize("name", ["weights.pt", "weights.safetensors"])
def test_a_truncated_file_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    (save_file if name.endswith("safetensors") else torch.save)(small().state_dict(), path)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(LoadError, match="cannot be read as weights"):
        load(path, arch=small)


@pytest.mark.parametrize(
    "content", [{}, {"epoch": 3}, [1, 2], torch.zeros(3)], ids=["{}", "epoch", "list", "tensor"]
)
def test_a_file_without_weights_is_refused(tmp_path: Path, content: object) -> None:
    path = tmp_path / "weights.pt"
    torch.save(content, path)
    with pytest.raises(LoadError, match=r"holds no weights[\s\S]*expected: a state dict"):
        load(path, arch=small)


def test_a_torchscript_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "script.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("script/constants.pkl", pickle.dumps(()))
        archive.writestr("script/version", "3")
    with pytest.raises(LoadError, match=r"is a TorchScript program[\s\S]*state_dict\(\)"):
        load(path, arch=small)


@pytest.mark.parametrize("name", ["net.tflite", "net.pb"])
def test_other_frameworks_are_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"x")
    with pytest.raises(UnsupportedError, match="cannot be opened"):
        load(path, arch=small)


def test_weights_alone_ask_for_their_architecture(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    torch.save(small().state_dict(), path)
    with pytest.raises(LoadError, match=r'arch="module:callable"[\s\S]*--arch'):
        load(path)


@pytest.mark.parametrize("source", ["nowhere.pt", "not a path", "a:b:c", ""])
def test_what_is_neither_file_nor_import_path_is_refused(source: str) -> None:
    with pytest.raises(LoadError, match=r'there is no file[\s\S]*"module:callable"'):
        load(source)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="received: a folder"):
        load(tmp_path)


def test_an_architecture_beside_an_architecture_is_refused() -> None:
    with pytest.raises(ArgumentError, match="only beside a file of weights"):
        load(f"{HERE}:small", arch=small)


@pytest.mark.parametrize("name", ["small", "LeNet", "INSTANCE"])
def test_an_import_path_builds_functions_classes_and_instances(name: str) -> None:
    assert isinstance(load(f"{HERE}:{name}"), nn.Module)


def test_a_module_of_the_current_directory_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_networks_here.py").write_text(
        "from torch import nn\ndef net():\n    return nn.Conv2d(3, 8, 3)\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path / "elsewhere"))  # also restores sys.path after the test
    assert isinstance(load("own_networks_here:net"), nn.Conv2d)


def test_a_module_that_cannot_be_imported_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "imports_nothing.py").write_text("import surely_not_installed\n")
    (tmp_path / "raises_at_import.py").write_text("raise ValueError('no such luck')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(LoadError, match=r"no module `surely_not_there`[\s\S]*looked for in"):
        load("surely_not_there:net")
    with pytest.raises(LoadError, match=r"`imports_nothing` itself imports `surely_not_installed`"):
        load("imports_nothing:net")
    with pytest.raises(LoadError, match=r"importing `raises_at_import`[\s\S]*ValueError: no such luck"):
        load("raises_at_import:net")


def test_a_wrong_name_lists_the_closest() -> None:
    with pytest.raises(LoadError, match=r'has no `smal`[\s\S]*did you mean "small"'):
        load(f"{HERE}:smal")


def test_what_builds_no_network_is_refused() -> None:
    with pytest.raises(LoadError, match=r"NUMBER is not a network[\s\S]*received: int"):
        load(f"{HERE}:NUMBER")
    with pytest.raises(LoadError, match=r"dict\(\) is not a network[\s\S]*received: dict"):
        load("builtins:dict")
    with pytest.raises(LoadError, match=r"raised an error[\s\S]*missing 1 required positional argument"):
        load(f"{HERE}:needs_an_argument")


def test_an_arch_that_is_no_import_path_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    torch.save(small().state_dict(), path)
    with pytest.raises(LoadError, match='"lenet" does not name an architecture'):
        load(path, arch="lenet")
