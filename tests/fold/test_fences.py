"""No kernel of an operator touches memory beside its tensors."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fold.fenced import LAYERS

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("at", ["end", "start"])
def test_every_load_and_store_is_inside_its_tensor(at: str) -> None:
    """In a process of its own, which a forbidden page would end."""
    code = f"from tests.fold.fenced import run_all; run_all({at!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, f"ended with {done.returncode}: {done.stderr[-3000:]}"
    assert done.stdout.split() == [str(number) for number in range(len(LAYERS))]
