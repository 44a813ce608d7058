"""Compares two models that should be equal, by the float64 reference of both on a guitar-like clip."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from ..errors import ShapeMismatch
from .reference import evaluate
from .spec import SIZE, ModelSpec

FRAMES = 12000
RATE = 48000.0  # Hz, used if neither model states a rate
SAME_DB = -100.0  # relative to the output's peak: rounding to float32 is below
SILENT = 1e-9
SEED = 20


@dataclass(frozen=True)
class Parity:
    """How far the second model is from the first; `peak_error_db` is relative to the first's peak."""

    max_abs_error: float
    peak_error_db: float
    esr: float
    frames: int

    @property
    def same(self) -> bool:
        """Whether the difference is small enough to be rounding."""
        return self.peak_error_db <= SAME_DB


def settled(original: ModelSpec, converted: ModelSpec) -> tuple[ModelSpec, ModelSpec]:
    """Return both with the longer of their prewarms: equal recurrent nets may start with different prewarms."""
    frames = max(original.prewarm_frames, converted.prewarm_frames)
    return replace(original, prewarm=frames, sizes=()), replace(converted, prewarm=frames, sizes=())


def parity(original: ModelSpec, converted: ModelSpec, frames: int = FRAMES) -> Parity:
    """Return how far the second model's output is from the first's; both are prewarmed, knobs at their defaults.

    Knobs are matched by their order, since formats name them differently. If the second model has audio channels in
    place of the first one's knobs, these channels get the knobs' values.

    Parameters
    ----------
    original, converted : ModelSpec
    frames : int
        Length of the clip, at the models' sample rate.

    Raises
    ------
    ShapeMismatch
        The second model has other inputs or outputs.
    """
    rate = original.sample_rate or converted.sample_rate or RATE
    x = guitar_like(original.inputs, frames, rate).astype(np.float64)
    knobs = [knob for knob in original.knobs if not (original.sizes and knob.name == SIZE)]
    values = [knob.default for knob in knobs]
    a = evaluate(original, x, {knob.name: knob.default for knob in knobs}, rate)
    extra = converted.inputs - original.inputs
    if extra and extra == len(values) and not converted.knobs:
        rows = np.repeat(np.array(values)[:, None], frames + converted.prewarm_frames, axis=1)
        quiet = np.concatenate([np.zeros((len(x), converted.prewarm_frames)), x], axis=1)
        b = evaluate(converted, np.concatenate([quiet, rows]), {}, rate, cold=True)[:, -frames:]
    elif extra or len(converted.knobs) < len(values) or converted.outputs != original.outputs:
        raise ShapeMismatch(
            f"the file written has {_inputs(converted)}, expected {_inputs(original)}: use another format, rtfx"
        )
    else:
        names = [knob.name for knob in converted.knobs]
        b = evaluate(converted, x, dict(zip(names, values, strict=False)), rate)
    return difference(a, b)


def difference(a: np.ndarray, b: np.ndarray) -> Parity:
    """Return how far `b` is from `a`, both (outputs, frames)."""
    with np.errstate(all="ignore"):
        error = float(np.abs(b - a).max())
        peak = max(float(np.abs(a).max()), SILENT)
        energy = max(float(np.sum(a**2)), SILENT**2)
        decibels = float(20.0 * np.log10(error / peak)) if error else -np.inf
        return Parity(error, decibels, float(np.sum((b - a) ** 2)) / energy, a.shape[1])


def _inputs(spec: ModelSpec) -> str:
    knobs = ", ".join(knob.name for knob in spec.knobs) or "none"
    return f"{spec.inputs} inputs, {spec.outputs} outputs, knobs: {knobs}"


def guitar_like(channels: int, frames: int, sample_rate: float) -> np.ndarray:
    """Return (channels, frames) float32 of peak 0.7: plucks, a sweep, noise and a pause, with one seed per channel."""
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
