"""An electric guitar as it arrives at an interface: six plucked strings, a pickup, its coil, cable and tone control.

A string is a delay line of one period with a loss filter in its loop (Karjalainen, Valimaki and Tolonen 1998). Each
string has two, because it swings along the body and across it, with two decays. A pluck is a pulse as long as the
travel from the pick to the bridge and back; it has the harmonics of a plucked string's velocity. A pickup senses the
string at one place, which acts as a comb filter (Tillman 2000); a humbucker senses it at two. Coil, cable
and tone control are a resonant low-pass.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numba
import numpy as np

RATE = 48000
OPEN_HZ = (82.407, 110.0, 146.832, 195.998, 246.942, 329.628)  # standard tuning, low E first
BALANCE = (
    1.0,
    0.95,
    0.9,
    1.0,
    0.85,
    0.8,
)  # gains of the strings at the pickup
SUSTAIN = 6.0  # s to -60 dB, of the fundamental of the open A string
BRIGHT_HZ = 1300.0  # partials there die twice as fast as the fundamental
POLARISATIONS = ((0.75, 1.0, 1.0002), (0.25, 0.45, 0.9996))  # share, part of the sustain, detuning
COIL_PLACES = 0.03  # between the two coils of a humbucker, of the string's length: 19 mm
NOISE = 3e-5  # of the interface and the pickup, of the peak


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


class Guitar(NamedTuple):
    """What is played: places of pickup and pick from the bridge, parts of the string's length; coil and pick in Hz."""

    pickup: float
    humbucker: bool
    coil_hz: float
    coil_q: float
    pick: float = 0.13
    pick_hz: float = 6000.0
    tuning: tuple[float, ...] = OPEN_HZ


NECK_SINGLE = Guitar(0.25, False, 3800.0, 2.2, 0.16)
NECK_HUMBUCKER = Guitar(0.23, True, 2400.0, 1.4, 0.16)
MIDDLE_SINGLE = Guitar(0.16, False, 4200.0, 2.0, 0.14)
BRIDGE_SINGLE = Guitar(0.075, False, 3600.0, 2.0, 0.12)
BRIDGE_HUMBUCKER = Guitar(0.075, True, 2300.0, 1.5, 0.12)


@numba.njit
def _string(period, loss, dull, touch, excitation):
    """Return a string's velocity for a period in frames, a gain and a one-pole's share a period, one each frame."""
    size = 4096
    line, out = np.zeros(size), np.zeros(period.size)
    low = 0.0
    for n in range(period.size):
        a = dull[n]
        late = period[n] - a / (1.0 - a)  # the one-pole's own delay at low frequencies
        whole = int(math.floor(late))
        part = late - whole
        value = (1.0 - part) * line[(n - whole) % size] + part * line[(n - whole - 1) % size]
        low = (1.0 - a) * value + a * low
        line[n % size] = loss[n] * touch[n] * low + excitation[n]
        out[n] = line[n % size]
    return out


@numba.njit
def one_pole(x, share):
    """Return x through a one-pole low-pass: `share` of every step is taken."""
    y, state = np.zeros(x.size), 0.0
    for n in range(x.size):
        state += share * (x[n] - state)
        y[n] = state
    return y


def _pole(slope: np.ndarray) -> np.ndarray:
    """Return a of a one-pole whose loss at a low angular frequency w is slope w^2 / 2: a / (1 - a)^2 = slope."""
    return 1.0 + 0.5 / slope - np.sqrt(1.0 / slope + 0.25 / slope**2)


def _pluck(rng: np.random.Generator, hertz: float, note: Note, guitar: Guitar) -> np.ndarray:
    """Return the excitation by a pick: a pulse without an offset, and a little noise."""
    frames = RATE / hertz
    where = min(guitar.pick * rng.uniform(0.85, 1.15) * 2.0 ** (note.fret / 12.0), 0.5)
    t = np.arange(math.ceil(frames))
    inside = np.clip(where * frames - t, 0.0, 1.0)  # an edge between two frames
    pulse = inside - inside.sum() / t.size
    pulse = np.concatenate([pulse, np.zeros(200)])
    pulse[:150] += 0.15 * rng.standard_normal(150) * np.hanning(150)
    hardness = guitar.pick_hz * (0.4 + 0.8 * note.force) * (0.6 if note.muted else 1.0)
    share = -math.expm1(-2.0 * math.pi * hardness / RATE)
    return note.force * one_pole(one_pole(pulse, share), share)


