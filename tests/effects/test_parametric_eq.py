"""Parametric equaliser: what comes out has the cookbook's analogue response, whatever the four bands are."""

import numpy as np
import pytest
import scipy.signal

from rtfx.effects.parametric_eq import PARAMETRIC_EQ, TYPES

from .harness import RATE, Run, glide, guitar, run


def analogue(kind, frequency, gain_db, q, grid) -> np.ndarray:
    """Return the cookbook's H(s), as printed there."""
    s, a = 1j * grid / frequency, 10 ** (gain_db / 40)
    side = np.sqrt(a) / q * s
    return {
        "off": np.ones_like(s),
        "bell": (s * s + s * a / q + 1) / (s * s + s / (a * q) + 1),
        "low_shelf": a * (s * s + side + a) / (a * s * s + side + 1),
        "high_shelf": a * (a * s * s + side + 1) / (s * s + side + a),
        "low_cut": s * s / (s * s + s / q + 1),
        "high_cut": 1 / (s * s + s / q + 1),
    }[kind]


def setting(*bands) -> dict:
    values = {f"type{band}": "off" for band in (1, 2, 3, 4)}
    for band, (kind, frequency, gain_db, q) in enumerate(bands, 1):
        values |= {f"type{band}": kind, f"hz{band}": frequency, f"db{band}": gain_db, f"q{band}": q}
    return values


def measured(values, grid, sample_rate=RATE) -> np.ndarray:
    x = np.zeros(int(1.5 * sample_rate), np.float32)
    x[0] = 1.0
    return scipy.signal.freqz(run(PARAMETRIC_EQ, x, values, sample_rate), worN=grid, fs=sample_rate)[1]


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("sample_rate", [44100, 96000])
def test_each_type(kind, sample_rate):
    grid = np.geomspace(30, 20000, 200)
    for frequency in (60.0, 900.0, 9000.0):
        expected = np.abs(analogue(kind, frequency, -9.0, 0.8, grid))
        found = np.abs(measured(setting((kind, frequency, -9.0, 0.8)), grid, sample_rate))
        heard = expected > 0.01
        assert np.abs(20 * np.log10(found / expected))[heard].max() < 0.6


def test_four_bands_multiply():
    bands = (
        ("low_cut", 70.0, 0.0, 0.7),
        ("low_shelf", 150.0, 6.0, 0.7),
        ("bell", 2500.0, -8.0, 2.0),
        ("bell", 9e3, 5.0, 0.6),
    )
    grid = np.geomspace(40, 20000, 200)
    expected = np.abs(np.prod([analogue(*band, grid) for band in bands], axis=0))
    assert np.abs(20 * np.log10(np.abs(measured(setting(*bands), grid)) / expected)).max() < 0.3


def test_flat_bands_keep_every_bit():
    x = guitar(5000)
    np.testing.assert_array_equal(run(PARAMETRIC_EQ, x), x)
    assert PARAMETRIC_EQ.idle(PARAMETRIC_EQ.complete({}))
    assert not PARAMETRIC_EQ.idle(PARAMETRIC_EQ.complete({"type1": "low_cut"}))


def test_a_turning_bell_does_not_click():
    """A bass note stays free of what a step would add above 5 kHz."""
    x = np.float32(0.3 * np.sin(2 * np.pi * 110 * np.arange(RATE) / RATE))
    before, after = setting(("bell", 200.0, -20.0, 4.0)), setting(("bell", 5000.0, 20.0, 4.0))
    y = Run(PARAMETRIC_EQ)(x, glide(PARAMETRIC_EQ, before, before | after, x.size, start=RATE // 2))
    high = scipy.signal.sosfilt(scipy.signal.butter(6, 5000, "high", fs=RATE, output="sos"), y)[2000:]
    assert np.abs(high).max() < 2e-3
