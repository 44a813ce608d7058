"""The parts that effects share: sines, limits, smoothing shares, mixing laws."""

import numpy as np
import pytest

from rtfx.effects import lines


def test_the_sine_is_one():
    phases = np.linspace(0.0, 1.0, 4001)[:-1]
    found = np.array([lines.sine.function(phase) for phase in phases])
    assert np.abs(found - np.sin(2 * np.pi * phases)).max() < 1e-5


def test_a_phase_goes_round_and_recovers():
    assert lines.turned.function(0.75, 0.5) == 0.25
    assert lines.turned.function(np.nan, 0.5) == 0.0 and lines.turned.function(1e9, 0.5) == 0.0


def test_held_leaves_sound_alone_bends_loud_and_drops_what_is_none():
    for value in (1.0, -0.3, 1e-6):
        assert lines.held.function(value) == value
    assert lines.held.function(1.001) == pytest.approx(1.001, abs=1e-6)
    loud = [lines.held.function(v) for v in (2.0, 10.0, 1e5, np.inf)]
    assert loud == sorted(loud) and loud[-1] == 4.0 and lines.held.function(-np.inf) == -4.0
    assert lines.held.function(np.nan) == lines.held.function(1e-13) == 0.0


def test_one_pole_reaches_63_percent_after_its_time_constant():
    k = lines.one_pole(1000.0, 48000.0)
    assert (1.0 - k) ** (48000 / (2 * np.pi * 1000)) == pytest.approx(np.exp(-1.0))
    assert lines.one_pole(20000.0, 48000.0) == 1.0 and lines.one_pole(19000.0, 8000.0) < 1.0
    assert (1.0 - lines.smoothing(0.1, 48000.0)) ** 4800 == pytest.approx(np.exp(-1.0))


def test_mixing_laws():
    assert [lines.balance(mix) for mix in (0.0, 0.25, 0.5, 1.0)] == [(1.0, 0.0), (1.0, 0.5), (1.0, 1.0), (0.0, 1.0)]
    assert lines.equal_power(0.0) == (1.0, 0.0) and lines.equal_power(1.0) == (0.0, 1.0)
    assert lines.comb_mix(0.0) == (1.0, 0.0) and lines.comb_mix(1.0) == (0.0, 1.0)
    assert lines.comb_mix(0.5) == pytest.approx((0.5**0.5, 0.5**0.5))
    assert np.hypot(*lines.equal_power(0.3)) == pytest.approx(1.0)
