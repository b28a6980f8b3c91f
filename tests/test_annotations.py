"""The shapes that annotations of public functions state, checked at run time in a test run of its own."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CHECKED = "convitro.functional"
TESTS = ["tests/test_tiny.py", "tests/contract/test_layouts.py", "-k", "sum or max or none"]


def test_shapes_are_as_annotated() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "0"]
    command += [f"--jaxtyping-packages={CHECKED},beartype.beartype", *TESTS]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[-4000:]


def test_a_wrong_shape_would_be_caught() -> None:
    code = (
        "from jaxtyping import install_import_hook\n"
        f"with install_import_hook('{CHECKED}', 'beartype.beartype'):\n"
        "    from convitro import functional\n"
        "import torch\n"
        "functional.conv2d(torch.zeros(1, 3, 5, 5), torch.zeros(2, 3, 3, 3), torch.zeros(1, 2))\n"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert "TypeCheckError" in run.stderr, run.stderr
