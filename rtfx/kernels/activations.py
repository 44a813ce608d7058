"""Activation functions: their code numbers, and their computation on vectors with error bounds.

Coefficients are minimax fits over the stated range. There are two families of tanh, whose results differ by rounding:
one uses exp2 (absolute error 1.6e-7, relative 3e-7; it is cheaper), the other a quotient of an odd and an even
polynomial (absolute and relative error 3.4e-7; its chain of dependent operations is shorter). `model.nodes.Activation`
defines each kind and its constants.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np
from llvmlite import ir

from ..units import LOG2E
from .processor import features
from .simd import I32, Emitter, outside, vector

CONSTANTS = 4  # slope, slope_high, low, high: in this order before the weights of a layer
SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772  # Klambauer et al. 2017
# Neural Amp Modeler's fasttanh: x (A (1 + q) + (B + C q) x^2) / (D + (D + x^2) q (1 + E q)), q = |x|
FASTTANH = (2.45550750702956, 0.893229853513558, 0.821226666969744, 2.44506634652299, 0.814642734961073)
FASTTANH_LIMIT = 1e8  # above, x^4 would overflow float32; the quotient is constant to 1e-8 there

# 2**f on [-0.5, 0.5] with value 1 at 0 exactly: relative error 9e-8
EXP2 = (1.0, 0.6931470036506653, 0.24022242426872253, 0.05550733581185341, 0.009671512991189957, 0.001326472731307149)
# (2**f - 1) / f on [-0.5, 0.5]: relative error 2e-8, less than the rounding; EXP2 without its 1 would err by 7.6e-7
RISE = (0.6931471879, 0.24022649795, 0.0555035743363, 0.0096182374938, 0.00133907354783, 0.000154035127581)
SMALL_RISE = (0.6931573448, 0.24022651)  # (2**f - 1) / f on [-1/64, 1/64]: error 5e-8 of 2**f
ROUND = 1.5 * 2.0**23  # adding it rounds a float32 to the nearest integer, which then stands in the low bits
# tanh(x) = x P(x^2) / Q(x^2) up to the limit: relative error 2e-8, 7e-8 near the end, where it stays below 1
TANH_P = (1.0, 0.13408967852592468, 0.003528930712491274, 2.116750692948699e-05, 1.415550698879997e-08)
TANH_Q = (1.0, 0.4674229323863983, 0.026003388687968254, 0.00033405330032110214, 8.098105581666459e-07)
TANH_LIMIT = 8.341646194458008  # where float32 gives 1 exactly, so that a closed gate gives exactly 0
TABLE_LIMIT = 7.87  # the last quarter's centre is 7.75
LIFT = 2.9e-7  # added at the end of the last quarter, so that tanh reaches 1 exactly
# sin(r) / r in r^2, |r| <= pi/2: relative error 6e-9
SIN = (1.0, -0.16666659712791443, 0.008333064615726471, -0.00019809475634247065, 2.605481540740584e-06)
PI_PARTS = (3.140625, 0.0009675025939941406, 1.509957990978376e-07)  # sum is pi; products with k < 2**13 stay exact
# log(1 + u) / u on [0, 1]: relative error 5e-9
LOG1P = (
    1.0, -0.4999990165233612, 0.3332996368408203, -0.24954134225845337, 0.1967594027519226,
    -0.15305593609809875, 0.10603656619787216, -0.056959543377161026, 0.01985146477818489, -0.0032440253999084234,
)  # fmt: skip
# erfc(x / sqrt 2) e^(x^2 / 2) / (2 t) in t = 1 / (1 + GELU_POLE x), x >= 0: error 6e-9 times x t e^(-x^2 / 2)
GELU_POLE = 0.4
GELU = (
    0.1565212905406952, 0.1900458186864853, 0.009346799924969673,
    0.34513914585113525, -0.25848400592803955, 0.05743134766817093,
)  # fmt: skip

# code number, and the factor on the input, which the preceding layer multiplies into its weights
CODES = {
    "": (0, 1.0),
    "tanh": (1, 2.0 * LOG2E),
    "sigmoid": (2, -LOG2E),
    "relu": (3, 1.0),
    "leaky_relu": (4, 1.0),
    "elu": (5, 1.0),
    "sine": (6, 1.0),
    "fasttanh": (7, 1.0),
    "hardtanh": (8, 1.0),
    "silu": (9, 1.0),
    "hardswish": (10, 1.0),
    "softsign": (11, 1.0),
    "selu": (12, 1.0),
    "gelu": (13, 1.0),
    "softplus": (14, 1.0),
    "softshrink": (15, 1.0),
}


def code_of(kind: str) -> int:
    """Return the code number of an activation; "" is no activation."""
    return CODES[kind][0]


def factor_of(kind: str) -> float:
    """Return the input factor of an activation."""
    return CODES[kind][1]


def exp2(e: Emitter, x, low: float = -126.0, high: float = 126.0):
    """Return 2**x for x clamped to [low, high]: relative error 2e-7."""
    fraction, shifted = _split(e, x, low, high)
    return _scaled(e, e.polynomial(fraction, EXP2), shifted)


def exp2_minus_1(e: Emitter, x, low: float = -126.0, high: float = 126.0):
    """Return 2**x - 1 for x clamped to [low, high]: relative error 3e-7, near 0 too.

    With x = n + f it is (2**n - 1) + 2**n (2**f - 1): the first term is exact, and the second needs no
    difference of nearly equal numbers.
    """
    fraction, shifted = _split(e, x, low, high)
    one = e.const(1.0, x.type.count)
    power = _scaled(e, one, shifted)
    return e.fma(power, e.mul(fraction, e.polynomial(fraction, RISE)), e.sub(power, one))


def _split(e: Emitter, x, low: float, high: float):
    """Return x minus its nearest integer, and that integer in the form that `_scaled` takes."""
    width = x.type.count
    x = e.at_least(e.at_most(x, high), low)
    if _by_instruction(width):
        whole = e.call("rint", x)
        return e.sub(x, whole), whole
    shifted = e.add(x, e.const(ROUND, width))
    return e.sub(x, e.sub(shifted, e.const(ROUND, width))), shifted


def _by_instruction(width: int) -> bool:
    """Return whether one instruction scales by a power of two."""
    return width == 16 and "avx512f" in features()


def _scaled(e: Emitter, mantissa, shifted):
    """Return mantissa * 2**whole; `shifted` comes from `_split`: it is `whole`, or holds it in its low bits."""
    width = mantissa.type.count
    if _by_instruction(width):
        return _scale(e, mantissa, shifted)
    power = e.b.shl(e.bits(shifted), e.integers(23, width))
    return e.from_bits(e.b.add(e.bits(mantissa), power))


def _scale(e: Emitter, mantissa, whole):
    """Return mantissa * 2**whole by one AVX-512 instruction; equal to the integer form, bit for bit."""
    kind, mask = vector(16), ir.IntType(16)
    scale = outside(e.b, kind, "llvm.x86.avx512.mask.scalef.ps.512", kind, kind, kind, mask, I32)
    current_rounding = ir.Constant(I32, 4)
    return e.b.call(scale, [mantissa, whole, mantissa, ir.Constant(mask, 0xFFFF), current_rounding])


def tanh_of_scaled(e: Emitter, y):
    """Return tanh(x) for ``y = 2 log2(e) x``: (2**y - 1) / (2**y + 1)."""
    rise = exp2_minus_1(e, y)
    return e.div(rise, e.add(rise, e.const(2.0, y.type.count)))


def sigmoid_of_scaled(e: Emitter, y):
    """Return sigmoid(x) for ``y = -log2(e) x``: 1 / (1 + 2**y), absolute error 1e-7."""
    one = e.const(1.0, y.type.count)
    return e.div(one, e.add(exp2(e, y), one))


def rational_tanh(e: Emitter, x, factor=None):
    """Return tanh(x), or ``factor tanh(x)``, as a quotient of polynomials with one division."""
    x = e.at_least(e.at_most(x, TANH_LIMIT), -TANH_LIMIT)
    square = e.mul(x, x)
    odd = x if factor is None else e.mul(x, factor)
    return e.div(e.mul(odd, e.polynomial(square, TANH_P)), e.polynomial(square, TANH_Q))


def _pick(e: Emitter, table: np.ndarray, places):
    """Return ``table[places mod 32]``, 32 float32 held in two registers of 512 bits (AVX-512)."""
    width = places.type.count
    if width < 16:
        undefined = ir.Constant(places.type, ir.Undefined)
        lanes = ir.Constant(ir.VectorType(I32, 16), [i % width for i in range(16)])
        places = e.b.shuffle_vector(places, undefined, lanes)
    low, high = (ir.Constant(vector(16), [float(v) for v in half]) for half in (table[:16], table[16:]))
    found = pick_two(e, low, places, high)
    return found if width == 16 else e.shuffle(found, range(width))


def pick_two(e: Emitter, low, places, high):
    """Return lanes of two vectors of 16, those of `high` counted from 16 on (AVX-512)."""
    permute = outside(e.b, low.type, "llvm.x86.avx512.vpermi2var.ps.512", low.type, places.type, low.type)
    return e.b.call(permute, [low, places, high])


@cache
def tanh_table(degree: int, steps: int) -> np.ndarray:
    """Return (degree + 1, 32) coefficients of tanh around k / steps, k = 0 .. 31, in ascending powers.

    Of degree 5 in quarters: relative error 1.1e-7, but for the last quarter, which ends at 1: error 3e-7.
    """
    half = 0.5 / steps
    reach = half * np.cos(np.pi * (np.arange(64) + 0.5) / 64)  # Chebyshev nodes: near the best uniform error
    to_1 = LIFT * (0.5 + reach * steps)
    parts = [np.tanh(k / steps + reach) + (to_1 if k == 31 else 0.0) for k in range(1, 32)]
    rows = [np.polynomial.polynomial.polyfit(reach, part, degree) for part in parts]
    near = (half + reach) / 2
    first = np.polynomial.polynomial.polyfit(near, np.tanh(near) / near, degree - 1)
    return np.array([[0.0, *first], *rows]).T.astype(np.float32)


def table_tanh(e: Emitter, x, factor=None):
    """Return tanh(x) by a polynomial of degree 5 per quarter: no division, relative error 2e-7.

    From 7.87 on the result is 1 exactly; just before, the error is 3e-7. With degree 4 a small layer would take a tenth
    less time, but the error would be visible in nets that amplify their own errors.

    Parameters
    ----------
    factor : vector, optional
        Return ``factor tanh(x)``. It takes no more time than tanh(x): the product is not on the longest chain of
        dependent operations.
    """
    width = x.type.count
    size = e.at_most(e.magnitude(x), TABLE_LIMIT)
    shifted = e.add(size, e.const(ROUND / 4, width))
    rest = e.sub(size, e.sub(shifted, e.const(ROUND / 4, width)))
    coefficients = [_pick(e, row, e.bits(shifted)) for row in tanh_table(5, 4)[::-1]]  # in the order of their use
    high, middle, low = [e.fma(rest, coefficients[i], coefficients[i + 1]) for i in range(0, 6, 2)]
    square = e.mul(rest, rest)
    return _with_sign(e, x, e.fma(square, high, middle), square, low, factor)


def _with_sign(e: Emitter, x, high, power, low, factor):
    """Return ``power high + low`` with the sign of x, times the factor."""
    sign = e.b.and_(e.bits(x), e.integers(-(1 << 31), x.type.count))
    if factor is None:
        return e.from_bits(e.b.or_(e.bits(e.fma(power, high, low)), sign))
    factor = e.from_bits(e.b.xor(e.bits(factor), sign))
    return e.fma(e.mul(power, factor), high, e.mul(low, factor))


def table_exp2(e: Emitter, x, low: float, high: float):
    """Return 2**x for x clamped to [low, high], by a table of 32 fractions: relative error 1.2e-7."""
    base, rise = _table_split(e, x, low, high)
    return e.fma(base, rise, base)


def table_exp2_minus_1(e: Emitter, x, low: float, high: float):
    """Return 2**x - 1 for x clamped to [low, high]: relative error 2e-7, near 0 too, where the table's entry is 1."""
    base, rise = _table_split(e, x, low, high)
    return e.fma(base, rise, e.sub(base, e.const(1.0, x.type.count)))


