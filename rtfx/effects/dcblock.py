"""DC blocker: a one-pole high-pass at 10 Hz, which `plan` appends to models with a DC offset.

H(z) = (1 - k/2) (1 - 1/z) / (1 - (1 - k)/z), the bilinear transform of s / (s + w): -3.01 dB at 10 Hz, 0 dB at half the
sample rate.
"""

from __future__ import annotations

import math

import numpy as np

from ..kernels.kernel import Loop
from ..kernels.memory import floats, records, row
from ..kernels.state import state_dtype
from .effect import RESTS, Effect

CORNER_HZ = 10.0

# The mean is float64: float32 would round away the small steps of a slow pole, and some DC would remain.
DCBLOCK_STATE = state_dtype(("mean", np.float64))
RUNAWAY = 1e30  # no guitar has a mean this large; a larger value, or NaN, is reset to 0


def cells(values, sample_rate: float) -> list[float]:
    """Return [k]: 1 minus the pole, which float32 holds more exactly than the pole itself."""
    w = math.tan(math.pi * CORNER_HZ / sample_rate)
    return [2.0 * w / (1.0 + w)]


def process(state, source, target, frames):
    s = records(state, 1, DCBLOCK_STATE)[0]
    x = floats(source, frames)
    y = floats(target, frames)
    k_row = row(s.parameters, s.parameter_stride, 0, frames)
    mean = s.mean if abs(s.mean) < RUNAWAY else 0.0
    for n in range(frames):
        k = np.float64(k_row[n])
        difference = np.float64(x[n]) - mean
        mean += k * difference
        y[n] = np.float32((1.0 - 0.5 * k) * difference)
    s.mean = mean
    return 0


def rest(state, constant: float, cells) -> None:
    """Set the state to that of rest at a constant input."""
    state["mean"] = constant


KERNEL = Loop(process)
RESTS[KERNEL] = DCBLOCK_STATE, rest
DCBLOCK = Effect("dcblock", (), cells, KERNEL, DCBLOCK_STATE, summary="removes a DC offset")
