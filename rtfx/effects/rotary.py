"""Rotary: a loudspeaker cabinet with a turning horn and a turning drum, heard by two microphones.

The input, made mono and driven into a tube's soft limit, is split at 800 Hz (Linkwitz-Riley, second order). Above, a
horn of radius R, 19 cm, turns; below, the drum. At the angle a to a microphone the horn's sound is late by
``R (1 - cos a) / c``, which bends the pitch, by up to 40 cents when it is fast; it is louder towards the microphone,
and its treble still more. The cabinet's wall adds a weaker, later horn from another angle. The drum bends
the pitch less and mostly pulses. `speed` moves both towards 0.8 and 0.7 turns a second, or 6.7 and 5.8: the light horn
takes a second, the heavy drum several.
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
from .lines import equal_power, one_pole, rest, ring_length, sine, smoothing, tap, turned

SLOW, FAST, BRAKE = "slow", "fast", "brake"
HORN_HZ = {SLOW: 0.8, FAST: 6.7, BRAKE: 0.0}
DRUM_HZ = {SLOW: 0.68, FAST: 5.8, BRAKE: 0.0}
PARAMETERS = (
    Parameter("speed", SLOW, kind="stepped", choices=(SLOW, FAST, BRAKE), summary="what it turns towards"),
    Parameter("drive", 0.2, summary="how hot its amplifier is"),
    Parameter("horn_db", 0.0, -24.0, 12.0, "dB", summary="level above 800 Hz"),
    Parameter("drum_db", 0.0, -24.0, 12.0, "dB", summary="level below 800 Hz"),
    Parameter("width", 0.7, summary="angle between the microphones; 1 is half a turn"),
    Parameter("mix", 1.0, summary="0 dry, 1 cabinet only"),
)

CROSSOVER_HZ = 800.0
SOUND = 343.0  # m/s
HORN_SECONDS, DRUM_SECONDS = 0.19 / SOUND, 0.04 / SOUND  # the drum's mouth is wide: its sound comes from near the axis
WALL_SECONDS, WALL_TURN, WALL_GAIN = 0.0013, 0.37, 0.3
TREBLE_HZ = 2500.0  # above it the horn is a beam
HORN_DEPTH, TREBLE_DEPTH, DRUM_DEPTH = 0.5, 0.85, 0.45  # share of the level that is lost on the far side
HORN_RISE, HORN_FALL, DRUM_RISE, DRUM_FALL = 0.35, 0.5, 1.6, 1.9  # s, time constants
HOTTEST = 3.0
LOUDER = 1.35  # makes up for what turns away

STATE = state_dtype(
    ("mask", np.int64),
    ("place", np.int64),
    ("begun", np.int64),
    ("horn_speed", np.float64),  # turns a frame
    ("drum_speed", np.float64),
    ("horn", np.float64),  # turns
    ("drum", np.float64),
    ("rises", np.float64, (2,)),  # shares a frame: horn, drum
    ("falls", np.float64, (2,)),
    ("g", np.float64),  # of the crossover
    ("band", np.float64),
    ("low", np.float64),
    ("treble", np.float64),  # share of the treble's one-pole
    ("lowpass", np.float64, (4,)),  # direct sound and wall, for each microphone
    ("horn_seconds", np.float64),  # in frames, as the next two
    ("drum_seconds", np.float64),
    ("wall_seconds", np.float64),
)
BYTES = STATE.itemsize


def length(sample_rate: float) -> int:
    """Return the floats of one of the two delay lines: horn and drum."""
    return ring_length((2.0 * HORN_SECONDS + WALL_SECONDS) * sample_rate + 4.0)


def cells(values, sample_rate: float) -> list[float]:
    """Return [dry, wet, horn's speed, drum's speed, drive, horn, drum, turn of each microphone]."""
    dry, wet = equal_power(values["mix"])
    return [
        dry,
        LOUDER * wet,
        HORN_HZ[values["speed"]] / sample_rate,
        DRUM_HZ[values["speed"]] / sample_rate,
        HOTTEST * values["drive"] ** 2,
        gain_from_db(values["horn_db"]),
        gain_from_db(values["drum_db"]),
        0.25 * values["width"],
    ]


def process(state, source, target, frames):
    s = records(state, 1, STATE)[0]
    x_left = floats(source, frames)
    x_right = floats(source + (4 * s.in_stride if s.inputs > 1 else 0), frames)
    y_left = floats(target, frames)
    y_right = floats(target + 4 * s.out_stride, frames)
    dry_row = row(s.parameters, s.parameter_stride, 0, frames)
    wet_row = row(s.parameters, s.parameter_stride, 1, frames)
    horn_speed_row = row(s.parameters, s.parameter_stride, 2, frames)
    drum_speed_row = row(s.parameters, s.parameter_stride, 3, frames)
    drive_row = row(s.parameters, s.parameter_stride, 4, frames)
    horn_row = row(s.parameters, s.parameter_stride, 5, frames)
    drum_row = row(s.parameters, s.parameter_stride, 6, frames)
    turn_row = row(s.parameters, s.parameter_stride, 7, frames)
    mask, place = s.mask, s.place
    horn_line, drum_line = state + BYTES, state + BYTES + 4 * (mask + 1)
    horn_ring, drum_ring = floats(horn_line, mask + 1), floats(drum_line, mask + 1)
    norm = 1.0 / (1.0 + s.g * (s.g + 2.0))
    for n in range(frames):
        horn_aim, drum_aim = np.float64(horn_speed_row[n]), np.float64(drum_speed_row[n])
        if s.begun == 0 or not (s.horn_speed >= 0.0 and s.drum_speed >= 0.0 and s.horn_speed < 1.0):
            s.begun, s.horn_speed, s.drum_speed = 1, horn_aim, drum_aim
        s.horn_speed += (s.rises[0] if horn_aim > s.horn_speed else s.falls[0]) * (horn_aim - s.horn_speed)
        s.drum_speed += (s.rises[1] if drum_aim > s.drum_speed else s.falls[1]) * (drum_aim - s.drum_speed)
        s.horn_speed, s.drum_speed = rest(s.horn_speed), rest(s.drum_speed)
        s.horn = turned(s.horn, s.horn_speed)
        s.drum = turned(s.drum, s.drum_speed)
        dry_left, dry_right = np.float64(x_left[n]), np.float64(x_right[n])
        drive = np.float64(drive_row[n])
        x = 0.5 * (dry_left + dry_right)
        x /= math.sqrt(1.0 + drive * drive * x * x)
        # crossover: both halves have two real poles, and their difference is an allpass
        band = norm * (s.band + s.g * (x - s.low))
        low = s.low + s.g * band
        s.band = rest(2.0 * band - s.band)
        s.low = rest(2.0 * low - s.low)
        horn_ring[place & mask] = np.float32(rest(np.float64(horn_row[n]) * (low + 2.0 * band - x)))
        drum_ring[place & mask] = np.float32(rest(np.float64(drum_row[n]) * low))
        left, right = 0.0, 0.0
        for side in range(2):
            turn = np.float64(turn_row[n])
            if side == 0:
                turn = -turn
            # cosines of the angles: to the microphone, and by way of the wall
            toward = sine(s.horn - turn + 0.25)
            late = 2.0 + s.horn_seconds * (1.0 - toward)
            near = 0.5 - 0.5 * toward
            direct = tap(horn_line, mask, place, late)
            s.lowpass[side] = rest(s.lowpass[side] + s.treble * (direct - s.lowpass[side]))
            sound = (1.0 - HORN_DEPTH * near) * s.lowpass[side]
            sound += (1.0 - TREBLE_DEPTH * near) * (direct - s.lowpass[side])
            toward = sine(s.horn + turn + WALL_TURN + 0.25)
            late = 2.0 + s.wall_seconds + s.horn_seconds * (1.0 - toward)
            near = 0.5 - 0.5 * toward
            direct = tap(horn_line, mask, place, late)
            s.lowpass[2 + side] = rest(s.lowpass[2 + side] + s.treble * (direct - s.lowpass[2 + side]))
            sound += WALL_GAIN * (1.0 - TREBLE_DEPTH * near) * s.lowpass[2 + side]
            toward = sine(s.drum + turn + 0.25)  # the drum turns the other way
            late = 2.0 + s.drum_seconds * (1.0 - toward)
            sound += (1.0 - DRUM_DEPTH * (0.5 - 0.5 * toward)) * tap(drum_line, mask, place, late)
            if side == 0:
                left = sound
            else:
                right = sound
        dry, wet = np.float64(dry_row[n]), np.float64(wet_row[n])
        y_left[n] = np.float32(dry * dry_left + wet * rest(left))
        y_right[n] = np.float32(dry * dry_right + wet * rest(right))
        place += 1
    s.place = place
    return 0


def constants(sample_rate: float) -> dict:
    """Return what follows from the sample rate alone."""
    return {
        "mask": length(sample_rate) - 1,
        "rises": (smoothing(HORN_RISE, sample_rate), smoothing(DRUM_RISE, sample_rate)),
        "falls": (smoothing(HORN_FALL, sample_rate), smoothing(DRUM_FALL, sample_rate)),
        "g": math.tan(math.pi * CROSSOVER_HZ / sample_rate),
        "treble": one_pole(TREBLE_HZ, sample_rate),
        "horn_seconds": HORN_SECONDS * sample_rate,
        "drum_seconds": DRUM_SECONDS * sample_rate,
        "wall_seconds": WALL_SECONDS * sample_rate,
    }


KERNEL = Loop(process)
ROTARY = Effect(
    "rotary",
    PARAMETERS,
    cells,
    KERNEL,
    STATE,
    lambda values, sample_rate: math.ceil(0.02 * sample_rate),
    summary="a cabinet with a turning horn and drum",
    channels="stereo",
    constants=constants,
    memory=lambda sample_rate: 2 * length(sample_rate),
)
