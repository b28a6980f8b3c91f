"""Winograd's algorithm errs little more than direct sums do, forward and backward."""

from dataclasses import replace

import pytest

from tests.engine_contract.cases import Case
from tests.engine_contract.checks import check_typical_error

CASE = Case(channels=17, filters=20, images=2, size=(13, 14), activation="none")


@pytest.mark.parametrize("algorithm", ["winograd", "direct"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("taps", [2, 3, 4, 5])
def test_root_mean_square(algorithm: str, dtype: str, taps: int) -> None:
    check_typical_error(replace(CASE, kernel=(taps, taps), dtype=dtype, algorithm=algorithm))
