"""Doubler: two more guitars, as late as it says, and as far out of tune."""

import numpy as np
import pytest
import scipy.signal

from rtfx.effects.doubler import DOUBLER, RIGHT

from .harness import RATE, Run, glide, run


def test_each_side_is_late_by_its_own_time():
    x = np.zeros(RATE // 2, np.float32)
    x[0] = 1.0
    left, right = run(DOUBLER, x, {"delay_ms": 20.0, "drift_cents": 0.0, "mix": 1.0})
    assert np.argmax(left) == 960 and np.argmax(right) == round(960 * RIGHT)
    assert left[960] == pytest.approx(1.0) and left.sum() == pytest.approx(1.0, abs=1e-5)
    np.testing.assert_array_equal(run(DOUBLER, x, {"mix": 0.0})[0], x)


@pytest.mark.parametrize("cents", [5.0, 15.0])
def test_the_drift_is_as_far_as_it_says(cents):
    x = 0.3 * np.sin(2 * np.pi * 1000 * np.arange(30 * RATE) / RATE)
    for y in run(DOUBLER, x, {"drift_cents": cents, "mix": 1.0, "delay_ms": 40.0}).astype(float):
        hertz = np.diff(np.unwrap(np.angle(scipy.signal.hilbert(y))))[RATE:-RATE] * RATE / (2 * np.pi)
        assert np.abs(1200 * np.log2(hertz / 1000)).max() == pytest.approx(cents, rel=0.1)


def test_both_sides_are_not_alike_and_mono_is_not_hollow():
    x = np.random.default_rng(1).uniform(-0.5, 0.5, 2 * RATE)
    y = run(DOUBLER, x, {"mix": 1.0})[:, RATE:]
    assert abs(np.corrcoef(y)[0, 1]) < 0.1
    left, right = run(DOUBLER, x, {"width": 0.0})
    np.testing.assert_array_equal(left, right)


def test_a_new_delay_is_glided_to_at_half_the_speed_at_most():
    x = 0.3 * np.sin(2 * np.pi * 500 * np.arange(2 * RATE) / RATE)
    before, after = ({"delay_ms": ms, "mix": 1.0, "drift_cents": 0.0} for ms in (10.0, 60.0))
    y = Run(DOUBLER)(x, glide(DOUBLER, before, after, x.size, start=RATE))[0].astype(float)
    hertz = np.diff(np.unwrap(np.angle(scipy.signal.hilbert(y))))[RATE // 2 : -RATE // 10] * RATE / (2 * np.pi)
    assert 200 < hertz.min() < 350 and hertz.max() < 520
