"""Plate: the tank of J. Dattorro ("Effect design, part 1: reverberator and other filters", JAES 45(9), 1997).

Four diffusers, then a figure of eight of two halves, each an allpass whose delay slowly moves, a delay with the
damping, an allpass and a delay, which leads to the other half. Seven taps a side are heard, with the paper's positions
and signs. The lines are shorter than the paper's and diffuse a little more, so that the echoes are dense sooner.
Unlike the paper's, which multiplies by its decay at two places of a half, each delay and each tap has a gain of its own
(see reverb_lines.py), so that the decay is known.
"""

from __future__ import annotations

import math

import numpy as np

from ..kernels.kernel import inline
from ..kernels.memory import floats, records, row
from .lines import held, whole_tap
from .reverb_lines import (
    BLOCK,
    BRIGHT,
    BYTES,
    LOSS,
    MOTION,
    PLATE_FIRST,
    ROW_BYTES,
    SHARE,
    SIZE,
    STATE,
    allpass,
    awake,
    damped,
    heard,
    line_tap,
    tune,
    write,
)

LINES = 12
TANK = PLATE_FIRST + 4
KIND = 2


@inline
def plate_tap(state, s, line, place, number):
    """Return the sample at one of the plate's output taps. [audio thread]"""
    sample = whole_tap(state + BYTES + 4 * s.offset[line], s.mask[line], place, s.plate_taps[number])
    return s.tap_gains[number] * sample


@inline("none(int64, int64)")
def play_plate(state, frames):
    """Add a block of the plate to the wet rows of the scratch. [audio thread]"""
    s = records(state, 1, STATE)[0]
    scratch = state + BYTES
    send_left = floats(scratch, BLOCK)
    send_right = floats(scratch + ROW_BYTES, BLOCK)
    motion = scratch + 2 * ROW_BYTES
    wet_left = floats(scratch + 6 * ROW_BYTES, BLOCK)
    wet_right = floats(scratch + 7 * ROW_BYTES, BLOCK)
    share_row = row(s.parameters, s.parameter_stride, SHARE + KIND, frames)
    loss_row = row(s.parameters, s.parameter_stride, LOSS, frames)
    bright_row = row(s.parameters, s.parameter_stride, BRIGHT, frames)
    size_row = row(s.parameters, s.parameter_stride, SIZE, frames)
    depth_row = row(s.parameters, s.parameter_stride, MOTION, frames)
    d1, ap2, d2 = TANK + 1, TANK + 2, TANK + 3
    d3, ap4, d4 = TANK + 5, TANK + 6, TANK + 7
    place = s.place - 1
    for n in range(frames):
        place += 1
        share = np.float64(share_row[n])
        x = 0.5 * share * (np.float64(send_left[n]) + np.float64(send_right[n]))
        if not awake(s, KIND, abs(x)):
            continue
        loss, bright, size = np.float64(loss_row[n]), np.float64(bright_row[n]), np.float64(size_row[n])
        tune(state, KIND, PLATE_FIRST, LINES, loss, bright, size)
        if loss != s.tap_loss:
            s.tap_loss = loss
            for k in range(14):
                s.tap_gains[k] = math.exp(-loss * np.float64(s.plate_taps[k]))
        for k in range(4):
            x = allpass(state, s, PLATE_FIRST + k, place, 0.0, 0.75 if k < 2 else 0.65, x)
        depth = np.float64(depth_row[n])
        first = x + s.gain[d4] * line_tap(state, s, d4, place, 0.0)
        second = x + s.gain[d2] * line_tap(state, s, d2, place, 0.0)
        for half in range(2):
            line = TANK + 4 * half
            given = first if half == 0 else second
            move = depth * np.float64(floats(motion + half * ROW_BYTES, BLOCK)[n])
            given = allpass(state, s, line, place, move, -0.7, given)
            moved = depth * np.float64(floats(motion + (2 + half) * ROW_BYTES, BLOCK)[n])
            late = damped(s, line + 1, line_tap(state, s, line + 1, place, moved))
            write(state, s, line + 1, place, held(given))
            write(state, s, line + 3, place, held(allpass(state, s, line + 2, place, 0.0, 0.6, late)))
        left = plate_tap(state, s, d3, place, 0) + plate_tap(state, s, d3, place, 1)
        left += plate_tap(state, s, d4, place, 3) - plate_tap(state, s, ap4, place, 2)
        left -= (
            plate_tap(state, s, d1, place, 4) + plate_tap(state, s, ap2, place, 5) + plate_tap(state, s, d2, place, 6)
        )
        right = plate_tap(state, s, d1, place, 7) + plate_tap(state, s, d1, place, 8)
        right += plate_tap(state, s, d2, place, 10) - plate_tap(state, s, ap2, place, 9)
        right -= plate_tap(state, s, d3, place, 11) + plate_tap(state, s, ap4, place, 12)
        right -= plate_tap(state, s, d4, place, 13)
        heard(s, KIND, left, right)
        wet_left[n] += np.float32(left)
        wet_right[n] += np.float32(right)
