"""Small kernels written for one test each, and called."""

from __future__ import annotations

import ctypes
import hashlib
from collections.abc import Callable
from typing import Any

import llvmlite.ir as ir
import numpy as np
import numpy.typing as npt

from convitro.engine.cpu.isa import isa
from convitro.engine.cpu.jit import Program, assembly, compiled
from convitro.engine.cpu.vector import Kernel, Value

FLOAT, DOUBLE = ir.FloatType(), ir.DoubleType()
ELEMENTS = {"float32": FLOAT, "float64": DOUBLE, "uint16": ir.IntType(16), "int32": ir.IntType(32)}


def program(name: str, arguments: str, write: Callable[[Kernel], None]) -> Program:
    """A kernel for an instruction set; its arguments are "index pointer …"."""
    kernel = Kernel(ir.Module(), "entry", arguments.split(), isa(name))
    write(kernel)
    kernel.finish()
    return Program(kernel.module, ())


def text(name: str, arguments: str, write: Callable[[Kernel], None]) -> str:
    """Its machine code."""
    return assembly(program(name, arguments, write), isa(name))


def call(name: str, arguments: str, write: Callable[[Kernel], None], *values: int) -> None:
    """Write, compile and run it; pointers are addresses."""
    written = program(name, arguments, write)
    key = hashlib.sha256(str(written.module).encode()).hexdigest()
    kernel = compiled(key, lambda: written, isa(name))
    ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * len(values))(kernel.address)(*values)


def mapped(
    name: str,
    function: Callable[[Value], Value],
    numbers: npt.NDArray[Any],
    result: str = "",
) -> npt.NDArray[Any]:
    """The function of each number, computed in registers of the instruction set."""
    source, target = str(numbers.dtype), result or str(numbers.dtype)
    lanes = isa(name).lanes(32 if source == "uint16" else 8 * numbers.itemsize)
    padded = np.resize(numbers, -(-numbers.size // lanes) * lanes)  # ends on a whole register
    out = np.empty(padded.size, target)

    def write(kernel: Kernel) -> None:
        x, y = (kernel.argument(i + 1, ELEMENTS[kind]) for i, kind in enumerate((source, target)))
        with kernel.loop(0, kernel.argument(0), lanes) as i:
            y[i].store(function(x[i].load(lanes)))

    call(name, "index pointer pointer", write, padded.size, padded.ctypes.data, out.ctypes.data)
    return out[: numbers.size]
