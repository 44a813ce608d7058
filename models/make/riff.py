"""Makes models/riff.flac: fifteen seconds of dry electric guitar, the clip that plays where there is no guitar.

Six plucked strings by the extended Karplus-Strong method (Jaffe and Smith 1983; Karjalainen, Valimaki and Tolonen
1998): a delay line with a fractional, moving length, a loss filter in its loop, a comb for the plucking point; then a
comb for the pickup's place and the resonant low-pass of its coil and cable. Run it from the repository: ``python
models/make/riff.py``.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import numba
import numpy as np
import soundfile

RATE = 48000
SECONDS = 15.0
OPEN_HZ = (82.407, 110.0, 146.832, 195.998, 246.942, 329.628)  # standard tuning, low E first
BEAT = 60.0 / 112.0
PEAK = 10.0 ** (-6.0 / 20.0)
PICKUP = 0.17  # of the string's length from the bridge
COIL_HZ, COIL_Q = 3600.0, 1.6


class Note(NamedTuple):
    """A pluck: times in beats, bend in semitones reached over `bend_beats`."""

    beat: float
    string: int
    fret: float
    beats: float = 1.0
    force: float = 0.8
    muted: bool = False
    bend: float = 0.0
    bend_beats: float = 0.75
    vibrato: float = 0.0


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


def pickup(x: np.ndarray, coil_hz: float = COIL_HZ, coil_q: float = COIL_Q) -> np.ndarray:
    """Return what the coil gives of the strings' sum: resonant low-pass (RBJ), then a 20 Hz high-pass."""
    w = 2.0 * math.pi * coil_hz / RATE
    alpha = math.sin(w) / (2.0 * coil_q)
    b = np.array([1.0 - math.cos(w), 2.0 * (1.0 - math.cos(w)), 1.0 - math.cos(w)]) / 2.0 / (1.0 + alpha)
    a = np.array([1.0 + alpha, -2.0 * math.cos(w), 1.0 - alpha]) / (1.0 + alpha)
    return _coil(x, b, a)


@numba.njit
def _coil(x, b, a):
    y, low = np.zeros_like(x), 0.0
    x1 = x2 = y1 = y2 = 0.0
    for n in range(x.size):
        out = b[0] * x[n] + b[1] * x1 + b[2] * x2 - a[1] * y1 - a[2] * y2
        x1, x2, y1, y2 = x[n], x1, out, y1
        low += (out - low) * 2.0 * math.pi * 20.0 / RATE
        y[n] = out - low
    return y


def combed_by_pickup(x: np.ndarray, hertz: float, place: float = PICKUP, depth: float = 0.85) -> np.ndarray:
    """Return a string of that open pitch as the pickup's place, a part of its length, hears it."""
    delay = int(RATE / hertz * place)
    return x - depth * np.concatenate([np.zeros(delay), x[:-delay]])


def score() -> list[Note]:
    """Return the riff: four bars of muted eighths and power chords, a run with a bend, open chords at the end."""
    notes: list[Note] = []

    def chord(beat, frets, beats=1.0, force=0.8, muted=False, spread=0.02):
        for string, fret in enumerate(frets):
            if fret is not None:
                notes.append(Note(beat + spread * string, string, fret, beats, force, muted))

    def chug(beat, frets=(0, 2, None, None, None, None), force=0.7):
        chord(beat, frets, 0.45, force, muted=True, spread=0.008)

    for bar, root in enumerate((0, 0, 3, 5)):  # E, E, G, A
        at = 4.0 * bar
        low = (root, root + 2, root + 2, None, None, None)
        chord(at, low, 0.9, 0.95)
        for eighth in (1.0, 1.5, 2.0):
            chug(at + eighth, (root, root + 2, None, None, None, None), 0.6 + 0.1 * (eighth == 1.0))
        chord(at + 2.5, (root + 3, root + 5, root + 5, None, None, None), 0.45, 0.85)
        chord(at + 3.0, (root + 2, root + 4, root + 4, None, None, None), 0.45, 0.8)
        chug(at + 3.5, (root, root + 2, None, None, None, None), 0.75)
    run = ((3, 9), (3, 11), (4, 8), (4, 10), (5, 7), (4, 10), (5, 7), (5, 10))
    for i, (string, fret) in enumerate(run):
        notes.append(Note(16.0 + 0.25 * i, string, fret, 0.3, 0.7 + 0.04 * i))
    notes.append(Note(18.0, 4, 12, 2.0, 0.95, bend=2.0, vibrato=0.25))
    notes.append(Note(20.0, 5, 10, 0.5, 0.8))
    notes.append(Note(20.5, 4, 12, 0.5, 0.8, bend=-0.0))
    notes.append(Note(21.0, 4, 10, 0.9, 0.8, bend=1.0, bend_beats=0.5))
    notes.append(Note(22.0, 3, 9, 1.0, 0.75, vibrato=0.3))
    chord(23.0, (0, 2, 2, 1, 0, 0), 2.0, 0.7, spread=0.045)
    chord(25.0, (0, 2, 2, 0, 0, 0), 3.0, 0.9, spread=0.03)
    return notes


def riff(seed: int = 7) -> np.ndarray:
    """Return the clip, float64, (frames,)."""
    rng = np.random.default_rng(seed)
    notes = score()
    mix = np.zeros(int(RATE * SECONDS))
    for string in range(6):
        mix += combed_by_pickup(render_string(rng, string, [n for n in notes if n.string == string]), OPEN_HZ[string])
    signal = pickup(mix) + rng.standard_normal(mix.size) * 2e-5
    fade = int(0.25 * RATE)
    signal[-fade:] *= 0.5 + 0.5 * np.cos(np.linspace(0.0, math.pi, fade))
    return signal * (PEAK / np.abs(signal).max())


if __name__ == "__main__":
    path = Path(__file__).parents[1] / "riff.flac"
    clip = riff()
    soundfile.write(path, clip, RATE, subtype="PCM_24")
    rms = 20.0 * math.log10(float(np.sqrt(np.mean(clip**2))))
    print(f"{path.name}: {clip.size / RATE:g} s at {RATE} Hz, RMS {rms:.1f} dBFS, {path.stat().st_size // 1024} kB")
