"""The examples run as they stand, from any directory, and print what they promise."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))
PROMISED = {
    "forty_thousand": ("4 + 400 + 40000 + 0 = 40404", "parameters: 13"),
    "keras_forty_thousand": ("[[[[40404.]", "Total params: 13 ", "4 + 400 + 40000 + 0 = 40404"),
    "own_model": ("body#2", "sum of the channels + bias:", "(32, 32)"),
    "own_aggregation": ("aggregation=contraharmonic(eps=0.1)", "The gradient is exact: True"),
}
KERAS_READS_TENSORS = "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"


@pytest.mark.parametrize("script", EXAMPLES, ids=lambda script: script.stem)
def test_example_runs(script: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-W", KERAS_READS_TENSORS, str(script)]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert (result.returncode, result.stderr) == (0, "")
    for line in PROMISED[script.stem]:
        assert line in result.stdout
