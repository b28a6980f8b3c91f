"""The vector language on every instruction set of this machine: operators, memory, loops, conditions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import llvmlite.ir as ir
import numpy as np
import numpy.typing as npt
import pytest

from convitro.engine.cpu.isa import supported
from convitro.engine.cpu.transpose import transposed
from convitro.engine.cpu.vector import INDEX, Kernel, Pointer, Value
from tests.engine.guarded import End, guarded
from tests.engine.written import DOUBLE, ELEMENTS, FLOAT, call, mapped, text

pytestmark = pytest.mark.parametrize("name", supported())
Array = npt.NDArray[Any]

SPECIAL = [0.0, -0.0, 1.0, -1.5, 2.75, 1e-3, np.inf, -np.inf, np.nan, 7.0, -7.0, 0.5, 3.0, 1e30, -1e-30, 0.1]
INT = ir.IntType(32)


def same(got: Array, expected: Array) -> None:
    np.testing.assert_array_equal(got, expected.astype(got.dtype))


REAL: dict[str, tuple[Callable[[Value], Value], Callable[[Array], Array]]] = {
    "add": (lambda x: x + 2, lambda x: x + 2),
    "radd": (lambda x: 2.5 + x, lambda x: 2.5 + x),
    "sub": (lambda x: x - 0.25, lambda x: x - 0.25),
    "rsub": (lambda x: 1 - x, lambda x: 1 - x),
    "mul": (lambda x: x * x, lambda x: x * x),
    "rmul": (lambda x: 3 * x, lambda x: 3 * x),
    "div": (lambda x: x / 4, lambda x: x / 4),
    "rdiv": (lambda x: 1.0 / x, lambda x: 1 / x),
    "neg": (lambda x: -x, lambda x: -x),
    "less": (lambda x: (x < 1).choose(x, 5.0), lambda x: np.where(x < 1, x, 5)),
    "less or equal": (lambda x: (x <= 1).choose(x, 5.0), lambda x: np.where(x <= 1, x, 5)),
    "greater": (lambda x: (x > 1).choose(x, 5.0), lambda x: np.where(x > 1, x, 5)),
    "greater or equal": (lambda x: (x >= 1).choose(x, 5.0), lambda x: np.where(x >= 1, x, 5)),
    "equals": (lambda x: x.equals(-1.5).choose(x, 5.0), lambda x: np.where(x == -1.5, x, 5)),
    "is nan": (lambda x: x.is_nan().choose(x.like(9.0), x), lambda x: np.where(np.isnan(x), 9, x)),
    "and": (lambda x: ((x > 0) & (x < 2)).choose(x, 5.0), lambda x: np.where((x > 0) & (x < 2), x, 5)),
    "or": (lambda x: ((x < 0) | (x > 2)).choose(x, 5.0), lambda x: np.where((x < 0) | (x > 2), x, 5)),
    "not": (lambda x: (~(x < 0)).choose(x, 5.0), lambda x: np.where(~(x < 0), x, 5)),
    "minimum": (lambda x: x.minimum(1.0), lambda x: np.where(x < 1, x, 1)),
    "maximum": (lambda x: x.maximum(1.0), lambda x: np.where(x > 1, x, 1)),
    "minimum keeps nan": (lambda x: x.like(1.0).minimum(x), lambda x: np.minimum(x, 1)),
    "maximum keeps nan": (lambda x: x.like(1.0).maximum(x), lambda x: np.maximum(x, 1)),
}


@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("operation", REAL)
def test_real_numbers(operation: str, dtype: str, name: str) -> None:
    written, expected = REAL[operation]
    numbers = np.array(SPECIAL, dtype)
    with np.errstate(all="ignore"):
        same(mapped(name, written, numbers), expected(numbers))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_fma(dtype: str, name: str) -> None:
    numbers = np.arange(64, dtype=dtype)
    same(mapped(name, lambda x: x.fma(3.0, x), numbers), numbers * 4)


WHOLE: dict[str, tuple[Callable[[Value], Value], Callable[[Array], Array]]] = {
    "add": (lambda x: x + 2, lambda x: x + 2),
    "sub": (lambda x: x - 9, lambda x: x - 9),
    "mul": (lambda x: x * -3, lambda x: x * -3),
    "neg": (lambda x: -x, lambda x: -x),
    "floordiv": (lambda x: x // 7, lambda x: x // 7),
    "mod": (lambda x: x % 7, lambda x: x % 7),
    "and": (lambda x: x & 12, lambda x: x & 12),
    "or": (lambda x: x | 12, lambda x: x | 12),
    "xor": (lambda x: x ^ 12, lambda x: x ^ 12),
    "not": (lambda x: ~x, lambda x: ~x),
    "left": (lambda x: x << 3, lambda x: x << 3),
    "right": (lambda x: x >> 3, lambda x: x >> 3),
    "right of negative": (lambda x: (-x) >> 28, lambda x: (-x).view("u4") >> 28),
    "less": (lambda x: (x - 8 < 0).choose(x, 0), lambda x: np.where(x < 8, x, 0)),
    "maximum": (lambda x: (x - 8).maximum(0), lambda x: np.maximum(x - 8, 0)),
}


@pytest.mark.parametrize("operation", WHOLE)
def test_whole_numbers(operation: str, name: str) -> None:
    written, expected = WHOLE[operation]
    numbers = np.arange(16, dtype="int32") * 3
    same(mapped(name, written, numbers), expected(numbers))


CASTS: list[tuple[str, str, Callable[[Value], Value], Callable[[Array], Array]]] = [
    ("float32", "int32", lambda x: x.cast(INT), lambda x: np.trunc(x)),
    ("int32", "float32", lambda x: x.cast(FLOAT), lambda x: x),
    ("float32", "float32", lambda x: x.cast(DOUBLE).cast(FLOAT), lambda x: x),
    ("float64", "float64", lambda x: x.cast(FLOAT).cast(DOUBLE), lambda x: x.astype("f4")),
    ("uint16", "int32", lambda x: x.cast(INT), lambda x: x),
    ("int32", "uint16", lambda x: x.cast(ir.IntType(16)), lambda x: x & 0xFFFF),
    ("float32", "int32", lambda x: x.bits(INT), lambda x: x.view("i4")),
    ("int32", "float32", lambda x: x.bits(FLOAT), lambda x: x.view("f4")),
]


@pytest.mark.parametrize("case", range(len(CASTS)))
def test_casts(case: int, name: str) -> None:
    source, target, written, expected = CASTS[case]
    numbers = np.array([0, 1, 2.7, 300, 65535, 4.2, 1e4, 33], source)
    same(mapped(name, written, numbers, target), expected(numbers))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("at", ["start", "end"])
def test_partial_loads_and_stores_touch_nothing_else(at: End, dtype: str, name: str) -> None:
    lanes = 4 * 16 // np.dtype(dtype).itemsize // (4 if name == "x86-64" else 2 if name == "avx2" else 1)
    element = ELEMENTS[dtype]

    def write(kernel: Kernel) -> None:
        count = kernel.argument(2)
        x, y = kernel.argument(0, element), kernel.argument(1, element)
        y.store_first(x.load_first(count, lanes) + 1.0, count)

    for count in range(lanes + 1):
        size_bytes = max(count, 1) * np.dtype(dtype).itemsize
        x, y = (guarded(size_bytes, at).numpy().view(dtype) for _ in range(2))
        x[:], y[:] = np.arange(1, 1 + len(x)), -1
        if at == "end" and count == 0:  # not even the address may be read
            call(name, "pointer pointer index", write, x.ctypes.data + 8, y.ctypes.data + 8, 0)
        else:
            call(name, "pointer pointer index", write, x.ctypes.data, y.ctypes.data, count)
        same(y, np.arange(2, 2 + len(x)) if count else np.array([-1]))


def test_lanes_behind_a_partial_load_are_zero(name: str) -> None:
    memory, out = np.arange(1, 9, dtype="f4"), np.full(4, 9, "f4")

    def write(kernel: Kernel) -> None:
        x, y = kernel.argument(0, FLOAT), kernel.argument(1, FLOAT)
        y.store(x.load_first(kernel.index(3), 4))

    call(name, "pointer pointer", write, memory.ctypes.data, out.ctypes.data)
    same(out, np.array([1, 2, 3, 0]))


@pytest.mark.parametrize("at", ["start", "end"])
def test_whole_loads_and_stores_stay_inside(at: End, name: str) -> None:
    x = guarded(16, at).numpy().view("f4")
    x[:] = [1, 2, 3, 4]

    def write(kernel: Kernel) -> None:
        numbers = kernel.argument(0, FLOAT)
        numbers.store(numbers.load(4) * numbers[3].broadcast(4))
        numbers[1].store(numbers[1].load() + 1.0)
        numbers[2].store(7)

    call(name, "pointer", write, x.ctypes.data)
    same(x, np.array([4, 9, 7, 16]))


def test_pointers_count_numbers_of_their_type(name: str) -> None:
    memory = np.zeros(4, "f8")

    def write(kernel: Kernel) -> None:
        numbers: Pointer = kernel.argument(0, DOUBLE)
        assert [numbers.size_bytes, numbers.to(FLOAT).size_bytes, numbers.to(INDEX).size_bytes] == [8, 4, 8]
        numbers[kernel.argument(1)].store(1.5)
        numbers[2].to(FLOAT)[1].store(1.0)

    call(name, "pointer index", write, memory.ctypes.data, 1)
    assert memory[1] == 1.5
    assert memory.view("f4")[5] == 1.0
    assert np.count_nonzero(memory.view("f4")) == 2


@pytest.mark.parametrize(
    ("start", "stop", "step"),
    [(0, 0, 1), (0, 1, 1), (0, 10, 1), (3, 10, 4), (5, 3, 1), (-2, 2, 1), (0, 9, 3)],
)
def test_loops(start: int, stop: int, step: int, name: str) -> None:
    seen = np.full(20, -99, "i8")

    def write(kernel: Kernel) -> None:
        first, last, places = kernel.argument(0), kernel.argument(1), kernel.argument(2, INDEX)
        count = kernel.variable(0)
        with kernel.loop(first, last, step) as i:
            places[count.value].store(i)
            count.value = count.value + 1
        places[19].store(count.value)

    call(name, "index index pointer", write, start, stop, seen.ctypes.data)
    expected = list(range(start, stop, step))
    assert seen[: len(expected)].tolist() == expected
    assert seen[19] == len(expected)
    assert (seen[len(expected) : 19] == -99).all()


def test_loops_inside_loops_and_conditions(name: str) -> None:
    table = np.zeros((5, 6), "i8")

    def write(kernel: Kernel) -> None:
        places = kernel.argument(0, INDEX)
        with kernel.loop(0, 5) as row:
            total = kernel.variable(row * 100)
            with kernel.loop(0, 6) as column:
                with kernel.when((column % 2).equals(0)):
                    total.value = total.value + column
                places[row * 6 + column].store(total.value)

    call(name, "pointer", write, table.ctypes.data)
    same(table, 100 * np.arange(5)[:, None] + np.array([0, 0, 2, 2, 6, 6]))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_variables_of_vectors_stay_in_registers(dtype: str, name: str) -> None:
    numbers, out = np.arange(64, dtype=dtype), np.zeros(16, dtype)

    def write(kernel: Kernel) -> None:
        x, y = kernel.argument(0, ELEMENTS[dtype]), kernel.argument(1, ELEMENTS[dtype])
        lanes = kernel.lanes(x.element)
        total = kernel.variable(kernel.zero(x.element))
        with kernel.loop(0, 64, lanes) as i:
            total.value = total.value + x[i].load(lanes)
        y.store(total.value)

    call(name, "pointer pointer", write, numbers.ctypes.data, out.ctypes.data)
    assert out.sum() == numbers.sum()
    code = text(name, "pointer pointer", write)
    assert [line for line in code.splitlines() if "rsp" in line] == []


@pytest.mark.parametrize("lanes", [2, 4, 8, 16])
def test_transpose(lanes: int, name: str) -> None:
    square = np.arange(lanes * lanes, dtype="f4").reshape(lanes, lanes)
    out = np.empty_like(square)

    def write(kernel: Kernel) -> None:
        x, y = kernel.argument(0, FLOAT), kernel.argument(1, FLOAT)
        turned = transposed([x[row * lanes].load(lanes) for row in range(lanes)])
        for row, values in enumerate(turned):
            y[row * lanes].store(values)

    call(name, "pointer pointer", write, square.ctypes.data, out.ctypes.data)
    same(out, square.T)


def test_lanes_in_another_order(name: str) -> None:
    numbers, out = np.arange(8, dtype="f4"), np.empty(12, "f4")

    def write(kernel: Kernel) -> None:
        x, y = kernel.argument(0, FLOAT), kernel.argument(1, FLOAT)
        a, b = x.load(4), x[4].load(4)
        y.store(kernel.shuffle(a, [3, 3, 0, 1]))
        y[4].store(kernel.shuffle(a, [0, 4, 1, 5], b))
        y[8].store(kernel.iota(4).cast(FLOAT) + kernel.broadcast(x[2].load(), 4))

    call(name, "pointer pointer", write, numbers.ctypes.data, out.ctypes.data)
    same(out, np.array([3, 3, 0, 1, 0, 4, 1, 5, 2, 3, 4, 5]))
