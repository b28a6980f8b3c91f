"""What the processor can do at best: multiply-adds per second in registers, bytes per second to memory."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import llvmlite.ir as ir
import torch

from convitro.engine.cpu.isa import Isa, host, supported
from convitro.engine.cpu.jit import Program, compiled
from convitro.engine.cpu.vector import INDEX, Kernel

FLOAT = ir.FloatType()
CHAINS = 10  # independent sums: two units of four or five cycles each, and all fit into sixteen registers
LOOPS = 2_000_000
BUFFER_BYTES = 256 * 2**20
TRIES = 7


@dataclass(frozen=True)
class Roofline:
    """The limits of the processor with so many threads, measured in the same run as the layers.

    Attributes:
        flops_per_s: of float32 multiply-adds, two each.
        bytes_per_s: read and written, by copying a buffer far larger than the caches.
        threads: how many took part.
    """

    flops_per_s: float
    bytes_per_s: float
    threads: int

    def least_s(self, flops: float, size_bytes: float) -> float:
        """Seconds below which nothing can do this work, if its data starts and ends in memory.

        Example:
            >>> Roofline(100e9, 10e9, threads=1).least_s(flops=1e9, size_bytes=1e9)
            0.1
        """
        return max(flops / self.flops_per_s, size_bytes / self.bytes_per_s)

    def best_of(self, other: Roofline) -> Roofline:
        """The higher of each limit: what disturbs a measurement only ever lowers it."""
        flops = max(self.flops_per_s, other.flops_per_s)
        return Roofline(flops, max(self.bytes_per_s, other.bytes_per_s), self.threads)


def roofline(threads: int) -> Roofline:
    """Measure both limits; takes about a second."""
    return Roofline(peak_flops(threads), bandwidth(threads), threads)


def peak_flops(threads: int) -> float:
    """Fastest of some tries; by a large matrix product where our kernels do not run."""
    if not supported():
        side = 1024
        a, b = torch.rand(side, side), torch.rand(side, side)
        return 2 * side**3 / _fastest_s(lambda: torch.mm(a, b))
    isa = host()
    kernel = compiled("bench: independent sums", lambda: multiply_adds(isa), isa)
    call = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(kernel.address)
    loops = (ctypes.c_int64 * 1)(LOOPS)
    places = [(ctypes.c_float * 64)() for _ in range(threads)]
    with ThreadPoolExecutor(threads) as pool:  # ctypes lets go of the interpreter's lock
        seconds = _fastest_s(lambda: list(pool.map(lambda place: call(loops, place), places)))
    return 2.0 * isa.lanes(32) * CHAINS * LOOPS * threads / seconds


def multiply_adds(isa: Isa) -> Program:
    """A loop over `CHAINS` independent sums in registers, each a = a * f + g, that reads no memory."""
    module = ir.Module("convitro")
    module.triple = isa.triple
    kernel = Kernel(module, "entry", ["pointer", "pointer"], isa)
    place, lanes = kernel.argument(1, FLOAT), isa.lanes(32)
    factor, addend = place[0].broadcast(lanes), place[1].broadcast(lanes)
    sums = [kernel.variable(addend + float(chain)) for chain in range(CHAINS)]
    with kernel.loop(0, kernel.argument(0, INDEX).load()):
        for total in sums:
            total.value = total.value.fma(factor, addend)
    together = sums[0].value
    for total in sums[1:]:
        together = together + total.value
    place[2].store(together)
    kernel.finish()
    return Program(module, ("loops",))


def bandwidth(threads: int) -> float:
    """Bytes per second, read and written, of torch's copy."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    source, target = torch.ones(BUFFER_BYTES // 4), torch.empty(BUFFER_BYTES // 4)
    seconds = _fastest_s(lambda: target.copy_(source))
    torch.set_num_threads(before)
    return 2 * BUFFER_BYTES / seconds


def _fastest_s(work: Callable[[], object]) -> float:
    times = []
    for _ in range(TRIES + 1):  # the first one touches fresh memory
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)
