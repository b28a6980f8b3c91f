"""A network and what it takes: found out, checked, and refused with a way on."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from convitro.errors import ArgumentError, LoadError, ShapeError
from convitro.sources import Network, open_network, parse_input_size, read_classes

HERE = __name__


def for_28() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 4, 5), nn.Flatten(), nn.Linear(4 * 24 * 24, 10))


def any_size() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5))


def no_convolution() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(48, 5))


def with_own_size() -> nn.Module:
    model = any_size()
    model.input_size = (3, 40, 48)  # type: ignore[assignment]
    return model


def test_the_one_side_that_fits_is_found() -> None:
    assert open_network(f"{HERE}:for_28").input_size == (1, 28, 28)


def test_the_models_own_size_is_taken() -> None:
    assert open_network(f"{HERE}:with_own_size").input_size == (3, 40, 48)


def test_a_given_size_is_taken() -> None:
    network = open_network(f"{HERE}:any_size", input_size=(3, 17, 19), classes=list("abcde"))
    assert (network.name, network.input_size, network.classes) == ("any_size", (3, 17, 19), tuple("abcde"))
    assert not network.model.training


@pytest.mark.parametrize(
    ("name", "reason"),
    [("any_size", "runs on sides 28, 32"), ("no_convolution", "an unknown number of channels")],
)
def test_where_the_size_cannot_be_told_the_error_asks_for_it(name: str, reason: str) -> None:
    with pytest.raises(LoadError, match=rf"--input 3x32x32[\s\S]*{reason}"):
        open_network(f"{HERE}:{name}")


def test_a_size_on_which_the_network_does_not_run_is_refused() -> None:
    with pytest.raises(
        ShapeError, match=r"does not run on an input of 3x28x28[\s\S]*RuntimeError[\s\S]*--input"
    ):
        open_network(f"{HERE}:for_28", input_size=(3, 28, 28))


def test_too_few_names_of_classes_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"expected: 5 names[\s\S]*received: 2 names"):
        open_network(f"{HERE}:any_size", input_size=(3, 8, 8), classes=("cat", "dog"))


def test_a_file_of_weights_gives_its_name(tmp_path: Path) -> None:
    path = tmp_path / "trained.pt"
    torch.save(for_28().state_dict(), path)
    assert open_network(path, f"{HERE}:for_28").name == "trained"


@pytest.mark.parametrize("mean", [(0.25,), (0.25, 0.5, 0.75)])
def test_normalize_is_per_channel(mean: tuple[float, ...]) -> None:
    network = Network(any_size(), "net", (3, 2, 2), mean=mean, std=(0.5,))
    expected = (torch.ones(2, 3, 2, 2) - torch.tensor(mean).reshape(-1, 1, 1)) / 0.5
    torch.testing.assert_close(network.normalize(torch.ones(2, 3, 2, 2)), expected)


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"mean": (0.5, 0.5)}, r"`mean` does not fit 3[\s\S]*1 or 3 numbers[\s\S]*0.5, 0.5"),
        ({"std": (1.0, 0.0, 1.0)}, r"`std` does not fit[\s\S]*none of them 0"),
        ({"std": ()}, r"`std` does not fit[\s\S]*received: none"),
    ],
)
def test_a_normalisation_that_does_not_fit_is_refused(
    values: dict[str, tuple[float, ...]], match: str
) -> None:
    with pytest.raises(ArgumentError, match=match):
        Network(any_size(), "net", (3, 8, 8), **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "size"), [("3x32x32", (3, 32, 32)), ("1,28,24", (1, 28, 24)), ("3X8X8", (3, 8, 8))]
)
def test_an_input_size_is_read(text: str, size: tuple[int, int, int]) -> None:
    assert parse_input_size(text) == size


@pytest.mark.parametrize("text", ["", "32", "3x32", "1x3x32x32", "3x0x32", "3x-1x32", "axbxc", "3x3.5x3"])
def test_a_wrong_input_size_is_refused(text: str) -> None:
    with pytest.raises(ArgumentError, match="such as 3x32x32"):
        parse_input_size(text)


def test_names_of_classes_are_read_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "classes.txt"
    path.write_text("cat\nred panda\n\n", encoding="utf-8")
    assert read_classes(path) == ("cat", "red panda")


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe\x00"])
def test_a_file_without_names_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "classes.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(LoadError, match="names of classes"):
        read_classes(path)
