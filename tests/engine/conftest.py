"""Kernels that tests compile are kept in a folder of their own, not in the user's."""

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONVITRO_CACHE_DIR", str(tmp_path_factory.mktemp("kernels")))
        yield
