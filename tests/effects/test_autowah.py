"""Auto-wah: it is the loop of its equations, opens with loud strings and closes with its release."""

import numpy as np
import pytest

from rtfx.effects import wah
from rtfx.effects.autowah import AUTOWAH, FOLLOW_SECONDS

from .harness import RATE, Run, constant, guitar, run

SETTING = {"threshold_db": -30.0, "rest": 0.2, "range": 0.7, "attack_ms": 5.0, "release_ms": 100.0}


def expected(x, threshold, rest, span, attack, release):
    """Return the output by float64 loops: follower, pedal, then a band-pass in the form of two integrators."""
    peak = level = one = two = 0.0
    out = []
    for v in x:
        seconds = attack if abs(v) > peak else release
        peak += (1 - np.exp(-1 / (seconds * RATE))) * (abs(v) - peak)
        level += (1 - np.exp(-1 / (FOLLOW_SECONDS * RATE))) * (peak - level)
        position = np.clip(rest + span * level / (level + threshold), 0, 1)
        g = np.tan(np.pi * 450 * 2 ** (2.3 * position) / RATE)
        k = 1 / 2 ** (1 + 2 * (1 - position))
        high = (v - (g + k) * one - two) / (1 + g * g + g * k)
        band = g * high + one
        low = g * band + two
        one, two = g * high + band, g * band + low
        out.append(12.5 * 0.2**position * wah.TRIM * k * band)
    return np.array(out)


@pytest.mark.parametrize("span", [0.7, -0.2])
def test_it_is_the_loop_of_its_equations(span):
    x = guitar(12000).astype(float)
    y = run(AUTOWAH, x, SETTING | {"range": span})
    wanted = expected(x, 10 ** (-30 / 20), 0.2, span, 0.005, 0.1)
    assert np.abs(y - wanted).max() < 1e-4 * np.abs(wanted).max()


def test_it_opens_and_closes():
    t = np.arange(2 * RATE)
    x = 0.5 * np.sin(2 * np.pi * 2000 * t / RATE) * (t < RATE) + 1e-4 * np.sin(2 * np.pi * 2000 * t / RATE)
    play = Run(AUTOWAH)
    rows = constant(AUTOWAH, SETTING, x.size)
    y = play(x, rows)
    soft = run(AUTOWAH, 1e-4 * np.sin(2 * np.pi * 2000 * t / RATE), SETTING)
    opened = np.abs(y[RATE // 2 : RATE]).max() / 0.5
    closed = np.abs(soft[RATE:]).max() / 1e-4
    assert opened > 2 * closed  # the resonance stands nearer to 2 kHz
    assert np.abs(y[-4800:]).max() == pytest.approx(np.abs(soft[-4800:]).max(), rel=0.05)
