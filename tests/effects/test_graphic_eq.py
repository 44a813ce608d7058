"""Graphic equaliser: its response goes through the sliders, at any rate, and does not overshoot between them."""

import numpy as np
import pytest
import scipy.signal

from rtfx.effects.graphic_eq import CENTRES, GRAPHIC_EQ, NAMES

from .harness import RATE, Run, glide, guitar, run

SLIDERS = {
    "one": [0, 0, 0, 0, 0, 12, 0, 0, 0, 0],
    "smile": [9, 6, 3, 0, -3, -6, -3, 0, 3, 9],
    "all up": [12] * 10,
    "steps": [-12, -12, -12, -12, -12, 12, 12, 12, 12, 12],
    "comb": [6, -6, 6, -6, 6, -6, 6, -6, 6, -6],
}


def measured_db(sliders, grid, sample_rate=RATE) -> np.ndarray:
    x = np.zeros(2 * sample_rate, np.float32)
    x[0] = 1.0
    y = run(GRAPHIC_EQ, x, dict(zip(NAMES, sliders, strict=True)), sample_rate)
    return 20 * np.log10(np.abs(scipy.signal.freqz(y, worN=np.atleast_1d(grid), fs=sample_rate)[1]))


@pytest.mark.parametrize("name", SLIDERS)
@pytest.mark.parametrize("sample_rate", [44100, 48000, 96000])
def test_each_centre_has_the_gain_of_its_slider(name, sample_rate):
    found = measured_db(SLIDERS[name], CENTRES, sample_rate)
    assert np.abs(found - SLIDERS[name]).max() < 0.1, found


@pytest.mark.parametrize("name", ["one", "smile", "all up", "steps"])
def test_between_two_centres_it_is_between_their_gains(name):
    grid = np.geomspace(CENTRES[0], CENTRES[-1], 181)
    sliders = np.array(SLIDERS[name], float)
    low = np.minimum(sliders[:-1], sliders[1:]).repeat(20)
    high = np.maximum(sliders[:-1], sliders[1:]).repeat(20)
    found = measured_db(sliders, grid)[:-1]
    assert (found > low - 2.0).all() and (found < high + 2.0).all()


def test_the_response_is_the_same_at_every_rate():
    grid = np.geomspace(20, 19000, 150)
    one, other = (measured_db(SLIDERS["smile"], grid, rate) for rate in (48000, 192000))
    assert np.abs(one - other).max() < 0.5


def test_sliders_at_0_keep_every_bit():
    x = guitar(5000)
    np.testing.assert_array_equal(run(GRAPHIC_EQ, x), x)
    assert GRAPHIC_EQ.idle(GRAPHIC_EQ.complete({})) and not GRAPHIC_EQ.idle(GRAPHIC_EQ.complete({"db31": 0.1}))


def test_turning_a_slider_does_not_click():
    x = np.float32(0.3 * np.sin(2 * np.pi * 110 * np.arange(RATE) / RATE))
    rows = glide(GRAPHIC_EQ, {"db125": -12.0}, {"db125": 12.0, "db4k": 12.0}, x.size, start=RATE // 2)
    y = Run(GRAPHIC_EQ)(x, rows)
    high = scipy.signal.sosfilt(scipy.signal.butter(6, 5000, "high", fs=RATE, output="sos"), y)[2000:]
    assert np.abs(high).max() < 2e-3
