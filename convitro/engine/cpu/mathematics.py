"""Functions of one number, lane by lane, for kernels: float32 and float64, on every instruction set.

Nothing here calls a library. Most series are Taylor's: their coefficients are what the mathematics says.
Accuracy is in units in the last place (ulp) of the exact result, over all inputs unless stated otherwise.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import llvmlite.ir as ir

from convitro.engine.cpu.vector import Value

LN2_TAIL = 2.3190468138462996e-17
"""What ln 2 is more than its float64."""
LEAK = 0.01
"""The slope of leaky_relu below zero."""
ERF_NEAR = 0.65
"""Below it erf is its own series, above it one minus its complement."""


@dataclass(frozen=True)
class _Format:
    """A floating-point format, and how far series go that are exact enough for it.

    Attributes:
        integer: LLVM's integer of the same size.
        digits: bits of the mantissa that are stored.
        bias: of the exponent.
        ln2_digits: bits of ln 2 that an exponent multiplies without rounding.
        exp_range: below it exp is zero, above it infinite.
        tanh_end, erf_end: from there on the function is one.
        log_terms, erf_terms: lengths of Taylor series.
        exp_series: of (exp(x) - 1 - x) / x² between -ln 2 / 2 and ln 2 / 2.
        erfc_series: of exp(x²) erfc(x) between `ERF_NEAR` and `erf_end`, in powers of (x - 2) / (x + 2).
    """

    integer: ir.IntType
    digits: int
    bias: int
    ln2_digits: int
    exp_range: tuple[float, float]
    tanh_end: float
    erf_end: float
    log_terms: int
    erf_terms: int
    exp_series: tuple[float, ...]
    erfc_series: tuple[float, ...]

    @property
    def rounder(self) -> float:
        """Added to a number it leaves the nearest whole number in the last bits."""
        return 1.5 * 2.0**self.digits

    @property
    def ln2(self) -> tuple[float, float]:
        """ln 2 as a short number and the rest."""
        short = math.floor(math.log(2) * 2**self.ln2_digits) / 2**self.ln2_digits
        return short, (math.log(2) - short) + LN2_TAIL

    def bits(self, number: float) -> int:
        """The bits of a number of this format, as an integer."""
        packed = struct.pack("<f" if self.digits == 23 else "<d", number)
        return int.from_bytes(packed, "little")


# Found in 50 digits by reweighted least squares: erfc_series has the least error of erf, 2e-9 and 2e-18,
# exp_series that of exp, 3e-9 and 4e-18.
_FLOAT32 = _Format(
    integer=ir.IntType(32),
    digits=23,
    bias=127,
    ln2_digits=15,
    exp_range=(-104.0, 89.0),
    tanh_end=10.0,
    erf_end=4.0,
    log_terms=5,
    erf_terms=8,
    exp_series=(
        *(0.4999999343160764, 0.16666520393966333, 0.04166839088823818),
        *(0.008368745580654738, 0.0013814535172926524),
    ),
    erfc_series=(
        *(0.25539569938215645, -0.42718759845695725, 0.24162406338385387),
        *(-0.07918789215814508, 0.003225817007483568, 0.006758583217905231),
    ),
)
_FLOAT64 = _Format(
    integer=ir.IntType(64),
    digits=52,
    bias=1023,
    ln2_digits=41,
    exp_range=(-746.0, 710.0),
    tanh_end=20.0,
    erf_end=6.0,
    log_terms=10,
    erf_terms=14,
    exp_series=(
        *(0.5000000000000011, 0.16666666666666413, 0.041666666666529704, 0.008333333333494564),
        *(0.001388888894376444, 0.00019841269506712362, 2.4801492945913477e-05, 2.75575859360685e-06),
        *(2.763030729754597e-07, 2.5000301260848814e-08),
    ),
    erfc_series=(
        *(0.25539567631050564, -0.4271858474139594, 0.24165819424255894, -0.07897858101437308),
        *(0.0037328924007098783, 0.006997461586320232, -0.0008471439578639208, -0.0009819747938813316),
        *(4.3585113324324714e-05, 0.00017444448243923054, 2.7449733212468727e-05, -2.866531147384839e-05),
        *(-1.710261955044533e-05, -3.2877112172093885e-06),
    ),
)
_FORMATS = {"float": _FLOAT32, "double": _FLOAT64}


def exp(x: Value) -> Value:
    """e to the power x; zero, subnormal or infinite where that is the result.

    Accuracy: 1.1 ulp.
    """
    form = _format(x)
    low, high = form.exp_range
    x = x.like(low).maximum(x.like(high).minimum(x))  # NaN stays
    if x.kernel.isa.name == "avx512":
        rest, number = _rest_and_number(x, form)
        return _scaled(_near_one(rest, form), number)
    rest, count = _split(x, form)
    half = count >> 1  # two steps: a power of two beyond the exponents of the format may be needed
    return _near_one(rest, form) * _power_of_two(half, form) * _power_of_two(count - half, form)


def log(x: Value) -> Value:
    """The natural logarithm: minus infinity at zero, NaN below it.

    Accuracy: 1 ulp.
    """
    form = _format(x)
    exponent, mantissa = _exponent_and_mantissa(x, form)
    rest = mantissa - 1.0
    ratio = rest / (rest + 2.0)  # log(1 + rest) = 2 atanh(ratio)
    square = ratio * ratio
    series = _polynomial(square, [2 / (2 * k + 3) for k in range(form.log_terms)]) * square
    half = rest * rest * 0.5
    short, tail = form.ln2
    small = exponent.fma(tail, ratio * (half + series))
    result = exponent.fma(short, rest - (half - small))
    result = (x < math.inf).choose(result, x)
    return (x < 0.0).choose(x.like(math.nan), x.equals(0.0).choose(x.like(-math.inf), result))


def sqrt(x: Value) -> Value:
    """The square root, NaN below zero.

    Accuracy: correctly rounded.
    """
    return x.kernel.call("llvm.sqrt", x)


def power(x: Value, exponent: float) -> Value:
    """x to the power of a number that is known when the kernel is written.

    Whole exponents up to 64 in size multiply; all others are defined for x ≥ 0 only and give NaN below.

    Accuracy: |exponent| ulp for those that multiply, 0.5 ulp for 1/2, else 2 + 1.5 |exponent log(x)| ulp.
    """
    if exponent == 0.5:
        return sqrt(x)
    if exponent != int(exponent) or abs(exponent) > 64:
        return exp(log(x) * exponent)
    if exponent < 0:
        return 1.0 / power(x, -exponent)
    half, odd = divmod(int(exponent), 2)
    root = power(x, half) if half else x.like(1.0)
    return root * root * x if odd and half else x if odd else root * root


def sigmoid(x: Value) -> Value:
    """1 / (1 + exp(-x)); like torch's, zero where exp(-x) is infinite.

    Accuracy: 2.5 ulp.
    """
    return 1.0 / (exp(-x) + 1.0)


def tanh(x: Value) -> Value:
    """The hyperbolic tangent.

    Accuracy: 3 ulp.
    """
    form = _format(x)
    size = x.like(form.tanh_end).minimum(_absolute(x))  # NaN stays
    rest, count = _split(size + size, form)
    power = _power_of_two(count - form.bias, form)
    grown = power.fma(_exp_minus_one(rest, form), power - 1.0)  # exp(2 x) - 1
    return _with_sign(grown / (grown + 2.0), x)


def erf(x: Value) -> Value:
    """The error function.

    Accuracy: 2 ulp.
    """
    form = _format(x)
    size = x.like(form.erf_end).minimum(_absolute(x))  # NaN stays
    square = size * size
    near = size.fma(_polynomial(square, _erf_series(form.erf_terms)), size)
    far = 1.0 - exp(-square) * _polynomial((size - 2.0) / (size + 2.0), form.erfc_series)
    return _with_sign((size < ERF_NEAR).choose(near, far), x)


def from_bfloat16(bits: Value) -> Value:
    """The float32 numbers of bfloat16 ones, which come as 16-bit integers; exact."""
    wide = bits.cast(ir.IntType(32)) << 16
    return wide.bits(ir.FloatType())


def to_bfloat16(x: Value) -> Value:
    """The nearest bfloat16 numbers (ties to even) as 16-bit integers; NaN stays NaN."""
    bits = x.bits(ir.IntType(32))
    top = bits >> 16
    nearest = (bits + 0x7FFF + (top & 1)) >> 16
    return x.is_nan().choose(top | 0x40, nearest).cast(ir.IntType(16))


@dataclass(frozen=True)
class Activation:
    """A function after a layer, and how gradients come back through it.

    Attributes:
        name: as in torch.nn.functional, or "none".
        apply: z to the activated output.
        backward: (gradient of the output, what was saved) to the gradient of z.
        saves: what `backward` needs: "output", "input" (z) or "nothing".
        monotone: never falls, so that the largest of a pooling window may be picked before it.
    """

    name: str
    apply: Callable[[Value], Value]
    backward: Callable[[Value, Value], Value]
    saves: str
    monotone: bool = True

    def slope(self, saved: Value) -> Value:
        """The derivative where `saved` was saved."""
        return self.backward(saved.like(1.0), saved)


def relu(z: Value) -> Value:
    """z, or zero where that is larger; NaN stays. In this order of operands it is one instruction of x86."""
    return z.like(0.0).maximum(z)


def leaky_relu(z: Value) -> Value:
    """z, or a hundredth of it below zero."""
    return (z * LEAK).maximum(z)


def silu(z: Value) -> Value:
    """z times its sigmoid.

    Accuracy: 3 ulp.
    """
    return z / (exp(-z) + 1.0)


def gelu(z: Value) -> Value:
    """z times the share of the normal distribution below it, the exact form.

    Accuracy: 3 ulp for z > 0; elsewhere 3 ulp of z, not of the far smaller result, as in torch.
    """
    return z * 0.5 * (erf(z * math.sqrt(0.5)) + 1.0)


def _silu_backward(gradient: Value, z: Value) -> Value:
    share = sigmoid(z)
    return gradient * share * (z * (1.0 - share) + 1.0)


def _gelu_backward(gradient: Value, z: Value) -> Value:
    scaled = z * math.sqrt(0.5)
    density = exp(-(scaled * scaled)) * (1 / math.sqrt(2 * math.pi))
    return gradient * (erf(scaled) * 0.5 + 0.5 + z * density)


ACTIVATIONS = {
    activation.name: activation
    for activation in (
        Activation("none", lambda z: z, lambda gradient, _: gradient, "nothing"),
        Activation("relu", relu, lambda gradient, y: (y <= 0.0).choose(y.like(0.0), gradient), "output"),
        Activation(
            "leaky_relu",
            leaky_relu,
            lambda gradient, y: (y > 0.0).choose(gradient, gradient * LEAK),
            "output",
        ),
        Activation("sigmoid", sigmoid, lambda gradient, y: gradient * (1.0 - y) * y, "output"),
        Activation("tanh", tanh, lambda gradient, y: gradient * (1.0 - y * y), "output"),
        Activation("silu", silu, _silu_backward, "input", monotone=False),
        Activation("gelu", gelu, _gelu_backward, "input", monotone=False),
    )
}
"""What may follow a layer inside its kernel; the values and gradients are torch's."""


