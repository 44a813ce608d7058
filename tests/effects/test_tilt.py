"""Tilt: the first-order analogue filter, whose level at the pivot stays."""

import numpy as np
import pytest
import scipy.signal

from rtfx.effects.tilt import TILT

from .harness import guitar, run


@pytest.mark.parametrize("tilt_db", [-12.0, -3.0, 6.0, 12.0])
@pytest.mark.parametrize("pivot", [150.0, 700.0, 4000.0])
@pytest.mark.parametrize("sample_rate", [44100, 96000])
def test_it_is_the_analogue_filter(tilt_db, pivot, sample_rate):
    x = np.zeros(sample_rate, np.float32)
    x[0] = 1.0
    y = run(TILT, x, {"tilt_db": tilt_db, "pivot_hz": pivot}, sample_rate)
    grid = np.geomspace(20, 20000, 100)
    s, g = 1j * grid / pivot, 10 ** (tilt_db / 20)
    expected = np.abs((g * s + 1) / (s + g))
    found = np.abs(scipy.signal.freqz(y, worN=grid, fs=sample_rate)[1])
    assert np.abs(20 * np.log10(found / expected)).max() < 0.25


def test_flat_keeps_every_bit():
    x = guitar(3000)
    np.testing.assert_array_equal(run(TILT, x), x)
    assert TILT.idle(TILT.complete({})) and not TILT.idle(TILT.complete({"tilt_db": 1.0}))
