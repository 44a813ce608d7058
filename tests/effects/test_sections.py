"""Matched sections have the analogue response up to half the sample rate, and cut what they boost."""

import numpy as np
import pytest
import scipy.signal

from rtfx.effects.sections import bell, level_db, matched_cells, section_cells, shelf


def response(cells, w) -> np.ndarray:
    """Return the response at w rad/sample of the section that Simper's equations describe, from its cells."""
    g, k, m0, m1, m2 = np.float32(cells).astype(np.float64)
    s = 1j * np.tan(w / 2) / g
    return 1.0 + m0 + (m1 * s + m2) / (s * s + k * s + 1.0)


def analogue(numerator, denominator, frequency, grid) -> np.ndarray:
    return scipy.signal.freqs(numerator, denominator, grid / frequency)[1]


def error_db(numerator, denominator, frequency, rate, top=20000.0, make=matched_cells) -> float:
    grid = np.geomspace(20.0, min(top, 0.499 * rate), 500)
    found = response(make(numerator, denominator, frequency, rate), 2 * np.pi * grid / rate)
    return float(np.abs(20 * np.log10(np.abs(found / analogue(numerator, denominator, frequency, grid)))).max())


@pytest.mark.parametrize("rate", [44100, 48000, 96000])
@pytest.mark.parametrize("frequency", [30.0, 300.0, 3000.0, 8000.0, 12000.0, 16000.0])
def test_bells_and_shelves_are_not_narrower_near_half_the_sample_rate(frequency, rate):
    for gain_db in (-18.0, -6.0, 3.0, 18.0):
        for q in (0.5, 0.7, 1.0, 3.0, 10.0):
            worst = min(0.06 * abs(gain_db), 0.7) if frequency > 1000 else 0.05
            assert error_db(*bell(gain_db, q), frequency, rate) < worst, (gain_db, q)
            numerator, denominator = shelf(10 ** (gain_db / 40), min(q, 1.0))
            assert error_db(numerator, denominator, frequency, rate) < worst, (gain_db, q)
            assert error_db(numerator[::-1], denominator[::-1], frequency, rate) < worst, (gain_db, q)


def test_the_bilinear_bell_is_far_off_where_the_matched_one_is_not():
    prototype = bell(12.0, 0.7)
    assert error_db(*prototype, 10000.0, 48000) < 0.4
    assert error_db(*prototype, 10000.0, 48000, make=section_cells) > 2.5


@pytest.mark.parametrize("frequency", [20.0, 80.0, 1000.0, 5000.0, 12000.0])
@pytest.mark.parametrize("q", [0.5, 0.7, 2.0])
def test_cuts_follow_the_analogue_slope(frequency, q):
    """To 0.7 dB where the analogue filter passes more than -40 dB."""
    slope = (1.0, 1.0 / q, 1.0)
    grid = np.geomspace(20.0, 20000.0, 400)
    for numerator in ((1.0, 0.0, 0.0), (0.0, 0.0, 1.0)):
        expected = np.abs(analogue(numerator, slope, frequency, grid))
        found = np.abs(response(matched_cells(numerator, slope, frequency, 48000), 2 * np.pi * grid / 48000))
        heard = expected > 0.01
        assert np.abs(20 * np.log10(found / expected))[heard].max() < 0.7


def test_a_cut_undoes_a_boost():
    w = np.geomspace(0.001, 3.1, 300)
    for frequency in (50.0, 5000.0, 15000.0):
        for make in (lambda db: bell(db, 0.8), lambda db: shelf(10 ** (db / 40))):
            boost, cut = (response(matched_cells(*make(db), frequency, 48000), w) for db in (9.0, -9.0))
            np.testing.assert_allclose(boost * cut, 1.0, atol=1e-5)


def test_a_flat_section_adds_nothing():
    assert matched_cells(*bell(0.0, 3.0), 440.0, 48000)[2:] == [0.0, 0.0, 0.0]
    assert section_cells(*bell(0.0, 3.0), 440.0, 48000)[2:] == [0.0, 0.0, 0.0]


def test_the_level_is_that_of_the_response():
    w = np.geomspace(0.001, 3.1, 50)
    cells = matched_cells(*bell(9.0, 2.0), 3000.0, 48000)
    np.testing.assert_allclose(level_db(cells, w), 20 * np.log10(np.abs(response(cells, w))), atol=1e-3)
