"""Reverb: a room, a hall, a plate or a spring, with a decay that is as long as the knob says.

The input loses its lows (Butterworth, 12 dB an octave), waits for the predelay and enters the chosen kind:
reverb_network.py, reverb_plate.py, reverb_spring.py; reverb_lines.py says why the decay is exact at 1 kHz. When the
kind changes, the old one gets no more input and rings on. The wet level falls with the root of the decay, so that the
energy of the reverb, and with it its loudness beside the guitar, does not depend on the decay.
"""

from __future__ import annotations

import math

import numpy as np

from ..kernels.kernel import Loop
from ..kernels.memory import floats, records, row
from ..rig.parameters import Parameter
from .effect import Effect
from .lines import balance, read_faded, rest, sine, turned
from .reverb_lines import (
    BLOCK,
    BYTES,
    EARLY,
    HALL,
    HALL_FIRST,
    KINDS,
    LARGEST,
    LONGEST_PREDELAY,
    MOTION_SECONDS,
    PLATE,
    PREDELAY,
    ROOM,
    ROOM_FIRST,
    ROW_BYTES,
    SMALLEST,
    SPRING,
    STATE,
    TAP_PLACE,
    constants,
    memory,
    write,
)
from .reverb_network import play_network
from .reverb_plate import play_plate
from .reverb_spring import DISPERSION, low_pass, play_spring

PARAMETERS = (
    Parameter("kind", ROOM, kind="stepped", choices=KINDS, summary="what rings; the old one rings on after a change"),
    Parameter("decay_s", 1.5, 0.2, 20.0, "s", summary="time in which it falls by 60 dB"),
    Parameter("mix", 0.2, summary="0 dry, 0.5 reverb as loud as the guitar, 1 reverb only"),
    Parameter("predelay_ms", 15.0, 0.0, 250.0, "ms", summary="before it begins"),
    Parameter("size", 0.5, summary="how far the walls are"),
    Parameter("damping", 0.4, summary="how much faster the treble decays: up to five times"),
    Parameter("low_cut_hz", 120.0, 20.0, 1000.0, "Hz", summary="removes what is below, 12 dB an octave"),
    Parameter("modulation", 0.5, summary="how much it moves inside"),
    Parameter("width", 1.0, summary="0 mono, 1 as wide as it is"),
)

LEVELS = {ROOM: 0.21, HALL: 0.29, PLATE: 0.82, SPRING: 0.76}  # a reverb of 1.5 s is as loud as what is played
FASTEST_TREBLE = 4.0  # at a damping of 1 the treble decays 1 + this times as fast
BUTTERWORTH = math.sqrt(2.0)


def cells(values, sample_rate: float) -> list[float]:
    """Return [dry, wet, send, predelay, low cut, width, loss, bright, size, motion, share of each kind]."""
    on, kind, decay = values["on"], values["kind"], values["decay_s"]
    dry, wet = balance(values["mix"])
    return [
        1.0 + on * (dry - 1.0),
        wet * LEVELS[kind] / math.sqrt(decay),
        on,
        max(values["predelay_ms"] * sample_rate / 1000.0, 1.0),
        math.tan(math.pi * min(values["low_cut_hz"] / sample_rate, 0.45)),
        values["width"],
        math.log(1000.0) / (decay * sample_rate),
        FASTEST_TREBLE * values["damping"] ** 2,
        SMALLEST * (LARGEST / SMALLEST) ** values["size"],
        values["modulation"] * MOTION_SECONDS * sample_rate,
        *(float(kind == each) for each in KINDS),
    ]


def tail(values, sample_rate: float) -> int:
    """Return the frames until it has fallen by 60 dB."""
    return math.ceil((values["decay_s"] + values["predelay_ms"] / 1000.0) * sample_rate)


def fixed(sample_rate: float) -> dict:
    """Return what follows from the sample rate alone."""
    return constants(sample_rate, DISPERSION) | {"cut": low_pass(sample_rate)}


def process(state, source, target, frames):
    s = records(state, 1, STATE)[0]
    x_left = floats(source, frames)
    x_right = floats(source + (4 * s.in_stride if s.inputs > 1 else 0), frames)
    y_left = floats(target, frames)
    y_right = floats(target + 4 * s.out_stride, frames)
    dry_row = row(s.parameters, s.parameter_stride, 0, frames)
    wet_row = row(s.parameters, s.parameter_stride, 1, frames)
    on_row = row(s.parameters, s.parameter_stride, 2, frames)
    predelay_row = row(s.parameters, s.parameter_stride, 3, frames)
    cut_row = row(s.parameters, s.parameter_stride, 4, frames)
    width_row = row(s.parameters, s.parameter_stride, 5, frames)
    scratch = state + BYTES
    send_left = floats(scratch, BLOCK)
    send_right = floats(scratch + ROW_BYTES, BLOCK)
    wet_left = floats(scratch + 6 * ROW_BYTES, BLOCK)
    wet_right = floats(scratch + 7 * ROW_BYTES, BLOCK)
    first_line = scratch + 4 * s.offset[PREDELAY]
    second_line = scratch + 4 * s.offset[PREDELAY + 1]
    place = s.place
    for n in range(frames):
        g, on = np.float64(cut_row[n]), np.float64(on_row[n])
        norm = 1.0 / (1.0 + g * (g + BUTTERWORTH))
        for side in range(2):
            x = on * np.float64(x_left[n] if side == 0 else x_right[n])
            band = norm * (s.band[side] + g * (x - s.low[side]))
            low = s.low[side] + g * band
            s.band[side] = rest(2.0 * band - s.band[side])
            s.low[side] = rest(2.0 * low - s.low[side])
            write(state, s, PREDELAY + side, place, rest(x - BUTTERWORTH * band - low))
        left, right = read_faded(
            state + TAP_PLACE, first_line, second_line, s.mask[PREDELAY], place, np.float64(predelay_row[n])
        )
        left, right = rest(left), rest(right)
        send_left[n], send_right[n] = np.float32(left), np.float32(right)
        write(state, s, EARLY, place, left)
        write(state, s, EARLY + 1, place, right)
        for k in range(4):
            s.phases[k] = turned(s.phases[k], s.steps[k])
            floats(scratch + (2 + k) * ROW_BYTES, BLOCK)[n] = np.float32(sine(s.phases[k]))
        wet_left[n] = np.float32(0.0)
        wet_right[n] = np.float32(0.0)
        place += 1
    play_network(state, 0, ROOM_FIRST, frames)
    play_network(state, 1, HALL_FIRST, frames)
    play_plate(state, frames)
    play_spring(state, frames)
    s.place = place
    for n in range(frames):
        wet = np.float64(wet_row[n])
        middle = 0.5 * (np.float64(wet_left[n]) + np.float64(wet_right[n]))
        side = np.float64(width_row[n]) * 0.5 * (np.float64(wet_left[n]) - np.float64(wet_right[n]))
        dry = np.float64(dry_row[n])
        y_left[n] = np.float32(dry * np.float64(x_left[n]) + wet * rest(middle + side))
        y_right[n] = np.float32(dry * np.float64(x_right[n]) + wet * rest(middle - side))
    return 0


KERNEL = Loop(process)
REVERB = Effect(
    "reverb",
    PARAMETERS,
    cells,
    KERNEL,
    STATE,
    tail,
    summary="a room, a hall, a plate or a spring",
    channels="stereo",
    constants=fixed,
    memory=memory,
    rings=True,
    gap=lambda sample_rate: math.ceil(LONGEST_PREDELAY * sample_rate),
)
