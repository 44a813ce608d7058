"""Delay: echoes that are exact (`digital`), worn (`tape`) or thrown from side to side (`pingpong`).

Each frame reads the line, filters what it read (a one-pole high-pass, then a one-pole low-pass), sends it to the output
and writes it back with the input:

    echo = lowpass(highpass(line[now - time]))
    line[now] = saturated(input + feedback * echo)

so the n-th echo has passed the filters n times. In `pingpong` the input goes to the left line alone, and each line is
fed with the other's echo. A new time is heard through a second tap, over to which the sound fades in 50 ms (`digital`,
`pingpong`), or the tap glides there as a tape does when its motor changes speed, and bends the pitch (`tape`).

The tape saturates as v / sqrt(1 + (d v)**2), which leaves quiet echoes alone; wow and flutter move its tap by two slow
and two fast sines each. At a wow of 1 the pitch is off by at most 12 cents, at a flutter of 1 by at most 12 more.
Whatever the feedback, no echo grows beyond 4 times full scale: `lines.held` bends it.
"""

from __future__ import annotations

import math

import numpy as np

from ..kernels.kernel import Loop
from ..kernels.memory import floats, records, row
from ..kernels.state import offsets, state_dtype
from ..rig.parameters import Parameter
from ..units import gain_from_db
from .effect import Effect
from .lines import (
    TAP,
    balance,
    held,
    one_pole,
    read_faded,
    rest,
    ring_length,
    sine,
    smoothing,
    tap,
    tap_at_rest,
    turned,
)

DIGITAL, TAPE, PINGPONG = "digital", "tape", "pingpong"
LONGEST_MS = 2000.0
TIME = Parameter("time", 400.0, 1.0, LONGEST_MS, "ms", note=True, summary="from one echo to the next")
PARAMETERS = (
    TIME,
    Parameter("feedback", 0.35, 0.0, 1.0, summary="how much of each echo comes back; 1 never ends"),
    Parameter("mix", 0.25, summary="0 dry, 0.5 echoes as loud as the guitar, 1 echoes only"),
    Parameter("mode", DIGITAL, kind="stepped", choices=(DIGITAL, TAPE, PINGPONG), summary="what the echoes are like"),
    Parameter("low_cut_hz", 80.0, 10.0, 1000.0, "Hz", summary="each echo loses what is below"),
    Parameter("high_cut_hz", 6000.0, 500.0, 20000.0, "Hz", summary="each echo loses what is above; 20000 is off"),
    Parameter("duck_db", 0.0, 0.0, 24.0, "dB", summary="how much quieter the echoes are while you play"),
    Parameter("wow", 0.3, summary="slow drift of the tape's pitch (mode tape)"),
    Parameter("flutter", 0.3, summary="fast trembling of the tape's pitch (mode tape)"),
    Parameter("saturation", 0.3, summary="how hot the tape is recorded (mode tape)"),
)

MOTION_HZ = (0.53, 1.17, 6.3, 9.7)  # sines of wow, then of flutter
WOW_SECONDS, FLUTTER_SECONDS = 0.0014, 0.00013  # by which they move the tap at most
GLIDE_SECONDS = 0.15  # time constant of the tape's tap
FASTEST = 0.7  # the glide changes the tape's speed by at most this share
HOTTEST = 2.0  # d at a saturation of 1
DUCK_LEVEL = 0.03  # -30 dBFS: where ducking has half its effect
DUCK_ATTACK, DUCK_RELEASE = 0.005, 0.25  # s
LONGEST_TAIL = 30.0  # s

STATE = state_dtype(
    ("mask", np.int64),
    ("place", np.int64),
    ("tap", TAP),
    ("tape", np.float64),  # the tap of the tape, frames; 0 before it began
    ("glide", np.float64),
    ("level", np.float64),  # of the input, for ducking
    ("attack", np.float64),
    ("release", np.float64),
    ("phases", np.float64, (4,)),
    ("steps", np.float64, (4,)),  # of the phases
    ("highpass", np.float64, (2,)),
    ("lowpass", np.float64, (2,)),
)
BYTES, TAP_PLACE = STATE.itemsize, offsets(STATE)["tap"]


def length(sample_rate: float) -> int:
    """Return the floats of one of the two delay lines."""
    return ring_length((LONGEST_MS / 1000.0 + WOW_SECONDS + FLUTTER_SECONDS) * sample_rate)


def memory(sample_rate: float) -> int:
    """Return the floats of both delay lines."""
    return 2 * length(sample_rate)


def constants(sample_rate: float) -> dict:
    """Return what follows from the sample rate alone."""
    return {
        "mask": length(sample_rate) - 1,
        "tap": tap_at_rest(sample_rate),
        "glide": smoothing(GLIDE_SECONDS, sample_rate),
        "attack": smoothing(DUCK_ATTACK, sample_rate),
        "release": smoothing(DUCK_RELEASE, sample_rate),
        "steps": tuple(hertz / sample_rate for hertz in MOTION_HZ),
    }


def cells(values, sample_rate: float) -> list[float]:
    """Return [dry, wet, send, frames, feedback, high-pass, low-pass, floor, wow, flutter, saturation, tape, cross]."""
    on = values["on"]
    dry, wet = balance(values["mix"])
    tape = float(values["mode"] == TAPE)
    return [
        1.0 + on * (dry - 1.0),
        wet,
        on,
        values["time"] * sample_rate / 1000.0,
        values["feedback"],
        one_pole(values["low_cut_hz"], sample_rate),
        one_pole(values["high_cut_hz"], sample_rate),
        gain_from_db(-values["duck_db"]),
        values["wow"] * WOW_SECONDS * sample_rate,
        values["flutter"] * FLUTTER_SECONDS * sample_rate,
        tape * HOTTEST * values["saturation"],
        tape,
        float(values["mode"] == PINGPONG),
    ]


