"""Smooths the value of a knob on its way to a net: a one-pole low-pass after the engine's glide.

The engine turns knobs along straight lines. At their corners a net crackles: a bass note's spectrum above 8 kHz rises
to 60 dB below its peak. The one-pole rounds the corners, so that their spectrum falls by one order of 1/f more.
"""

from __future__ import annotations

import numpy as np

from ..kernels.kernel import Loop
from ..kernels.memory import floats, records
from ..kernels.state import state_dtype

SECONDS = 0.003  # time constant
STATE = state_dtype(("share", np.float64), ("value", np.float64), ("begun", np.int64))


def share(sample_rate: float) -> float:
    """Return the share of a new value that each frame takes over; `sample_rate` in Hz."""
    return 1.0 / (1.0 + SECONDS * sample_rate)


def process(state, source, target, frames):
    s = records(state, 1, STATE)[0]
    x = floats(source, frames)
    y = floats(target, frames)
    if s.begun == 0 and frames > 0:
        s.begun, s.value = 1, np.float64(x[0])
    value = s.value
    for n in range(frames):
        value += s.share * (np.float64(x[n]) - value)
        y[n] = np.float32(value)
    s.value = value
    return 0


KERNEL = Loop(process)
