"""A small language of vectors over LLVM: numbers, pointers, loops and variables as Python objects.

A kernel is a Python function that computes with `Value`s and writes down LLVM IR. Python's own `for` and `if`
run while it is written (unrolling, specialising); `Kernel.loop` and `Kernel.when` run in the kernel.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import llvmlite.ir as ir

from convitro.engine.cpu.isa import Isa

INDEX = ir.IntType(64)
BYTE = ir.IntType(8)
POINTER = ir.PointerType()
Number: TypeAlias = "Value | int | float"


class Value:
    """A number, a vector, a condition or an index inside a kernel. Python's operators work on it."""

    __slots__ = ("ir", "kernel")

    def __init__(self, kernel: Kernel, value: Any) -> None:
        self.kernel, self.ir = kernel, value

    @property
    def type(self) -> Any:
        """The LLVM type."""
        return self.ir.type

    @property
    def element(self) -> Any:
        """The LLVM type of one lane."""
        return self.type.element if isinstance(self.type, ir.VectorType) else self.type

    @property
    def real(self) -> bool:
        """Whether the lanes are floating point."""
        return not isinstance(self.element, ir.IntType)

    def like(self, number: Number) -> Value:
        """`number` as a value of this type; a scalar fills all lanes."""
        if isinstance(number, Value):
            wants_vector = isinstance(self.type, ir.VectorType) and not isinstance(number.type, ir.VectorType)
            return self.kernel.broadcast(number, self.type.count) if wants_vector else number
        return self.kernel.constant(number, self.type)

    def _binary(self, other: Number, real: str, integer: str) -> Value:
        build = getattr(self.kernel.builder, real if self.real else integer)
        return Value(self.kernel, build(self.ir, self.like(other).ir))

    def _compare(self, other: Number, sign: str) -> Value:
        builder = self.kernel.builder
        compare = builder.fcmp_ordered if self.real else builder.icmp_signed
        return Value(self.kernel, compare(sign, self.ir, self.like(other).ir))

    def __add__(self, other: Number) -> Value:
        return self._binary(other, "fadd", "add")

    def __sub__(self, other: Number) -> Value:
        return self._binary(other, "fsub", "sub")

    def __mul__(self, other: Number) -> Value:
        return self._binary(other, "fmul", "mul")

    def __truediv__(self, other: Number) -> Value:
        return self._binary(other, "fdiv", "sdiv")

    def __floordiv__(self, other: Number) -> Value:
        """Integers only; operands are never negative in kernels."""
        return self._binary(other, "fdiv", "udiv")

    def __mod__(self, other: Number) -> Value:
        return self._binary(other, "frem", "urem")

    def __radd__(self, other: Number) -> Value:
        return self.like(other) + self

    def __rsub__(self, other: Number) -> Value:
        return self.like(other) - self

    def __rmul__(self, other: Number) -> Value:
        return self.like(other) * self

    def __rtruediv__(self, other: Number) -> Value:
        return self.like(other) / self

    def __neg__(self) -> Value:
        build = self.kernel.builder.fneg if self.real else self.kernel.builder.neg
        return Value(self.kernel, build(self.ir))

    def __lt__(self, other: Number) -> Value:
        return self._compare(other, "<")

    def __le__(self, other: Number) -> Value:
        return self._compare(other, "<=")

    def __gt__(self, other: Number) -> Value:
        return self._compare(other, ">")

    def __ge__(self, other: Number) -> Value:
        return self._compare(other, ">=")

    def equals(self, other: Number) -> Value:
        """Lane by lane; NaN equals nothing."""
        return self._compare(other, "==")

    def is_nan(self) -> Value:
        """Lane by lane."""
        return Value(self.kernel, self.kernel.builder.fcmp_unordered("uno", self.ir, self.ir))

    def __and__(self, other: Number) -> Value:
        return self._binary(other, "and_", "and_")

    def __or__(self, other: Number) -> Value:
        return self._binary(other, "or_", "or_")

    def __xor__(self, other: Number) -> Value:
        return self._binary(other, "xor", "xor")

    def __invert__(self) -> Value:
        return Value(self.kernel, self.kernel.builder.not_(self.ir))

    def __lshift__(self, other: Number) -> Value:
        return self._binary(other, "shl", "shl")

    def __rshift__(self, other: Number) -> Value:
        """Fills with zeros."""
        return self._binary(other, "lshr", "lshr")

    def choose(self, yes: Value, no: Number) -> Value:
        """`yes` where this condition holds, else `no`."""
        return Value(self.kernel, self.kernel.builder.select(self.ir, yes.ir, yes.like(no).ir))

    def choose_place(self, yes: Pointer, no: Pointer) -> Pointer:
        """The same with addresses, of numbers of one type."""
        address = self.kernel.builder.select(self.ir, yes.address, no.address)
        return Pointer(self.kernel, address, no.element)

    def fma(self, factor: Number, addend: Value) -> Value:
        """self * factor + addend, rounded once where the processor can."""
        return self.kernel.call("llvm.fmuladd", addend.like(self), addend.like(factor), addend)

    def minimum(self, other: Number) -> Value:
        """The smaller; `other` where either is NaN."""
        other = self.like(other)
        return (self < other).choose(self, other)

    def maximum(self, other: Number) -> Value:
        """The larger; `other` where either is NaN."""
        other = self.like(other)
        return (self > other).choose(self, other)

    def largest(self, other: Number) -> Value:
        """The larger; NaN where either is NaN."""
        return self.kernel.call("llvm.maximum", self, self.like(other), flags=("nsz",))

    def smallest(self, other: Number) -> Value:
        """The smaller; NaN where either is NaN."""
        return self.kernel.call("llvm.minimum", self, self.like(other), flags=("nsz",))

    def cast(self, element: Any) -> Value:
        """The same numbers in lanes of another type; integers count from zero up."""
        target = ir.VectorType(element, self.type.count) if isinstance(self.type, ir.VectorType) else element
        if target == self.type:
            return self
        builder, integer = self.kernel.builder, isinstance(element, ir.IntType)
        if self.real and integer:
            build = builder.fptosi
        elif self.real:
            build = builder.fpext if isinstance(element, ir.DoubleType) else builder.fptrunc
        elif not integer:
            build = builder.sitofp
        else:
            build = builder.zext if element.width > self.element.width else builder.trunc
        return Value(self.kernel, build(self.ir, target))

    def bits(self, element: Any) -> Value:
        """The same bits read as another type of the same size."""
        target = ir.VectorType(element, self.type.count) if isinstance(self.type, ir.VectorType) else element
        return Value(self.kernel, self.kernel.builder.bitcast(self.ir, target))


