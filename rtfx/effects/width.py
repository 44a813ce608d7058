"""Width: how far a stereo sound is spread, by its middle and side, and its balance.

    middle = (left + right) / 2, side = width (left - right) / 2
    left = (middle + side) l, right = (middle - side) r

Width 0 is mono, 1 the input, 2 the input with twice the side. The balance turns down the other channel, by the sine of
its quarter circle: it never makes a channel louder. One channel gets a second one that is equal.
"""

from __future__ import annotations

import math

import numpy as np

from ..kernels.kernel import Loop
from ..kernels.memory import floats, records, row
from ..kernels.state import STATE
from ..rig.parameters import Parameter
from .effect import Effect

PARAMETERS = (
    Parameter("width", 1.0, 0.0, 2.0, "", summary="0 is mono, 1 as it comes, 2 twice the side"),
    Parameter("balance", 0.0, -1.0, 1.0, "", summary="-1 is left alone, 1 right alone"),
)


def cells(values, sample_rate: float) -> list[float]:
    """Return [(1 - width) / 2, gain of the left, gain of the right channel]."""
    balance = values["balance"]
    quiet = math.cos(0.5 * math.pi * abs(balance)) if abs(balance) < 1.0 else 0.0
    return [0.5 * (1.0 - values["width"]), quiet if balance > 0.0 else 1.0, quiet if balance < 0.0 else 1.0]


def process(state, source, target, frames):
    s = records(state, 1, STATE)[0]
    left = floats(source, frames)
    right = floats(source + 4 * np.int64(s.in_stride) * (np.int64(s.inputs) - 1), frames)
    new_left = floats(target, frames)
    new_right = floats(target + 4 * np.int64(s.out_stride), frames)
    narrow = row(s.parameters, s.parameter_stride, 0, frames)
    left_gain = row(s.parameters, s.parameter_stride, 1, frames)
    right_gain = row(s.parameters, s.parameter_stride, 2, frames)
    for n in range(frames):
        one, other = left[n], right[n]
        moved = narrow[n] * (one - other)  # 0 at width 1, so that no bit changes
        new_left[n] = (one - moved) * left_gain[n]
        new_right[n] = (other + moved) * right_gain[n]
    return 0


KERNEL = Loop(process)
WIDTH = Effect("width", PARAMETERS, cells, KERNEL, summary="mono to twice as wide, and the balance", channels="stereo")
