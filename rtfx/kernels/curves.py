"""The rarer activations on vectors: quotients, broken lines, curves flat on one side; each with its error bound."""

from __future__ import annotations

from collections.abc import Callable

from ..units import LOG2E
from .codes import FASTTANH, FASTTANH_LIMIT
from .simd import Emitter

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


def gelu(e: Emitter, x, exp2: Callable):
    """Return x (1 + erf(x / sqrt 2)) / 2 as max(x, 0) - |x| erfc(|x| / sqrt 2) / 2: error 1e-7 (1 + |x|)."""
    width = x.type.count
    one, size = e.const(1.0, width), e.magnitude(x)
    t = e.div(one, e.fma(size, e.const(GELU_POLE, width), one))
    bell = exp2(e, e.mul(e.mul(x, x), e.const(-0.5 * LOG2E, width)))
    tail = e.mul(e.mul(e.mul(size, t), e.polynomial(t, GELU)), bell)
    return e.sub(e.at_least(x, 0.0), tail)


def softplus(e: Emitter, x, exp2: Callable):
    """Return log(1 + e^x) as max(x, 0) + log(1 + e^-|x|): error 2e-7 + 1e-7 |x|."""
    power = exp2(e, e.mul(e.magnitude(x), e.const(-LOG2E, x.type.count)))
    return e.fma(power, e.polynomial(power, LOG1P), e.at_least(x, 0.0))


def softshrink(e: Emitter, x, slope):
    """Return x moved by `slope` towards zero, at most onto it: one rounding."""
    return e.sub(x, e.at_least(e.at_most(x, slope), e.negative(slope)))
