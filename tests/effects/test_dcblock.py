"""DC blocker: no DC, -3 dB at its corner frequency, no change above."""

import numpy as np
import pytest
import scipy.signal

from rtfx.effects.dcblock import CORNER_HZ, DCBLOCK

from .harness import RATE, run


def magnitude_db(frequency: float, sample_rate: float) -> float:
    x = np.zeros(int(sample_rate), np.float32)
    x[0] = 1.0
    y = run(DCBLOCK, x, sample_rate=sample_rate).astype(float)
    t = np.arange(y.size) / sample_rate
    return 20 * np.log10(abs(np.sum(y * np.exp(-2j * np.pi * frequency * t))))


@pytest.mark.parametrize("sample_rate", [44100, 48000, 192000])
@pytest.mark.parametrize("frequency", [1.0, CORNER_HZ, 82.4, 1000.0, 20000.0])
def test_magnitude(frequency, sample_rate):
    ratio = np.tan(np.pi * frequency / sample_rate) / np.tan(np.pi * CORNER_HZ / sample_rate)
    assert magnitude_db(frequency, sample_rate) == pytest.approx(-10 * np.log10(1 + ratio**-2), abs=0.001)


def test_dc_vanishes():
    y = run(DCBLOCK, np.full(RATE, 0.7, np.float32))
    assert np.abs(y[RATE // 2 :]).max() < 1e-6  # 31 time constants: exp(-31) = 2e-14


def test_against_scipy():
    x = np.random.default_rng(1).standard_normal(RATE)
    w = np.tan(np.pi * CORNER_HZ / RATE)
    expected = scipy.signal.lfilter([1 / (1 + w), -1 / (1 + w)], [1.0, -(1 - w) / (1 + w)], np.float32(x).astype(float))
    error = run(DCBLOCK, x) - expected
    assert 20 * np.log10(np.abs(error).max() / np.abs(expected).max()) < -130.0