def _table_split(e: Emitter, x, low: float, high: float):
    """Return 2**(k / 32) for the k nearest to 32 x, and 2**(x - k / 32) - 1."""
    width = x.type.count
    x = e.at_least(e.at_most(x, high), low)
    shifted = e.add(x, e.const(ROUND / 32, width))
    rest = e.sub(x, e.sub(shifted, e.const(ROUND / 32, width)))
    places = e.bits(shifted)
    fractions = np.exp2(np.arange(32) / 32).astype(np.float32).view(np.int32) - (np.arange(32, dtype=np.int32) << 18)
    exponent = e.b.shl(places, e.integers(18, width))
    base = e.from_bits(e.b.add(e.bits(_pick(e, fractions.view(np.float32), places)), exponent))
    return base, e.mul(rest, e.fma(rest, e.const(SMALL_RISE[1], width), e.const(SMALL_RISE[0], width)))


def sine(e: Emitter, x):
    """Return sin(x): absolute error 2e-7 up to |x| = 8192, the range reduced by multiples of pi in three parts."""
    width = x.type.count
    shifted = e.fma(x, e.const(1.0 / math.pi, width), e.const(ROUND, width))
    whole = e.sub(shifted, e.const(ROUND, width))
    rest = x
    for part in PI_PARTS:
        rest = e.fma(whole, e.const(-part, width), rest)
    value = e.mul(rest, e.polynomial(e.mul(rest, rest), SIN))
    odd = e.b.shl(e.bits(shifted), e.integers(31, width))  # parity of the multiple becomes the sign
    return e.from_bits(e.b.xor(e.bits(value), odd))