class Pointer:
    """An address of numbers of one type; indices count numbers."""

    __slots__ = ("address", "element", "kernel")

    def __init__(self, kernel: Kernel, address: Any, element: Any) -> None:
        self.kernel, self.address, self.element = kernel, address, element

    @property
    def size_bytes(self) -> int:
        """Bytes of one number."""
        return {"float": 4, "double": 8}.get(str(self.element)) or self.element.width // 8

    def __getitem__(self, index: Number) -> Pointer:
        """The address of number `index`."""
        if isinstance(index, int) and index == 0:
            return self
        offset = [self.kernel.index(index).ir]
        address = self.kernel.builder.gep(self.address, offset, source_etype=self.element)
        return Pointer(self.kernel, address, self.element)

    def to(self, element: Any) -> Pointer:
        """The same address, of numbers of another type."""
        return Pointer(self.kernel, self.address, element)

    def load(self, lanes: int | None = None) -> Value:
        """One number, or a vector of so many."""
        kind = self.element if lanes is None else ir.VectorType(self.element, lanes)
        return Value(self.kernel, self.kernel.builder.load(self.address, align=self.size_bytes, typ=kind))

    def broadcast(self, lanes: int) -> Value:
        """One number in every lane."""
        return self.kernel.broadcast(self.load(), lanes)

    def load_first(self, count: Value, lanes: int) -> Value:
        """The first `count` numbers of a vector, zeros behind them; nothing behind them is touched."""
        kind = ir.VectorType(self.element, lanes)
        function = self.kernel.intrinsic(
            f"llvm.masked.load.v{lanes}{_suffix(self.element)}.p0",
            kind,
            [POINTER, ir.IntType(32), ir.VectorType(ir.IntType(1), lanes), kind],
        )
        zero = self.kernel.constant(0, kind)
        align = ir.Constant(ir.IntType(32), self.size_bytes)
        mask = self.kernel.first(count, lanes).ir
        return Value(self.kernel, self.kernel.builder.call(function, [self.address, align, mask, zero.ir]))

    def store(self, value: Number) -> None:
        """Write a number or all lanes of a vector."""
        value = value if isinstance(value, Value) else self.kernel.constant(value, self.element)
        self.kernel.builder.store(value.ir, self.address, align=self.size_bytes)

    def stream(self, value: Value) -> None:
        """Write all lanes of a vector around the caches; the address is a multiple of the vector's size."""
        store = self.kernel.builder.store(value.ir, self.address, align=value.type.count * self.size_bytes)
        store.set_metadata("nontemporal", self.kernel.module.add_metadata([ir.IntType(32)(1)]))

    def store_first(self, value: Value, count: Value) -> None:
        """Write the first `count` lanes of a vector; nothing behind them is touched."""
        lanes = value.type.count
        function = self.kernel.intrinsic(
            f"llvm.masked.store.v{lanes}{_suffix(self.element)}.p0",
            ir.VoidType(),
            [value.type, POINTER, ir.IntType(32), ir.VectorType(ir.IntType(1), lanes)],
        )
        align = ir.Constant(ir.IntType(32), self.size_bytes)
        mask = self.kernel.first(count, lanes).ir
        self.kernel.builder.call(function, [value.ir, self.address, align, mask])


