"""`convitro explore --run FOLDER`: which network and training the explorer is given, and what is refused."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from convitro.lab import Run, train, trained
from tests.command_line import invoke
from tests.lab.conftest import Plain

PLAIN = "tests.lab.conftest:Plain"
explore = partial(invoke, "explore", "--no-browse")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the default network, and one of a module, which the folder does not know."""
    home = tmp_path_factory.mktemp("runs")
    images = torch.rand(64, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    data = images, torch.arange(64) % 2
    train(data=data, folder=home / "own", epochs=1)
    train(Plain(), data, folder=home / "given", epochs=1)
    return home


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the explorer would show."""
    shown: dict[str, Any] = {}

    def serve(network: Any, picture: Any = None, **options: Any) -> None:
        shown.update(options, network=network, picture=picture)

    monkeypatch.setattr("convitro.explorer.serve", serve)
    return shown


def test_the_network_comes_from_the_folder(folders: Path, served: dict[str, Any]) -> None:
    assert explore("--run", str(folders / "own"))[0] == 0
    (network,), run = served["network"], served["run"]
    assert isinstance(run, Run)
    assert (network.name, network.input_size, network.classes) == (
        "default network on own data",
        (1, 8, 8),
        ("0", "1"),
    )
    assert served["picture"] == str(folders / "own/example.png")
    kept = trained(folders / "own").state_dict()
    torch.testing.assert_close(network.model.state_dict(), kept, rtol=0, atol=0)


def test_a_module_is_named_beside_the_folder(folders: Path, served: dict[str, Any]) -> None:
    code, _, err = explore("--run", str(folders / "given"))
    assert code == 2
    assert "plan of Plain is not in" in " ".join(err.split())
    assert explore(PLAIN, "--run", str(folders / "given"))[0] == 0
    (network,) = served["network"]
    assert network.name == "Plain on own data"
    assert served["run"].model(0).again.weight.shape == (4, 4, 3, 3)


@pytest.mark.parametrize(
    "option", [("--input", "1x8x8"), ("--classes", "x"), ("--mean", "0.5"), ("--std", "2")]
)
def test_what_the_folder_knows_is_not_asked_for(
    folders: Path, served: dict[str, Any], option: tuple[str, str]
) -> None:
    code, _, err = explore("--run", str(folders / "own"), *option)
    assert code == 2
    assert f"{option[0]} beside --run" in " ".join(err.split())
    assert not served


def test_no_training_in_the_folder(tmp_path: Path, served: dict[str, Any]) -> None:
    code, _, err = explore("--run", str(tmp_path))
    assert code == 2
    assert "there is no training in" in " ".join(err.split())


def test_without_a_run_there_is_none(served: dict[str, Any]) -> None:
    assert explore()[0] == 0
    assert served["run"] is None