def leaky_relu(e: Emitter, x, slope):
    """Return x where x >= 0, else slope x: one rounding."""
    return e.where_positive(x, x, e.mul(x, slope))


def elu(e: Emitter, x, slope):
    """Return x where x >= 0, else slope (e^x - 1): relative error 3e-7."""
    grown = exp2_minus_1(e, e.mul(x, e.const(LOG2E, x.type.count)))
    return e.where_positive(x, x, e.mul(slope, grown))


def fasttanh(e: Emitter, x):
    """Return Neural Amp Modeler's quotient for tanh: relative error 4e-7 of it."""
    width = x.type.count
    a, b, c, d, f = (e.const(value, width) for value in FASTTANH)
    x = e.at_least(e.at_most(x, FASTTANH_LIMIT), -FASTTANH_LIMIT)
    q, square = e.magnitude(x), e.mul(x, x)
    above = e.fma(e.fma(c, q, b), square, e.fma(a, q, a))
    below = e.fma(e.add(d, square), e.fma(f, square, q), d)
    return e.div(e.mul(x, above), below)


def hardtanh(e: Emitter, x, slope, slope_high, low, high):
    """Return x between `low` and `high`, straight lines from there on: at most three roundings."""
    below, above = e.fma(slope, e.sub(x, low), low), e.fma(slope_high, e.sub(x, high), high)
    inside = e.b.select(e.b.fcmp_ordered(">", x, high), above, x)
    return e.b.select(e.b.fcmp_ordered("<", x, low), below, inside)


