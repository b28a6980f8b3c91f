"""Every family of kernels on every instruction set that this processor runs."""

import pytest

import convitro.engine.cpu.isa as instruction_sets
from tests.engine_contract.checks import check_backward
from tests.engine_contract.families import FAMILIES
from tests.profiles import crossed


@pytest.mark.parametrize(("name", "isa"), crossed(FAMILIES, instruction_sets.supported()))
def test_all_families(isa: str, name: str) -> None:
    with instruction_sets.forced(isa):
        check_backward(FAMILIES[name])


def test_a_forced_set_is_used_and_left_again() -> None:
    before = instruction_sets.current()
    with instruction_sets.forced("x86-64") as forced:
        assert instruction_sets.current() is forced
    assert instruction_sets.current() == before
