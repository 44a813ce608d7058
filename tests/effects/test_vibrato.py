"""Vibrato: as many cents up and down as the knob says, and late by what it reports."""

import numpy as np
import pytest
import scipy.signal

from rtfx.effects.vibrato import VIBRATO

from .harness import RATE, run


@pytest.mark.parametrize("rate_hz, cents", [(5.0, 20.0), (12.0, 100.0), (3.0, 50.0)])
def test_the_pitch_goes_as_far_as_it_says(rate_hz, cents):
    x = 0.3 * np.sin(2 * np.pi * 1000 * np.arange(3 * RATE) / RATE)
    y = run(VIBRATO, x, {"rate_hz": rate_hz, "depth_cents": cents})[0].astype(float)
    hertz = np.diff(np.unwrap(np.angle(scipy.signal.hilbert(y))))[RATE // 2 : -RATE // 2] * RATE / (2 * np.pi)
    bend = 1200 * np.log2(hertz / 1000)
    assert bend.max() == pytest.approx(cents, rel=0.03)
    assert bend.min() == pytest.approx(-cents, rel=0.08)  # the slope is symmetric in hertz, not in cents
    power = np.abs(np.fft.rfft((bend - bend.mean()) * np.hanning(bend.size)))
    assert np.argmax(power) * RATE / bend.size == pytest.approx(rate_hz, abs=0.5)


def test_without_depth_it_is_late_by_its_latency():
    x = np.random.default_rng(1).uniform(-0.5, 0.5, 4000).astype(np.float32)
    late = VIBRATO.latency(RATE)
    for y in run(VIBRATO, x, {"depth_cents": 0.0}):
        np.testing.assert_allclose(y[late:], x[:-late], atol=1e-6)


def test_spread_turns_the_right_side():
    x = 0.3 * np.sin(2 * np.pi * 300 * np.arange(RATE) / RATE)
    left, right = run(VIBRATO, x, {"spread": 0.0})
    np.testing.assert_array_equal(left, right)
    left, right = run(VIBRATO, x, {"spread": 1.0})
    assert np.abs(left - right).max() > 0.01
