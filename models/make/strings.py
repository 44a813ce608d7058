"""The strings that the nets learnt on, driven by noise: brighter than a recorded guitar.

By the extended Karplus-Strong method (Jaffe and Smith 1983): a delay line with a fractional, moving length, a loss
filter in its loop, a comb for the plucking point; then a comb for the pickup's place and the resonant low-pass of its
coil. The clips and the level measurements use `guitar.py` instead.
"""

from __future__ import annotations

import math

import numba
import numpy as np
from guitar import OPEN_HZ, RATE, Note

SECONDS = 15.0
BEAT = 60.0 / 112.0


@numba.njit
def string_voice(frequency, decay, damping, excitation, gate, rate):
    """Return the string's motion for a frequency, a decay time and a brightness that change with time.

    frequency (Hz), decay (s to -60 dB), damping (0 bright to 1 dull), gate (1 while it rings) have one value per frame;
    excitation is added to the loop.
    """
    size = 2048
    line = np.zeros(size)
    out = np.zeros(frequency.size)
    write, low = 0, 0.0
    for n in range(frequency.size):
        period = rate / frequency[n] - 0.5 - 0.5 * damping[n]
        whole = int(math.floor(period))
        part = period - whole
        a = line[(write - whole) % size]
        b = line[(write - whole - 1) % size]
        value = a + part * (b - a)
        loss = 10.0 ** (-3.0 / (frequency[n] * max(decay[n], 1e-3)))
        s = 0.5 * damping[n]
        filtered = (1.0 - s) * value + s * low
        low = value
        value = loss * filtered * gate[n] + excitation[n]
        line[write] = value
        out[n] = value
        write = (write + 1) % size
    return out


@numba.njit
def dulled(x, brightness):
    """Return x through a one-pole low-pass, 1 lets all pass."""
    y = np.zeros(x.size)
    state = 0.0
    for n in range(x.size):
        state += brightness * (x[n] - state)
        y[n] = state
    return y


def pick(rng, frequency: float, force: float, muted: bool, where: float) -> np.ndarray:
    """Return the burst that sets a string in motion: a period of noise, dulled, combed by the plucking point."""
    length = max(int(RATE / frequency), 8)
    burst = rng.standard_normal(length) * np.hanning(length) ** 0.25
    brightness = (0.25 if muted else 0.55) + 0.35 * force
    smooth = dulled(burst, brightness)
    delay = max(int(where * length), 1)
    combed = np.concatenate([smooth, np.zeros(delay)])
    combed[delay:] -= smooth * 0.9
    return combed * force / math.sqrt(np.mean(smooth**2) * length) * 6.0


def render_string(rng, string: int, notes: list[Note], tuning=OPEN_HZ) -> np.ndarray:
    """Return the sound of all notes on one string; a new note damps the one before."""
    frames = int(RATE * SECONDS)
    frequency = np.full(frames, tuning[string])
    decay, damping, gate = np.full(frames, 0.05), np.full(frames, 0.5), np.ones(frames)
    excitation = np.zeros(frames)
    for note in sorted(notes):
        start = int(note.beat * BEAT * RATE)
        stop = min(int((note.beat + note.beats) * BEAT * RATE), frames)
        if start >= frames:
            continue
        base = tuning[string] * 2.0 ** (note.fret / 12.0)
        t = np.arange(frames - start) / RATE
        rise = np.clip(t / (note.bend_beats * BEAT) - 0.25, 0.0, 1.0)
        wobble = note.vibrato * np.sin(2.0 * math.pi * 5.3 * t) * np.clip(t - 0.25, 0.0, 0.3) / 0.3
        sharp = 0.08 * note.force * np.exp(-t / 0.06)  # a hard pluck stretches the string
        frequency[start:] = base * 2.0 ** ((note.bend * rise * rise * (3 - 2 * rise) + wobble + sharp) / 12.0)
        decay[start:stop] = (0.16 if note.muted else 3.2) * (110.0 / base) ** 0.35
        damping[start:stop] = 0.75 if note.muted else 0.22 + 0.1 * (1.0 - note.force)
        decay[stop:], damping[stop:] = 0.04, 0.6  # the finger is lifted
        gate[max(start - 40, 0) : start] = 0.6  # the pick touches the string first
        burst = pick(rng, base, note.force, note.muted, rng.uniform(0.11, 0.19))
        size = min(burst.size, frames - start)
        excitation[start : start + size] += burst[:size]
    return string_voice(frequency, decay, damping, excitation, gate, RATE) * pickup_gain(string)


def pickup_gain(string: int) -> float:
    """Return the balance of a string: wound strings move more but their pole pieces stand lower."""
    return (0.9, 0.95, 1.0, 0.85, 0.95, 1.0)[string]


def combed_by_pickup(x: np.ndarray, hertz: float, place: float, depth: float) -> np.ndarray:
    """Return the pickup's signal for a string of that open pitch; place is a part of the string's length."""
    delay = int(RATE / hertz * place)
    return x - depth * np.concatenate([np.zeros(delay), x[:-delay]])
