"""The gradient that is made while it is packed, against torch's autograd in float64."""

from __future__ import annotations

import ctypes

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import convitro.engine.cpu.jit as jit
from convitro.engine.cpu.gradient_source import GradientSource
from convitro.engine.cpu.isa import host, isa, supported
from convitro.engine.cpu.program import Task, program
from convitro.engine.cpu.source import ELEMENTS
from tests.engine.backpropagated import FUNCTIONS, After, Backpropagated, backpropagated
from tests.engine.guarded import End, guarded, guarded_copy

POINTERS = ("input", "pooled", "input_switches", "window")
POOLS = [
    ((1, 1), (1, 1)),
    ((2, 2), (2, 2)),
    ((3, 3), (2, 2)),
    ((2, 3), (3, 3)),
    ((3, 1), (1, 2)),
    ((1, 1), (2, 2)),
]
DTYPES = {"float32": torch.float32, "float64": torch.float64, "bfloat16": torch.bfloat16}


def write(task: Task, source: GradientSource) -> None:
    """Pack a whole window, one row after the other."""
    rows, row_size = task.size("window_rows"), task.size("window_columns") * task.size("pitch")
    with task.loop(0, task.size("window_images")) as image, task.loop(0, rows) as row:
        corner = (image, task.size("top") + row, task.size("left"))
        to = task.pointer("window")[(image * rows + row) * row_size]
        source.pack_row(task, to, corner, task.size("first_channel"))


def packed(
    given: Backpropagated,
    source: GradientSource,
    window: tuple[int, int, int, int, int],
    channels: tuple[int, int, int],
    *,
    at: End = "end",
    name: str = host().name,
) -> Tensor:
    """[image][row][column][channel] of a window.

    Args:
        window: top, left, images, rows, columns.
        channels: the first, how many, and the pitch.
    """
    dtype = "float64" if source.element == "float64" else "float32"
    kernel_isa = isa(name)
    kernel = jit.compiled(
        f"pack {source} {dtype}",
        lambda: program(kernel_isa, ELEMENTS[dtype], POINTERS, lambda task: write(task, source)),
        kernel_isa,
    )
    top, left, images, rows, columns = window
    first, count, pitch = channels
    gradient = given.gradient
    strides = [step if size > 1 else 0 for size, step in zip(gradient.shape, gradient.stride(), strict=True)]
    rows_and_columns = zip(("height", "width"), gradient.shape[2:], given.expected.shape[2:], strict=True)
    sizes = {
        "threads": 1,
        "parallel": 0,
        "thread_number": 0,
        "team_size": 0,
        "top": top,
        "left": left,
        "images": gradient.shape[0],
        "window_images": images,
        "window_rows": rows,
        "window_columns": columns,
        "first_channel": first,
        "channels": count,
        "pitch": pitch,
        "input_image": strides[0],
        "input_row": strides[2],
        "input_column": strides[3],
    }
    for side, pooled, size in rows_and_columns:
        sizes |= {side: size, f"input_{side}": pooled}
    numbers = (ctypes.c_int64 * len(kernel.fields))(*(sizes[field] for field in kernel.fields))
    lanes = kernel_isa.lanes(64 if dtype == "float64" else 32)
    size_bytes = ELEMENTS_BYTES[dtype]
    total = images * rows * columns * pitch
    memory = guarded((total + lanes) * size_bytes, "end").view(DTYPES[dtype]).fill_(float("nan"))
    tensors = [
        guarded_copy(t, at) if t is not None else None for t in (gradient, given.saved, given.switches)
    ]
    addresses = [0 if tensor is None else tensor.data_ptr() for tensor in tensors]
    call = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 5)(kernel.address)
    call(ctypes.addressof(numbers), *addresses, memory.data_ptr())
    return memory[:total].view(images, rows, columns, pitch)


ELEMENTS_BYTES = {"float32": 4, "float64": 8}


def expected(
    given: Backpropagated, window: tuple[int, int, int, int, int], channels: tuple[int, int, int]
) -> Tensor:
    """The same from torch's gradient, with zeros around it."""
    top, left, images, rows, columns = window
    first, count, pitch = channels
    result = torch.zeros(images, rows, columns, pitch, dtype=torch.float64)
    full = given.expected.permute(0, 2, 3, 1)[..., first : first + count]
    for image in range(min(images, full.shape[0])):
        for row in range(rows):
            for column in range(columns):
                y, x = top + row, left + column
                if 0 <= y < full.shape[1] and 0 <= x < full.shape[2]:
                    result[image, row, column, :count] = full[image, y, x]
    return result


