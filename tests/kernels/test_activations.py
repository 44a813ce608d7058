"""The error bounds that activations.py states, on dense grids against float64."""

from typing import NamedTuple

import numpy as np
import pytest

from rtfx.kernels import activations
from rtfx.kernels.kernel import Tile
from rtfx.kernels.simd import Emitter
from rtfx.kernels.state import STATE
from rtfx.units import LOG2E

from .harness import compiled

TANH, RATIONAL_TANH, SIGMOID, EXP2, SINE = range(5)
ALL = range(5)


FUNCTIONS = {
    TANH: activations.tanh_of_scaled,
    RATIONAL_TANH: activations.rational_tanh,
    SIGMOID: activations.sigmoid_of_scaled,
    EXP2: activations.exp2,
    SINE: activations.sine,
}


class Probe(NamedTuple):
    which: int
    lanes: int


def emit_probe(builder, shape: Probe, tile, state, source, target, frames):
    """Apply one function of `activations` to a row."""
    e = Emitter(builder)
    x, y = e.pointer(source), e.pointer(target)
    with e.loop(frames, shape.lanes) as t:
        e.store(FUNCTIONS[shape.which](e, e.load(x, t, shape.lanes)), y, t)


def evaluate(which, x, lanes=16):
    """Return the function of every float32 in `x`, whose length is a multiple of 16."""
    x = np.ascontiguousarray(x, np.float32)
    y = np.empty_like(x)
    assert x.size % 16 == 0
    state = np.zeros(1, STATE)
    compiled(Tile(emit_probe, Probe(which, lanes)))(state.ctypes.data, x.ctypes.data, y.ctypes.data, x.size)
    return x.astype(np.float64), y.astype(np.float64)


def grid(limit, count=1 << 20):
    """Return a dense grid of both signs, and as many points between 1e-30 and `limit` in equal ratios."""
    even = np.linspace(-limit, limit, count)
    ratios = np.geomspace(1e-30, limit, count // 2)
    return np.concatenate([even, ratios, -ratios])


def test_exp2_relative_error():
    x, y = evaluate(EXP2, grid(126.0))
    exact = np.exp2(x)
    assert (np.abs(y - exact) / exact).max() < 2e-7
    assert (evaluate(EXP2, np.zeros(16))[1] == 1.0).all()
    assert np.isfinite(evaluate(EXP2, np.array([1e30, -1e30, np.inf, -np.inf] * 4))[1]).all()


def test_tanh_error():
    x, y = evaluate(TANH, grid(60.0))
    exact = np.tanh(x / (2.0 * LOG2E))
    error = np.abs(y - exact)
    assert error.max() < 1.6e-7
    assert (error[x != 0.0] / np.abs(exact[x != 0.0])).max() < 3e-7


def test_rational_tanh_error():
    """The quotient's own error is far below its rounding: a recurrent net accumulates errors of one sign."""
    x = np.linspace(1e-3, activations.TANH_LIMIT, 10000)
    above, below = (np.polynomial.polynomial.polyval(x**2, c) for c in (activations.TANH_P, activations.TANH_Q))
    off = np.abs(x * above / below / np.tanh(x) - 1.0)
    assert off[x < 4.0].max() < 2e-8 and off.max() < 7e-8, "it stays below 1"
    x, y = evaluate(RATIONAL_TANH, grid(20.0))
    error = np.abs(y - np.tanh(x))
    assert error.max() < 3.4e-7
    assert (error[x != 0.0] / np.abs(np.tanh(x[x != 0.0]))).max() < 3.4e-7
    assert (np.abs(y[np.abs(x) > activations.TANH_LIMIT]) == 1.0).all()
    assert np.abs(y).max() <= 1.0


def test_sigmoid_absolute_error():
    x, y = evaluate(SIGMOID, grid(60.0))
    assert np.abs(y - 1.0 / (1.0 + np.exp2(x))).max() < 1e-7
    assert y.min() >= 0.0
    assert y.max() <= 1.0


def test_sine_absolute_error():
    x, y = evaluate(SINE, grid(8192.0, 1 << 21))
    assert np.abs(y - np.sin(x)).max() < 2e-7


@pytest.mark.parametrize("which", ALL)
def test_widths_agree_bit_for_bit(which):
    x = grid(100.0, 1 << 14)
    wide = evaluate(which, x, 16)[1]
    assert np.array_equal(evaluate(which, x, 8)[1], wide)
    assert np.array_equal(evaluate(which, x, 4)[1], wide)


@pytest.mark.parametrize("which", ALL)
@pytest.mark.parametrize("lanes", [16, 8, 4])
def test_nan_passes(which, lanes):
    x = np.linspace(-3.0, 3.0, 64)
    x[[5, 40]] = np.nan, -np.nan
    y = evaluate(which, x, lanes)[1]
    assert np.flatnonzero(np.isnan(y)).tolist() == [5, 40]
