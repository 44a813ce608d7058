"""Doubler: as if the part were played twice more, one guitar left and one right, neither quite in time nor in tune.

Each of the two is late by `delay_ms`, the right one by `RIGHT` times that, and drifts by two slow sines whose rates
have no common period, as far as `drift_cents` says. A new delay is glided to, as a tape does, with at most half the
speed.
"""

from __future__ import annotations

import math

import numpy as np

from ..kernels.kernel import Loop
from ..kernels.memory import floats, records, row
from ..kernels.state import state_dtype
from ..rig.parameters import Parameter
from .effect import Effect
from .lines import equal_power, rest, ring_length, sine, smoothing, tap, turned

PARAMETERS = (
    Parameter("delay_ms", 22.0, 8.0, 60.0, "ms", summary="how late the other guitars are"),
    Parameter("drift_cents", 6.0, 0.0, 20.0, "cents", summary="how far out of tune they go"),
    Parameter("mix", 0.5, summary="0 alone, 1 only the others"),
    Parameter("width", 1.0, summary="0 all in the middle, 1 one on each side"),
)

RIGHT = 1.37
DRIFT_HZ = (0.31, 0.73, 0.37, 0.61)  # two sines for each side
GLIDE_SECONDS, FASTEST = 0.1, 0.5
STATE = state_dtype(
    ("mask", np.int64),
    ("place", np.int64),
    ("delay", np.float64),  # frames
    ("glide", np.float64),
    ("phases", np.float64, (4,)),
    ("steps", np.float64, (4,)),
)
BYTES = STATE.itemsize


def swing(cents: float, rates: tuple[float, float]) -> float:
    """Return the seconds by which 0.6 of a sine and 0.4 of another move, to bend the pitch by `cents` together."""
    return (2.0 ** (cents / 1200.0) - 1.0) / (2.0 * math.pi * (0.6 * rates[0] + 0.4 * rates[1]))


def length(sample_rate: float) -> int:
    """Return the floats of one of the two delay lines."""
    return ring_length((0.060 * RIGHT + swing(20.0, (DRIFT_HZ[0], DRIFT_HZ[1]))) * sample_rate)


def cells(values, sample_rate: float) -> list[float]:
    """Return [dry, wet, frames, swing of the left, swing of the right, width]."""
    dry, wet = equal_power(values["mix"])
    late = values["delay_ms"] / 1000.0
    cents = values["drift_cents"]
    return [
        dry,
        wet,
        late * sample_rate,
        min(swing(cents, (DRIFT_HZ[0], DRIFT_HZ[1])), 0.8 * late) * sample_rate,
        min(swing(cents, (DRIFT_HZ[2], DRIFT_HZ[3])), 0.8 * late) * sample_rate,
        values["width"],
    ]


def process(state, source, target, frames):
    s = records(state, 1, STATE)[0]
    x_left = floats(source, frames)
    x_right = floats(source + (4 * s.in_stride if s.inputs > 1 else 0), frames)
    y_left = floats(target, frames)
    y_right = floats(target + 4 * s.out_stride, frames)
    dry_row = row(s.parameters, s.parameter_stride, 0, frames)
    wet_row = row(s.parameters, s.parameter_stride, 1, frames)
    delay_row = row(s.parameters, s.parameter_stride, 2, frames)
    left_row = row(s.parameters, s.parameter_stride, 3, frames)
    right_row = row(s.parameters, s.parameter_stride, 4, frames)
    width_row = row(s.parameters, s.parameter_stride, 5, frames)
    mask, place = s.mask, s.place
    longest = np.float64(mask - 4)
    left_line, right_line = state + BYTES, state + BYTES + 4 * (mask + 1)
    left_ring, right_ring = floats(left_line, mask + 1), floats(right_line, mask + 1)
    for n in range(frames):
        dry_left, dry_right = np.float64(x_left[n]), np.float64(x_right[n])
        left_ring[place & mask] = np.float32(rest(dry_left))
        right_ring[place & mask] = np.float32(rest(dry_right))
        aim = np.float64(delay_row[n])
        pull = min(max(s.glide * (aim - s.delay), -FASTEST), FASTEST)
        s.delay = s.delay + pull if s.delay > 1.0 and s.delay < longest else aim
        for k in range(4):
            s.phases[k] = turned(s.phases[k], s.steps[k])
        drift = 0.6 * sine(s.phases[0]) + 0.4 * sine(s.phases[1])
        late = s.delay + np.float64(left_row[n]) * drift
        left = tap(left_line, mask, place, min(max(late, 2.0), longest))
        drift = -0.6 * sine(s.phases[2]) - 0.4 * sine(s.phases[3])
        late = RIGHT * s.delay + np.float64(right_row[n]) * drift
        right = tap(right_line, mask, place, min(max(late, 2.0), longest))
        half = 0.5 * (left + right)
        side = 0.5 * np.float64(width_row[n]) * (left - right)
        dry, wet = np.float64(dry_row[n]), np.float64(wet_row[n])
        y_left[n] = np.float32(dry * dry_left + wet * rest(half + side))
        y_right[n] = np.float32(dry * dry_right + wet * rest(half - side))
        place += 1
    s.place = place
    return 0


def constants(sample_rate: float) -> dict:
    """Return what follows from the sample rate alone."""
    return {
        "mask": length(sample_rate) - 1,
        "glide": smoothing(GLIDE_SECONDS, sample_rate),
        "steps": tuple(hertz / sample_rate for hertz in DRIFT_HZ),
    }


KERNEL = Loop(process)
DOUBLER = Effect(
    "doubler",
    PARAMETERS,
    cells,
    KERNEL,
    STATE,
    lambda values, sample_rate: math.ceil(0.1 * sample_rate),
    summary="two more guitars, one on each side",
    channels="stereo",
    constants=constants,
    memory=lambda sample_rate: 2 * length(sample_rate),
)
