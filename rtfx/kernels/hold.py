"""Every stride-th frame of each row, and between these the last such frame, or zeros."""

from __future__ import annotations

import numpy as np

from .jit import kernel
from .memory import floats, records
from .state import state_dtype

STATE = state_dtype(
    ("rows", np.int64), ("stride", np.int64), ("phase", np.int64), ("zeros", np.int64), ("time", np.int64)
)


def hold(state, source, target, frames):
    """The last frame taken is read from the source's history, which goes back stride - 1 frames."""
    s = records(state, 1, STATE)[0]
    stride, reach = s.stride, s.stride - 1
    for row in range(s.rows):
        x = floats(source + 4 * (row * s.in_stride - reach), frames + reach)
        y = floats(target + 4 * row * s.out_stride, frames)
        for t in range(frames):
            age = (s.time + t + stride - s.phase) % stride
            y[t] = np.float32(0.0) if s.zeros and age else x[reach + t - age]
    s.time = (s.time + frames) % stride
    return 0


HOLD = kernel(hold)
