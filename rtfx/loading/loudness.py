"""Loudness as broadcasters measure it (ITU-R BS.1770-4: K-weighted, gated, in LUFS), and the guitars to measure it on.

Two filters weight the frequencies: a shelf of 4 dB above 1.7 kHz, which models the head, and a high-pass at 38 Hz. The
mean squares of blocks of 400 ms, which overlap by three quarters, are averaged twice: over the blocks above -70 LUFS,
then over the blocks among them that are at most 10 LU below that average. Unlike the standard, this averages channels
and does not sum them, so that a model on two channels is as loud as the same model on one.

The guitars are seven short clips and a part of the riff, one after the other. They differ in pickup, register, touch
and level as recorded guitars do (`models/make/guitars.py`). Each is measured alone, and the result is the mean. A model
that compresses is louder than others on the soft clips and softer on the loud ones, and a bright model is louder on
the bright clips; the mean treats all of them alike.
"""

from __future__ import annotations

import hashlib
import math
from functools import cache, lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np

from ..audio import read_audio
from ..find import shipped

BLOCK_SECONDS, STEP_SECONDS = 0.4, 0.1
ABSOLUTE_GATE = -70.0  # LUFS; blocks below it count as silence
RELATIVE_GATE = -10.0  # LU
OFFSET = -0.691  # cancels the shelf's gain at 997 Hz
# the standard states coefficients for 48 kHz; these are the analogue filters behind them: Hz, quality, dB
SHELF_HZ, SHELF_Q, SHELF_DB = 1681.974450955533, 0.7071752369554196, 3.999843853973347
SHELF_MIDDLE = 0.4996667741545416  # the exponent of the shelf's gain in its middle term
HIGH_PASS_HZ, HIGH_PASS_Q = 38.13547087602444, 0.5003270373238773

RIFF, GUITARS = Path("models", "riff.flac"), Path("models", "guitars.flac")
CLIP_SECONDS, PAUSE_SECONDS = (
    1.5,
    0.25,
)  # of the clips in `GUITARS`; of the pause after each, for the tail
PART = 6.42, 11.42  # s, of the riff: chords and mutes, a run, a bend
FADE_SECONDS = 0.005  # fade at both ends of that part


def loudness(x: np.ndarray, sample_rate: float) -> float:
    """Return the integrated loudness of audio in LUFS, -inf for silence.

    Parameters
    ----------
    x : (frames,) or (frames, channels)
        Full scale is 1. Audio shorter than 400 ms is one block.
    sample_rate : float
        Hz.
    """
    audio = np.asarray(x, np.float64)
    audio = audio[:, None] if audio.ndim == 1 else audio
    frames = len(audio)
    if not frames:
        return -math.inf
    size = 2 ** math.ceil(math.log2(frames + 0.2 * sample_rate))  # the high-pass has decayed before it wraps around
    weights = k_weighting(np.fft.rfftfreq(size, 1.0 / sample_rate), sample_rate)[:, None]
    weighted = np.fft.irfft(np.fft.rfft(audio, size, axis=0) * weights, size, axis=0)[:frames]
    block = min(round(BLOCK_SECONDS * sample_rate), frames)
    starts = np.arange(0, frames - block + 1, round(STEP_SECONDS * sample_rate))
    energy = np.concatenate([[0.0], np.cumsum((weighted**2).mean(axis=1))])
    return gated(np.maximum(energy[starts + block] - energy[starts], 0.0) / block)


def gated(power: np.ndarray) -> float:
    """Return the loudness in LUFS of blocks with these weighted mean squares, -inf for silence."""
    power = power[power > _power(ABSOLUTE_GATE)]
    if not len(power):
        return -math.inf
    power = power[power > power.mean() * 10.0 ** (RELATIVE_GATE / 10.0)]
    return OFFSET + 10.0 * math.log10(power.mean())


def k_weighting(frequencies: np.ndarray, sample_rate: float) -> np.ndarray:
    """Return the complex response of both filters at frequencies in Hz."""
    shelf, high_pass = k_filters(sample_rate)
    return _biquad(frequencies / sample_rate, *shelf) * _biquad(frequencies / sample_rate, *high_pass)


