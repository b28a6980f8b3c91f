"""Each kernel that is broken on purpose is caught by a check of the contract; the right one passes it."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.engine_contract.cases import Case
from tests.engine_contract.checks import (
    check_backward,
    check_exact,
    check_forward,
    check_special,
    check_typical_error,
)
from tests.engine_contract.families import FAMILIES
from tests.engine_contract.fenced import run
from tests.faults.broken_engine import FAULTS, apart

ROOT = Path(__file__).parents[2]
PLAIN = Case(channels=9, filters=11, size=(9, 10), algorithm="direct")
POOLED = replace(PLAIN, pool=(2, 2), activation="none")
WINOGRAD = FAMILIES["winograd"]
Check = Callable[[], None]


def fenced(case: Case) -> Check:
    """With all memory full of NaN before it is written, so that nothing may be left out."""
    return lambda: run(case, "end")


CHECKS: dict[str, Check] = {
    "last channel": lambda: check_forward(PLAIN),
    "last filter": fenced(PLAIN),
    "swapped kernel": lambda: check_forward(PLAIN),
    "shifted pixels": lambda: check_forward(PLAIN),
    "last of equals": lambda: check_exact(replace(POOLED, integers=True)),
    "neighbour's switch": lambda: check_forward(POOLED),
    "no bias": lambda: check_forward(PLAIN),
    "no border": fenced(PLAIN),
    "no border of the gradient": fenced(PLAIN),
    "open windows": lambda: check_backward(
        replace(POOLED, activation="relu", filters=3, channels=2, size=(20, 20))
    ),
    "winograd's input": lambda: check_typical_error(replace(PLAIN, activation="none", algorithm="winograd")),
    "winograd's output": lambda: check_typical_error(replace(PLAIN, activation="none", algorithm="winograd")),
    "winograd's weight": lambda: check_typical_error(replace(PLAIN, activation="none", algorithm="winograd")),
    "winograd's small tiles": lambda: check_typical_error(
        replace(PLAIN, activation="none", algorithm="winograd")
    ),
    "winograd's flag": lambda: check_special(
        replace(WINOGRAD, activation="none", pool=None), float("inf"), 0
    ),
    "last block of the weight's gradient": lambda: check_backward(replace(PLAIN, size=(40, 40), images=3)),
    "early classes": lambda: check_backward(FAMILIES["strided"]),
}


@pytest.mark.parametrize("name", CHECKS)
def test_the_contract_catches_it(name: str) -> None:
    with apart() as patch:
        FAULTS[name](patch)
        with pytest.raises(AssertionError, match=r" of Case\("):
            CHECKS[name]()


@pytest.mark.parametrize("name", CHECKS)
def test_the_right_kernel_passes(name: str) -> None:
    CHECKS[name]()


OVERRUN = """
from tests.engine_contract.fenced import run
from tests.faults.broken_engine import FAULTS, apart
from tests.faults.test_broken_engine import PLAIN
with apart() as patch:
    if {broken}:
        FAULTS["scratch overrun"](patch)
    run(PLAIN, "end")
print("survived")
"""


@pytest.mark.parametrize("broken", [False, True])
def test_a_store_beside_the_scratch_ends_the_process(broken: bool) -> None:
    code = OVERRUN.format(broken=broken)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode < 0) == broken, done.stderr
    assert ("survived" in done.stdout) != broken


def test_every_fault_has_its_check() -> None:
    assert set(FAULTS) == {*CHECKS, "scratch overrun"}


def test_nothing_broken_is_kept() -> None:
    """After a fault the same layer is computed rightly, from kernels that were compiled before or after."""
    check_forward(PLAIN)
    with apart() as patch:
        FAULTS["no bias"](patch)
        with pytest.raises(AssertionError, match=r"output.* of Case\("):
            check_forward(PLAIN)
    check_forward(PLAIN)
