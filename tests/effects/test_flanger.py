"""Flanger: the comb of its formula, exact silence where it passes through zero, and a constant latency."""

import numpy as np
import pytest

from rtfx.effects.flanger import FLANGER, SWING_MS

from .harness import RATE, run

LATE = FLANGER.latency(RATE)


def test_at_zero_both_are_one():
    x = np.random.default_rng(1).uniform(-0.5, 0.5, 4000).astype(np.float32)
    still = {"depth": 0.0, "delay_ms": 0.0, "feedback": 0.0}
    np.testing.assert_allclose(run(FLANGER, x, still)[0][LATE:], 2**0.5 * x[:-LATE], atol=1e-6)
    assert np.abs(run(FLANGER, x, still | {"invert": 1.0})).max() < 1e-6


@pytest.mark.parametrize("mix, feedback, sign", [(0.5, 0.0, 1), (0.5, 0.7, 1), (0.3, -0.6, -1)])
def test_the_comb_has_the_response_of_its_equation(mix, feedback, sign):
    x = np.zeros(2 * RATE, np.float32)
    x[0] = 0.5
    values = {"depth": 0.0, "delay_ms": 1.0, "mix": mix, "feedback": feedback, "invert": float(sign < 0)}
    found = np.fft.rfft(run(FLANGER, x, values)[1].astype(float) / 0.5)[100:12000:37]
    w = 2 * np.pi * np.arange(RATE + 1)[100:12000:37] / (2 * RATE)
    way = np.hypot(48.0, 4.8)
    wet = np.exp(-1j * w * (LATE + 48)) / (1 - feedback * np.exp(-1j * w * way))
    expected = (1 - mix) * np.exp(-1j * w * LATE) + sign * mix * np.sqrt(1 - feedback**2) * wet
    assert np.abs(found * np.hypot(mix, 1 - mix) - expected).max() < 0.02


def test_it_passes_through_zero_twice_a_turn():
    """Inverted, the sum of both is silent at each passage, at any frequency."""
    x = np.random.default_rng(2).uniform(-0.5, 0.5, 4 * RATE).astype(np.float32)
    y = run(FLANGER, x, {"rate_hz": 0.5, "depth": 0.2, "feedback": 0.0, "invert": 1.0, "spread": 0.0})[0]
    loud = np.sqrt(np.convolve(y**2, np.ones(48) / 48, "same"))
    for passage in (1.0, 2.0, 3.0):  # s: half turns of a rate of 0.5 Hz
        assert loud[int(passage * RATE) - 20 : int(passage * RATE) + 20].min() < 0.02
        assert loud[int((passage + 0.5) * RATE)] > 0.1


def test_the_swing_is_what_it_says():
    x = np.zeros(RATE, np.float32)
    x[RATE // 2] = 1.0
    y = run(FLANGER, x, {"rate_hz": 0.5, "depth": 1.0, "mix": 1.0, "feedback": 0.0, "spread": 1.0})
    swing = SWING_MS * RATE / 1000  # a quarter of a turn: the left side at its latest, the right at its earliest
    assert np.argmax(np.abs(y[0])) - RATE // 2 - LATE == pytest.approx(swing, abs=2)
    assert np.argmax(np.abs(y[1])) - RATE // 2 - LATE == pytest.approx(-swing, abs=2)
