"""Flanger: two tape machines, of which one is early, then late; the comb between them passes through zero.

The dry sound is late by `LATE_SECONDS`, so that the other can come before it. Their distance is

    offset = delay_ms + depth * `SWING_MS` * sine

With a delay of 0 it passes through zero twice a turn; from 3 ms on it never does, as in a pedal. Feedback goes once
more through the offset, not through the whole delay, so that its resonances lie on the peaks of the comb:

    wet[n] = x[n - late - offset] + feedback * wet[n - |offset|]
"""

from __future__ import annotations

import math

import numpy as np

from ..kernels.kernel import Loop
from ..kernels.memory import floats, records, row
from ..kernels.state import state_dtype
from ..rig.parameters import Parameter
from .effect import Effect
from .lines import comb_mix, rest, ring_length, sine, tap, turned, whole_tap

LATE_SECONDS = 0.0035
SWING_MS, LONGEST_MS = 3.0, 8.0
NEAREST_SECONDS = 0.0001  # the shortest way of the feedback: 10 kHz
PARAMETERS = (
    Parameter("rate_hz", 0.2, 0.02, 8.0, "Hz", note=True, summary="how often it goes up and down"),
    Parameter("depth", 0.8, summary="how far it goes: at 1 by 3 ms"),
    Parameter("delay_ms", 0.0, 0.0, LONGEST_MS, "ms", summary="the middle; at 0 it passes through zero"),
    Parameter("feedback", 0.3, -0.9, 0.9, summary="how sharp the peaks are; below 0 the odd ones"),
    Parameter("mix", 0.5, summary="0 dry, 0.5 deepest, 1 vibrato"),
    Parameter("invert", 0.0, kind="switch", summary="on: at zero both cancel each other"),
    Parameter("spread", 0.25, summary="how far the right side follows the left; 1 is half a turn"),
)

STATE = state_dtype(
    ("mask", np.int64), ("place", np.int64), ("late", np.int64), ("nearest", np.float64), ("phase", np.float64)
)
BYTES = STATE.itemsize


def latency(sample_rate: float) -> int:
    """Return the frames by which the dry sound is late."""
    return round(LATE_SECONDS * sample_rate)


def length(sample_rate: float) -> int:
    """Return the floats of one of the four delay lines: two of the input, two of the wet sound."""
    return ring_length((LATE_SECONDS + 0.001 * (LONGEST_MS + SWING_MS)) * sample_rate)


def cells(values, sample_rate: float) -> list[float]:
    """Return [dry, wet, phase step, frames of the middle, frames of swing, feedback, phase of the right side]."""
    sign, feedback = 1.0 - 2.0 * values["invert"], values["feedback"]
    dry, wet = comb_mix(values["mix"])
    return [
        dry,
        sign * wet * math.sqrt(1.0 - feedback**2),
        values["rate_hz"] / sample_rate,
        values["delay_ms"] * sample_rate / 1000.0,
        values["depth"] * SWING_MS * sample_rate / 1000.0,
        feedback,
        0.5 * values["spread"],
    ]


def process(state, source, target, frames):
    s = records(state, 1, STATE)[0]
    dry_row = row(s.parameters, s.parameter_stride, 0, frames)
    wet_row = row(s.parameters, s.parameter_stride, 1, frames)
    step_row = row(s.parameters, s.parameter_stride, 2, frames)
    middle_row = row(s.parameters, s.parameter_stride, 3, frames)
    swing_row = row(s.parameters, s.parameter_stride, 4, frames)
    feedback_row = row(s.parameters, s.parameter_stride, 5, frames)
    spread_row = row(s.parameters, s.parameter_stride, 6, frames)
    mask = s.mask
    size = 4 * (mask + 1)
    phase = s.phase
    for side in range(2):
        x = floats(source + (4 * s.in_stride * side if s.inputs > 1 else 0), frames)
        y = floats(target + 4 * s.out_stride * side, frames)
        line = state + BYTES + size * side
        wet_line = line + 2 * size
        ring, wet_ring = floats(line, mask + 1), floats(wet_line, mask + 1)
        phase = s.phase
        place = s.place
        for n in range(frames):
            ring[place & mask] = np.float32(rest(np.float64(x[n])))
            phase = turned(phase, np.float64(step_row[n]))
            offset = np.float64(middle_row[n])
            offset += np.float64(swing_row[n]) * sine(phase + np.float64(spread_row[n]) * side)
            way = math.sqrt(offset * offset + s.nearest * s.nearest)
            wet = tap(line, mask, place, np.float64(s.late) + offset)
            wet = rest(wet + np.float64(feedback_row[n]) * tap(wet_line, mask, place, way))
            wet_ring[place & mask] = np.float32(wet)
            dry = whole_tap(line, mask, place, s.late)
            y[n] = np.float32(rest(np.float64(dry_row[n]) * dry + np.float64(wet_row[n]) * wet))
            place += 1
    s.phase = phase
    s.place = s.place + frames
    return 0


def constants(sample_rate: float) -> dict:
    """Return what follows from the sample rate alone."""
    nearest = max(NEAREST_SECONDS * sample_rate, 2.0)
    return {"mask": length(sample_rate) - 1, "late": latency(sample_rate), "nearest": nearest}


KERNEL = Loop(process)
FLANGER = Effect(
    "flanger",
    PARAMETERS,
    cells,
    KERNEL,
    STATE,
    lambda values, sample_rate: math.ceil(0.3 * sample_rate),
    summary="a comb that passes through zero, as between two tapes",
    channels="stereo",
    constants=constants,
    memory=lambda sample_rate: 4 * length(sample_rate),
    latency=latency,
)
