"""Tremolo: the gain of its formula; in harmonic mode two bands in turn, whose sum keeps its level."""

import numpy as np
import pytest
import scipy.signal

from rtfx.effects.tremolo import CROSSOVER_HZ, TREMOLO

from .harness import RATE, run


def oscillator(rate_hz, edge, frames=RATE, turn=0.0):
    phase = np.arange(1, frames + 1) * np.float64(np.float32(rate_hz / RATE)) + turn
    wave, bend = np.sin(2 * np.pi * phase), 8.0 * edge**2
    return wave * np.sqrt((1 + bend**2) / (1 + bend**2 * wave**2))


@pytest.mark.parametrize(
    "rate_hz, depth, edge, spread", [(5.0, 0.6, 0.0, 0.0), (3.3, 1.0, 1.0, 1.0), (9.0, 0.8, 0.5, 0.5)]
)
def test_volume_is_a_gain(rate_hz, depth, edge, spread):
    x = np.random.default_rng(1).uniform(-0.5, 0.5, RATE).astype(np.float32)
    y = run(TREMOLO, x, {"rate_hz": rate_hz, "depth": depth, "edge": edge, "spread": spread})
    for side, found in enumerate(y):
        wave = oscillator(rate_hz, edge, turn=0.5 * spread * side)
        np.testing.assert_allclose(found, x * (1 - depth * (1 - wave) / 2), atol=2e-4 if edge else 2e-5)


def test_harmonic_turns_bass_and_treble():
    x = np.random.default_rng(1).uniform(-0.5, 0.5, RATE).astype(np.float32)
    y = run(TREMOLO, x, {"rate_hz": 4.0, "depth": 0.9, "mode": "harmonic"})[0]
    k = 1 - np.exp(-2 * np.pi * CROSSOVER_HZ / RATE)
    low = scipy.signal.lfilter([k], [1, k - 1], x.astype(float))
    wave = oscillator(4.0, 0.0)
    expected = (1 - 0.9 * (1 - wave) / 2) * (x - low) + (1 - 0.9 * (1 + wave) / 2) * low
    np.testing.assert_allclose(y, expected, atol=1e-4)


@pytest.mark.parametrize("mode", ["volume", "harmonic"])
def test_without_depth_it_changes_no_bit(mode):
    x = np.random.default_rng(1).uniform(-0.5, 0.5, 4000).astype(np.float32)
    np.testing.assert_array_equal(run(TREMOLO, x, {"depth": 0.0, "mode": mode})[0], x)
