"""Phaser: 4, 6, 8 or 12 allpasses of first order, whose corner goes up and down; with the dry sound they make notches.

Each allpass is ``(g - s) / (g + s)`` by a trapezoidal integrator, with g the tangent of the corner's frequency, so two
of them make one notch. The corner moves by up to two octaves to each side of the centre. The feedback is one frame
late.
"""

from __future__ import annotations

import math

import numpy as np

from ..kernels.kernel import Loop
from ..kernels.memory import floats, records, row
from ..kernels.state import state_dtype
from ..rig.parameters import Parameter
from .effect import Effect
from .lines import HIGHEST, comb_mix, rest, sine, turned

STAGES = ("4", "6", "8", "12")
OCTAVES = 2.0
PARAMETERS = (
    Parameter("rate_hz", 0.4, 0.02, 8.0, "Hz", note=True, summary="how often it goes up and down"),
    Parameter("depth", 0.6, summary="how far it goes: at 1 two octaves up and down"),
    Parameter("center_hz", 800.0, 100.0, 4000.0, "Hz", summary="the middle"),
    Parameter("feedback", 0.3, 0.0, 0.9, summary="how sharp it is"),
    Parameter("stages", "6", kind="stepped", choices=STAGES, summary="allpasses: two make a notch"),
    Parameter("mix", 0.5, summary="0 dry, 0.5 deepest notches, 1 vibrato"),
    Parameter("spread", 0.25, summary="how far the right side follows the left; 1 is half a turn"),
)

MOST = 12
STATE = state_dtype(("phase", np.float64), ("back", np.float64, (2,)), ("stage", np.float64, (2 * MOST,)))


def cells(values, sample_rate: float) -> list[float]:
    """Return [dry, wet, phase step, log of the centre's angle, octaves as log, feedback, spread, share of 4, 6, 8]."""
    return [
        *comb_mix(values["mix"]),
        values["rate_hz"] / sample_rate,
        math.log(math.pi * values["center_hz"] / sample_rate),
        values["depth"] * OCTAVES * math.log(2.0),
        values["feedback"],
        0.5 * values["spread"],
        *(float(values["stages"] == each) for each in STAGES[:3]),
    ]


def process(state, source, target, frames):
    s = records(state, 1, STATE)[0]
    dry_row = row(s.parameters, s.parameter_stride, 0, frames)
    wet_row = row(s.parameters, s.parameter_stride, 1, frames)
    step_row = row(s.parameters, s.parameter_stride, 2, frames)
    center_row = row(s.parameters, s.parameter_stride, 3, frames)
    octaves_row = row(s.parameters, s.parameter_stride, 4, frames)
    feedback_row = row(s.parameters, s.parameter_stride, 5, frames)
    spread_row = row(s.parameters, s.parameter_stride, 6, frames)
    four_row = row(s.parameters, s.parameter_stride, 7, frames)
    six_row = row(s.parameters, s.parameter_stride, 8, frames)
    eight_row = row(s.parameters, s.parameter_stride, 9, frames)
    phase = s.phase
    for side in range(2):
        x = floats(source + (4 * s.in_stride * side if s.inputs > 1 else 0), frames)
        y = floats(target + 4 * s.out_stride * side, frames)
        phase = s.phase
        for n in range(frames):
            phase = turned(phase, np.float64(step_row[n]))
            move = np.float64(octaves_row[n]) * sine(phase + np.float64(spread_row[n]) * side)
            angle = min(math.exp(np.float64(center_row[n]) + move), HIGHEST * math.pi)
            g = math.sin(angle) / math.cos(angle)
            g = g / (1.0 + g)
            four, six, eight = np.float64(four_row[n]), np.float64(six_row[n]), np.float64(eight_row[n])
            sample = np.float64(x[n])
            v = sample + np.float64(feedback_row[n]) * s.back[side]
            wet = 0.0
            for k in range(MOST):
                place = MOST * side + k
                step = g * (v - s.stage[place])
                low = s.stage[place] + step
                s.stage[place] = rest(low + step)
                v = 2.0 * low - v
                if k == 3:
                    wet = four * v
                elif k == 5:
                    wet += six * v
                elif k == 7:
                    wet += eight * v
            wet = rest(wet + (1.0 - four - six - eight) * v)
            s.back[side] = wet
            y[n] = np.float32(np.float64(dry_row[n]) * sample + np.float64(wet_row[n]) * wet)
    s.phase = phase
    return 0


KERNEL = Loop(process)
PHASER = Effect(
    "phaser",
    PARAMETERS,
    cells,
    KERNEL,
    STATE,
    lambda values, sample_rate: math.ceil(0.3 * sample_rate),
    summary="notches that go up and down",
    channels="stereo",
)
