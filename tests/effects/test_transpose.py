"""Transposer: chords of decaying, inharmonic strings arrive at the right pitch and level, as late as it says."""

import numpy as np
import pytest

from rtfx.effects.transpose import DELAY_SECONDS, TRANSPOSE, bank, delay_seconds, latency

from .harness import RATE, Run, glide, guitar, run

CHORDS = {
    "low E": [82.41],
    "power chord": [110.0, 164.81],
    "E major": [82.41, 123.47, 164.81, 207.65, 246.94, 329.63],
    "C major": [130.81, 164.81, 196.0, 261.63, 329.63],
    "A minor": [110.0, 164.81, 220.0, 261.63, 329.63],
    "G4": [392.0],
}


def string(frequency: float, seconds: float = 1.5, stiffness: float = 5e-5) -> np.ndarray:
    """Return a plucked string: partials that fall by 6 dB an octave, are stretched, and decay the faster the higher."""
    t = np.arange(int(seconds * RATE)) / RATE
    result = np.zeros(t.size)
    for partial in range(1, 25):
        f = partial * frequency * np.sqrt(1.0 + stiffness * partial**2)
        if f < 9000.0:
            result += np.sin(2 * np.pi * f * t + 1.3 * partial) / partial * np.exp(-t * (0.8 + 0.15 * partial))
    return 0.1 * result


def chord(name: str) -> np.ndarray:
    return sum(string(frequency) for frequency in CHORDS[name])


def partial_near(x: np.ndarray, frequency: float) -> tuple[float, float]:
    """Return frequency and amplitude of the strongest partial within 2 %, by a parabola through the log spectrum."""
    part = slice(int(0.4 * RATE), int(1.2 * RATE))
    frames = part.stop - part.start
    spectrum = np.abs(np.fft.rfft(x[part] * np.hanning(frames), 8 * frames))
    bins = 8 * frames / RATE
    first = int(frequency * 0.98 * bins) - 6
    peak = first + int(np.argmax(spectrum[first : int(frequency * 1.02 * bins) + 6]))
    a, b, c = np.log(spectrum[peak - 1 : peak + 2])
    return (peak + 0.5 * (a - c) / (a - 2 * b + c)) / bins, float(spectrum[peak])


@pytest.mark.parametrize("name", CHORDS)
@pytest.mark.parametrize("semitones", [-12.0, -7.0, -1.0, 0.0, 2.0, 5.0, 12.0])
def test_every_string_is_within_3_cents_and_the_level_within_1_db(name, semitones):
    x, ratio = chord(name), 2.0 ** (semitones / 12.0)
    y = run(TRANSPOSE, x, {"semitones": semitones})
    heard = slice(int(0.4 * RATE), int(1.25 * RATE))
    assert abs(20 * np.log10(np.std(y[heard]) / np.std(x[heard]))) < 1.0
    for frequency in CHORDS[name]:
        (before, loud), (after, loud_after) = partial_near(x, frequency), partial_near(y, frequency * ratio)
        assert abs(1200 * np.log2(after / before / ratio)) < 3.0, frequency
        assert abs(20 * np.log10(loud_after / loud)) < 2.5, frequency


def test_the_bands_add_up_to_a_flat_response():
    x = np.zeros(RATE, np.float32)
    x[100] = 1.0
    y = run(TRANSPOSE, x)
    level = 20 * np.log10(np.abs(np.fft.rfft(y)))
    assert np.abs(level[60:13000]).max() < 0.7


def test_it_is_as_late_as_it_says():
    assert latency(RATE) < 0.02 * RATE and DELAY_SECONDS < 0.02
    for sample_rate in (44100, 48000, 96000):
        x = np.zeros(sample_rate // 2, np.float32)
        x[1000] = 1.0
        y = run(TRANSPOSE, x, {"mix": 0.0}, sample_rate)
        assert np.argmax(y) == 1000 + latency(sample_rate) and y.max() == 1.0
        moved = run(TRANSPOSE, x, {}, sample_rate)
        phase = np.unwrap(np.angle(np.fft.rfft(moved[1000:])))
        bins = len(moved[1000:]) / sample_rate
        for frequency in (100.0, 500.0, 2000.0):
            low, high = int((frequency - 20) * bins), int((frequency + 20) * bins)
            delay = -(phase[high] - phase[low]) / (2 * np.pi * (high - low) / bins)
            assert delay == pytest.approx(delay_seconds(frequency), abs=0.0015), frequency


def test_a_partial_beyond_half_the_sample_rate_does_not_come_back():
    x = 0.3 * np.sin(2 * np.pi * 14000.0 * np.arange(RATE) / RATE)
    y = run(TRANSPOSE, x, {"semitones": 12.0})
    assert np.abs(y[RATE // 2 :]).max() < 1e-3


def test_another_interval_is_reached_without_a_click():
    x = chord("power chord")
    rows = glide(TRANSPOSE, {"semitones": -5.0}, {"semitones": 7.0}, x.size, start=x.size // 2)
    y = Run(TRANSPOSE)(x, rows)
    high, half = np.abs(np.diff(y, n=3)), x.size // 2
    steady = max(high[half - 9000 : half - 500].max(), high[half + 1500 : half + 9000].max())
    assert high[half - 500 : half + 1500].max() < 1.5 * steady


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e30])
def test_what_is_not_finite_is_forgotten_within_a_hop(bad):
    x = guitar(20000)
    x[5000] = bad
    y = run(TRANSPOSE, x, {"semitones": 3.0})
    assert np.isfinite(y[6000:]).all() and np.abs(y[12000:]).max() < 2.0


def test_a_bank_fits_at_every_rate():
    for sample_rate in (8000, 22050, 44100, 96000, 192000, 384000):
        assert bank(sample_rate).size > 0
