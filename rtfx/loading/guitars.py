"""The guitars that loudness is measured on: seven short clips and a part of the riff, one after the other.

They differ in pickup, register, touch and level as recorded guitars do (`models/make/guitars.py`). Each is measured for
itself and the mean of their loudnesses counts: what compresses is louder than others on the soft ones and softer on the
hard ones, what is bright is louder on the bright ones, and a model is right on average.
"""

from __future__ import annotations

import hashlib
import math
from functools import cache, lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np

from ..audio import Reader
from ..find import shipped
from .loudness import loudness

RIFF, GUITARS = Path("models", "riff.flac"), Path("models", "guitars.flac")
CLIP_SECONDS, PAUSE_SECONDS = 1.5, 0.25  # of the clips in `GUITARS`, and behind each, where a model rings out
PART = 6.42, 11.42  # s, of the riff: chords and mutes, a run, a bend
FADE_SECONDS = 0.005  # at the ends of that part


def riff(sample_rate: float) -> np.ndarray:
    """Return the shipped riff, (frames,) float32."""
    return _at(*_read(RIFF), sample_rate)


@lru_cache(2)  # a stream's rate, and that of the models
def guitars(sample_rate: float) -> np.ndarray:
    """Return all that loudness is measured on, (frames,) float32, read-only: each guitar, then a pause."""
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
    """Return the mean loudness, in LUFS, of what was made of `guitars`; -inf if all of them are silent.

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
def digest() -> bytes:
    """Return a digest of the files: what was measured on others is forgotten."""
    return hashlib.sha256(b"".join((shipped() / path).read_bytes() for path in (RIFF, GUITARS))).digest()


def _read(path: Path) -> tuple[np.ndarray, int]:
    with Reader(shipped() / path) as reader:
        return np.concatenate(list(reader.blocks(1 << 16)))[:, 0], reader.sample_rate


def _at(audio: np.ndarray, rate: int, sample_rate: float) -> np.ndarray:
    if rate != sample_rate:
        import soxr

        audio = soxr.resample(audio, rate, sample_rate)
    return np.ascontiguousarray(audio, np.float32)
