"""Tremolo: the level goes up and down (`volume`), or bass and treble do in turn (`harmonic`).

With l the oscillator from -1 to 1, which `edge` bends from a sine to nearly a square, the gain is

    1 - depth (1 - l) / 2

In `harmonic` that is the gain of what is above 750 Hz, and that of what is below has -l instead: as in the amplifiers
of 1960, the sound turns rather than pulses. The two bands of first order add up to the input where both gains are
equal.
"""

from __future__ import annotations

import math

import numpy as np

from ..kernels.kernel import Loop
from ..kernels.memory import floats, records, row
from ..kernels.state import state_dtype
from ..rig.parameters import Parameter
from .effect import Effect
from .lines import one_pole, rest, sine, turned

VOLUME, HARMONIC = "volume", "harmonic"
PARAMETERS = (
    Parameter("rate_hz", 5.0, 0.1, 20.0, "Hz", note=True, summary="how often it goes up and down"),
    Parameter("depth", 0.6, summary="how far down it goes; at 1 to silence"),
    Parameter("edge", 0.0, summary="0 a sine, 1 nearly on and off"),
    Parameter("mode", VOLUME, kind="stepped", choices=(VOLUME, HARMONIC), summary="the whole level, or bands in turn"),
    Parameter("spread", 0.0, summary="how far the right side follows the left; 1 pans from side to side"),
)

CROSSOVER_HZ = 750.0
SHARPEST = 8.0
STATE = state_dtype(("phase", np.float64), ("share", np.float64), ("low", np.float64, (2,)))


def cells(values, sample_rate: float) -> list[float]:
    """Return [phase step, half the depth, bend, harmonic, phase of the right side]."""
    return [
        values["rate_hz"] / sample_rate,
        0.5 * values["depth"],
        SHARPEST * values["edge"] ** 2,
        float(values["mode"] == HARMONIC),
        0.5 * values["spread"],
    ]


def process(state, source, target, frames):
    s = records(state, 1, STATE)[0]
    step_row = row(s.parameters, s.parameter_stride, 0, frames)
    depth_row = row(s.parameters, s.parameter_stride, 1, frames)
    bend_row = row(s.parameters, s.parameter_stride, 2, frames)
    harmonic_row = row(s.parameters, s.parameter_stride, 3, frames)
    spread_row = row(s.parameters, s.parameter_stride, 4, frames)
    phase = s.phase
    for side in range(2):
        x = floats(source + (4 * s.in_stride * side if s.inputs > 1 else 0), frames)
        y = floats(target + 4 * s.out_stride * side, frames)
        phase = s.phase
        for n in range(frames):
            phase = turned(phase, np.float64(step_row[n]))
            wave = sine(phase + np.float64(spread_row[n]) * side)
            bend = np.float64(bend_row[n])
            wave *= math.sqrt((1.0 + bend * bend) / (1.0 + bend * bend * wave * wave))
            depth, harmonic = np.float64(depth_row[n]), np.float64(harmonic_row[n])
            sample = np.float64(x[n])
            s.low[side] = rest(s.low[side] + s.share * (sample - s.low[side]))
            above = 1.0 - depth * (1.0 - wave)
            below = above - 2.0 * depth * wave * harmonic
            y[n] = np.float32(above * sample + (below - above) * s.low[side])
    s.phase = phase
    return 0


KERNEL = Loop(process)
TREMOLO = Effect(
    "tremolo",
    PARAMETERS,
    cells,
    KERNEL,
    STATE,
    summary="the level goes up and down, or bass and treble in turn",
    channels="stereo",
    constants=lambda sample_rate: {"share": one_pole(CROSSOVER_HZ, sample_rate)},
)
