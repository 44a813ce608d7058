"""Gain: exact at 0 dB, exact in level, and a glide without steps."""

import numpy as np
import pytest

from rtfx.effects.gain import GAIN

from .harness import RATE, Run, glide, guitar, run


def test_zero_decibels_are_bit_transparent():
    x = guitar(5000)
    np.testing.assert_array_equal(run(GAIN, x), x)


@pytest.mark.parametrize("gain_db", [-60.0, -6.0, 12.0, 24.0])
def test_level(gain_db):
    x = guitar(5000)
    np.testing.assert_allclose(run(GAIN, x, {"gain_db": gain_db}), x.astype(float) * 10 ** (gain_db / 20), rtol=2e-7)


def test_glide_has_no_step():
    x = np.sin(2 * np.pi * 100 * np.arange(4800) / RATE)
    y = Run(GAIN)(x, glide(GAIN, {"gain_db": -60.0}, {"gain_db": 0.0}, x.size, start=1000))
    steepest = 2 * np.pi * 100 / RATE + 1.0 / 960  # the sine's own slope and the glide's
    assert np.abs(np.diff(y)).max() < steepest * 1.001
    assert np.abs(np.diff(y)).max() > 0.9 * 2 * np.pi * 100 / RATE
