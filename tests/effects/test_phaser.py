"""Phaser: its response is that of the allpasses' equation; the notches are where and as many as it says."""

import numpy as np
import pytest

from rtfx.effects.phaser import PHASER

from .harness import RATE, run


@pytest.mark.parametrize("stages", ["4", "6", "8", "12"])
@pytest.mark.parametrize("mix, feedback", [(0.5, 0.0), (0.5, 0.8), (0.8, 0.4)])
def test_the_response_is_that_of_the_equation(stages, mix, feedback):
    x = np.zeros(RATE, np.float32)
    x[0] = 0.5
    values = {"depth": 0.0, "center_hz": 800.0, "stages": stages, "mix": mix, "feedback": feedback}
    found = np.fft.rfft(run(PHASER, x, values)[0].astype(float) / 0.5)[1:20000]
    hertz = np.arange(1, 20000)
    g, s = np.tan(np.pi * 800 / RATE), 1j * np.tan(np.pi * hertz / RATE)
    chain = ((g - s) / (g + s)) ** int(stages)
    wet = chain / (1 - feedback * np.exp(-2j * np.pi * hertz / RATE) * chain)
    found *= np.hypot(mix, 1 - mix)
    assert np.abs(found - (1 - mix + mix * wet)).max() < 1e-3
    if mix == 0.5 and not feedback:
        low = np.abs(found) < 0.01
        assert np.count_nonzero(low[1:] & ~low[:-1]) == int(stages) // 2


def test_the_notches_move_by_as_many_octaves_as_it_says():
    """A tone at the highest place of the lowest notch is cancelled once a turn only."""
    t = np.arange(2 * RATE) / RATE
    lowest = 400.0 * np.tan(np.pi / 8)  # of four stages: each turns the phase by 45 degrees
    for octaves, cancelled in ((0.6, True), (1.3, False)):
        x = 0.3 * np.sin(2 * np.pi * lowest * 2**octaves * t)
        values = {"depth": 0.5, "rate_hz": 1.0, "center_hz": 400.0, "stages": "4", "feedback": 0.0, "spread": 0.0}
        y = run(PHASER, x, values)[0]
        loud = np.sqrt(np.convolve(y.astype(float) ** 2, np.ones(960) / 960, "valid"))
        assert (loud[RATE:].min() < 0.02) == cancelled


def test_spread_turns_the_right_side():
    x = np.random.default_rng(1).uniform(-0.5, 0.5, RATE).astype(np.float32)
    left, right = run(PHASER, x, {"spread": 0.0})
    np.testing.assert_array_equal(left, right)
    late, early = run(PHASER, x, {"spread": 1.0, "rate_hz": 1.0})
    assert np.abs(late - early).max() > 0.1
