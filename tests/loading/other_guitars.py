"""Guitars of another generator than that of the shipped clips: sums of the partials of strings."""

import numpy as np
from scipy.signal import lfilter

from rtfx.loading.loudness import loudness
from rtfx.units import gain_from_db

RATE = 48000
LOUDNESS = -22.6  # LUFS, the mean of 18 pieces of recorded guitar, each with its peak at -6 dBFS
SECONDS = 4.0
TOP_HZ = 9000.0
OPEN_MIDI = (40, 45, 50, 55, 59, 64)
CHORDS = (
    (0, 2, 2, 1, 0, 0),
    (None, 3, 2, 0, 1, 0),
    (None, None, 0, 2, 3, 2),
    (3, 2, 0, 0, 0, 3),
    (None, 0, 2, 2, 1, 0),
)
# pickup and pick from the bridge (parts of the string), coil in Hz and quality, semitones of tuning, share of chords,
# share of mutes, seconds between plucks
GUITARS = {
    "single coil at the neck": (0.24, 0.17, 3500.0, 2.0, 0, 0.6, 0.0, 0.35),
    "humbucker at the neck": (0.21, 0.14, 2200.0, 1.2, 0, 0.1, 0.0, 0.25),
    "single coil in the middle": (0.15, 0.12, 4000.0, 2.5, 0, 0.5, 0.3, 0.18),
    "single coil at the bridge": (0.09, 0.15, 3800.0, 1.8, 0, 0.3, 0.0, 0.3),
    "humbucker at the bridge, low": (0.09, 0.14, 2500.0, 1.5, -4, 0.4, 0.5, 0.2),
}


def pluck(rng, hertz, seconds, pickup, pick, strength, muted):
    """Return a note: displacement partials of a plucked string as velocity, each with a decay of its own."""
    t = np.arange(int(seconds * RATE)) / RATE
    k = np.arange(1, int(TOP_HZ / hertz) + 1)[:, None]
    f = hertz * k * np.sqrt(1.0 + 8e-5 * k * k)
    soft = 1.0 / (1.0 + (f / (1500.0 + 4500.0 * strength)) ** 2)  # a pick has an edge
    size = np.sin(np.pi * k * pick) / k * np.sin(np.pi * k * pickup) * soft
    decay = (14.0 if muted else 0.9) * np.sqrt(hertz / 110.0) * (1.0 + (f / (400.0 if muted else 1000.0)) ** 1.5)
    waves = np.sin(2.0 * np.pi * f * t + rng.uniform(-0.2, 0.2, k.shape)) * np.exp(-decay * t)
    return strength * (size * waves).sum(axis=0) * np.minimum(1.0, t / 0.001) * np.minimum(1.0, (seconds - t) / 0.015)


def coil(x, hertz, quality):
    """Return x through a resonant low-pass of second order."""
    w = 2.0 * np.pi * hertz / RATE
    alpha, c = np.sin(w) / (2.0 * quality), np.cos(w)
    return lfilter([(1.0 - c) / 2.0, 1.0 - c, (1.0 - c) / 2.0], [1.0 + alpha, -2.0 * c, 1.0 - alpha], x)


def performance(name, seed):
    """Return four seconds of one guitar, (frames,) float32, as loud as recordings of guitars with peaks at -6 dBFS."""
    pickup, pick, coil_hz, quality, tuned, chords, mutes, step = GUITARS[name]
    rng, y, at = np.random.default_rng([seed, *name.encode()]), np.zeros(int(SECONDS * RATE)), 0.05
    while at < SECONDS - 0.3:
        muted, strength = rng.random() < mutes, rng.uniform(0.4, 1.0)
        length = step * rng.choice([1.0, 1.0, 2.0, 3.0])
        if rng.random() < chords:
            shape = CHORDS[rng.integers(len(CHORDS))]
            notes = [(string, fret) for string, fret in enumerate(shape) if fret is not None]
            notes = notes[:2] if muted else notes
        else:
            notes = [(int(rng.integers(0, 4)), int(rng.integers(0, 8)))]
        for place, (string, fret) in enumerate(notes):
            hertz = 440.0 * 2.0 ** ((OPEN_MIDI[string] + fret + tuned - 69) / 12.0)
            start = int((at + 0.015 * place) * RATE)
            note = pluck(rng, hertz, min(1.4 * length, SECONDS - start / RATE), pickup, pick, strength, muted)
            y[start : start + note.size] += note[: y.size - start]
        at += length
    y = coil(y, coil_hz, quality)
    return np.float32(y * gain_from_db(LOUDNESS - loudness(y, RATE)))


def figures(x):
    """Return the shares of power below 500 Hz and above 2 kHz, and the crest factor in dB."""
    power, hertz = np.abs(np.fft.rfft(x)) ** 2, np.fft.rfftfreq(x.size, 1.0 / RATE)
    crest = 20.0 * np.log10(np.abs(x).max() / np.sqrt(np.mean(np.square(x, dtype=np.float64))))
    return power[hertz < 500.0].sum() / power.sum(), power[hertz > 2000.0].sum() / power.sum(), crest
