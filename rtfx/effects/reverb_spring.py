"""Spring: three springs, each a loop of a delay and a hundred allpasses that let high frequencies arrive later.

After V. Valimaki, J. Parker, J. Abel, "Parametric spring reverberation effect" (JAES 58(7/8), 2010): a chain of
stretched allpasses ``(a + z**-K) / (1 + a z**-K)`` has a group delay that grows towards the transition frequency
sample_rate / (2 K), so that each echo is a chirp. A low-pass of eighth order takes away what is above, where the
chain's images are. The end of the loop comes back inverted, as from the fixed end of a spring.
"""

from __future__ import annotations

import math

import numpy as np

from ..kernels.kernel import inline
from ..kernels.memory import floats, records, row
from .lines import held, rest
from .reverb_lines import (
    BLOCK,
    BRIGHT,
    BYTES,
    LOSS,
    MOTION,
    ROW_BYTES,
    SHARE,
    SIZE,
    SPRING_FIRST,
    SPRINGS,
    STAGES,
    STATE,
    TRANSITION_HZ,
    awake,
    damped,
    heard,
    line_tap,
    tune,
    write,
)

KIND = 3
DISPERSION = 0.62  # coefficient of the allpasses
CUT = 0.85  # of the transition frequency: the low-pass
QUALITIES = (0.5098, 0.6013, 0.9000, 2.5629)  # of its sections: Butterworth
TINY32 = np.float32(1e-15)


def low_pass(sample_rate: float) -> tuple:
    """Return (g, k of each section), state-variable filters with trapezoidal integrators."""
    g = math.tan(math.pi * min(CUT * TRANSITION_HZ, 0.45 * sample_rate) / sample_rate)
    return (g, *(1.0 / quality for quality in QUALITIES))


@inline("none(int64, int64)")
def play_spring(state, frames):
    """Add a block of the springs to the wet rows of the scratch. [audio thread]"""
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
    a = np.float32(DISPERSION)
    rest_of = np.float32(1.0 - DISPERSION * DISPERSION)
    place = s.place - 1
    for n in range(frames):
        place += 1
        share = np.float64(share_row[n])
        x = 0.5 * share * (np.float64(send_left[n]) + np.float64(send_right[n]))
        if not awake(s, KIND, abs(x)):
            continue
        loss, bright, size = np.float64(loss_row[n]), np.float64(bright_row[n]), np.float64(size_row[n])
        tune(state, KIND, SPRING_FIRST, SPRINGS, loss, bright, size)
        if loss != s.chain_loss:
            s.chain_loss = loss
            s.chain_gain = math.exp(-loss * np.float64(s.stretch))
        for k in range(4):
            g, damping = s.cut[0], s.cut[1 + k]
            band = (s.sections[2 * k] + g * (x - s.sections[2 * k + 1])) / (1.0 + g * (g + damping))
            low = s.sections[2 * k + 1] + g * band
            s.sections[2 * k] = rest(2.0 * band - s.sections[2 * k])
            s.sections[2 * k + 1] = rest(2.0 * low - s.sections[2 * k + 1])
            x = low
        depth = np.float64(depth_row[n])
        first = damped(
            s,
            SPRING_FIRST,
            line_tap(state, s, SPRING_FIRST, place, depth * np.float64(floats(motion, BLOCK)[n])),
        )
        second = damped(
            s,
            SPRING_FIRST + 1,
            line_tap(state, s, SPRING_FIRST + 1, place, depth * np.float64(floats(motion + ROW_BYTES, BLOCK)[n])),
        )
        third = damped(
            s,
            SPRING_FIRST + 2,
            line_tap(state, s, SPRING_FIRST + 2, place, depth * np.float64(floats(motion + 2 * ROW_BYTES, BLOCK)[n])),
        )
        one, two, three = np.float32(x - first), np.float32(x - second), np.float32(x - third)
        # three chains side by side, so that the processor computes one while it waits for another
        gain = np.float32(s.chain_gain)
        for stage in range(STAGES):
            ring = floats(scratch + 4 * (s.stages + SPRINGS * (stage * s.stretch + s.stage)), SPRINGS)
            v = gain * ring[0]
            fed = one - a * v
            ring[0] = fed if abs(fed) > TINY32 else np.float32(0.0)
            one = a * one + rest_of * v
            v = gain * ring[1]
            fed = two - a * v
            ring[1] = fed if abs(fed) > TINY32 else np.float32(0.0)
            two = a * two + rest_of * v
            v = gain * ring[2]
            fed = three - a * v
            ring[2] = fed if abs(fed) > TINY32 else np.float32(0.0)
            three = a * three + rest_of * v
        s.stage = s.stage + 1 if s.stage + 1 < s.stretch else 0
        write(state, s, SPRING_FIRST, place, held(np.float64(one)))
        write(state, s, SPRING_FIRST + 1, place, held(np.float64(two)))
        write(state, s, SPRING_FIRST + 2, place, held(np.float64(three)))
        left = first + 0.7 * second - 0.3 * third
        right = third + 0.7 * second - 0.3 * first
        heard(s, KIND, left, right)
        wet_left[n] += np.float32(left)
        wet_right[n] += np.float32(right)
