"""No kernel touches memory beside its tensors: every one lies against a page that ends the process."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.engine_contract.families import FAMILIES
from tests.engine_contract.fenced import SIZES
from tests.profiles import thorough

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("at", ["end", "start"])
def test_every_load_and_store_is_inside_its_tensor(at: str) -> None:
    """In a process of its own, which a forbidden page would end."""
    sizes = len(SIZES) if thorough() else 2
    code = f"from tests.engine_contract.fenced import run_all; run_all({at!r}, {sizes})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    finished = done.stdout.split()
    missing = [name for name in FAMILIES if name not in finished]
    assert done.returncode == 0, f"ended with {done.returncode} in {missing[:1]}: {done.stderr[-2000:]}"
    assert missing == []


@pytest.mark.parametrize("beside", [-1, 0])
def test_the_fence_is_there(beside: int) -> None:
    """A load right beside a fenced tensor does end the process."""
    code = f"from tests.engine_contract.fenced import touch; touch({beside})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode < 0
    assert "inside" in done.stdout
