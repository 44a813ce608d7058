"""Width: middle and side by their definition; balance turns one channel down and neither up."""

import numpy as np
import pytest

from rtfx.effects.width import WIDTH

from .harness import Run, glide, run

STEREO = np.random.default_rng(0).standard_normal((2, 1000)).astype(np.float32)


@pytest.mark.parametrize("width", [0.0, 0.3, 1.0, 1.7, 2.0])
def test_the_side_is_scaled_and_the_middle_stays(width):
    y = run(WIDTH, STEREO, {"width": width}).astype(float)
    x = STEREO.astype(float)
    np.testing.assert_allclose(y[0] + y[1], x[0] + x[1], atol=1e-6)
    np.testing.assert_allclose(y[0] - y[1], width * (x[0] - x[1]), atol=1e-6)


def test_as_it_comes_keeps_every_bit():
    np.testing.assert_array_equal(run(WIDTH, STEREO), STEREO)


@pytest.mark.parametrize(("balance", "gains"), [(-1, (1, 0)), (1, (0, 1)), (0.5, (np.sqrt(0.5), 1)), (0, (1, 1))])
def test_balance_turns_one_channel_down(balance, gains):
    np.testing.assert_allclose(run(WIDTH, STEREO, {"balance": balance}), STEREO * np.array(gains)[:, None], atol=1e-6)


def test_one_channel_becomes_two_equal_ones():
    y = run(WIDTH, STEREO[0], {"width": 2.0})
    np.testing.assert_array_equal(y, STEREO[[0, 0]])


def test_a_turn_makes_no_step():
    x = np.stack([np.ones(5000), -np.ones(5000)])
    y = Run(WIDTH)(x, glide(WIDTH, {"width": 0.0}, {"width": 2.0, "balance": 1.0}, 5000, start=1000))
    assert np.abs(np.diff(y)).max() < 0.01