class Variable:
    """A place for one value that changes while the kernel runs; LLVM keeps it in a register."""

    __slots__ = ("kernel", "place", "type")

    def __init__(self, kernel: Kernel, initial: Value) -> None:
        self.kernel, self.type = kernel, initial.type
        with kernel.builder.goto_block(kernel.entry):
            self.place = kernel.builder.alloca(initial.type)
        self.value = initial

    @property
    def value(self) -> Value:
        """What it holds now."""
        return Value(self.kernel, self.kernel.builder.load(self.place, typ=self.type))

    @value.setter
    def value(self, new: Value) -> None:
        self.kernel.builder.store(new.ir, self.place)


class Kernel:
    """One function being written.

    Args:
        module: where it is written to.
        name: of the function.
        arguments: "index" or "pointer" for each argument.
        isa: whose vectors it uses.
    """

    def __init__(self, module: ir.Module, name: str, arguments: Sequence[str], isa: Isa) -> None:
        kinds = [INDEX if kind == "index" else POINTER for kind in arguments]
        self.module, self.isa = module, isa
        self.function = ir.Function(module, ir.FunctionType(ir.VoidType(), kinds), name)
        self.entry = self.function.append_basic_block("entry")
        self.builder = ir.IRBuilder(self.function.append_basic_block("start"))

    def argument(self, number: int, element: Any = None) -> Any:
        """An argument: an index, or a pointer to numbers of type `element`."""
        value = self.function.args[number]
        return Value(self, value) if element is None else Pointer(self, value, element)

    def finish(self) -> None:
        """Close the function; nothing can be written to it afterwards."""
        self.builder.ret_void()
        ir.IRBuilder(self.entry).branch(self.function.basic_blocks[1])

    def lanes(self, element: Any) -> int:
        """How many numbers of this type one register holds."""
        return self.isa.lanes({"float": 32, "double": 64}.get(str(element)) or element.width)

    def index(self, number: Number) -> Value:
        """A whole number."""
        return number if isinstance(number, Value) else Value(self, ir.Constant(INDEX, int(number)))

    def constant(self, number: float, kind: Any) -> Value:
        """A number of an LLVM type; in a vector every lane is it."""
        if isinstance(kind, ir.VectorType):
            return Value(self, ir.Constant(kind, [ir.Constant(kind.element, number)] * kind.count))
        return Value(self, ir.Constant(kind, number))

    def zero(self, element: Any) -> Value:
        """A register of zeros."""
        return self.constant(0.0, ir.VectorType(element, self.lanes(element)))

    def broadcast(self, scalar: Value, lanes: int) -> Value:
        """A number in every lane."""
        kind = ir.VectorType(scalar.type, lanes)
        zero = ir.Constant(ir.IntType(32), 0)
        one = self.builder.insert_element(ir.Constant(kind, ir.Undefined), scalar.ir, zero)
        return self.shuffle(Value(self, one), [0] * lanes)

    def shuffle(self, vector: Value, order: Sequence[int], other: Value | None = None) -> Value:
        """Lanes in another order; lanes of `other` count on after those of `vector`."""
        second = ir.Constant(vector.type, ir.Undefined) if other is None else other.ir
        mask = ir.Constant(ir.VectorType(ir.IntType(32), len(order)), list(order))
        return Value(self, self.builder.shuffle_vector(vector.ir, second, mask))

    def iota(self, lanes: int, element: Any = None) -> Value:
        """0, 1, 2 … in the lanes."""
        kind = element or ir.IntType(32)
        return Value(self, ir.Constant(ir.VectorType(kind, lanes), list(range(lanes))))

    def first(self, count: Value, lanes: int) -> Value:
        """A condition that holds in the first `count` lanes."""
        return self.iota(lanes) < self.broadcast(count.cast(ir.IntType(32)), lanes)

    def intrinsic(self, name: str, result: Any, arguments: Sequence[Any]) -> Any:
        """A function of LLVM's or of the process, declared once."""
        known = self.module.globals.get(name)
        return known or ir.Function(self.module, ir.FunctionType(result, list(arguments)), name)

    def call(self, name: str, *values: Value, flags: Sequence[str] = ()) -> Value:
        """An intrinsic whose result and arguments are of one type; `flags` are LLVM's of fast mathematics."""
        kind = values[0].type
        lanes = f"v{kind.count}" if isinstance(kind, ir.VectorType) else ""
        function = self.intrinsic(f"{name}.{lanes}{_suffix(values[0].element)}", kind, [kind] * len(values))
        return Value(self, self.builder.call(function, [value.ir for value in values], fastmath=flags))

    def variable(self, initial: Number) -> Variable:
        """A variable; a Python integer makes an index."""
        return Variable(self, self.index(initial) if isinstance(initial, int) else initial)  # type: ignore[arg-type]

    def memory(self, element: Any, count: int) -> Pointer:
        """Room for so many numbers, which lasts as long as the function runs."""
        with self.builder.goto_block(self.entry):
            room = self.builder.alloca(ir.ArrayType(element, count))
        room.type = POINTER  # LLVM knows no other pointers
        return Pointer(self, room, element)

    @contextmanager
    def loop(self, start: Number, stop: Number, step: Number = 1) -> Iterator[Value]:
        """Run what is written inside for start, start + step … while below stop."""
        begin, before = self.index(start), self.builder.block
        head, body, after = (self.function.append_basic_block(name) for name in ("head", "body", "after"))
        self.builder.branch(head)
        self.builder.position_at_end(head)
        counter = self.builder.phi(INDEX)
        counter.add_incoming(begin.ir, before)
        going = self.builder.icmp_signed("<", counter, self.index(stop).ir)
        self.builder.cbranch(going, body, after)
        self.builder.position_at_end(body)
        yield Value(self, counter)
        counter.add_incoming(self.builder.add(counter, self.index(step).ir), self.builder.block)
        self.builder.branch(head)
        self.builder.position_at_end(after)

    @contextmanager
    def when(self, condition: Value) -> Iterator[None]:
        """Run what is written inside only if the condition holds."""
        inside, after = self.function.append_basic_block("when"), self.function.append_basic_block("after")
        self.builder.cbranch(condition.ir, inside, after)
        self.builder.position_at_end(inside)
        yield
        self.builder.branch(after)
        self.builder.position_at_end(after)


def _suffix(element: Any) -> str:
    return {"float": "f32", "double": "f64"}.get(str(element)) or f"i{element.width}"
