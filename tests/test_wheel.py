"""The wheel, built and installed elsewhere: everything the package needs is inside and works from there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DISSECT = """
import json, torch, convitro
from convitro.models import small_vgg
anatomy = convitro.dissect(small_vgg(), torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0)))
first = next(iter(anatomy.values()))
added_up = first.partial_maps(5).sum(1) + first.bias[5]
print(json.dumps({
    "origin": convitro.__file__,
    "layers": list(anatomy),
    "difference": (added_up - first.output[:, 5]).abs().max().item(),
}))
"""


def run(command: Sequence[str | Path], folder: Path) -> str:
    """What the command prints; its errors, where it fails."""
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    result = subprocess.run(command, cwd=folder, env=clean, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this working tree, built from a copy so that nothing is left behind in it."""
    copy, built = tmp_path_factory.mktemp("source") / "convitro", tmp_path_factory.mktemp("dist")
    copy.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    shutil.copytree(ROOT / "convitro", copy / "convitro", ignore=shutil.ignore_patterns("__pycache__"))
    run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", built, copy], copy)
    (file,) = built.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def binaries(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of a fresh environment that holds the wheel, and borrows all else from this one."""
    folder = tmp_path_factory.mktemp("environment")
    run([sys.executable, "-m", "venv", "--without-pip", folder], folder)
    python = folder / "bin/python"
    pip: list[str | Path] = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python]
    run([*pip, "install", "--no-deps", "--no-index", wheel], folder)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin"


def test_every_file_of_the_package_is_in_the_wheel(wheel: Path) -> None:
    inside = set(zipfile.ZipFile(wheel).namelist())
    own = {
        str(file.relative_to(ROOT))
        for file in (ROOT / "convitro").rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert own - inside == set()
    assert {
        "convitro/py.typed",
        "convitro/view/index.html",
        "convitro/models/small_vgg.safetensors",
    } <= inside
    assert any(name.startswith("convitro/models/") and name.endswith(".md") for name in inside)
    assert any(name.endswith("/licenses/LICENSE") for name in inside)
    assert not [name for name in inside if name.startswith("tests")]


def test_the_wheel_is_small(wheel: Path) -> None:
    assert wheel.stat().st_size < 4 * 2**20


def test_the_installed_command_tells_its_version(binaries: Path, tmp_path: Path) -> None:
    assert run([binaries / "convitro", "--version"], tmp_path).strip() == f"convitro {version('convitro')}"


def test_the_installed_command_sums_up_the_embedded_network(binaries: Path, tmp_path: Path) -> None:
    assert "conv1_1" in run([binaries / "convitro", "summary"], tmp_path)
    assert json.loads(run([binaries / "python", "-m", "convitro", "summary", "--json"], tmp_path))


def test_the_installed_package_dissects(binaries: Path, tmp_path: Path) -> None:
    result = json.loads(run([binaries / "python", "-c", DISSECT], tmp_path))
    assert Path(result["origin"]).is_relative_to(binaries.parent)
    assert result["layers"][0] == "conv1_1"
    assert len(result["layers"]) == 6
    assert result["difference"] < 1e-5
