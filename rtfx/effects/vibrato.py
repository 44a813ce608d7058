"""Vibrato: the pitch goes up and down by as many cents as the knob says.

The sound is late by 4 ms plus a sine of A seconds; its pitch is multiplied by 1 minus the slope of the delay, which is
at most 2 pi rate A. So A follows from depth and rate; where that is more than 4 ms, slow and deep, it stays at 4 ms. A
new A is taken over within some 10 ms beyond the glide of knobs, as its corners would click.
"""

from __future__ import annotations

import math

import numpy as np

from ..kernels.kernel import Loop
from ..kernels.memory import floats, records, row
from ..kernels.state import state_dtype
from ..rig.parameters import Parameter
from .effect import Effect
from .lines import rest, ring_length, sine, smoothing, tap, turned

PARAMETERS = (
    Parameter("rate_hz", 5.0, 0.2, 12.0, "Hz", note=True, summary="how often the pitch goes up and down"),
    Parameter("depth_cents", 20.0, 0.0, 100.0, "cents", summary="how far"),
    Parameter("spread", 0.0, summary="how far the right side follows the left; 1 is half a turn"),
)

LATE_SECONDS = 0.004
SMOOTH_SECONDS = 0.01
STATE = state_dtype(
    ("mask", np.int64),
    ("place", np.int64),
    ("begun", np.int64),
    ("late", np.float64),
    ("share", np.float64),  # of the smoothing of the swing
    ("swing", np.float64),  # frames
    ("phase", np.float64),
)
BYTES = STATE.itemsize


def latency(sample_rate: float) -> int:
    """Return the middle of the delay in frames."""
    return round(LATE_SECONDS * sample_rate)


def length(sample_rate: float) -> int:
    """Return the floats of one of the two delay lines."""
    return ring_length(2.0 * LATE_SECONDS * sample_rate)


def cells(values, sample_rate: float) -> list[float]:
    """Return [phase step, frames of swing, phase of the right side]."""
    rate = values["rate_hz"]
    swing = (2.0 ** (values["depth_cents"] / 1200.0) - 1.0) / (2.0 * math.pi * rate)
    return [rate / sample_rate, min(swing * sample_rate, latency(sample_rate) - 2.0), 0.5 * values["spread"]]


def process(state, source, target, frames):
    s = records(state, 1, STATE)[0]
    x_left = floats(source, frames)
    x_right = floats(source + (4 * s.in_stride if s.inputs > 1 else 0), frames)
    y_left = floats(target, frames)
    y_right = floats(target + 4 * s.out_stride, frames)
    step_row = row(s.parameters, s.parameter_stride, 0, frames)
    swing_row = row(s.parameters, s.parameter_stride, 1, frames)
    spread_row = row(s.parameters, s.parameter_stride, 2, frames)
    mask, place = s.mask, s.place
    left_line, right_line = state + BYTES, state + BYTES + 4 * (mask + 1)
    left_ring, right_ring = floats(left_line, mask + 1), floats(right_line, mask + 1)
    for n in range(frames):
        left_ring[place & mask] = x_left[n]
        right_ring[place & mask] = x_right[n]
        s.phase = turned(s.phase, np.float64(step_row[n]))
        aim = np.float64(swing_row[n])
        if s.begun == 0 or not (s.swing >= 0.0 and s.swing < s.late):
            s.begun, s.swing = 1, aim
        s.swing = rest(s.swing + s.share * (aim - s.swing))
        swing = s.swing
        left = tap(left_line, mask, place, s.late + swing * sine(s.phase))
        right = tap(right_line, mask, place, s.late + swing * sine(s.phase + np.float64(spread_row[n])))
        y_left[n] = np.float32(rest(left))
        y_right[n] = np.float32(rest(right))
        place += 1
    s.place = place
    return 0


def constants(sample_rate: float) -> dict:
    """Return what follows from the sample rate alone."""
    share = smoothing(SMOOTH_SECONDS, sample_rate)
    return {"mask": length(sample_rate) - 1, "late": float(latency(sample_rate)), "share": share}


KERNEL = Loop(process)
VIBRATO = Effect(
    "vibrato",
    PARAMETERS,
    cells,
    KERNEL,
    STATE,
    summary="the pitch goes up and down",
    channels="stereo",
    constants=constants,
    memory=lambda sample_rate: 2 * length(sample_rate),
    latency=latency,
)
