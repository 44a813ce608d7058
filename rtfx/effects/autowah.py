"""Auto-wah: the resonance of wah.py, opened by how hard the strings are played.

A peak follower with attack and release has the level e. The pedal stands at

    rest + range * e / (e + threshold)

so that a string at the threshold moves it half way, and no playing moves it beyond its end.
"""

from __future__ import annotations

import math

import numpy as np

from ..kernels.kernel import Loop
from ..kernels.memory import floats, records, row
from ..kernels.state import state_dtype
from ..rig.parameters import Parameter
from ..units import gain_from_db
from .effect import Effect
from .lines import rest, smoothing
from .wah import LEVEL, MIX, resonance

PARAMETERS = (
    Parameter("threshold_db", -24.0, -60.0, 0.0, "dB", summary="level that moves it half way"),
    Parameter("rest", 0.1, summary="where it stands in silence: 0 heel, 1 toe"),
    Parameter("range", 0.8, -1.0, 1.0, summary="how far loud strings move it; below 0 towards the heel"),
    Parameter("attack_ms", 8.0, 1.0, 100.0, "ms", summary="time to open"),
    Parameter("release_ms", 180.0, 20.0, 2000.0, "ms", summary="time to close"),
    MIX,
    LEVEL,
)

FOLLOW_SECONDS = 0.005  # smooths the ripple of a low string
STATE = state_dtype(
    ("share", np.float64),  # of that smoothing
    ("angle", np.float64),  # pi over the sample rate
    ("peak", np.float64),
    ("level", np.float64),
    ("band", np.float64),
    ("low", np.float64),
)


def cells(values, sample_rate: float) -> list[float]:
    """Return [dry, wet, threshold, rest, range, attack, release]."""
    gain = gain_from_db(values["level_db"])
    return [
        (1.0 - values["mix"]) * gain,
        values["mix"] * gain,
        gain_from_db(values["threshold_db"]),
        values["rest"],
        values["range"],
        smoothing(values["attack_ms"] / 1000.0, sample_rate),
        smoothing(values["release_ms"] / 1000.0, sample_rate),
    ]


def constants(sample_rate: float) -> dict:
    """Return what follows from the sample rate alone."""
    return {"share": smoothing(FOLLOW_SECONDS, sample_rate), "angle": math.pi / sample_rate}


def process(state, source, target, frames):
    s = records(state, 1, STATE)[0]
    x = floats(source, frames)
    y = floats(target, frames)
    dry_row = row(s.parameters, s.parameter_stride, 0, frames)
    wet_row = row(s.parameters, s.parameter_stride, 1, frames)
    threshold_row = row(s.parameters, s.parameter_stride, 2, frames)
    rest_row = row(s.parameters, s.parameter_stride, 3, frames)
    range_row = row(s.parameters, s.parameter_stride, 4, frames)
    attack_row = row(s.parameters, s.parameter_stride, 5, frames)
    release_row = row(s.parameters, s.parameter_stride, 6, frames)
    for n in range(frames):
        sample = np.float64(x[n])
        loud = abs(sample)
        share = np.float64(attack_row[n] if loud > s.peak else release_row[n])
        s.peak = rest(s.peak + share * (loud - s.peak))
        s.level = rest(s.level + s.share * (s.peak - s.level))
        position = np.float64(rest_row[n])
        position += np.float64(range_row[n]) * s.level / (s.level + np.float64(threshold_row[n]))
        position = min(max(position, 0.0), 1.0)
        wet, s.band, s.low = resonance(position, s.angle, s.band, s.low, sample)
        y[n] = np.float32(np.float64(dry_row[n]) * sample + np.float64(wet_row[n]) * rest(wet))
    return 0


KERNEL = Loop(process)
AUTOWAH = Effect(
    "autowah",
    PARAMETERS,
    cells,
    KERNEL,
    STATE,
    lambda values, sample_rate: math.ceil(0.05 * sample_rate),
    summary="a wah that the strings open",
    constants=constants,
)
