"""Audio to learn from: the strings of `strings.py` with random music at several levels, sweeps and bursts between."""

from __future__ import annotations

import math

import numpy as np
import strings
from guitar import Note, coil

RATE = strings.RATE
CHORDS = (
    (0, 2, 2, 1, 0, 0),
    (0, 2, 2, 0, 0, 0),
    (None, 0, 2, 2, 2, 0),
    (3, 2, 0, 0, 0, 3),
    (None, None, 0, 2, 3, 2),
    (1, 3, 3, 2, 1, 1),
)


def random_score(rng: np.random.Generator) -> list[Note]:
    """Return fifteen seconds of chords, chugs and single notes."""
    notes: list[Note] = []
    beat = 0.0
    while beat < strings.SECONDS / strings.BEAT:
        length = float(rng.choice([0.5, 1.0, 1.0, 2.0]))
        force = float(rng.uniform(0.25, 1.0))
        kind = rng.random()
        if kind < 0.35:
            frets = CHORDS[rng.integers(len(CHORDS))]
            spread = float(rng.uniform(0.005, 0.06))
            played = [(string, fret) for string, fret in enumerate(frets) if fret is not None]
            notes += [Note(beat + spread * s, s, f, length, force) for s, f in played]
        elif kind < 0.6:
            root = int(rng.integers(0, 8))
            muted = bool(rng.random() < 0.6)
            notes += [Note(beat, s, root + (2 if s else 0), length * 0.9, force, muted) for s in (0, 1)]
        else:
            bend = float(rng.choice([0.0, 0.0, 1.0, 2.0]))
            string, fret = int(rng.integers(1, 6)), int(rng.integers(2, 15))
            notes.append(Note(beat, string, fret, length, force, bend=bend, vibrato=float(rng.choice([0.0, 0.3]))))
        beat += length
    return notes


def clusters(rng: np.random.Generator) -> list[Note]:
    """Return fifteen seconds of one to five notes at once, at random pitches, with low difference tones."""
    notes: list[Note] = []
    beat = 0.0
    while beat < strings.SECONDS / strings.BEAT:
        length = float(rng.choice([0.35, 0.5, 0.75, 1.0, 1.7]))
        force, muted = 10.0 ** (rng.uniform(-16.0, 0.0) / 20.0), bool(rng.random() < 0.25)
        for string in rng.choice(6, int(rng.choice([1, 1, 2, 3, 4, 5])), replace=False):
            beats = length * float(rng.uniform(1.0, 2.0))
            notes.append(Note(beat + 0.03 * rng.random(), int(string), int(rng.integers(0, 14)), beats, force, muted))
        beat += length
    return notes


def guitar(seed: int, scored=random_score) -> np.ndarray:
    """Return fifteen seconds of random music, peak 1, on a guitar of random tuning and pickup."""
    rng = np.random.default_rng(seed)
    notes = scored(rng)
    tuning = np.array(strings.OPEN_HZ) * 2.0 ** (int(rng.integers(-7, 6)) / 12.0)
    if rng.random() < 0.4:
        tuning[0] *= 2.0 ** (-2.0 / 12.0)  # as drop D is to standard tuning
    place, depth = rng.uniform(0.08, 0.26), rng.uniform(0.5, 0.95)
    coil_hz, coil_q = rng.uniform(2200.0, 6500.0), rng.uniform(0.8, 2.5)
    mix = np.zeros(int(RATE * strings.SECONDS))
    for string in range(6):
        moved = strings.render_string(rng, string, [n for n in notes if n.string == string], tuning)
        mix += strings.combed_by_pickup(moved, tuning[string], place, depth)
    clip = coil(mix, coil_hz, coil_q)
    return clip / np.abs(clip).max()


def probes(seed: int, seconds: float) -> np.ndarray:
    """Return sweeps and noise that rise and fall, peak 1: levels and frequencies that are rare in music."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(RATE * seconds)) / RATE
    low, high = 40.0, 12000.0
    phase = 2.0 * math.pi * low * seconds / math.log(high / low) * np.expm1(t / seconds * math.log(high / low))
    sweep = np.sin(phase) * (0.05 + 0.95 * np.abs(np.sin(2.0 * math.pi * 1.7 * t)))
    noise = np.cumsum(rng.standard_normal(t.size))
    noise -= np.convolve(noise, np.ones(600) / 600.0, "same")
    noise *= np.abs(np.sin(2.0 * math.pi * 0.9 * t)) ** 3 / np.abs(noise).max()
    return np.concatenate([sweep, noise])


def training_set(seed: int, clips: int) -> np.ndarray:
    """Return (frames,) of guitar at levels from -18 to 0 dBFS, every second clip clusters, then probes."""
    rng = np.random.default_rng(seed)
    levels = 10.0 ** (rng.uniform(-18.0, 0.0, clips) / 20.0)
    scores = (random_score, clusters)
    parts = [guitar(1000 * seed + i, scores[i % 2]) * level for i, level in enumerate(levels)]
    return np.concatenate([*parts, 0.8 * probes(seed, 4.0)])
