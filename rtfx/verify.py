"""Compares a compiled model with the float64 reference on this machine, in blocks of awkward sizes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from .api import Model
from .audio import Reader
from .errors import AudioFileError
from .kernels.processor import instruction_set
from .model.parity import guitar_like
from .model.read.aidax import BatchTest
from .model.reference import evaluate
from .model.spec import SIZE, ModelSpec
from .plan.resolve import DEFAULT_RATE
from .rigs import Rig

FLOOR_DB = -110.0  # an error below this level is inaudible
FLOAT32_FACTOR = 4.0  # most that another order of summation can increase NumPy's error
FRAMES = 12000
FILLED = 3000  # frames of the test after the net's history is filled
LARGEST = 40_000_000  # numbers in the reference's memory, 300 MB; this limits the length for nets with a long history
BLOCKS = (1, 2, 16, 63, 64, 65, 512)
SMALLEST_PEAK = 1e-9  # reference for the error of a silent model
BATCH_TOLERANCE = 1e-5  # the tolerance of AIDA-X; full scale is 1
LOUDNESS_TOLERANCE_DB = 0.001  # nets without recurrence are within 0.00002 dB of the trainer's value
LOUDNESS_TOLERANCE_RECURRENT_DB = 0.5  # the trainer starts from another state; up to 0.3 dB measured
CLIP_FRAMES = 480_000  # longest clip; the trainer's has a tenth of this


@dataclass(frozen=True)
class Verdict:
    """The result of `verify`; levels in dB relative to the reference's peak; `ok` if the error is within the bound.

    For a model with knobs, the errors are those at the knob position `knobs` with the worst error relative to its
    bound. `replaced` lists the kernels that are wrong on this processor, their replacements and how much slower these
    are; the sound is still correct. If the file contains a test, `self_test` is "passed" or "failed", and `ok` requires
    that it passed; `self_test_error` is the largest difference from the output in the file, or from its loudness in dB.
    """

    ok: bool
    peak_error_db: float
    esr: float
    bound_db: float
    float32_error_db: float
    method: str
    knobs: dict[str, float] = field(default_factory=dict)
    replaced: tuple[str, ...] = ()
    self_test: str | None = None
    self_test_error: float | None = None

    @property
    def where(self) -> str:
        """The knob position as text; "" for a model without knobs."""
        return f" at {', '.join(f'{name}={value:g}' for name, value in self.knobs.items())}" if self.knobs else ""

    def also(self, error: float, passed: bool) -> Verdict:
        """Return the verdict with the result of the file's test."""
        word = "passed" if passed else "failed"
        return replace(self, ok=self.ok and passed, self_test=word, self_test_error=error)


def verify(spec: ModelSpec, frames: int = FRAMES) -> Verdict:
    """Run the model compiled and by the reference: with default knobs, then with each knob at either end.

    Parameters
    ----------
    spec : ModelSpec
    frames : int
        Length of the test signal; it is longer if the model's history is longer.

    Returns
    -------
    Verdict
        Its bound, relative to the peak, is max(-110 dB, 4 x the error of a plain float32 NumPy evaluation).
    """
    length = _length(spec, frames)
    verdicts = [_compared(spec, knobs, length) for knobs in positions(spec)]
    worst = max(
        verdicts, key=lambda one: math.inf if math.isnan(one.peak_error_db) else one.peak_error_db - one.bound_db
    )
    rate, memory = spec.sample_rate or DEFAULT_RATE, spec.receptive_field or 0
    method = (
        f"compiled bare output for {instruction_set()}, {length} frames at {rate:g} Hz in blocks of "
        f"{', '.join(map(str, BLOCKS))}, against NumPy float64"
    )
    if memory > length:
        method += f"; the net remembers {memory} frames"
    if len(verdicts) > 1:
        method += f"; worst of {len(verdicts)} positions of the knobs"
    replaced = tuple(dict.fromkeys(line for verdict in verdicts for line in verdict.replaced))
    return replace(worst, method=method, replaced=replaced)


def positions(spec: ModelSpec) -> list[dict[str, float]]:
    """Return knob positions: the defaults, then each knob at its ends with the others at their defaults."""
    usual = {knob.name: knob.default for knob in spec.knobs}
    found = [usual]
    for knob in spec.knobs:
        found += [usual | {knob.name: end} for end in (knob.minimum, knob.maximum) if end != knob.default]
    return found


def _length(spec: ModelSpec, frames: int) -> int:
    """Return the frames of the test signal: the net's history and some more, within the limit on memory."""
    memory = spec.receptive_field or 0
    room = LARGEST // sum(spec.widths) - (0 if spec.quiet_past else spec.prewarm_frames)
    return max(frames, min(memory + FILLED, room))


