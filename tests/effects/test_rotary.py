"""Rotary: horn and drum turn as fast as said, take their time, bend the pitch and pulse as their geometry says."""

import numpy as np
import pytest
import scipy.signal

from rtfx.effects import rotary
from rtfx.effects.rotary import ROTARY

from .harness import RATE, Run, constant, glide, run

CLEAN = {"drive": 0.0}


@pytest.mark.parametrize("hertz", [200.0, 1000.0, 4000.0])
@pytest.mark.parametrize("speed", ["slow", "fast"])
def test_a_sine_is_late_and_soft_as_the_geometry_says(hertz, speed):
    """Delays and gains vary so slowly that each filter acts on the sine as it stands."""
    n = np.arange(RATE)
    turns = (n + 1) / RATE
    horn, drum = ((turns * rate[speed]) for rate in (rotary.HORN_HZ, rotary.DRUM_HZ))
    s = 1j * np.tan(np.pi * hertz / RATE) / np.tan(np.pi * 800 / RATE)
    low, high = 1 / (1 + s) ** 2, -(s**2) / (1 + s) ** 2
    share = 1 - np.exp(-2 * np.pi * 2500 / RATE)
    dark = share / (1 - (1 - share) * np.exp(-2j * np.pi * hertz / RATE))
    y = run(ROTARY, 0.2 * np.sin(2 * np.pi * hertz * n / RATE), CLEAN | {"speed": speed, "width": 0.7})
    for side, found in ((-1, y[0]), (1, y[1])):
        microphone = side * 0.25 * 0.7

        def sound(turn, seconds, first=0.0):
            """Return the carrier at the end of a way that depends on an angle, and how far it looks away, 0 to 1."""
            toward = np.cos(2 * np.pi * turn)
            late = 2 / RATE + first + seconds * (1 - toward)
            return np.exp(2j * np.pi * hertz * (n / RATE - late)), (1 - toward) / 2

        direct, away = sound(horn - microphone, 0.19 / 343)
        expected = high * direct * ((1 - 0.5 * away) * dark + (1 - 0.85 * away) * (1 - dark))
        wall, away = sound(horn + microphone + 0.37, 0.19 / 343, 0.0013)
        expected = expected + 0.3 * high * dark * wall * (1 - 0.85 * away)
        drummed, away = sound(drum + microphone, 0.04 / 343)
        expected = expected + low * drummed * (1 - 0.45 * away)
        error = np.abs(found - 0.2 * rotary.LOUDER * expected.imag)[RATE // 4 :]
        assert error.max() < 0.01 * 0.2


def test_horn_and_drum_take_their_time():
    seconds = 8
    x = np.zeros(seconds * RATE)
    play = Run(ROTARY)
    play(np.zeros(RATE), constant(ROTARY, CLEAN | {"speed": "slow"}, RATE))
    rows = glide(ROTARY, CLEAN | {"speed": "slow"}, CLEAN | {"speed": "fast"}, x.size, start=0)
    horn, drum = [], []
    for part in range(0, x.size, RATE // 10):
        play(x[part : part + RATE // 10], rows[:, part : part + RATE // 10])
        horn.append(play.state["horn_speed"][0] * RATE)
        drum.append(play.state["drum_speed"][0] * RATE)
    horn, drum = np.array(horn), np.array(drum)
    assert np.all(np.diff(horn) >= 0) and np.all(np.diff(drum) >= 0)
    assert horn[10] > 0.9 * 6.7 > horn[3]  # a second
    assert drum[10] < 0.6 * 5.8 and drum[-1] > 0.95 * 5.8  # several


def test_the_horn_bends_the_pitch_by_up_to_40_cents():
    x = 0.2 * np.sin(2 * np.pi * 2000 * np.arange(3 * RATE) / RATE)
    y = run(ROTARY, x, CLEAN | {"speed": "fast", "drum_db": -24.0})[0].astype(float)
    hertz = np.diff(np.unwrap(np.angle(scipy.signal.hilbert(y))))[RATE:-RATE] * RATE / (2 * np.pi)
    bend = 1200 * np.log2(hertz / 2000)
    assert 25 < np.percentile(np.abs(bend), 99) < 90  # the wall's sound beats with it


def test_the_brake_stops_it_and_drive_bounds_it():
    x = np.ones(RATE)
    y = run(ROTARY, x, {"speed": "brake", "drive": 1.0})
    assert np.ptp(y[:, RATE // 2 :], axis=1).max() < 1e-6
    loud, soft = (
        np.abs(run(ROTARY, size * np.sin(np.arange(RATE) / 20), {"drive": 1.0})).max() for size in (1.0, 0.01)
    )
    assert loud < 60 * soft
