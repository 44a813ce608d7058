"""The error bounds that activations.py and curves.py state for the activations, on dense grids, against float64."""

from typing import NamedTuple

import numpy as np
import pytest

from rtfx.kernels.activations import BY_CODE, CODES
from rtfx.kernels.kernel import Loop, Tile
from rtfx.kernels.memory import floats
from rtfx.kernels.plain import activate
from rtfx.kernels.simd import Emitter
from rtfx.units import LOG2E

from . import oracle, test_activations
from .harness import compiled

SLOPE = 0.375
CONSTANTS = np.array(oracle.constants(SLOPE), np.float32)
CONSTANTS_BYTES = 4 * 4
# kind: (absolute bound, bound relative to |x|, bound relative to |f(x)|): the error is below their sum
BOUNDS = {
    "elu": (0.0, 0.0, 3e-7),
    "fasttanh": (0.0, 0.0, 4e-7),
    "hardtanh": (0.0, 1.2e-7, 6e-8),
    "silu": (0.0, 1.5e-7, 0.0),
    "hardswish": (0.0, 2e-7, 0.0),
    "softsign": (0.0, 0.0, 1.2e-7),
    "selu": (0.0, 0.0, 4e-7),
    "gelu": (1e-7, 1e-7, 0.0),
    "softplus": (2e-7, 1e-7, 0.0),
    "softshrink": (0.0, 0.0, 6e-8),
}
RANGES = (0.1, 1.0, 4.0, 30.0, 1e4)


class Probe(NamedTuple):
    code: int
    lanes: int


def emit_probe(builder, shape: Probe, tile, constants, source, target, frames):
    """Apply one activation to a row."""
    factor, function = BY_CODE[shape.code]
    assert factor == 1.0
    e = Emitter(builder)
    constants, x, y = (e.pointer(address) for address in (constants, source, target))
    own = [e.broadcast(constants, i, shape.lanes) for i in range(4)]
    with e.loop(frames, shape.lanes) as t:
        e.store(function(e, e.load(x, t, shape.lanes), own), y, t)


def evaluate(kind, x, lanes=16):
    """Return (x, y) in float64 for the float32 nearest to each number in `x`, whose length is a multiple of 16."""
    x = np.ascontiguousarray(x, np.float32)
    y = np.empty_like(x)
    assert x.size % 16 == 0
    compiled(Tile(emit_probe, Probe(CODES[kind][0], lanes)))(
        CONSTANTS.ctypes.data, x.ctypes.data, y.ctypes.data, x.size
    )
    return x.astype(np.float64), y.astype(np.float64)


def grid(limit, count=1 << 18):
    """Return a dense grid of both signs, and as many points between 1e-30 and `limit` in equal ratios."""
    ratios = np.geomspace(1e-30, limit, count // 2)
    return np.concatenate([np.linspace(-limit, limit, count), ratios, -ratios])


def excess(kind, x, y):
    """Return the largest error as a part of its bound, and where it is."""
    exact = oracle.ACTIVATIONS[kind](x, SLOPE)
    absolute, of_input, of_output = BOUNDS[kind]
    bound = absolute + of_input * np.abs(x) + of_output * np.abs(exact) + 1e-36
    part = np.abs(y - exact) / bound
    return part.max(), x[part.argmax()]


@pytest.mark.parametrize("kind", BOUNDS)
def test_error_bound(kind):
    x = np.concatenate([grid(limit) for limit in RANGES])
    part, where = excess(kind, *evaluate(kind, x))
    assert part < 1.0, where


def test_tanh_relative_error():
    """Near zero the relative error stays small, so a quiet signal keeps its precision."""
    x, y = test_activations.evaluate(test_activations.TANH, np.concatenate([grid(3.0), grid(60.0)]))
    exact = np.tanh(x / (2.0 * LOG2E))
    assert (np.abs(y - exact) <= 8e-7 * np.abs(exact) + 1e-36).all()


@pytest.mark.parametrize("kind", BOUNDS)
def test_widths_agree_bit_for_bit(kind):
    x = grid(20.0, 1 << 13)
    wide = evaluate(kind, x, 16)[1]
    assert np.array_equal(evaluate(kind, x, 8)[1], wide)
    assert np.array_equal(evaluate(kind, x, 4)[1], wide)


@pytest.mark.parametrize("kind", BOUNDS)
@pytest.mark.parametrize("lanes", [16, 8, 4])
def test_nan_passes_and_extremes_stay_finite(kind, lanes):
    x = np.linspace(-3.0, 3.0, 64)
    x[[5, 40]] = np.nan, -np.nan
    assert np.flatnonzero(np.isnan(evaluate(kind, x, lanes)[1])).tolist() == [5, 40]
    assert np.isfinite(evaluate(kind, [1e30, -1e30, 3e38, -3e38, 1e9, -1e9, 0.0, -0.0] * 2, lanes)[1]).all()


def test_no_kind_is_forgotten():
    assert set(CODES) - set(BOUNDS) == {"", "tanh", "sigmoid", "relu", "leaky_relu", "sine"}


def plain(code, source, target, frames):
    """Apply the plain form of an activation to a row; its constants lie before the row."""
    constants = source - CONSTANTS_BYTES
    for n in range(frames):
        floats(target + 4 * n, 1)[0] = activate(code, floats(source + 4 * n, 1)[0], constants)
    return 0


@pytest.fixture(scope="module")
def plain_form():
    return compiled(Loop(plain))


@pytest.mark.parametrize("kind", BOUNDS)
def test_plain_form(plain_form, kind):
    """The scalar form, with which tiles are compared, is as exact as float32 allows."""
    x = np.float32(np.append(np.linspace(-25.0, 25.0, 2001), np.nan))
    y, row = np.empty_like(x), np.concatenate([CONSTANTS, x])
    plain_form(CODES[kind][0], row.ctypes.data + CONSTANTS_BYTES, y.ctypes.data, x.size)
    exact = oracle.ACTIVATIONS[kind](x[:-1].astype(np.float64), SLOPE)
    assert (np.abs(y[:-1] - exact) <= 1.5e-7 * np.maximum(np.abs(exact), 1e-3)).all()
    assert np.isnan(y[-1])