def tail(values, sample_rate: float) -> int:
    """Return the frames until the echoes have fallen by 60 dB; notes are taken at 40 beats a minute."""
    seconds = TIME.number(values["time"], 40.0) / 1000.0
    echoes = 1.0 - math.log(1000.0) / math.log(min(max(values["feedback"], 1e-3), 0.999))
    return math.ceil(min(seconds * echoes, LONGEST_TAIL) * sample_rate)


def process(state, source, target, frames):
    s = records(state, 1, STATE)[0]
    x_left = floats(source, frames)
    x_right = floats(source + (4 * s.in_stride if s.inputs > 1 else 0), frames)
    y_left = floats(target, frames)
    y_right = floats(target + 4 * s.out_stride, frames)
    dry_row = row(s.parameters, s.parameter_stride, 0, frames)
    wet_row = row(s.parameters, s.parameter_stride, 1, frames)
    send_row = row(s.parameters, s.parameter_stride, 2, frames)
    time_row = row(s.parameters, s.parameter_stride, 3, frames)
    feedback_row = row(s.parameters, s.parameter_stride, 4, frames)
    highpass_row = row(s.parameters, s.parameter_stride, 5, frames)
    lowpass_row = row(s.parameters, s.parameter_stride, 6, frames)
    floor_row = row(s.parameters, s.parameter_stride, 7, frames)
    wow_row = row(s.parameters, s.parameter_stride, 8, frames)
    flutter_row = row(s.parameters, s.parameter_stride, 9, frames)
    heat_row = row(s.parameters, s.parameter_stride, 10, frames)
    tape_row = row(s.parameters, s.parameter_stride, 11, frames)
    cross_row = row(s.parameters, s.parameter_stride, 12, frames)
    mask = s.mask
    left_line = state + BYTES
    right_line = left_line + 4 * (mask + 1)
    place = s.place
    longest = np.float64(mask - 4)
    for n in range(frames):
        # where the echo is read
        time = np.float64(time_row[n])
        wide = np.float64(tape_row[n])
        cross = np.float64(cross_row[n])
        left, right = read_faded(state + TAP_PLACE, left_line, right_line, mask, place, time)
        for k in range(4):
            s.phases[k] = turned(s.phases[k], s.steps[k])
        if wide > 0.0:
            pull = min(max(s.glide * (time - s.tape), -FASTEST), FASTEST)
            s.tape = s.tape + pull if s.tape > 0.0 and s.tape < longest else time
            wow = min(np.float64(wow_row[n]), 0.25 * s.tape)
            delay = s.tape + wow * (0.6 * sine(s.phases[0]) + 0.4 * sine(s.phases[1]))
            flutter = min(np.float64(flutter_row[n]), 0.25 * s.tape)
            delay += flutter * (0.6 * sine(s.phases[2]) + 0.4 * sine(s.phases[3]))
            delay = min(max(delay, 2.0), longest)
            left += wide * (tap(left_line, mask, place, delay) - left)
            right += wide * (tap(right_line, mask, place, delay) - right)
        else:
            s.tape = time
        # the filters of the loop
        low = np.float64(highpass_row[n])
        high = np.float64(lowpass_row[n])
        s.highpass[0] = rest(s.highpass[0] + low * (left - s.highpass[0]))
        s.highpass[1] = rest(s.highpass[1] + low * (right - s.highpass[1]))
        s.lowpass[0] = rest(s.lowpass[0] + high * (left - s.highpass[0] - s.lowpass[0]))
        s.lowpass[1] = rest(s.lowpass[1] + high * (right - s.highpass[1] - s.lowpass[1]))
        left = s.lowpass[0]
        right = s.lowpass[1]
        # what is recorded
        dry_left = np.float64(x_left[n])
        dry_right = np.float64(x_right[n])
        send = np.float64(send_row[n])
        back = np.float64(feedback_row[n])
        middle = 0.5 * cross * (dry_left + dry_right)
        new_left = send * (dry_left + cross * (0.0 - dry_left) + middle) + back * (left + cross * (right - left))
        new_right = send * (dry_right - cross * dry_right) + back * (right + cross * (left - right))
        heat = np.float64(heat_row[n])
        if heat > 0.0:
            new_left /= math.sqrt(1.0 + heat * heat * new_left * new_left)
            new_right /= math.sqrt(1.0 + heat * heat * new_right * new_right)
        floats(left_line, mask + 1)[place & mask] = np.float32(held(new_left))
        floats(right_line, mask + 1)[place & mask] = np.float32(held(new_right))
        place = (place + 1) & mask
        # what is heard
        loud = max(abs(dry_left), abs(dry_right))
        s.level = rest(s.level + (s.attack if loud > s.level else s.release) * (loud - s.level))
        wet = np.float64(wet_row[n]) * (1.0 - (1.0 - np.float64(floor_row[n])) * s.level / (s.level + DUCK_LEVEL))
        dry = np.float64(dry_row[n])
        y_left[n] = np.float32(dry * dry_left + wet * left)
        y_right[n] = np.float32(dry * dry_right + wet * right)
    s.place = place
    return 0


KERNEL = Loop(process)
DELAY = Effect(
    "delay",
    PARAMETERS,
    cells,
    KERNEL,
    STATE,
    tail,
    summary="echoes: digital, tape or ping-pong",
    channels="stereo",
    constants=constants,
    memory=memory,
    rings=True,
    gap=lambda sample_rate: math.ceil(LONGEST_MS / 1000.0 * sample_rate),
)
