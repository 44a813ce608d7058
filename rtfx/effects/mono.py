"""Mono: the average of all channels, as one."""

from __future__ import annotations

import numpy as np

from ..kernels.kernel import Loop
from ..kernels.memory import floats, records
from ..kernels.state import STATE
from .effect import Effect


def process(state, source, target, frames):
    s = records(state, 1, STATE)[0]
    x = floats(source, frames)
    y = floats(target, frames)
    share = np.float32(1.0) / np.float32(s.inputs)
    for n in range(frames):
        total = x[n]
        for channel in range(1, np.int64(s.inputs)):
            total += x[channel * s.in_stride + n]
        y[n] = total * share
    return 0


KERNEL = Loop(process)
MONO = Effect(
    "mono", (), lambda values, sample_rate: [], KERNEL, summary="one channel, the average of all", channels="mono"
)
