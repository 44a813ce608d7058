"""Noise gate: hysteresis, hold, a linear attack and a release that is linear in decibels.

A peak follower with an instant rise and a 10 ms fall is compared with two thresholds. Above `threshold_db` the gate
opens; it stays open until the follower has been below `threshold_db` - `hysteresis_db` for longer than `hold_ms`. The
gain rises from the floor to 1 within `attack_ms` and falls from 1 to the floor, `range_db` lower, within `release_ms`.
It always starts from its current value, so it never jumps. An open gate does not change any bit of the signal; neither
does a gate that is off, at a threshold of -90 dB, as its floor is 1.

All channels have one gain: that of the loudest one, or of the loudest channel of the key, if there is one.
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

# Between the peaks of a low E (82 Hz, one each 6.1 ms) the follower falls by 5.3 dB: less than the default hysteresis.
FOLLOWER_MS = 10.0

OFF_DB = -90.0

PARAMETERS = (
    Parameter("threshold_db", -60.0, OFF_DB, 0.0, "dB", summary="level that opens the gate; -90 is off"),
    Parameter("hysteresis_db", 6.0, 0.0, 24.0, "dB", summary="how far below the threshold it closes"),
    Parameter("attack_ms", 1.0, 0.1, 50.0, "ms", summary="time to open"),
    Parameter("hold_ms", 50.0, 0.0, 1000.0, "ms", summary="time it stays open after the last loud sample"),
    Parameter("release_ms", 100.0, 1.0, 2000.0, "ms", summary="time to close"),
    Parameter("range_db", 80.0, 0.0, 100.0, "dB", summary="how much quieter a closed gate is"),
)

GATE_STATE = state_dtype(
    ("level", np.float32), ("gain", np.float32), ("opened", np.int32), ("quiet", np.int32)
)  # quiet: frames since the follower was last above the lower threshold, counted only while open

ONE = np.float32(1.0)
LOUDEST = np.float32(1e6)  # the follower's largest value: it has fallen below any threshold within half a second


def cells(values, sample_rate: float) -> list[float]:
    """Return [open level, close level, follower's fall factor, attack step, hold frames, release factor, floor]."""
    frames_per_ms = sample_rate / 1000.0
    floor = 1.0 if idle(values) else gain_from_db(-values["range_db"])
    return [
        gain_from_db(values["threshold_db"]),
        gain_from_db(values["threshold_db"] - values["hysteresis_db"]),
        math.exp(-1.0 / (FOLLOWER_MS * frames_per_ms)),
        (1.0 - floor) / max(values["attack_ms"] * frames_per_ms, 1.0),
        values["hold_ms"] * frames_per_ms,
        floor ** (1.0 / max(values["release_ms"] * frames_per_ms, 1.0)),
        floor,
    ]


def idle(values) -> bool:
    """Return whether the gate is off."""
    return values["threshold_db"] <= OFF_DB


def process(state, source, target, frames):
    s = records(state, 1, GATE_STATE)[0]
    channels = np.int64(s.inputs)
    x = floats(source, frames)
    y = floats(target, frames)
    key, key_stride = x, np.int64(s.in_stride)
    if s.extra[0] != 0:
        key, key_stride = floats(s.extra[0], frames), np.int64(s.extra_stride[0])
    open_level = row(s.parameters, s.parameter_stride, 0, frames)
    close_level = row(s.parameters, s.parameter_stride, 1, frames)
    fall = row(s.parameters, s.parameter_stride, 2, frames)
    attack = row(s.parameters, s.parameter_stride, 3, frames)
    hold = row(s.parameters, s.parameter_stride, 4, frames)
    release = row(s.parameters, s.parameter_stride, 5, frames)
    floor = row(s.parameters, s.parameter_stride, 6, frames)
    level = s.level
    gain = s.gain
    opened = s.opened
    quiet = s.quiet
    for n in range(frames):
        loudest = abs(key[n])
        for channel in range(1, channels):
            loudest = max(loudest, abs(key[channel * key_stride + n]))
        level = min(LOUDEST, max(loudest, level * fall[n]))
        if opened == 0:
            if level >= open_level[n]:
                opened = 1
                quiet = 0
        elif level >= close_level[n]:
            quiet = 0
        else:
            quiet += 1
            if np.float32(quiet) > hold[n]:
                opened = 0
        if opened == 1:
            gain = min(ONE, max(floor[n], gain) + attack[n])
        else:
            gain = max(floor[n], min(ONE, gain * release[n]))
        for channel in range(channels):
            y[channel * s.out_stride + n] = x[channel * s.in_stride + n] * gain
    s.level = level
    s.gain = gain
    s.opened = opened
    s.quiet = quiet
    return 0


KERNEL = Loop(process)
GATE = Effect(
    "gate",
    PARAMETERS,
    cells,
    KERNEL,
    GATE_STATE,
    summary="silences what is below a threshold; with `key: input` it listens to the guitar, behind an amp too",
    idle=idle,
    channels="linked",
    key=True,
)
