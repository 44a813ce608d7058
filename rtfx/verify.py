"""Compares a compiled model with the float64 reference on this machine, in blocks of awkward sizes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .api import Model
from .model.reference import evaluate
from .model.spec import ModelSpec
from .plan.resolve import DEFAULT_RATE

FLOOR_DB = -110.0  # an error below this is inaudible whatever its cause
FLOAT32_FACTOR = 4.0  # other summation orders than NumPy's err by this much at most
FRAMES = 12000
SEED = 20
BLOCKS = (1, 2, 16, 63, 64, 65, 512)
SMALLEST_PEAK = 1e-9  # of a silent model's output: errors are then relative to this


@dataclass(frozen=True)
class Verdict:
    """What `verify` found; levels in dB relative to the reference's peak, `ok` if the error is within the bound."""

    ok: bool
    peak_error_db: float
    esr: float
    bound_db: float
    float32_error_db: float
    method: str


def verify(spec: ModelSpec, frames: int = FRAMES) -> Verdict:
    """Run the model's bare function both ways at its default knobs.

    Parameters
    ----------
    spec : ModelSpec
    frames : int
        Length of the test signal.

    Returns
    -------
    Verdict : the bound is max(-110 dB, 4 x the error of a plain float32 NumPy evaluation).
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
    return Verdict(
        ok=bool(error_db <= bound_db),  # NaN is not within any bound
        peak_error_db=error_db,
        esr=float(np.sum((compiled - exact) ** 2)) / energy,
        bound_db=bound_db,
        float32_error_db=_decibels(float32_error),
        method=method,
    )


def guitar_like(channels: int, frames: int, sample_rate: float) -> np.ndarray:
    """Return (channels, frames) float32 of peak 0.7: plucks, a sweep, noise and a pause, another seed per channel."""
    time = np.arange(frames) / sample_rate
    rows = []
    for channel in range(channels):
        noise = np.random.default_rng([SEED, channel])
        plucks = np.sin(2 * np.pi * 110.0 * (channel + 1) * time) * np.exp(-(time % 0.06) / 0.02)
        span = max(frames / sample_rate, 1e-3)
        sweep = np.sin(2 * np.pi * 40.0 * span / math.log(200.0) * (200.0 ** (time / span) - 1.0))
        x = 0.6 * plucks + 0.25 * sweep + 0.05 * noise.standard_normal(frames)
        x[frames // 2 : frames // 2 + frames // 10] = 0.0
        rows.append(0.7 * x / max(np.abs(x).max(), 1e-9))
    return np.array(rows, np.float32)


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
