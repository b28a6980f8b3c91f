"""Functions of lanes against exact ones, in units in the last place, and the activations against torch."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import mpmath  # comes with torch, through sympy
import numpy as np
import numpy.typing as npt
import pytest
import torch

from convitro.engine.cpu import mathematics
from convitro.engine.cpu.isa import NAMES, supported
from convitro.engine.cpu.mathematics import ACTIVATIONS, from_bfloat16, to_bfloat16
from convitro.engine.cpu.vector import Kernel, Value
from tests.engine.backpropagated import FUNCTIONS as TORCH
from tests.engine.written import ELEMENTS, mapped, text

Array = npt.NDArray[Any]
here = pytest.mark.parametrize("name", supported())
both = pytest.mark.parametrize("dtype", ["float32", "float64"])

# name: (bound in ulp, where float32 is sampled, where float64 is, exact)
FUNCTIONS: dict[str, tuple[float, tuple[float, float], tuple[float, float], Callable[[Any], Any]]] = {
    "exp": (1.1, (-104, 88.7), (-745, 709.7), mpmath.exp),
    "log": (1.0, (1e-45, 3e38), (5e-324, 1.7e308), mpmath.log),
    "sqrt": (0.5, (1e-45, 3e38), (5e-324, 1.7e308), mpmath.sqrt),
    "sigmoid": (2.5, (-88.7, 100), (-709.7, 800), lambda x: 1 / (1 + mpmath.exp(-x))),
    "tanh": (3.0, (-20, 20), (-40, 40), mpmath.tanh),
    "erf": (2.0, (-8, 8), (-8, 8), mpmath.erf),
    "silu": (3.0, (-80, 3e38), (-700, 1e308), lambda x: x / (1 + mpmath.exp(-x))),
}


def samples(low: float, high: float, dtype: str, count: int) -> Array:
    """Evenly over the numbers and evenly over the exponents, both signs where there are both."""
    rng = np.random.default_rng(0)
    even = rng.uniform(max(low, -1e3), min(high, 1e3), count)
    steps = np.exp(rng.uniform(math.log(np.finfo(dtype).smallest_subnormal) + 1, math.log(high), count))
    steps = np.where((rng.random(count) < 0.5) & (-steps > low), -steps, steps)
    near_one = 1 + rng.uniform(-0.3, 0.3, count)
    return np.concatenate([even, steps, near_one]).astype(dtype)


def exactly(function: Callable[[Any], Any], numbers: Array) -> list[Any]:
    with mpmath.workprec(140):
        return [function(mpmath.mpf(float(number))) for number in numbers]


def errors_ulp(got: Array, exact: list[Any]) -> Array:
    """How far off, in the distance between the numbers of the format at the exact result."""
    smallest = np.finfo(got.dtype).smallest_subnormal
    spacings = np.maximum(np.spacing(np.abs(np.array([float(x) for x in exact], got.dtype))), smallest)
    with mpmath.workprec(140):
        apart = [float(mpmath.mpf(float(g)) - e) for g, e in zip(got, exact, strict=True)]
    return np.abs(np.array(apart)) / spacings.astype("f8")


@here
@both
@pytest.mark.parametrize("function", FUNCTIONS)
def test_error_in_ulp(function: str, dtype: str, name: str) -> None:
    bound, *ranges, exact = FUNCTIONS[function]
    numbers = samples(*ranges[dtype == "float64"], dtype, 1500)
    errors = errors_ulp(mapped(name, getattr(mathematics, function), numbers), exactly(exact, numbers))
    worst = errors.argmax()
    assert errors[worst] <= bound, f"{errors[worst]:.2f} ulp at {numbers[worst]!r}"


@here
@both
@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 7, -1, -2, -5, 0.5, 1.5, -0.5, 1 / 3, 2.2, 100, -65])
def test_powers(exponent: float, dtype: str, name: str) -> None:
    negative = exponent == int(exponent) and abs(exponent) <= 64
    numbers = samples(-50 if negative else 1e-3, 50, dtype, 400)
    largest = float(np.finfo(dtype).max)
    with np.errstate(all="ignore"):
        rough = np.abs(numbers.astype("f8")) ** exponent
    numbers = numbers[(np.abs(numbers) > 1e-3) & (rough < largest / 4) & (rough > 4 / largest)]
    errors = errors_ulp(
        mapped(name, lambda x: mathematics.power(x, exponent), numbers),
        exactly(lambda x: mpmath.power(x, mpmath.mpf(exponent)), numbers),
    )
    logarithms = np.abs(exponent * np.log(np.abs(numbers.astype("f8"))))
    bound = abs(exponent) if negative else 0.5 if exponent == 0.5 else 2 + 1.5 * logarithms
    assert (errors <= bound).all()


@here
def test_powers_at_the_limits(name: str) -> None:
    numbers = np.array([0.0, math.inf, math.nan, -1.0, 1.0])
    expected = {
        0: [1, 1, 1, 1, 1],
        2.5: [0, math.inf, math.nan, math.nan, 1],
        -1.5: [math.inf, 0, *[math.nan] * 2, 1],
    }
    for exponent, results in expected.items():
        got = mapped(name, partial(mathematics.power, exponent=exponent), numbers)
        np.testing.assert_array_equal(got, np.array(results, float))


@here
def test_gelu_is_good_to_the_last_places_of_its_input(name: str) -> None:
    for dtype in ("float32", "float64"):
        numbers = samples(-9, 30, dtype, 1500)
        with mpmath.workprec(140):
            exact = exactly(lambda z: z / 2 * mpmath.erfc(-z / mpmath.sqrt(2)), numbers)
        apart = errors_ulp(mapped(name, mathematics.gelu, numbers), exact)
        scale = np.spacing(np.abs(np.array([float(x) for x in exact], dtype))) / np.spacing(np.abs(numbers))
        assert (apart * np.where(numbers > 0, 1, scale)).max() <= 3


@here
def test_single_precision_is_good_everywhere(name: str) -> None:
    """Every 2000th float32 there is, against float64."""
    numbers = np.arange(0, 2**32, 1999, dtype="u4").view("f4")
    with np.errstate(all="ignore"):
        wide = numbers.astype("f8")
        for function, exact in (("exp", np.exp(wide)), ("log", np.log(wide)), ("tanh", np.tanh(wide))):
            got, nearest = mapped(name, getattr(mathematics, function), numbers), exact.astype("f4")
            finite = np.isfinite(nearest)
            np.testing.assert_array_equal(got[~finite], nearest[~finite])
            apart = np.abs(got[finite].astype("f8") - exact[finite])
            assert (apart / np.spacing(np.abs(nearest[finite]))).max() <= FUNCTIONS[function][0]


@here
@both
def test_limits(dtype: str, name: str) -> None:
    inf, nan = math.inf, math.nan
    tiny, huge = float(np.finfo(dtype).smallest_subnormal), float(np.finfo(dtype).max)
    expected = {
        "exp": [(-inf, 0), (inf, inf), (nan, nan), (0, 1), (-huge, 0), (huge, inf), (tiny, 1)],
        "log": [(0, -inf), (-0.0, -inf), (inf, inf), (nan, nan), (-1, nan), (-inf, nan), (1, 0)],
        "sqrt": [(0, 0), (inf, inf), (-1, nan), (nan, nan), (4, 2)],
        "sigmoid": [(-inf, 0), (inf, 1), (nan, nan), (0, 0.5), (-huge, 0), (huge, 1)],
        "tanh": [(-inf, -1), (inf, 1), (nan, nan), (0, 0), (tiny, tiny), (-tiny, -tiny), (50, 1), (-50, -1)],
        "erf": [(-inf, -1), (inf, 1), (nan, nan), (0, 0), (10, 1), (-10, -1)],
    }
    for function, pairs in expected.items():
        numbers, results = np.array(pairs, dtype).T.copy()
        np.testing.assert_array_equal(
            mapped(name, getattr(mathematics, function), numbers), results, function
        )


@here
@both
def test_odd_functions_keep_the_sign_of_zero(dtype: str, name: str) -> None:
    zeros = np.array([0.0, -0.0], dtype)
    for function in (mathematics.tanh, mathematics.erf):
        assert np.signbit(mapped(name, function, zeros)).tolist() == [False, True]


@here
def test_exp_reaches_the_subnormal_numbers(name: str) -> None:
    numbers = np.array([-88.0, -95.0, -100.0, -103.0], "f4")
    np.testing.assert_allclose(
        mapped(name, mathematics.exp, numbers), np.exp(numbers.astype("f8")), atol=1e-45
    )
    assert mapped(name, mathematics.exp, np.array([-740.0]))[0] == math.exp(-740)


def assert_as_torch(got: Array, expected: torch.Tensor, size: Array) -> None:
    """Equal where torch says NaN or infinity, else within a few units of the larger of result and input."""
    exact, few = expected.numpy(), 8 * np.finfo(got.dtype).eps
    finite = np.isfinite(exact)
    np.testing.assert_array_equal(got[~finite], exact[~finite])
    allowed = few * np.maximum(np.abs(exact[finite]), np.fmin(np.abs(size[finite]), 10))
    assert (np.abs(got[finite] - exact[finite]) <= allowed).all()


def inputs(dtype: str) -> Array:
    special = [0.0, -0.0, math.inf, -math.inf, math.nan, 1e-30, -1e-30, 1e4, -1e4, 89.0, -89.0, 1e38, -1e38]
    return np.concatenate([samples(-20, 20, dtype, 500), np.array(special, dtype)])


@here
@both
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations_are_torchs(activation: str, dtype: str, name: str) -> None:
    numbers = inputs(dtype)
    got = mapped(name, ACTIVATIONS[activation].apply, numbers)
    # in float64: with AVX-512 torch's gelu of a float32 infinity is NaN
    expected = TORCH[activation](torch.from_numpy(numbers).double())
    assert_as_torch(got, expected.to(torch.from_numpy(numbers).dtype), numbers)


@here
@both
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradients_are_torchs(activation: str, dtype: str, name: str) -> None:
    chosen, numbers = ACTIVATIONS[activation], inputs(dtype)
    numbers = numbers[numbers != 0]  # gradients at corners have a test of their own
    z = torch.from_numpy(numbers).requires_grad_()
    output = TORCH[activation](z)
    (expected,) = torch.autograd.grad(output, z, torch.full_like(z, 3.0))
    saved = output.detach().numpy() if chosen.saves == "output" else numbers
    got = mapped(name, lambda value: chosen.backward(value.like(3.0), value), saved)
    assert_as_torch(got, expected, numbers)
    slopes = mapped(name, chosen.slope, saved)
    np.testing.assert_allclose(slopes * 3, got, rtol=4 * np.finfo(dtype).eps, atol=1e-40)


@here
@pytest.mark.parametrize(("activation", "slope"), [("relu", 0.0), ("leaky_relu", 0.01)])
def test_corners_and_masks(activation: str, slope: float, name: str) -> None:
    chosen = ACTIVATIONS[activation]
    zeros = np.array([0.0, -0.0, -1.0], "f4")
    np.testing.assert_array_equal(mapped(name, chosen.slope, zeros), np.full(3, slope, "f4"))
    infinite = mapped(name, lambda y: chosen.backward(y.like(math.inf), y), zeros)
    np.testing.assert_array_equal(infinite, np.full(3, 0 if slope == 0 else math.inf))


def test_what_is_saved_and_what_may_follow_pooling() -> None:
    saved = {name: activation.saves for name, activation in ACTIVATIONS.items()}
    assert saved == {
        "none": "nothing", "relu": "output", "leaky_relu": "output", "sigmoid": "output", "tanh": "output",
        "silu": "input", "gelu": "input",
    }  # fmt: skip
    rising = np.sort(np.concatenate([np.linspace(-12, 12, 20001), np.linspace(-1, 1, 20001)]))
    for name, activation in ACTIVATIONS.items():
        falls = (np.diff(mapped(supported()[0], activation.apply, rising)) < -1e-3 * np.diff(rising)).any()
        assert falls == (not activation.monotone), name


@here
def test_bfloat16(name: str) -> None:
    every = np.arange(2**16, dtype="u2")
    widened = mapped(name, from_bfloat16, every, "float32")
    expected = torch.from_numpy(every.view("i2")).view(torch.bfloat16).float().numpy()
    np.testing.assert_array_equal(widened, expected)
    back = mapped(name, to_bfloat16, widened, "uint16")
    number = ~np.isnan(widened)
    np.testing.assert_array_equal(back[number], every[number])
    assert np.isnan(mapped(name, from_bfloat16, back, "float32")[~number]).all()


@here
def test_bfloat16_is_the_nearest_and_even_at_ties(name: str) -> None:
    rng = np.random.default_rng(0)
    numbers = rng.integers(0, 2**32, 50000, dtype="u4")
    numbers[:20000] = (numbers[:20000] & 0xFFFF0000) + rng.choice([0x7FFF, 0x8000, 0x8001], 20000).astype(
        "u4"
    )
    numbers = numbers[~np.isnan(numbers.view("f4"))]
    expected = torch.from_numpy(numbers.view("f4")).to(torch.bfloat16).view(torch.int16).numpy().view("u2")
    np.testing.assert_array_equal(mapped(name, to_bfloat16, numbers.view("f4"), "uint16"), expected)


@pytest.mark.parametrize("name", NAMES)
@both
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_no_library_is_called(activation: str, dtype: str, name: str) -> None:
    chosen = ACTIVATIONS[activation]

    def write(kernel: Kernel) -> None:
        x = kernel.argument(0, ELEMENTS[dtype])
        value: Value = x.load(kernel.lanes(x.element))
        x.store(chosen.backward(chosen.apply(value), mathematics.log(value)))

    words = text(name, "pointer", write).split()
    assert [word for word in words if word.startswith("call") or word == "bl"] == []


@pytest.mark.parametrize("name", ["avx512", "avx2", "x86-64"])
def test_relu_is_one_instruction(name: str) -> None:
    def write(kernel: Kernel) -> None:
        x = kernel.argument(0, ELEMENTS["float32"])
        kernel.argument(1, x.element).store(mathematics.relu(x.load(kernel.lanes(x.element))))

    code = text(name, "pointer pointer", write)
    assert "maxps" in code
    assert "cmp" not in code
