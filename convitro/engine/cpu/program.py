"""A task that a team of threads shares: named sizes and pointers in, one entry point out.

`entry(sizes, pointer, pointer …)` is what Python calls. It runs `task` once on every thread of a parallel
region of OpenMP's pool, or just once where one thread is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import llvmlite.ir as ir

from convitro.engine.cpu.isa import Isa
from convitro.engine.cpu.jit import Program
from convitro.engine.cpu.vector import INDEX, POINTER, Kernel, Pointer, Value

TEAM = ("threads", "parallel", "thread_number", "team_size")
"""The sizes that every entry reads: how many threads, and the addresses of the pool's three functions."""


class Task(Kernel):
    """The function that each thread runs, being written.

    Attributes:
        dtype: the LLVM type it computes in, "float" or "double".
        fields: the names of the sizes that were asked for so far.
    """

    def __init__(self, module: ir.Module, isa: Isa, dtype: Any, pointers: Sequence[str]) -> None:
        super().__init__(module, "task", ["pointer", "index", "index"], isa)
        self.dtype, self.pointers = dtype, tuple(pointers)
        self.fields: list[str] = list(TEAM)
        self.width = self.lanes(dtype)
        self._known: dict[str, Value] = {}

    @property
    def thread(self) -> Value:
        """The number of this thread."""
        return Value(self, self.function.args[1])

    @property
    def threads(self) -> Value:
        """How many threads share the tasks."""
        return Value(self, self.function.args[2])

    def size(self, name: str) -> Value:
        """A constant of the plan, read once when the task starts."""
        if name not in self._known:
            if name not in self.fields:
                self.fields.append(name)
            with self.builder.goto_block(self.entry):
                sizes = Pointer(self, self.builder.load(self.function.args[0], align=8, typ=POINTER), INDEX)
                self._known[name] = sizes[self.fields.index(name)].load()
        return self._known[name]

    def pointer(self, name: str, element: Any = None) -> Pointer:
        """A buffer of the call, or a table of the plan, as numbers of `element` (of the task's dtype)."""
        element = element or self.dtype
        if name not in self.pointers:
            address = self.builder.inttoptr(self.size(name).ir, POINTER)
            return Pointer(self, address, element)
        key = f"*{name}"
        if key not in self._known:
            with self.builder.goto_block(self.entry):
                slot = self.pointers.index(name) + 1
                frame = self.builder.gep(
                    self.function.args[0], [ir.Constant(INDEX, slot)], source_etype=INDEX
                )
                self._known[key] = Value(self, self.builder.load(frame, align=8, typ=POINTER))
        return Pointer(self, self._known[key].ir, element)

    def fence(self) -> None:
        """What was streamed is seen by other threads before anything that is written later."""
        if self.isa.name != "neon":  # where such stores are ordered like all others
            self.builder.call(self.intrinsic("llvm.x86.sse.sfence", ir.VoidType(), []), [])

    def share(self, total: Value) -> tuple[Value, Value]:
        """The part of `total` tasks, first and behind the last, that this thread does."""
        return total * self.thread // self.threads, total * (self.thread + 1) // self.threads


def apart(task: Kernel, name: str, arguments: Sequence[str]) -> Kernel:
    """A function of its own that a task calls, so that its loops have all registers for themselves."""
    inner = Kernel(task.module, name, arguments, task.isa)
    inner.function.linkage = "internal"
    inner.function.attributes.add("noinline")
    return inner


def program(isa: Isa, dtype: Any, pointers: Sequence[str], write: Callable[[Task], None]) -> Program:
    """Write a task and its entry.

    Args:
        isa: the vectors to use.
        dtype: LLVM's type of the numbers that are computed with.
        pointers: names of the buffers that a call hands over, in the order of `entry`'s arguments.
        write: writes the body of the task.
    """
    module = ir.Module("convitro")
    module.triple = isa.triple
    task = Task(module, isa, dtype, pointers)
    write(task)
    task.finish()
    task.function.linkage = "internal"
    _write_entry(task, _write_team(task))
    return Program(module, tuple(task.fields))


def _write_team(task: Task) -> Any:
    """What each thread of a parallel region runs: ask who it is, then do the task."""
    function = ir.Function(task.module, ir.FunctionType(ir.VoidType(), [POINTER]), "team")
    function.linkage = "internal"
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    kernel_type = ir.FunctionType(ir.IntType(32), [])
    sizes = builder.load(function.args[0], align=8, typ=POINTER)
    numbers = []
    for name in ("thread_number", "team_size"):
        asked = builder.call(_function(builder, sizes, name, kernel_type), [])
        numbers.append(builder.zext(asked, INDEX))
    builder.call(task.function, [function.args[0], *numbers])
    builder.ret_void()
    return function


def _write_entry(task: Task, team: Any) -> None:
    kinds = [POINTER, *[INDEX] * len(task.pointers)]
    entry = ir.Function(task.module, ir.FunctionType(ir.VoidType(), kinds), "entry")
    builder = ir.IRBuilder(entry.append_basic_block("entry"))
    frame = builder.alloca(INDEX, size=ir.Constant(INDEX, len(kinds)))
    for slot, value in enumerate([builder.ptrtoint(entry.args[0], INDEX), *entry.args[1:]]):
        builder.store(value, builder.gep(frame, [ir.Constant(INDEX, slot)], source_etype=INDEX), align=8)
    threads = builder.load(entry.args[0], align=8, typ=INDEX)
    alone = builder.icmp_signed("<=", threads, ir.Constant(INDEX, 1))
    with builder.if_else(alone) as (then, otherwise):
        with then:
            builder.call(task.function, [frame, ir.Constant(INDEX, 0), ir.Constant(INDEX, 1)])
        with otherwise:
            i32 = ir.IntType(32)
            kind = ir.FunctionType(ir.VoidType(), [POINTER, POINTER, i32, i32])
            parallel = _function(builder, entry.args[0], "parallel", kind)
            builder.call(parallel, [team, frame, builder.trunc(threads, i32), ir.Constant(i32, 0)])
    builder.ret_void()


def _function(builder: Any, sizes: Any, name: str, kind: Any) -> Any:
    """A function of the pool, whose address is among the sizes."""
    place = builder.gep(sizes, [ir.Constant(INDEX, TEAM.index(name))], source_etype=INDEX)
    address = builder.load(place, align=8, typ=INDEX)
    return builder.inttoptr(address, ir.PointerType(kind))
