"""Instruction sets: what this processor runs, and how many numbers their registers hold."""

import llvmlite.ir as ir
import pytest

from convitro.engine.cpu.isa import NAMES, host, isa, supported
from convitro.engine.cpu.vector import Kernel
from tests.engine.written import text


def test_the_host_is_the_widest_that_runs_here() -> None:
    widths = [isa(name).bits for name in supported()]
    assert widths == sorted(widths, reverse=True)
    assert host() == isa(supported()[0])


@pytest.mark.parametrize(
    ("name", "floats", "registers"), [("avx512", 16, 32), ("avx2", 8, 16), ("x86-64", 4, 16), ("neon", 4, 32)]
)
def test_registers(name: str, floats: int, registers: int) -> None:
    assert isa(name).lanes(32) == floats
    assert isa(name).lanes(64) == floats // 2
    assert isa(name).registers == registers


@pytest.mark.parametrize(
    ("name", "present", "absent"),
    [
        ("avx512", ["zmm", "vfmadd"], []),
        ("avx2", ["ymm", "vfmadd"], ["zmm"]),
        ("x86-64", ["mulps", "xmm"], ["ymm", "vfmadd"]),
        ("neon", ["fmla"], ["xmm"]),
    ],
)
def test_machine_code_uses_its_registers_and_no_wider(
    name: str, present: list[str], absent: list[str]
) -> None:
    def write(kernel: Kernel) -> None:
        x = kernel.argument(0, ir.FloatType())
        lanes = kernel.lanes(x.element)
        first, second, third = (x[lanes * i].load(lanes) for i in range(3))
        x.store(first.fma(second, third))

    assert name in NAMES
    code = text(name, "pointer", write)
    assert [word for word in present if word not in code] == []
    assert [word for word in absent if word in code] == []