def _played(rng: np.random.Generator, notes: Sequence[Note], open_hz: float, guitar: Guitar, beat: float, frames: int):
    """Return the velocity of one string; a new note ends the one before."""
    hertz, sustain, bright = np.full(frames, open_hz), np.full(frames, 0.05), np.full(frames, 300.0)
    touch, excitation = np.ones(frames), np.zeros(frames + RATE)
    for note in sorted(notes):
        start, stop = round(note.beat * beat * RATE), min(round((note.beat + note.beats) * beat * RATE), frames)
        if start >= frames:
            continue
        base = open_hz * 2.0 ** (note.fret / 12.0)
        t = np.arange(frames - start) / RATE
        rise = np.clip(t / (note.bend_beats * beat) - 0.25, 0.0, 1.0)
        wobble = note.vibrato * np.sin(2.0 * math.pi * 5.3 * t) * np.clip(t - 0.25, 0.0, 0.3) / 0.3
        sharp = 0.08 * note.force * np.exp(-t / 0.06)  # a hard pluck stretches the string
        hertz[start:] = base * 2.0 ** ((note.bend * rise * rise * (3 - 2 * rise) + wobble + sharp) / 12.0)
        sustain[start:stop] = 0.22 if note.muted else SUSTAIN * (110.0 / base) ** 0.5
        bright[start:stop] = 500.0 if note.muted else max(BRIGHT_HZ, 2.5 * base)
        sustain[stop:], bright[stop:] = 0.06, 300.0  # the finger is lifted
        caught = slice(max(start - round(RATE / base), 0), start)
        touch[caught] = np.linspace(1.0, 0.2, caught.stop - caught.start)  # the pick lies on the string first
        pulse = _pluck(rng, base, note, guitar)
        excitation[start : start + pulse.size] += pulse
    period = RATE / hertz
    total = np.zeros(frames)
    for share, part, detuned in POLARISATIONS:
        loss = 10.0 ** (-3.0 / (hertz * sustain * part))
        slope = 2.0 * -np.log(loss) * (RATE / (2.0 * math.pi * bright)) ** 2  # as much again at `bright`
        total += share * _string(period / detuned, loss, _pole(slope), touch, excitation[:frames])
    return total


def _at(x: np.ndarray, late: float) -> np.ndarray:
    """Return x later by a fractional number of frames."""
    whole = int(late)
    moved = np.concatenate([np.zeros(whole + 1), x])
    return (1.0 - late + whole) * moved[1 : x.size + 1] + (late - whole) * moved[: x.size]


def _heard(x: np.ndarray, open_hz: float, guitar: Guitar) -> np.ndarray:
    """Return the pickup's signal for one string: the passing wave and its reflection from the bridge."""
    apart = 0.5 * COIL_PLACES if guitar.humbucker else 0.0
    places = {guitar.pickup - apart, guitar.pickup + apart}
    period = RATE / open_hz
    heard = np.zeros_like(x)
    for place in places:
        heard += _at(x, (guitar.pickup + apart - place) * period / 2.0)
        heard -= _at(x, (guitar.pickup + apart + place) * period / 2.0)
    return heard / len(places)


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


def coil(x: np.ndarray, hertz: float, quality: float) -> np.ndarray:
    """Return what the cable carries of the coil's voltage: a resonant low-pass, and a high-pass at 20 Hz."""
    w = 2.0 * math.pi * hertz / RATE
    alpha = math.sin(w) / (2.0 * quality)
    b = np.array([1.0 - math.cos(w), 2.0 * (1.0 - math.cos(w)), 1.0 - math.cos(w)]) / 2.0 / (1.0 + alpha)
    a = np.array([1.0 + alpha, -2.0 * math.cos(w), 1.0 - alpha]) / (1.0 + alpha)
    return _coil(x, b, a)


def played(notes: Sequence[Note], guitar: Guitar, seconds: float, beat: float, peak_db: float, seed: int) -> np.ndarray:
    """Return a performance, float64, (frames,), at 48 kHz, its last 50 ms faded.

    Parameters
    ----------
    notes : sequence of Note
    guitar : Guitar
    seconds : float
    beat : float
        Seconds a beat.
    peak_db : float
        dBFS.
    seed : int
        Of the hand's small differences and the noise.
    """
    rng, frames = np.random.default_rng(seed), round(RATE * seconds)
    mix = np.zeros(frames)
    for string, open_hz in enumerate(guitar.tuning):
        own = [note for note in notes if note.string == string]
        if own:
            mix += BALANCE[string] * _heard(_played(rng, own, open_hz, guitar, beat, frames), open_hz, guitar)
    signal = coil(mix, guitar.coil_hz, guitar.coil_q)
    signal = signal / np.abs(signal).max() + NOISE * rng.standard_normal(frames)
    fade = RATE // 20
    signal[-fade:] *= 0.5 + 0.5 * np.cos(np.linspace(0.0, math.pi, fade))
    return signal * (10.0 ** (peak_db / 20.0) / np.abs(signal).max())