def _compared(spec: ModelSpec, knobs: dict[str, float], frames: int) -> Verdict:
    """Return the verdict for one knob position."""
    rate = spec.sample_rate or DEFAULT_RATE
    x = guitar_like(spec.inputs, frames, rate)
    rig = Rig([Model(spec, **knobs)])
    played = spec.at_size(knobs[SIZE]) if spec.sizes else spec
    inputs = {knob.name: knobs[knob.name] for knob in played.knobs}
    exact = evaluate(played, x.astype(np.float64), inputs, rate)
    plain = evaluate(played, x, inputs, rate, dtype=np.float32)
    compiled = _in_blocks(rig, x, rate).astype(np.float64)
    peak = max(float(np.abs(exact).max()), SMALLEST_PEAK)
    float32_error = np.abs(plain.astype(np.float64) - exact).max() / peak
    energy = max(float(np.sum(exact**2)), SMALLEST_PEAK**2)
    bound_db = max(FLOOR_DB, _decibels(FLOAT32_FACTOR * float32_error))
    error_db = _decibels(np.abs(compiled - exact).max() / peak)
    return Verdict(
        ok=bool(error_db <= bound_db),  # NaN is not within any bound
        peak_error_db=error_db,
        esr=float(np.sum((compiled - exact) ** 2)) / energy,
        bound_db=bound_db,
        float32_error_db=_decibels(float32_error),
        method="",
        knobs=knobs,
        replaced=rig.replaced,
    )


def batch_judged(test: BatchTest) -> tuple[float, bool]:
    """Return the largest difference from the output in the file, and whether the test passed.

    There are two comparisons, each with its own bound. The net in float64 must give the output in the file, within
    AIDA-X's tolerance or the error of a plain float32 evaluation if that is larger. The compiled net must give the
    output of the float64 net, within the bound of `verify`. One comparison would not be enough: the output in the file
    is float32 too, and two errors within their bounds could add up and fail a good file.
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


def loudness_tolerance_db(spec: ModelSpec) -> float:
    """Return the tolerance, in dB, for the loudness in a NAM file against that of its model."""
    return LOUDNESS_TOLERANCE_RECURRENT_DB if spec.recurrent else LOUDNESS_TOLERANCE_DB


def self_tested(verdict: Verdict, spec: ModelSpec, batch: BatchTest | None, clip: np.ndarray | None) -> Verdict:
    """Return the verdict with the tests that the model's file contains.

    Parameters
    ----------
    batch : BatchTest or None
        The test in an AIDA-X file.
    clip : (frames,) float32 or None
        NAM's loudness clip, for files that state their loudness; None: do not test the loudness.
    """
    if batch is not None:
        return verdict.also(*batch_judged(batch))
    if clip is None or spec.family != "nam" or spec.loudness_db is None:
        return verdict
    error_db = loudness_error_db(spec, clip, spec.loudness_db)
    return verdict.also(error_db, error_db <= loudness_tolerance_db(spec))  # NaN is not


def loudness_error_db(spec: ModelSpec, clip: np.ndarray, expected_db: float) -> float:
    """Return the difference, in dB, between the compiled model's RMS over the whole clip and the file's loudness."""
    rate = spec.sample_rate or DEFAULT_RATE  # the trainer never resamples the clip
    output = Model(spec)(np.tile(clip, (spec.inputs, 1)), rate, bare=True).astype(np.float64)
    return abs(_decibels(float(np.sqrt(np.mean(output**2)))) - expected_db)


def read_clip(path: str | Path) -> np.ndarray:
    """Return the trainer's loudness clip, (frames,) float32.

    Raises
    ------
    AudioFileError
        The file is unreadable, or not a short mono file.
    """
    with Reader(path) as reader:
        if reader.channels != 1 or not 0 < (reader.frames or 0) <= CLIP_FRAMES:
            raise AudioFileError(
                f"{path}: {reader.channels} channels of {reader.frames} frames, expected a mono clip of 1 s: "
                "NAM's trainer has it as nam/models/_resources/loudness_input.wav"
            )
        return np.concatenate(list(reader.blocks(CLIP_FRAMES)))[:, 0]


def _in_blocks(rig: Rig, x: np.ndarray, rate: float) -> np.ndarray:
    """Return (outputs, frames), processed in pieces; only the first call starts from rest."""
    pieces, start, number = [], 0, 0
    while start < x.shape[1]:
        size = BLOCKS[number % len(BLOCKS)]
        pieces.append(np.atleast_2d(rig(x[:, start : start + size], rate, reset=start == 0, bare=True)))
        start += size
        number += 1
    return np.concatenate(pieces, axis=1)


def _decibels(ratio: float) -> float:
    return 20.0 * math.log10(ratio) if ratio > 0.0 else -math.inf if ratio == 0.0 else math.nan