def hardswish(e: Emitter, x):
    """Return x clip(x + 3, 0, 6) / 6: error 2e-7 |x|."""
    width = x.type.count
    gate = e.at_least(e.at_most(e.add(x, e.const(3.0, width)), 6.0), 0.0)
    return e.mul(x, e.mul(gate, e.const(1.0 / 6.0, width)))  # 6 times float32's 1/6 rounds to 1


def softsign(e: Emitter, x):
    """Return x / (1 + |x|): relative error 1.2e-7."""
    return e.div(x, e.add(e.magnitude(x), e.const(1.0, x.type.count)))


def gelu(e: Emitter, x):
    """Return x (1 + erf(x / sqrt 2)) / 2 as max(x, 0) - |x| erfc(|x| / sqrt 2) / 2: error 1e-7 (1 + |x|)."""
    width = x.type.count
    one, size = e.const(1.0, width), e.magnitude(x)
    t = e.div(one, e.fma(size, e.const(GELU_POLE, width), one))
    bell = exp2(e, e.mul(e.mul(x, x), e.const(-0.5 * LOG2E, width)))
    tail = e.mul(e.mul(e.mul(size, t), e.polynomial(t, GELU)), bell)
    return e.sub(e.at_least(x, 0.0), tail)


def softplus(e: Emitter, x):
    """Return log(1 + e^x) as max(x, 0) + log(1 + e^-|x|): error 2e-7 + 1e-7 |x|."""
    power = exp2(e, e.mul(e.magnitude(x), e.const(-LOG2E, x.type.count)))
    return e.fma(power, e.polynomial(power, LOG1P), e.at_least(x, 0.0))


def softshrink(e: Emitter, x, slope):
    """Return x moved by `slope` towards zero, at most onto it: one rounding."""
    return e.sub(x, e.at_least(e.at_most(x, slope), e.negative(slope)))


EMITTERS: dict[str, Callable] = {
    "": lambda e, x, c: x,
    "tanh": lambda e, x, c: tanh_of_scaled(e, x),
    "sigmoid": lambda e, x, c: sigmoid_of_scaled(e, x),
    "relu": lambda e, x, c: e.at_least(x, 0.0),  # NaN passes, so that the check of the model's output finds it
    "leaky_relu": lambda e, x, c: leaky_relu(e, x, c[0]),
    "elu": lambda e, x, c: elu(e, x, c[0]),
    "sine": lambda e, x, c: sine(e, e.mul(x, c[0])),
    "fasttanh": lambda e, x, c: fasttanh(e, x),
    "hardtanh": lambda e, x, c: hardtanh(e, x, *c),
    "silu": lambda e, x, c: e.mul(x, sigmoid_of_scaled(e, e.mul(x, e.const(-LOG2E, x.type.count)))),  # error 1.5e-7 |x|
    "hardswish": lambda e, x, c: hardswish(e, x),
    "softsign": lambda e, x, c: softsign(e, x),
    "selu": lambda e, x, c: e.mul(  # relative error 4e-7
        elu(e, x, e.const(SELU_ALPHA, x.type.count)), e.const(SELU_SCALE, x.type.count)
    ),
    "gelu": lambda e, x, c: gelu(e, x),
    "softplus": lambda e, x, c: softplus(e, x),
    "softshrink": lambda e, x, c: softshrink(e, x, c[0]),
}
# code -> (input factor, emitter(e, scaled x, constants: CONSTANTS vectors))
BY_CODE = {code: (factor, EMITTERS[kind]) for kind, (code, factor) in CODES.items()}
