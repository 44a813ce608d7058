"""Wah: the resonance of a pedal with an inductor, from heel (0) to toe (1).

J. O. Smith measured a Cry Baby ("Physical audio signal processing", on wah pedals) and fitted, for a pedal at w,

    frequency 450 Hz * 2**(2.3 w)        quality 2**(1 + 2 (1 - w))        gain at it 12.5 * 0.2**w

that is, from 22 dB at 450 Hz, sharp, to 8 dB at 2.2 kHz, broad. The filter is a band-pass by trapezoidal integrators,
stable however fast the pedal moves. The pedal's position is smoothed over 8 ms beyond the glide of knobs, since a foot
that comes by MIDI comes in steps. All is made softer by `TRIM`, so that a guitar stays as loud as it was.
"""

from __future__ import annotations

import math

import numpy as np

from ..kernels.kernel import Loop, inline
from ..kernels.memory import floats, records, row
from ..kernels.state import state_dtype
from ..rig.parameters import Parameter
from ..units import gain_from_db
from .effect import Effect
from .lines import HIGHEST, rest, smoothing

LEVEL = Parameter("level_db", 0.0, -24.0, 24.0, "dB", summary="gain after it")
MIX = Parameter("mix", 1.0, summary="0 dry, 1 wah only")
PARAMETERS = (Parameter("position", 0.5, summary="0 heel, 1 toe"), MIX, LEVEL)

HEEL_HZ, OCTAVES = 450.0, 2.3
TRIM = 0.7
SMOOTH_SECONDS = 0.008
STATE = state_dtype(
    ("share", np.float64),  # of the pedal's smoothing
    ("angle", np.float64),  # pi over the sample rate
    ("position", np.float64),
    ("begun", np.int64),
    ("band", np.float64),
    ("low", np.float64),
)


def cells(values, sample_rate: float) -> list[float]:
    """Return [dry, wet, position]."""
    gain = gain_from_db(values["level_db"])
    return [(1.0 - values["mix"]) * gain, values["mix"] * gain, values["position"]]


def constants(sample_rate: float) -> dict:
    """Return what follows from the sample rate alone."""
    return {"share": smoothing(SMOOTH_SECONDS, sample_rate), "angle": math.pi / sample_rate}


@inline
def resonance(position, angle, band_state, low_state, x):
    """Return (output, band state, low state) of the filter; `angle` is pi over the sample rate. [audio thread]"""
    octaves = OCTAVES * 0.6931471805599453
    turn = min(angle * HEEL_HZ * math.exp(octaves * position), HIGHEST * math.pi)
    g = math.sin(turn) / math.cos(turn)
    damping = 0.125 * math.exp(1.3862943611198906 * position)  # 1 / quality
    band = (band_state + g * (x - low_state)) / (1.0 + g * (g + damping))
    low = low_state + g * band
    gain = TRIM * 12.5 * math.exp(-1.6094379124341003 * position)
    return gain * damping * band, rest(2.0 * band - band_state), rest(2.0 * low - low_state)


def process(state, source, target, frames):
    s = records(state, 1, STATE)[0]
    x = floats(source, frames)
    y = floats(target, frames)
    dry_row = row(s.parameters, s.parameter_stride, 0, frames)
    wet_row = row(s.parameters, s.parameter_stride, 1, frames)
    position_row = row(s.parameters, s.parameter_stride, 2, frames)
    for n in range(frames):
        aim = np.float64(position_row[n])
        if s.begun == 0 or not abs(s.position) <= 1.0:
            s.begun, s.position = 1, aim
        s.position = rest(s.position + s.share * (aim - s.position))
        sample = np.float64(x[n])
        wet, s.band, s.low = resonance(s.position, s.angle, s.band, s.low, sample)
        y[n] = np.float32(np.float64(dry_row[n]) * sample + np.float64(wet_row[n]) * rest(wet))
    return 0


KERNEL = Loop(process)
WAH = Effect(
    "wah",
    PARAMETERS,
    cells,
    KERNEL,
    STATE,
    lambda values, sample_rate: math.ceil(0.05 * sample_rate),
    summary="a pedal's resonance, moved by foot",
    constants=constants,
)
