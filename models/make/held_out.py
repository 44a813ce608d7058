"""Held-out guitar, and a model's error on it.

The generator shares nothing with guitar.py and signals.py: strings are sums of decaying partials (stiffness, a pluck's
triangular shape, pickup place and frequency-dependent decay), tuned a whole tone lower in drop C, other notes,
another seed.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

RATE = 48000
SEED = 77013
OPEN_HZ = tuple(440.0 * 2.0 ** ((note - 69) / 12.0) for note in (36, 43, 48, 53, 57, 62))  # C G C F A D
WARM_UP = RATE // 2  # frames left out of the figures, while circuit and net settle


def partials(rng: np.random.Generator, hertz: float, seconds: float, muted: bool) -> np.ndarray:
    """Return one plucked note, a sum of partials that go out of tune and die away as a stiff string's do."""
    t = np.arange(int(seconds * RATE)) / RATE
    place, pickup, stiffness = rng.uniform(0.08, 0.25), rng.uniform(0.1, 0.25), rng.uniform(2e-5, 1.5e-4)
    glide = 1.0 + 0.002 * np.exp(-t / 0.05)
    phase = 2.0 * math.pi * hertz * np.cumsum(glide) / RATE
    y = np.zeros(t.size)
    for k in range(1, int(min(60, 7000.0 / hertz)) + 1):
        stretched = k * math.sqrt(1.0 + stiffness * k * k)
        size = math.sin(math.pi * k * place) / k * abs(math.sin(math.pi * k * pickup))
        rate = (12.0 + 3.0 * k if muted else 0.7 + 0.1 * k + 0.004 * k * k) * (hertz / 110.0) ** 0.4
        y += size * np.exp(-rate * t) * np.sin(stretched * phase + rng.uniform(-0.3, 0.3))
    y *= np.minimum(1.0, t / 0.0015)  # s: the pick lets go
    return y * np.minimum(1.0, (seconds - t) / 0.02)


def audio(seed: int = SEED, seconds: float = 12.0) -> np.ndarray:
    """Return held-out playing: single notes, chords and mutes at changing strength, peak 0.7."""
    rng = np.random.default_rng(seed)
    y = np.zeros(int(seconds * RATE))
    at = 0.1
    while at < seconds - 1.0:
        length = float(rng.choice([0.18, 0.27, 0.41, 0.9]))
        strength, muted = 10.0 ** (rng.uniform(-14.0, 0.0) / 20.0), bool(rng.random() < 0.25)
        for string in rng.choice(6, int(rng.choice([1, 1, 2, 3, 5])), replace=False):
            hertz = OPEN_HZ[string] * 2.0 ** (rng.integers(0, 13) / 12.0)
            note = strength * partials(rng, hertz, min(length * rng.uniform(1.0, 2.0), 1.4), muted)
            start = int((at + 0.012 * rng.random()) * RATE)
            stop = min(start + note.size, y.size)
            y[start:stop] += note[: stop - start]
        at += length
    return 0.7 * y / np.abs(y).max()


def curve(path: Path, teacher, knob: str, positions, seed: int = SEED, rate: int = RATE) -> dict[float, float]:
    """Return the error-to-signal ratio for each position of the knob, as the engine plays the model at `rate`.

    Parameters
    ----------
    path : Path
    teacher : callable
        ``f(x, position)`` at 48 kHz.
    knob : str
    positions : iterable of float
    seed : int
        Of the held-out music.
    rate : int
        Hz of the stream; the music is resampled to it, and the output back.
    """
    import soxr

    import rtfx

    dry = audio(seed)
    heard = dry if rate == RATE else soxr.resample(dry, RATE, rate, "VHQ")
    result = {}
    for position in positions:
        found = rtfx.load(path, **{knob: position})(heard, rate, bare=True).astype(float)
        found = found if rate == RATE else soxr.resample(found, rate, RATE, "VHQ")
        counted = slice(WARM_UP, min(found.size, dry.size) - WARM_UP // 10)
        target = teacher(dry, position)[counted]
        result[position] = float(np.sum((target - found[counted]) ** 2) / np.sum(target**2))
    return result
