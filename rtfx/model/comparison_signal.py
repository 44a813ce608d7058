"""The signal that models are compared on: plucks, a sweep, noise and a pause."""

from __future__ import annotations

import math

import numpy as np

SEED = 20


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
