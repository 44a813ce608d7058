"""Wah: the resonance of the published fit at each position, smooth under a foot that comes in steps."""

import numpy as np
import pytest
import scipy.signal

from rtfx.effects.wah import TRIM, WAH

from .harness import RATE, Run, constant, run


@pytest.mark.parametrize("position", [0.0, 0.3, 1.0])
def test_the_response_is_that_of_the_fit(position):
    x = np.zeros(RATE, np.float32)
    x[0] = 1.0
    found = np.abs(np.fft.rfft(run(WAH, x, {"position": position})))[20:8000]
    hertz, quality = 450 * 2 ** (2.3 * position), 2 ** (1 + 2 * (1 - position))
    gain = 12.5 * 0.2**position * TRIM
    w = 2 * RATE * np.tan(np.pi * hertz / RATE)  # prewarped for the bilinear transform
    b, a = scipy.signal.bilinear([gain * w / quality, 0], [1, w / quality, w * w], RATE)
    expected = np.abs(scipy.signal.freqz(b, a, np.arange(20, 8000), fs=RATE)[1])
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=1e-5)
    assert np.argmax(found) + 20 == pytest.approx(hertz, rel=0.01)


def test_a_foot_in_steps_is_smooth():
    """128 steps from heel to toe in a second, as MIDI sends them, add nothing above 7 kHz."""
    t = np.arange(RATE)
    x = 0.25 * np.sin(2 * np.pi * 300 * t / RATE)
    position = np.floor(128 * t / RATE) / 128
    rows = constant(WAH, {}, RATE)
    rows[2] = position
    y = Run(WAH)(x, rows).astype(float)
    sos = scipy.signal.butter(8, 7000, "high", fs=RATE, output="sos")
    assert np.abs(scipy.signal.sosfilt(sos, y)[2000:]).max() < 1e-4


def test_mix_and_level():
    x = np.random.default_rng(1).uniform(-0.5, 0.5, 4000).astype(np.float32)
    np.testing.assert_array_equal(run(WAH, x, {"mix": 0.0}), x)
    np.testing.assert_allclose(run(WAH, x, {"level_db": 6.0}), run(WAH, x) * 10 ** (6 / 20), rtol=1e-5, atol=1e-7)
