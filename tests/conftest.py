"""What all tests share: one thread, one seed, a cache of kernels, the optional folder of real data."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import tests.profiles

tests.profiles.register()
BESIDE = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Several test processes run side by side; more threads each would only fight."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Kernels that tests compile are kept in a folder of this run, which all its processes share."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONVITRO_CACHE_DIR", str(folder / "cache"))
        yield


@pytest.fixture(autouse=True)
def same_seed() -> None:
    torch.manual_seed(0)


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A new working directory, at a terminal of 80 columns; modules in it can be imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


@pytest.fixture
def own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Aggregations that the test registers are forgotten after it."""
    from convitro.aggregation import registry  # not above: jaxtyping has to come before it in one test run

    for table in ("_named", "_by_spec"):
        monkeypatch.setattr(registry, table, dict(getattr(registry, table)))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real data and networks: $CONVITRO_SHARED, or `shared` beside the repository."""
    folder = Path(os.environ.get("CONVITRO_SHARED", BESIDE))
    if not folder.is_dir():
        pytest.skip(f"the folder with real data is not here: {folder} (set CONVITRO_SHARED)")
    return folder
