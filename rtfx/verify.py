"""Compares a compiled model with the float64 reference on this machine, in blocks of awkward sizes."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from .api import Model
from .audio import Reader
from .errors import AudioFileError
from .model.clip import guitar_like
from .model.reference import evaluate
from .model.self_test import BATCH_TOLERANCE, BatchTest, loudness_tolerance_db
from .model.spec import ModelSpec
from .plan.resolve import DEFAULT_RATE

FLOOR_DB = -110.0  # an error below this is inaudible whatever its cause
FLOAT32_FACTOR = 4.0  # other summation orders than NumPy's err by this much at most
FRAMES = 12000
BLOCKS = (1, 2, 16, 63, 64, 65, 512)
SMALLEST_PEAK = 1e-9  # of a silent model's output: errors are then relative to this
CLIP_FRAMES = 480_000  # the trainer's loudness clip has a tenth of these


@dataclass(frozen=True)
class Verdict:
    """What `verify` found; levels in dB relative to the reference's peak, `ok` if the error is within the bound.

    `self_test` is "passed" or "failed" where the file carries a test that was run, and then `ok` needs it too;
    `self_test_error` is the largest difference from the file's own output, or from its loudness in dB.
    """

    ok: bool
    peak_error_db: float
    esr: float
    bound_db: float
    float32_error_db: float
    method: str
    self_test: str | None = None
    self_test_error: float | None = None

    def also(self, error: float, passed: bool) -> Verdict:
        """Return the verdict with the file's own test."""
        word = "passed" if passed else "failed"
        return replace(self, ok=self.ok and passed, self_test=word, self_test_error=error)


def verify(spec: ModelSpec, frames: int = FRAMES) -> Verdict:
    """Run the model's bare function both ways at its default knobs.

    Parameters
    ----------
    spec : ModelSpec
    frames : int
        Length of the test signal.

    Returns
    -------
    Verdict : the bound is max(-110 dB, 4 x the error of a plain float32 NumPy evaluation), of the peak.
    """
    rate = spec.sample_rate or DEFAULT_RATE
    knobs = {knob.name: knob.default for knob in spec.knobs}
    x = guitar_like(spec.inputs, frames, rate)
    exact = evaluate(spec, x.astype(np.float64), knobs, rate)
    plain = evaluate(spec, x, knobs, rate, dtype=np.float32)
    compiled = _in_blocks(Model(spec), x, rate).astype(np.float64)
    peak = max(float(np.abs(exact).max()), SMALLEST_PEAK)
    error = np.abs(compiled - exact).max() / peak
    float32_error = np.abs(plain.astype(np.float64) - exact).max() / peak
    energy = max(float(np.sum(exact**2)), SMALLEST_PEAK**2)
    bound_db = max(FLOOR_DB, _decibels(FLOAT32_FACTOR * float32_error))
    error_db = _decibels(error)
    method = (
        f"compiled bare output, {frames} frames at {rate:g} Hz in blocks of {', '.join(map(str, BLOCKS))}, "
        "against NumPy float64"
    )
    esr = float(np.sum((compiled - exact) ** 2)) / energy
    return Verdict(
        ok=bool(error_db <= bound_db),  # NaN is not within any bound
        peak_error_db=error_db,
        esr=esr,
        bound_db=bound_db,
        float32_error_db=_decibels(float32_error),
        method=method,
    )


def batch_judged(test: BatchTest) -> tuple[float, bool]:
    """Return the largest difference from the file's own output, and whether the test is passed.

    Two questions, each with its own bound: whether the file's net is what the file says it answers, to AIDA-X's
    tolerance or, where a plain float32 evaluation errs by more, to as much as any float32 program may; and whether the
    compiled net is that net, to the bound of `verify`. The file's output is float32 too: added up, two errors that are
    within their bounds could fail a good file.
    """
    spec, x = test.spec, test.x[None]
    rate = spec.sample_rate or DEFAULT_RATE
    knobs = {knob.name: 0.0 for knob in spec.knobs}
    exact = evaluate(spec, x, knobs, rate, cold=True)
    plain = evaluate(spec, x.astype(np.float32), knobs, rate, cold=True, dtype=np.float32)
    compiled = Model(spec, **knobs)(x, rate, bare=True, cold=True)
    rounding = FLOAT32_FACTOR * float(np.abs(plain - exact).max())
    told, found = (float(np.abs(y - test.y).max()) for y in (exact, compiled))
    bound = max(10.0 ** (FLOOR_DB / 20.0) * float(np.abs(exact).max()), rounding)
    passed = told <= max(BATCH_TOLERANCE, rounding) and float(np.abs(compiled - exact).max()) <= bound
    return max(told, found), bool(passed)  # NaN is within no bound


def self_tested(verdict: Verdict, spec: ModelSpec, batch: BatchTest | None, clip: np.ndarray | None) -> Verdict:
    """Return the verdict with the tests that the model's file carries.

    Parameters
    ----------
    batch : BatchTest or None
        An AIDA-X file's.
    clip : (frames,) float32 or None
        NAM's loudness clip, for files that state their loudness; None: that is not tested.
    """
    if batch is not None:
        return verdict.also(*batch_judged(batch))
    if clip is None or spec.family != "nam" or spec.loudness_db is None:
        return verdict
    error_db = loudness_error_db(spec, clip, spec.loudness_db)
    return verdict.also(error_db, error_db <= loudness_tolerance_db(spec))  # NaN is not


def loudness_error_db(spec: ModelSpec, clip: np.ndarray, expected_db: float) -> float:
    """Return how far the compiled model's loudness is from what the file says, in dB: RMS over all of the clip."""
    rate = spec.sample_rate or DEFAULT_RATE  # the trainer feeds the clip as it is, whatever the model's rate
    output = Model(spec)(np.tile(clip, (spec.inputs, 1)), rate, bare=True).astype(np.float64)
    return abs(_decibels(float(np.sqrt(np.mean(output**2)))) - expected_db)


def read_clip(path: str | Path) -> np.ndarray:
    """Return the trainer's loudness clip, (frames,) float32.

    Raises
    ------
    AudioFileError
        Unreadable, or not a short mono file.
    """
    with Reader(path) as reader:
        if reader.channels != 1 or not 0 < (reader.frames or 0) <= CLIP_FRAMES:
            raise AudioFileError(
                f"{path}: {reader.channels} channels of {reader.frames} frames, expected a mono clip of 1 s: "
                "NAM's trainer has it as nam/models/_resources/loudness_input.wav"
            )
        return np.concatenate(list(reader.blocks(CLIP_FRAMES)))[:, 0]


def _in_blocks(model: Model, x: np.ndarray, rate: float) -> np.ndarray:
    """Return (outputs, frames), asked for in pieces: the first call begins anew, the others go on."""
    pieces, start, number = [], 0, 0
    while start < x.shape[1]:
        size = BLOCKS[number % len(BLOCKS)]
        pieces.append(np.atleast_2d(model(x[:, start : start + size], rate, reset=start == 0, bare=True)))
        start += size
        number += 1
    return np.concatenate(pieces, axis=1)


def _decibels(ratio: float) -> float:
    return 20.0 * math.log10(ratio) if ratio > 0.0 else -math.inf if ratio == 0.0 else math.nan
