"""Room and hall: a feedback delay network of 16 lines behind diffusers, with early reflections.

The lines' outputs are mixed by a Hadamard matrix of order 16, which is lossless and gives each line a part of every
other at once, so that the echoes soon are too dense to be told apart. Four slow sines move the lines, so that no mode
rings long enough to be heard as a tone. Room and hall differ in the lines' lengths and in the level of the early
reflections.
"""

from __future__ import annotations

import numpy as np

from ..kernels.kernel import inline
from ..kernels.memory import floats, records, row
from .lines import held, whole_tap
from .reverb_lines import (
    BLOCK,
    BRIGHT,
    BYTES,
    DIFFUSERS,
    EARLY,
    LOSS,
    MOTION,
    NETWORK,
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

DIFFUSION = 0.68  # coefficient of the diffusers
ROOM_EARLY, HALL_EARLY = 0.5, 0.25  # gain of the first reflection


@inline
def mix_four(v, first, step):
    """Apply the Hadamard matrix of order 4, times 1/2, to every `step`-th number from `first` on. [audio thread]"""
    half = np.float32(0.5)
    a, b, c, d = v[first], v[first + step], v[first + 2 * step], v[first + 3 * step]
    sum_ab, sum_cd, difference_ab, difference_cd = a + b, c + d, a - b, c - d
    v[first] = half * (sum_ab + sum_cd)
    v[first + step] = half * (difference_ab + difference_cd)
    v[first + 2 * step] = half * (sum_ab - sum_cd)
    v[first + 3 * step] = half * (difference_ab - difference_cd)


@inline("none(int64, int64, int64, int64)")
def play_network(state, kind, first, frames):
    """Add a block of a room or a hall, whose lines begin at `first`, to the wet rows of the scratch. [audio thread]"""
    s = records(state, 1, STATE)[0]
    scratch = state + BYTES
    send_left = floats(scratch, BLOCK)
    send_right = floats(scratch + ROW_BYTES, BLOCK)
    motion = scratch + 2 * ROW_BYTES
    wet_left = floats(scratch + 6 * ROW_BYTES, BLOCK)
    wet_right = floats(scratch + 7 * ROW_BYTES, BLOCK)
    v = floats(scratch + 8 * ROW_BYTES, NETWORK)
    share_row = row(s.parameters, s.parameter_stride, SHARE + kind, frames)
    loss_row = row(s.parameters, s.parameter_stride, LOSS, frames)
    bright_row = row(s.parameters, s.parameter_stride, BRIGHT, frames)
    size_row = row(s.parameters, s.parameter_stride, SIZE, frames)
    depth_row = row(s.parameters, s.parameter_stride, MOTION, frames)
    early_left, early_right = EARLY, EARLY + 1
    place = s.place - 1
    for n in range(frames):
        place += 1
        share = np.float64(share_row[n])
        left = share * np.float64(send_left[n])
        right = share * np.float64(send_right[n])
        if not awake(s, kind, max(abs(left), abs(right))):
            continue
        loss, bright, size = np.float64(loss_row[n]), np.float64(bright_row[n]), np.float64(size_row[n])
        tune(state, kind, first, NETWORK + 2 * DIFFUSERS, loss, bright, size)
        for k in range(DIFFUSERS):
            left = allpass(state, s, first + NETWORK + k, place, 0.0, DIFFUSION, left)
            right = allpass(state, s, first + NETWORK + DIFFUSERS + k, place, 0.0, DIFFUSION, right)
        out_left, out_right = 0.0, 0.0
        depth = np.float64(depth_row[n])
        for k in range(NETWORK):
            move = depth * np.float64(floats(motion + (k & 3) * ROW_BYTES, BLOCK)[n])
            if k & 4:
                move = -move
            sample = damped(s, first + k, line_tap(state, s, first + k, place, move))
            v[k] = np.float32(sample)
            # two rows of the Hadamard matrix, so that left and right are not correlated
            out_left += -sample if k & 1 else sample
            out_right += -sample if k & 2 else sample
        for k in range(4):
            mix_four(v, 4 * k, 1)
        for k in range(4):
            mix_four(v, k, 4)
        for k in range(NETWORK):
            given = left if k < NETWORK // 2 else right
            write(state, s, first + k, place, held(np.float64(v[k]) + (-given if k & 2 else given)))
        heard(s, kind, out_left, out_right)
        early = share * (ROOM_EARLY if kind == 0 else HALL_EARLY)
        for k in range(6):
            # every other reflection comes from the other side
            one = whole_tap(state + BYTES + 4 * s.offset[early_left], s.mask[early_left], place, s.early[2 * k])
            other = whole_tap(state + BYTES + 4 * s.offset[early_right], s.mask[early_right], place, s.early[2 * k + 1])
            out_left += early * (other if k & 1 else one)
            out_right += early * (one if k & 1 else other)
            early *= -0.8
        wet_left[n] += np.float32(out_left)
        wet_right[n] += np.float32(out_right)
