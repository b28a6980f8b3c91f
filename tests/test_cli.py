"""The command line: results on stdout, one plain message and exit code 2 for wrong input, quiet at Ctrl-C."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from convitro.models import CLASSES
from convitro.sources import Network
from tests.command_line import invoke

OWN_NETWORK = """
from torch import nn
def small_net():
    return nn.Sequential(nn.Conv2d(1, 4, 5), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 24 * 24, 3))
"""


@pytest.fixture
def folder(workplace: Path) -> Iterator[Path]:
    """A working directory with a network, its weights, names of its classes, and a broken file."""
    (workplace / "networks_of_cli_test.py").write_text(OWN_NETWORK)
    (workplace / "classes.txt").write_text("cat\ndog\nfrog\n")
    (workplace / "broken.pt").write_bytes(b"broken")
    from convitro.sources import load

    torch.save(load("networks_of_cli_test:small_net").state_dict(), workplace / "weights.pt")
    yield workplace
    sys.modules.pop("networks_of_cli_test", None)


def test_summary_of_the_embedded_network() -> None:
    code, out, err = invoke("summary")
    assert (code, err) == (0, "")
    assert "conv1_1" in out
    assert "MACs" in out
    assert max(map(len, out.splitlines())) <= 80


def test_summary_as_json() -> None:
    code, out, _ = invoke("summary", "--json", "--input", "3x48x64")
    rows = json.loads(out)["layers"]
    assert code == 0
    assert next(row for row in rows if row["name"].endswith("conv1_1"))["parameters"] == 32 * (27 + 1)


@pytest.mark.parametrize(
    "arguments",
    [
        ["networks_of_cli_test:small_net"],
        ["networks_of_cli_test:small_net", "--input", "1x28x28"],
        ["weights.pt", "--arch", "networks_of_cli_test:small_net"],
    ],
)
def test_summary_of_ones_own_network(folder: Path, arguments: list[str]) -> None:
    code, out, _ = invoke("summary", *arguments)
    assert code == 0
    assert f"{4 * 26 + 4 * 576 * 3 + 3:,}" in out  # its parameters


WRONG = {
    "no such file": (["summary", "nowhere.pt"], 'LoadError: load: there is no file "nowhere.pt"'),
    "no architecture": (["summary", "weights.pt"], "--arch module:callable"),
    "damaged file": (
        ["summary", "broken.pt", "--arch", "networks_of_cli_test:small_net"],
        "cannot be read as weights",
    ),
    "no such module": (["summary", "nowhere:net"], "there is no module `nowhere`"),
    "wrong name": (["summary", "networks_of_cli_test:smal_net"], 'did you mean "small_net"'),
    "wrong form": (["summary", "--input", "32"], "such as 3x32x32"),
    "wrong size": (
        ["summary", "networks_of_cli_test:small_net", "--input", "3x32x32"],
        "does not run on an input",
    ),
    "no picture": (["explore", "--no-browse", "--image", "nowhere.png"], 'there is no file "nowhere.png"'),
    "no classes": (["explore", "--no-browse", "--classes", "nowhere.txt"], '"nowhere.txt" cannot be read'),
    "other classes": (["explore", "--no-browse", "--classes", "classes.txt"], "expected: 10 names"),
    "no numbers": (["explore", "--no-browse", "--mean", "a,b"], '--mean: "a,b"'),
    "two means": (["explore", "--no-browse", "--mean", "0.1,0.2"], "1 or 3 numbers"),
    "unknown command": (["explode"], "Did you mean 'explore'"),
    "unknown option": (["summary", "--inptu", "3x32x32"], "No such option"),
    "no port": (["explore", "--port", "70000"], "--port"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_input_ends_with_code_2_and_one_message(folder: Path, name: str) -> None:
    arguments, message = WRONG[name]
    code, out, err = invoke(*arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert "Traceback" not in err


@pytest.mark.parametrize("arguments", [["--help"], ["explore", "--help"], ["summary", "-h"]])
@pytest.mark.usefixtures("workplace")
def test_help_fits_80_columns(arguments: list[str]) -> None:
    code, out, _ = invoke(*arguments)
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80


def test_explore_passes_on_what_was_asked_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[list[Network], Any, dict[str, Any]]] = []
    monkeypatch.setattr("convitro.explorer.serve", lambda *args, **settings: calls.append((*args, settings)))
    own = "--image cup --classes classes.txt --mean 0.5 --std 0.25 --port 8123 --no-browse"
    assert invoke("explore")[0] == 0
    assert invoke("explore", "networks_of_cli_test:small_net", *own.split())[0] == 0
    two = ("convitro.models:small_vgg", "networks_of_cli_test:small_net")
    assert invoke("explore", *two, "--data", "details")[0] == 0
    ([embedded], picture, settings), ([network], own_picture, own_settings), (several, _, looked) = calls
    assert (embedded.name, embedded.classes, picture) == ("small_vgg", CLASSES, None)
    assert settings == {"data": [None], "run": None, "host": "127.0.0.1", "port": 0, "browse": True}
    assert (network.name, network.classes, own_picture) == ("small_net", ("cat", "dog", "frog"), "cup")
    assert (network.input_size, network.mean, network.std) == ((1, 28, 28), (0.5,), (0.25,))
    assert own_settings == {**settings, "port": 8123, "browse": False}
    assert [each.name for each in several] == ["small_vgg", "small_net"]
    assert [images[0][0].shape for images in looked["data"]] == [(3, 32, 32), (1, 28, 28)]


@pytest.fixture
def explorer(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A running `convitro explore`, ended in any case."""
    command = [sys.executable, "-m", "convitro", "explore", "--no-browse", "--image", "rocket"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        yield server
        server.kill()


def test_explore_serves_until_interrupted(explorer: subprocess.Popen[str]) -> None:
    assert explorer.stdout is not None
    address = re.search(r"http://127\.0\.0\.1:\d+/\S+", explorer.stdout.readline())
    assert address is not None
    with urllib.request.urlopen(address[0], timeout=30) as page:
        assert b"<html" in page.read()
    explorer.send_signal(signal.SIGINT)
    _, err = explorer.communicate(timeout=30)
    assert (explorer.returncode, err) == (0, "")