def _format(x: Value) -> _Format:
    return _FORMATS[str(x.element)]


def _polynomial(x: Value, coefficients: Sequence[float]) -> Value:
    """c0 + c1 x + c2 x² + …"""
    result = x.like(coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        result = result.fma(x, x.like(coefficient))
    return result


def _split(x: Value, form: _Format) -> tuple[Value, Value]:
    """`rest`, at most half of ln 2, and the integer `count`: x = rest + (count - twice the bias) ln 2."""
    shifted = x.fma(1 / math.log(2), x.like(form.rounder))
    rest, _ = _rest_and_number(x, form)
    count = shifted.bits(form.integer) + (2 * form.bias - form.bits(form.rounder))
    return rest, count


def _rest_and_number(x: Value, form: _Format) -> tuple[Value, Value]:
    """`rest`, at most half of ln 2, and the whole `number`: x = rest + number ln 2."""
    number = x.fma(1 / math.log(2), x.like(form.rounder)) - form.rounder
    short, tail = form.ln2
    return number.fma(-tail, number.fma(-short, x)), number


def _scaled(x: Value, number: Value) -> Value:
    """x times 2 to the power `number`, by the instruction of AVX-512 for it."""
    kernel, kind = x.kernel, x.type
    name = f"llvm.x86.avx512.mask.scalef.{'ps' if isinstance(kind.element, ir.FloatType) else 'pd'}.512"
    mask, mode = ir.IntType(16 if kind.count == 16 else 8), ir.IntType(32)
    function = kernel.intrinsic(name, kind, [kind, kind, kind, mask, mode])
    current = ir.Constant(mode, 4)  # the rounding that is set
    values = [x.ir, number.ir, x.ir, ir.Constant(mask, -1), current]
    return Value(kernel, kernel.builder.call(function, values))


def _near_one(rest: Value, form: _Format) -> Value:
    """exp of a number that is at most half of ln 2."""
    series = _polynomial(rest, form.exp_series)
    one = rest.like(1.0)
    return series.fma(rest, one).fma(rest, one)


def _exp_minus_one(rest: Value, form: _Format) -> Value:
    return (rest * rest).fma(_polynomial(rest, form.exp_series), rest)


def _power_of_two(count: Value, form: _Format) -> Value:
    """2 to the power `count` less the bias."""
    return (count << form.digits).bits(_element(form))


def _exponent_and_mantissa(x: Value, form: _Format) -> tuple[Value, Value]:
    """`e` and `m` with x = m times 2 to the power e and m between the square roots of 1/2 and 2."""
    small = x < 2.0 ** (1 - form.bias)  # subnormal
    scaled = small.choose(x * 2.0**form.digits, x)
    moved = scaled.bits(form.integer) + (form.bits(1.0) - form.bits(math.sqrt(0.5)))
    count = moved >> form.digits
    mantissa = scaled.bits(form.integer) + form.bits(1.0) - (count << form.digits)
    # the integer becomes a number as the last bits of a large one: not all processors convert 64-bit integers
    large = 2.0**form.digits
    exponent = (count | form.bits(large)).bits(_element(form)) - (large + form.bias)
    exponent = small.choose(exponent - float(form.digits), exponent)
    return exponent, mantissa.bits(_element(form))


def _erf_series(terms: int) -> list[float]:
    """Of erf(x) / x - 1, in powers of x²."""
    series = [2 / math.sqrt(math.pi) * (-1) ** k / (math.factorial(k) * (2 * k + 1)) for k in range(terms)]
    return [series[0] - 1, *series[1:]]


def _element(form: _Format) -> ir.Type:
    return ir.FloatType() if form is _FLOAT32 else ir.DoubleType()


def _absolute(x: Value) -> Value:
    return x.kernel.call("llvm.fabs", x)


def _with_sign(size: Value, sign: Value) -> Value:
    return size.kernel.call("llvm.copysign", size, sign)
