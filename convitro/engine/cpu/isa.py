"""Instruction sets that kernels are written for: vector width, registers, and what LLVM has to be told."""

from __future__ import annotations

import functools
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import llvmlite.binding as llvm


@dataclass(frozen=True)
class Isa:
    """One way to write vectors on one family of processors.

    Attributes:
        name: "avx512", "avx2", "x86-64" (SSE2, what every 64-bit x86 has) or "neon".
        bits: width of a vector register.
        registers: how many vector registers there are.
        triple, cpu, features: LLVM's words for the machine.
    """

    name: str
    bits: int
    registers: int
    triple: str
    cpu: str
    features: str

    def lanes(self, bits: int) -> int:
        """How many numbers of so many bits one register holds."""
        return self.bits // bits


AVX512_FEATURES = ("avx512f", "avx512bw", "avx512dq", "avx512vl")
AVX2_FEATURES = ("avx2", "fma", "bmi2")
NAMES = ("avx512", "avx2", "x86-64", "neon")


def isa(name: str) -> Isa:
    """The instruction set of that name, tuned for this processor where the processor has it.

    Kernels for any of them can be written and compiled anywhere; `runs_here` tells which can be called.
    """
    triple = "aarch64-unknown-linux-gnu" if name == "neon" else "x86_64-unknown-linux-gnu"
    if name in supported():
        triple = llvm.get_process_triple()
    if name == "neon":
        return Isa(name, 128, 32, triple, _tuning(name, "generic"), "+neon")
    if name == "avx512":
        cpu = _tuning(name, "skylake-avx512")
        return Isa(name, 512, 32, triple, cpu, _plus(AVX512_FEATURES + AVX2_FEATURES) + ",-prefer-256-bit")
    if name == "avx2":
        return Isa(name, 256, 16, triple, _tuning(name, "haswell"), _plus(AVX2_FEATURES) + _without_avx512())
    return Isa(name, 128, 16, triple, "x86-64", "")


@functools.cache
def host() -> Isa:
    """The widest instruction set that this processor runs."""
    return isa(supported()[0])


_forced: list[Isa] = []


def current() -> Isa:
    """The instruction set that kernels are written for now: the widest, unless `forced` says otherwise."""
    return _forced[-1] if _forced else host()


@contextmanager
def forced(name: str) -> Iterator[Isa]:
    """Let all layers of the process use one instruction set, for tests and comparisons."""
    _forced.append(isa(name))
    try:
        yield _forced[-1]
    finally:
        _forced.pop()


@functools.cache
def supported() -> tuple[str, ...]:
    """The instruction sets that this processor runs, widest first."""
    if platform.machine() in ("arm64", "aarch64"):
        return ("neon",)
    if platform.machine() not in ("x86_64", "AMD64"):
        return ()
    features = llvm.get_host_cpu_features()
    found = [
        name
        for name, needed in (("avx512", AVX512_FEATURES + AVX2_FEATURES), ("avx2", AVX2_FEATURES))
        if all(features.get(feature) for feature in needed)
    ]
    return (*found, "x86-64")


def _tuning(name: str, other: str) -> str:
    return str(llvm.get_host_cpu_name()) if name in supported() else other


def _plus(features: tuple[str, ...]) -> str:
    return ",".join(f"+{feature}" for feature in features)


def _without_avx512() -> str:
    return ",-avx512f" if "avx512" in supported() else ""
