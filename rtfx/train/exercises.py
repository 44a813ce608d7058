"""Audio that a teacher is asked about: plucked strings at many strengths, sweeps and noise, all made here."""

from __future__ import annotations

import math

import numpy as np

LOWEST, HIGHEST = 73.0, 880.0  # Hz: a dropped D, the twelfth fret's E and above
PARTIALS = 40
TOP = 9000.0  # Hz, of a string's partials
LEVELS_DB = (-36.0, 0.0)  # of notes, sweeps and noise: a net is asked at all of them
STRUM = 0.03  # s between the strings of a chord, at most


def exercises(seconds: float, sample_rate: float, seed: int) -> np.ndarray:
    """Return so many seconds of audio, (frames,) float32 of peak 1 at most: two thirds strings, then sweeps and noise.

    Parameters
    ----------
    sample_rate : float
        Hz.
    seed : int
    """
    rng = np.random.default_rng(seed)
    third = int(seconds * sample_rate / 6.0)
    parts = [strings(rng, 2 * third, sample_rate), sweep(rng, third, sample_rate)]
    parts += [strings(rng, 2 * third, sample_rate), noise(rng, third, sample_rate)]
    return np.concatenate(parts).astype(np.float32)


def strings(rng: np.random.Generator, frames: int, sample_rate: float) -> np.ndarray:
    """Return single notes, chords and mutes, partials of stiff strings that die away, at random levels."""
    y, at = np.zeros(frames), 0
    while at < frames:
        length = int(rng.choice([0.12, 0.25, 0.4, 0.8]) * sample_rate)
        level, muted = _gain(rng), rng.random() < 0.25
        root = LOWEST * (HIGHEST / LOWEST) ** rng.random()
        steps = [0, 7, 12, 16, 19][: int(rng.choice([1, 1, 2, 3, 5]))]
        for step in steps:
            start = at + int(rng.random() * STRUM * sample_rate) * (len(steps) > 1)
            stop = min(start + int(1.5 * length), frames)
            if stop > start:
                note = _note(rng, root * 2.0 ** (step / 12.0), stop - start, sample_rate, muted)
                y[start:stop] += level * note / math.sqrt(len(steps))
        at += length
    return y / max(1.0, float(np.abs(y).max()))


def sweep(rng: np.random.Generator, frames: int, sample_rate: float) -> np.ndarray:
    """Return a sine from 30 Hz to 0.4 of the rate whose level comes and goes."""
    t, low, high = np.arange(frames) / sample_rate, 30.0, 0.4 * sample_rate
    span = max(frames / sample_rate, 1e-3)
    phase = 2.0 * math.pi * low * span / math.log(high / low) * np.expm1(t / span * math.log(high / low))
    return np.sin(phase) * _coming_and_going(rng, t)


def noise(rng: np.random.Generator, frames: int, sample_rate: float) -> np.ndarray:
    """Return noise with less and less towards the top, whose level comes and goes."""
    t = np.arange(frames) / sample_rate
    spectrum = np.fft.rfft(rng.standard_normal(frames))
    hertz = np.fft.rfftfreq(frames, 1.0 / sample_rate)
    y = np.fft.irfft(spectrum / np.sqrt(1.0 + (hertz / 300.0) ** 2) * (hertz > 20.0), frames)
    return y / max(float(np.abs(y).max()), 1e-9) * _coming_and_going(rng, t)


def _note(rng: np.random.Generator, hertz: float, frames: int, sample_rate: float, muted: bool) -> np.ndarray:
    """Return one plucked note."""
    t = np.arange(frames) / sample_rate
    place, stiffness = rng.uniform(0.07, 0.3), rng.uniform(1e-5, 2e-4)
    y = np.zeros(frames)
    for k in range(1, int(min(PARTIALS, min(TOP, 0.45 * sample_rate) / hertz)) + 1):
        rate = (15.0 + 2.0 * k if muted else 1.0 + 0.15 * k) * (hertz / 110.0) ** 0.5
        stretched = hertz * k * math.sqrt(1.0 + stiffness * k * k)
        size = math.sin(math.pi * k * place) / k
        y += size * np.exp(-rate * t) * np.sin(2.0 * math.pi * stretched * t + rng.uniform(-0.5, 0.5))
    edges = np.minimum(1.0, t / 0.001) * np.minimum(1.0, t[::-1] / 0.01)  # s: the pick lets go, a finger stops
    return y * edges / max(float(np.abs(y).max()), 1e-9)


def _gain(rng: np.random.Generator) -> float:
    return float(10.0 ** (rng.uniform(*LEVELS_DB) / 20.0))


def _coming_and_going(rng: np.random.Generator, t: np.ndarray) -> np.ndarray:
    """Return a gain that moves through all levels several times a second."""
    low, high = LEVELS_DB
    wave = 0.5 - 0.5 * np.cos(2.0 * math.pi * 2.3 * t + rng.uniform(0.0, 2.0 * math.pi))
    return 10.0 ** ((low + (high - low) * wave) / 20.0)
