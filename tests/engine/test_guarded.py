"""The guard pages themselves: views end where they should, and a step beyond is fatal."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.engine.guarded import End, guarded, guarded_copy

BESIDE = """
import ctypes, sys
from tests.engine.guarded import guarded
room = guarded(12, sys.argv[1])
ctypes.string_at(room.data_ptr(), 12)
print("inside", flush=True)
ctypes.string_at(room.data_ptr() + int(sys.argv[2]), 1)
"""


@pytest.mark.parametrize(("at", "offset"), [("start", -1), ("end", 12)])
def test_one_byte_beside_ends_the_process(at: str, offset: int) -> None:
    run = subprocess.run(
        [sys.executable, "-c", BESIDE, at, str(offset)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert run.stdout == "inside\n"
    assert run.returncode == -signal.SIGSEGV


@pytest.mark.parametrize("at", ["start", "end"])
def test_a_copy_keeps_values_and_strides(at: End) -> None:
    tensor = torch.randn(2, 3, 5, 4).to(memory_format=torch.channels_last)[:, :, 1:]
    copy = guarded_copy(tensor, at)
    torch.testing.assert_close(copy, tensor, rtol=0, atol=0)
    assert copy.stride() == tensor.stride()


def test_no_bytes() -> None:
    assert guarded(0).numel() == 0
    assert guarded_copy(torch.empty(0, 3)).shape == (0, 3)