def k_filters(sample_rate: float) -> list[tuple[tuple[float, float, float], tuple[float, float, float]]]:
    """Return zeros and poles (b, a) of the shelf and of the high-pass; a[0] is not 1."""
    k = math.tan(math.pi * SHELF_HZ / sample_rate)
    high = 10.0 ** (SHELF_DB / 20.0)
    middle = high**SHELF_MIDDLE
    zeros = (high + middle * k / SHELF_Q + k * k, 2.0 * (k * k - high), high - middle * k / SHELF_Q + k * k)
    poles = (1.0 + k / SHELF_Q + k * k, 2.0 * (k * k - 1.0), 1.0 - k / SHELF_Q + k * k)
    k = math.tan(math.pi * HIGH_PASS_HZ / sample_rate)
    first = 1.0 + k / HIGH_PASS_Q + k * k
    # the standard uses the numerator 1, -2, 1 without normalising its gain
    return [(zeros, poles), ((first, -2.0 * first, first), (first, 2.0 * (k * k - 1.0), 1.0 - k / HIGH_PASS_Q + k * k))]


def _biquad(cycles: np.ndarray, zeros: tuple[float, ...], poles: tuple[float, ...]) -> np.ndarray:
    """Return H(z) = (b0 + b1/z + b2/z^2) / (a0 + a1/z + a2/z^2) at frequencies in cycles per frame."""
    delay = np.exp(-2j * np.pi * cycles)
    return np.polyval(zeros[::-1], delay) / np.polyval(poles[::-1], delay)


def _power(lufs: float) -> float:
    return 10.0 ** ((lufs - OFFSET) / 10.0)


def riff(sample_rate: float) -> np.ndarray:
    """Return the shipped riff, (frames,) float32."""
    return _at(*_read(RIFF), sample_rate)


@lru_cache(2)  # a stream's rate, and that of the models
def guitars(sample_rate: float) -> np.ndarray:
    """Return the test signal for loudness, (frames,) float32, read-only: each guitar, followed by a pause."""
    audio, rate = _read(RIFF)
    part = audio[round(PART[0] * rate) : round(PART[1] * rate)].copy()
    ramp = np.linspace(0.0, 1.0, round(FADE_SECONDS * rate), dtype=np.float32)
    part[: ramp.size] *= ramp
    part[-ramp.size :] *= ramp[::-1]
    clips, same = _read(GUITARS)
    assert rate == same
    pause = np.zeros(round(PAUSE_SECONDS * rate), np.float32)
    found = _at(np.concatenate([clips, part, pause]), rate, sample_rate)
    found.flags.writeable = False
    return found


def mean_loudness(y: np.ndarray, sample_rate: float) -> float:
    """Return the mean loudness, in LUFS, of processed `guitars`; -inf if all of them are silent.

    Parameters
    ----------
    y : (frames,) or (frames, channels)
        As many frames as `guitars` has.
    sample_rate : float
        Hz.
    """
    step, part = CLIP_SECONDS + PAUSE_SECONDS, PART[1] - PART[0] + PAUSE_SECONDS
    clips = round((len(y) / sample_rate - part) / step)
    edges = [*(round(i * step * sample_rate) for i in range(clips + 1)), len(y)]
    pieces = [y[start:stop] for start, stop in pairwise(edges)]
    found = [value for piece in pieces if (value := loudness(piece, sample_rate)) > -math.inf]
    return sum(found) / len(found) if found else -math.inf


@cache
def guitar_loudness() -> float:
    """Return the mean loudness of the guitars themselves, in LUFS."""
    rate = _read(RIFF)[1]
    return round(mean_loudness(guitars(rate), rate), 2)


@cache
def guitars_digest() -> bytes:
    """Return a digest of the guitar files; a change discards cached measurements."""
    return hashlib.sha256(b"".join((shipped() / path).read_bytes() for path in (RIFF, GUITARS))).digest()


def _read(path: Path) -> tuple[np.ndarray, int]:
    audio, rate, _ = read_audio(shipped() / path)
    return audio[:, 0], rate


def _at(audio: np.ndarray, rate: int, sample_rate: float) -> np.ndarray:
    if rate != sample_rate:
        import soxr

        audio = soxr.resample(audio, rate, sample_rate)
    return np.ascontiguousarray(audio, np.float32)
