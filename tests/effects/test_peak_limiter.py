"""Limiter block: no peak above the ceiling, at or between samples; the rest untouched; slow and smooth gain."""

import numpy as np
import pytest
import scipy.ndimage
import scipy.signal

from rtfx.effects.peak_limiter import LIMITER, latency, look_ahead

from .harness import RATE, Run, constant, glide, guitar, run

LATE = latency(RATE)


def noise(frames: int, channels: int = 2, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((channels, frames)).astype(np.float32)


def oracle(x, release_ms: float) -> np.ndarray:
    """Return the gain for (channels, frames), peaks between samples from a long resampling, minimum and means by SciPy.

    The gain belongs to the input's frames, not to those of the late output.
    """
    frames = x.shape[1]
    dense = np.abs(scipy.signal.resample(np.float64(x), 4 * frames, axis=1)).max(axis=0).reshape(frames, 4).max(axis=1)
    wanted = 1.0 / np.maximum(dense, 1.0)
    ahead = look_ahead(RATE)
    held = scipy.ndimage.minimum_filter1d(np.pad(wanted, (ahead, 0), constant_values=1.0), ahead + 1, origin=ahead // 2)
    held = held[ahead:]
    held = np.concatenate([held, held[-1:].repeat(ahead)])
    slow, value, release = np.empty_like(held), 1.0, -np.expm1(-1000.0 / (release_ms * RATE))
    for n, least in enumerate(held):
        slow[n] = value = min(least, value + release * (least - value))
    length = ahead // 2 + 1
    both = np.convolve(np.ones(length), np.ones(length)) / length**2
    return np.convolve(np.concatenate([np.ones(ahead), slow]), both)[2 * ahead :][:frames]


@pytest.mark.parametrize("release_ms", [10.0, 100.0])
def test_the_gain_is_the_oracles(release_ms):
    sections = scipy.signal.butter(8, 6000, fs=RATE, output="sos")
    x = np.float32(scipy.signal.sosfilt(sections, 3 * noise(20000), axis=1) * np.hanning(20000))
    y = run(LIMITER, np.pad(x, ((0, 0), (0, LATE))), {"ceiling_db": 0.0, "release_ms": release_ms})[:, LATE:]
    expected = x * oracle(x, release_ms)
    assert np.abs(y - expected).max() < 7e-4  # -63 dB: the ripple of a filter of 24 taps; the oracle's are endless


@pytest.mark.parametrize("ceiling_db", [0.0, -1.0, -12.0])
@pytest.mark.parametrize("loud", [1.0, 10.0, 1e6])
def test_no_sample_is_above_the_ceiling(ceiling_db, loud):
    ceiling = np.float32(10 ** (ceiling_db / 20))
    for x in (loud * noise(30000), loud * np.sign(noise(30000)), loud * np.eye(2, 3000, 1000, dtype=np.float32)):
        y = run(LIMITER, x, {"ceiling_db": ceiling_db, "release_ms": 5.0})
        assert np.abs(y).max() <= ceiling and np.abs(y).max() > 0.5 * ceiling


def true_peak_db(y) -> float:
    return 20 * np.log10(np.abs(scipy.signal.resample_poly(np.float64(y), 16, 1, axis=-1)).max())


def test_peaks_between_samples_are_below_the_ceiling():
    """A sine at a quarter of the rate, sampled beside its peaks, has true peaks 3 dB above its samples."""
    t = np.arange(20000)
    sine = 1.4 * np.hanning(t.size) * np.sin(np.pi / 2 * t + np.pi / 4)
    sections = scipy.signal.butter(6, 15000, fs=RATE, output="sos")
    band = scipy.signal.sosfilt(sections, noise(20000, 1)[0])
    for x in (sine, band, 5 * guitar(20000)):
        assert true_peak_db(run(LIMITER, x, {"ceiling_db": -1.0, "gain_db": 6.0})) < -1.0 + 0.15


def test_what_is_below_the_ceiling_keeps_every_bit():
    x = 0.4 * np.sin(np.arange(20000) / 9) + 0.05 * noise(20000)
    x = np.float32(x)
    y = run(LIMITER, x, {"ceiling_db": 0.0})
    np.testing.assert_array_equal(y[:, LATE:], x[:, :-LATE])
    assert not y[:, :LATE].any()


def test_it_is_bit_transparent_again_after_peaks():
    x = np.float32(0.3 * np.sin(np.arange(4 * RATE) / 9))
    loud = x.copy()
    loud[1000:9000] *= 30
    y = run(LIMITER, loud, {"ceiling_db": 0.0, "release_ms": 20.0})
    np.testing.assert_array_equal(y[2 * RATE :], x[2 * RATE - LATE : -LATE])


def test_the_gain_falls_before_a_peak_and_no_faster_than_the_look_ahead():
    x = np.full(20000, 0.01, np.float32)
    x[8000] = 4.0
    gain = run(LIMITER, x, {"ceiling_db": 0.0, "release_ms": 50.0})[LATE:] / x[:-LATE]
    assert gain[8000] == pytest.approx(0.25, abs=0.01)
    falls = np.flatnonzero(gain < 1.0)[0]
    assert 8000 - look_ahead(RATE) - 16 <= falls < 8000  # the filter's side lobes of a click count as peaks
    assert np.abs(np.diff(np.delete(gain, 8000))).max() < 0.75 * 2.5 / look_ahead(RATE)
    after = gain[8000 + 72 + 2400] - 1.0
    assert after == pytest.approx(-0.75 * np.exp(-1), rel=0.05)


def test_both_channels_have_one_gain():
    x = np.stack([guitar(9000) * 8, guitar(9000) * 0.8])
    y = run(LIMITER, x, {"ceiling_db": 0.0})
    np.testing.assert_allclose(y[0], 10 * y[1], rtol=1e-5, atol=1e-9)


def test_the_ceiling_holds_while_it_is_turned():
    x = 3 * noise(24000)
    rows = glide(LIMITER, {"ceiling_db": 0.0}, {"ceiling_db": -12.0, "gain_db": 12.0}, 24000, start=9000)
    y = Run(LIMITER)(x, rows)
    assert (np.abs(y) <= rows[1]).all()


@pytest.mark.parametrize("sample_rate", [8000, 44100, 96000, 192000, 384000])
def test_any_sample_rate_is_late_as_it_says(sample_rate):
    late = latency(sample_rate)
    assert late <= 512 - 24
    x = np.zeros(2000, np.float32)
    x[100] = 0.5
    y = Run(LIMITER, sample_rate)(x, constant(LIMITER, {"ceiling_db": 0.0}, 2000, sample_rate))
    assert np.argmax(y) == 100 + late and y.max() == 0.5
