"""Chorus: three copies as late as the formula says, and no more out of tune than the knob."""

import numpy as np
import pytest

from rtfx.effects import chorus
from rtfx.effects.chorus import CHORUS

from .harness import RATE, run

HERTZ = 440.0


@pytest.mark.parametrize("rate_hz, depth", [(0.8, 0.5), (3.0, 1.0), (0.1, 1.0)])
def test_a_sine_comes_out_as_its_late_copies(rate_hz, depth):
    n = np.arange(RATE)
    x = 0.3 * np.sin(2 * np.pi * HERTZ * n / RATE)
    y = run(CHORUS, x, {"rate_hz": rate_hz, "depth": depth, "mix": 1.0})
    swing = min(depth * (2 ** (25 / 1200) - 1) / (2 * np.pi * rate_hz), depth * 0.0035)
    phase = (n + 1) * np.float64(np.float32(rate_hz / RATE))
    late = [ms / 1000 + swing * np.sin(2 * np.pi * (phase + k / 3)) for k, ms in enumerate((9, 13, 17))]
    left, middle, right = (0.3 * np.sin(2 * np.pi * HERTZ * (n / RATE - d)) for d in late)
    started = slice(int(0.03 * RATE), None)
    for found, side in zip(y, (left, right), strict=True):
        expected = np.sqrt(2 / 3) * (side + middle / np.sqrt(2))
        assert np.abs(found - expected)[started].max() < 1e-4


def test_the_copies_are_out_of_tune_by_25_cents_at_most():
    for rate in (0.05, 0.8, 8.0):
        *_, step, swing, _ = chorus.cells({"rate_hz": rate, "depth": 1.0, "mix": 0.5, "width": 1.0}, RATE)
        cents = 1200 * np.log2(1 + 2 * np.pi * step * swing)
        assert cents < 25.01 and (rate < 0.7 or cents > 24.9)


def test_dry_and_narrow():
    x = np.random.default_rng(1).uniform(-0.5, 0.5, 4000).astype(np.float32)
    np.testing.assert_array_equal(run(CHORUS, x, {"mix": 0.0}), np.stack([x, x]))
    left, right = run(CHORUS, x, {"width": 0.0})
    np.testing.assert_array_equal(left, right)
