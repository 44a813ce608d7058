"""Octaver: each octave is the transposer's, beside the delayed input."""

import numpy as np
import pytest

from rtfx.effects.octaver import OCTAVER
from rtfx.effects.transpose import TRANSPOSE, latency

from .harness import RATE, run
from .test_transpose import chord, partial_near


@pytest.mark.parametrize(("level", "semitones"), [("down", -12.0), ("up", 12.0)])
def test_an_octave_alone_is_the_transposer(level, semitones):
    x = chord("power chord")[:30000]
    y = run(OCTAVER, x, {"down": 0.0, "up": 0.0, "dry": 0.0, level: 0.8})
    np.testing.assert_allclose(y, 0.8 * run(TRANSPOSE, x, {"semitones": semitones}), atol=1e-6)


def test_the_input_is_only_delayed():
    x = np.float32(chord("low E")[:20000])
    y = run(OCTAVER, x, {"down": 0.0})
    np.testing.assert_array_equal(y[latency(RATE) :], x[: -latency(RATE)])


def test_three_octaves_sound_together():
    x = chord("G4")
    y = run(OCTAVER, x, {"down": 1.0, "up": 1.0, "dry": 1.0})
    whole = partial_near(x, 392.0)[1]
    assert partial_near(y, 196.0)[1] == pytest.approx(whole, rel=0.1)
    assert partial_near(y, 392.0)[1] > 0.3 * whole
