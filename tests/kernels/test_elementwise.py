"""Row kernels against float64."""

import numpy as np
import pytest

from rtfx.kernels.activations import CODES
from rtfx.kernels.elementwise import ADD, AFFINE, GAIN, PRELU, SOFTMAX, pack, rows_kernel
from rtfx.kernels.state import STATE

from . import oracle
from .harness import BLOCKS, noise, run

FRAMES = sum(BLOCKS)
ERROR = 4e-7
ROWS = (1, 2, 7, 16)
LANES = (16, 8, 4)


def rows(operation, lanes, x, weights=None, extra=None):
    return run(rows_kernel(operation, len(x), lanes), STATE, x, len(x), weights, extra=extra)


@pytest.mark.parametrize("lanes", LANES)
@pytest.mark.parametrize("count", ROWS)
def test_copy_is_exact(count, lanes):
    x = noise(0, count, FRAMES)
    assert np.array_equal(rows(0, lanes, x), x)


@pytest.mark.parametrize("lanes", LANES)
def test_affine_prelu_add_gain(lanes):
    x, side = noise(1, 5, FRAMES), noise(2, 5, FRAMES)
    scale, shift = noise(3, 5), noise(4, 5)
    exact = scale[:, None] * x + shift[:, None]
    assert np.abs(rows(AFFINE, lanes, x, pack(scale, shift)) - exact).max() < 1e-6
    exact = np.where(x >= 0.0, x, scale[:, None] * x)
    assert np.abs(rows(PRELU, lanes, x, pack(scale)) - exact).max() < 1e-6
    assert np.array_equal(rows(ADD, lanes, x, extra=side), (x + side).astype(np.float32))
    gains = side[:1]
    assert np.array_equal(rows(GAIN, lanes, x, extra=gains), (x * gains).astype(np.float32))


@pytest.mark.parametrize("lanes", LANES)
@pytest.mark.parametrize("count", ROWS)
def test_softmax(count, lanes):
    for loudness in (1.0, 500.0):
        x = loudness * noise(5, count, FRAMES)
        power = np.exp(x - x.max(axis=0))
        exact = power / power.sum(axis=0)
        y = rows(SOFTMAX, lanes, x)
        assert np.abs(y - exact).max() < 1e-6 + 1e-7 * loudness  # the difference of large inputs rounds


@pytest.mark.parametrize("lanes", LANES)
@pytest.mark.parametrize("kind", CODES, ids=lambda kind: kind or "copy")
def test_activations(kind, lanes):
    x = 3.0 * noise(6, 3, FRAMES)
    slope = 0.7
    y = rows(CODES[kind][0], lanes, x, pack(oracle.constants(slope)))
    exact = oracle.ACTIVATIONS[kind](x, slope)
    assert (np.abs(y - exact) <= ERROR * np.maximum(1.0, np.abs(exact))).all()


@pytest.mark.parametrize("kind", [*CODES, "softmax", "prelu", "affine", "add", "gain"], ids=lambda kind: kind or "copy")
def test_nan_passes(kind):
    operations = {"softmax": SOFTMAX, "prelu": PRELU, "affine": AFFINE, "add": ADD, "gain": GAIN}
    operation = operations.get(kind) or CODES[kind][0]
    for nan in (np.nan, -np.nan):
        x = noise(7, 3, FRAMES)
        x[1, 40] = nan
        y = rows(operation, 16, x, pack(noise(8, 6)), np.ones((3, FRAMES)))
        spoiled = np.isnan(y)
        assert spoiled[1, 40]
        spoiled[:, 40] = False
        assert not spoiled.any()


@pytest.mark.parametrize("operation", [code for code, _ in CODES.values()] + [SOFTMAX, AFFINE, PRELU])
def test_all_widths_are_one_class(operation):
    x = 2.0 * noise(9, 4, FRAMES)
    results = [rows(operation, lanes, x, pack(noise(10, 8))) for lanes in LANES]
    assert np.array_equal(results[0], results[1])
    assert np.array_equal(results[0], results[2])
