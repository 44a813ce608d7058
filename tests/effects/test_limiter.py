"""Limiter: never above 0 dBFS, untouched below, channels linked, recovering in its release time."""

import ctypes

import numpy as np
import pytest

from rtfx.effects.limiter import RELEASE_SECONDS, limit_frame, release_factor
from rtfx.kernels.kernel import Loop
from rtfx.kernels.memory import floats

from .harness import RATE


def process(state, source, target, frames):
    s = floats(state, 2)
    x = floats(source, 2 * frames)
    y = floats(target, 2 * frames)
    for n in range(frames):
        gain, s[0] = limit_frame(max(abs(x[n]), abs(x[frames + n])), s[0], s[1])
        y[n] = x[n] * gain
        y[frames + n] = x[frames + n] * gain
    return 0


@pytest.fixture(scope="module")
def limit():
    compiled = Loop(process).compiled()  # the disk cache does not notice changes in test files
    function = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * 4)(compiled.address)

    def limit(x, state=None):
        x = np.ascontiguousarray(x, np.float32)
        y = np.empty_like(x)
        state = np.float32([0.0, release_factor(RATE)]) if state is None else state
        function(state.ctypes.data, x.ctypes.data, y.ctypes.data, x.shape[1])
        return y

    limit.keep = compiled
    return limit


def test_transparent_below_full_scale(limit):
    x = np.random.default_rng(0).uniform(-1.0, 1.0, (2, 10000))
    x[0, 100], x[1, 200] = 1.0, -1.0
    np.testing.assert_array_equal(limit(x), np.float32(x))


def test_never_above_full_scale_by_any_rounding(limit):
    generator = np.random.default_rng(1)
    mantissas = generator.uniform(1.0, 2.0, (2, 200000)) * 2.0 ** generator.integers(0, 20, 200000)
    y = limit(mantissas * generator.choice([-1.0, 1.0], (2, 200000)))
    assert np.abs(y).max() == 1.0
    growing = np.nextafter(np.float32(1.0), np.float32(2.0)) + np.arange(100000, dtype=np.float32) * np.float32(2**-23)
    assert np.abs(limit(np.stack([growing, -growing]))).max() <= 1.0


def test_channels_share_one_gain(limit):
    x = np.stack([np.full(100, 4.0), np.full(100, 0.4)])
    np.testing.assert_allclose(limit(x), np.stack([np.full(100, 1.0), np.full(100, 0.1)]), rtol=1e-6)


def test_attack_is_instant_and_release_exponential(limit):
    x = np.full((2, RATE), 0.01)
    x[:, 1000] = 8.0
    gain = (limit(x) / x)[0]
    assert gain[999] == pytest.approx(1.0) and gain[1000] == pytest.approx(1 / 8)
    after = np.arange(0, 8000, 100)
    expected = 1 / np.maximum(8.0 * np.exp(-after / (RELEASE_SECONDS * RATE)), 1.0)
    np.testing.assert_allclose(gain[1000 + after], expected, rtol=1e-3)
    assert limit(x)[0, -1] == np.float32(0.01)


@pytest.mark.parametrize("poison", [np.inf, np.nan])
def test_state_recovers_from_non_finite_frames(limit, poison):
    state = np.float32([0.0, release_factor(RATE)])
    limit(np.full((2, 1), poison), state)
    assert np.isfinite(state[0])
    x = np.full((2, 10 * RATE), 0.5)
    assert limit(x, state)[0, -1] == 0.5
