"""Chorus: three copies that drift around the guitar, one left, one right, one in the middle.

Each copy is late by 9, 13 or 17 ms plus a sine, a third of a turn after the one before; so one is too high while
another is too low. The depth says how far: at 1 by 25 cents, but by at most 3.5 ms of delay, which limits slow rates.
"""

from __future__ import annotations

import math

import numpy as np

from ..kernels.kernel import Loop
from ..kernels.memory import floats, records, row
from ..kernels.state import state_dtype
from ..rig.parameters import Parameter
from .effect import Effect
from .lines import equal_power, rest, ring_length, sine, tap, turned

RATE = Parameter("rate_hz", 0.8, 0.05, 8.0, "Hz", note=True, summary="how often it goes up and down")
PARAMETERS = (
    RATE,
    Parameter("depth", 0.5, summary="how far the copies are out of tune"),
    Parameter("mix", 0.5, summary="0 dry, 1 copies only"),
    Parameter("width", 1.0, summary="0 mono, 1 one copy on each side"),
)

LATE_SECONDS = (0.009, 0.013, 0.017)
MOST_SECONDS = 0.0035
MOST_BEND = 2.0 ** (25.0 / 1200.0) - 1.0
VOICE = math.sqrt(2.0 / 3.0)  # each side hears one copy whole and half the power of another

STATE = state_dtype(("mask", np.int64), ("place", np.int64), ("phase", np.float64), ("late", np.float64, (3,)))
BYTES = STATE.itemsize


def length(sample_rate: float) -> int:
    """Return the floats of one of the two delay lines."""
    return ring_length((LATE_SECONDS[-1] + MOST_SECONDS) * sample_rate)


def cells(values, sample_rate: float) -> list[float]:
    """Return [dry, wet, phase step, frames of swing, width]."""
    rate = values["rate_hz"]
    swing = min(values["depth"] * MOST_BEND / (2.0 * math.pi * rate), values["depth"] * MOST_SECONDS)
    dry, wet = equal_power(values["mix"])
    return [dry, VOICE * wet, rate / sample_rate, swing * sample_rate, values["width"]]


def process(state, source, target, frames):
    s = records(state, 1, STATE)[0]
    x_left = floats(source, frames)
    x_right = floats(source + (4 * s.in_stride if s.inputs > 1 else 0), frames)
    y_left = floats(target, frames)
    y_right = floats(target + 4 * s.out_stride, frames)
    dry_row = row(s.parameters, s.parameter_stride, 0, frames)
    wet_row = row(s.parameters, s.parameter_stride, 1, frames)
    step_row = row(s.parameters, s.parameter_stride, 2, frames)
    swing_row = row(s.parameters, s.parameter_stride, 3, frames)
    width_row = row(s.parameters, s.parameter_stride, 4, frames)
    mask, place = s.mask, s.place
    left_line, right_line = state + BYTES, state + BYTES + 4 * (mask + 1)
    left_ring, right_ring = floats(left_line, mask + 1), floats(right_line, mask + 1)
    for n in range(frames):
        dry_left, dry_right = np.float64(x_left[n]), np.float64(x_right[n])
        left_ring[place & mask] = np.float32(rest(dry_left))
        right_ring[place & mask] = np.float32(rest(dry_right))
        s.phase = turned(s.phase, np.float64(step_row[n]))
        swing = np.float64(swing_row[n])
        left = tap(left_line, mask, place, s.late[0] + swing * sine(s.phase))
        second = s.late[1] + swing * sine(s.phase + 0.33333333)
        middle = 0.5 * (tap(left_line, mask, place, second) + tap(right_line, mask, place, second))
        right = tap(right_line, mask, place, s.late[2] + swing * sine(s.phase + 0.66666667))
        middle *= 0.70710678
        half = 0.5 * (left + right)
        side = 0.5 * np.float64(width_row[n]) * (left - right)
        dry, wet = np.float64(dry_row[n]), np.float64(wet_row[n])
        y_left[n] = np.float32(dry * dry_left + wet * rest(middle + half + side))
        y_right[n] = np.float32(dry * dry_right + wet * rest(middle + half - side))
        place += 1
    s.place = place
    return 0


def constants(sample_rate: float) -> dict:
    """Return what follows from the sample rate alone."""
    late = tuple(seconds * sample_rate for seconds in LATE_SECONDS)
    return {"mask": length(sample_rate) - 1, "late": late}


KERNEL = Loop(process)
CHORUS = Effect(
    "chorus",
    PARAMETERS,
    cells,
    KERNEL,
    STATE,
    lambda values, sample_rate: math.ceil((LATE_SECONDS[-1] + MOST_SECONDS) * sample_rate),
    summary="three copies that drift around the guitar",
    channels="stereo",
    constants=constants,
    memory=lambda sample_rate: 2 * length(sample_rate),
)