@st.composite
def cases(draw: st.DrawFn) -> tuple[After, tuple[int, int, int, int], tuple[int, ...], tuple[int, ...]]:
    """What comes after the convolution, the shape of its output, a window over it and channels of it."""
    pool, stride = draw(st.sampled_from(POOLS))
    after = After(draw(st.sampled_from(sorted(FUNCTIONS))), pool, stride)
    total = draw(st.sampled_from([1, 2, 3, 7, 8, 9, 12, 16, 21]))
    shape = (draw(st.integers(1, 2)), total, draw(st.integers(3, 9)), draw(st.integers(3, 9)))
    first = draw(st.integers(0, total - 1))
    count = draw(st.integers(1, total - first))
    top, left = draw(st.integers(-4, 6)), draw(st.integers(-4, 6))
    window = (top, left, draw(st.integers(1, 3)), draw(st.integers(1, 9)), draw(st.integers(1, 12)))
    return after, shape, window, (first, count, count + draw(st.sampled_from([0, 0, 3, 16])))


@settings(max_examples=150, deadline=None)
@given(cases(), st.sampled_from(["float32", "float64", "bfloat16"]), st.sampled_from(["start", "end"]))
def test_what_autograd_says_is_packed(case, element, at) -> None:  # type: ignore[no-untyped-def]
    after, shape, window, channels = case
    torch.manual_seed(0)
    accumulation = "float64" if element == "float64" else "float32"
    given = backpropagated(torch.randn(shape, dtype=DTYPES[accumulation]), after, DTYPES[element])
    if after.activation == "none":
        given = Backpropagated(given.gradient, None, given.switches, given.expected)
    source = after.source(element, accumulation)
    found = packed(given, source, window, channels, at=at)
    tolerance = {"float32": 1e-5, "float64": 1e-12, "bfloat16": 2e-2}[element]  # of saved outputs, rounded
    torch.testing.assert_close(
        found.double(), expected(given, window, channels), rtol=tolerance, atol=tolerance
    )


@pytest.mark.parametrize("name", supported())
@pytest.mark.parametrize(("pool", "stride"), POOLS)
def test_every_instruction_set_packs_the_same(
    name: str, pool: tuple[int, int], stride: tuple[int, int]
) -> None:
    torch.manual_seed(0)
    given = backpropagated(torch.randn(2, 19, 7, 8), After("relu", pool, stride))
    source, window, channels = (
        After("relu", pool, stride).source("float32", "float32"),
        (-1, -2, 2, 9, 12),
        (0, 19, 19),
    )
    found = packed(given, source, window, channels, name=name)
    torch.testing.assert_close(found.double(), expected(given, window, channels))


def test_what_is_not_cleaned_stays_as_it_was() -> None:
    torch.manual_seed(0)
    given = backpropagated(torch.randn(1, 16, 4, 4), After("relu", (2, 2), (2, 2)))
    source = After("relu", (2, 2), (2, 2)).source("float32", "float32", clean=False)
    found = packed(given, source, (0, 0, 1, 4, 4), (0, 16, 32))  # whole vectors of every instruction set
    torch.testing.assert_close(found[..., :16].double(), expected(given, (0, 0, 1, 4, 4), (0, 16, 16)))
    assert found[..., 16:].isnan().all()


def test_an_infinite_gradient_stays_where_relu_closed() -> None:
    z = torch.tensor([-1.0, 2.0]).view(1, 1, 1, 2)
    given = backpropagated(z, After("relu"))
    given.gradient.fill_(float("inf"))
    found = packed(given, After("relu").source("float32", "float32"), (0, 0, 1, 1, 2), (0, 1, 1))
    assert found.flatten().tolist() == [0.0, float("inf")]


def test_a_source_is_told_apart_by_its_words() -> None:
    sources = [
        GradientSource("float32"),
        GradientSource("float32", "tanh", saved="float32"),
        GradientSource("float32", pool=(2, 2), pool_stride=(2, 2), switches=True),
        GradientSource("float32", prefix="dz_"),
    ]
    assert len(set(map(repr, sources))) == len(set(sources)) == 4
