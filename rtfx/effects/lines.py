"""Parts that several effects share: reading delay lines, limits of what is written to them, oscillators, mixing laws.

A delay line is a ring of float32 whose length is a power of two; `mask` is the length minus 1. `place` is where the
present frame is written, after the line was read: so a delay is at least 1 frame, and 2 where it is no whole number.
"""

from __future__ import annotations

import math

import numpy as np

from ..kernels.kernel import inline
from ..kernels.memory import floats, records

TINY = 1e-12  # -240 dBFS: a smaller value becomes 0, so that a decay ends before its numbers are denormal
HIGHEST = 0.45  # largest frequency of a filter, as a share of the sample rate
OFF_HZ = 20000.0  # a high cut at this frequency is off
FADE_SECONDS = 0.05  # between two taps of a delay line
PATIENCE_SECONDS = 0.1  # a time that still moves after this begins a fade nevertheless


def ring_length(frames: float) -> int:
    """Return the length of a delay line for delays up to `frames`, with room for interpolation."""
    return 1 << math.ceil(math.log2(frames + 8.0))


def balance(mix: float) -> tuple[float, float]:
    """Return the gains (dry, wet) of echoes and reverbs: at 0.5 both are 1, so that a little wet leaves dry alone."""
    return min(1.0, 2.0 - 2.0 * mix), min(1.0, 2.0 * mix)


def equal_power(mix: float) -> tuple[float, float]:
    """Return the gains (dry, wet) of two signals that are not alike: the sum of their squares is 1."""
    return (math.cos(0.5 * math.pi * mix), math.sin(0.5 * math.pi * mix)) if mix < 1.0 else (0.0, 1.0)


def comb_mix(mix: float) -> tuple[float, float]:
    """Return the gains (dry, wet) of two signals that differ in phase alone: 1 - mix and mix, as loud as the input."""
    power = math.hypot(1.0 - mix, mix)
    return (1.0 - mix) / power, mix / power


def one_pole(hertz: float, sample_rate: float) -> float:
    """Return the share k of ``low += k (x - low)``, a low-pass with its corner at `hertz`; 1 at `OFF_HZ`."""
    if hertz >= OFF_HZ:
        return 1.0
    return -math.expm1(-2.0 * math.pi * min(hertz, HIGHEST * sample_rate) / sample_rate)


def smoothing(seconds: float, sample_rate: float) -> float:
    """Return the share of the difference that a follower with this time constant takes each frame."""
    return -math.expm1(-1.0 / (seconds * sample_rate))


# A reader of a delay line whose distance can change: it fades over from one place to another.
TAP = np.dtype(
    [
        ("fade", np.int64),  # frames of a whole fade
        ("patience", np.int64),  # frames
        ("begun", np.int64),
        ("left", np.int64),  # frames of the present fade; 0: none
        ("moving", np.int64),  # frames for which the distance has not rested
        ("now", np.int64),  # frames: where it reads
        ("after", np.int64),  # where it reads after the fade
        ("asked", np.float64),  # the distance of the frame before
    ]
)


def tap_at_rest(sample_rate: float) -> tuple:
    """Return a `TAP` before its first frame."""
    return (round(FADE_SECONDS * sample_rate), round(PATIENCE_SECONDS * sample_rate), 0, 0, 0, 0, 0, 0.0)


@inline
def read_faded(tap, first_line, second_line, mask, place, distance):
    """Return a sample of each of two lines, about `distance` frames ago; `tap` and lines are addresses. [audio thread]

    A new distance is faded to when it rests. Until then, and during the fade, the old one is kept.
    """
    t = records(tap, 1, TAP)[0]
    aim = np.int64(distance + 0.5)
    if t.begun == 0:
        t.begun, t.now, t.asked = 1, aim, distance
    t.moving = t.moving + 1 if distance != t.asked else 0
    t.asked = distance
    if t.left == 0 and aim != t.now and (t.moving == 0 or t.moving > t.patience):
        t.after, t.left, t.moving = aim, t.fade, 0
    first = whole_tap(first_line, mask, place, t.now)
    second = whole_tap(second_line, mask, place, t.now)
    if t.left > 0:
        u = 1.0 - np.float64(t.left) / np.float64(t.fade)
        u = u * u * (3.0 - 2.0 * u)
        first += u * (whole_tap(first_line, mask, place, t.after) - first)
        second += u * (whole_tap(second_line, mask, place, t.after) - second)
        t.left -= 1
        if t.left == 0:
            t.now = t.after
    return first, second


@inline
def rest(value):
    """Return a float64, or 0 where it is tiny, NaN or beyond any sound. [audio thread]"""
    size = abs(value)
    if size > TINY and size < 1e6:
        return value
    return 0.0


@inline
def held(value):
    """Return a float64 as a loop may keep it: unchanged up to 1, bent to at most 4, 0 where tiny or NaN. [audio thread]

    A feedback of 1 or more would otherwise grow without end.
    """
    size = abs(value)
    if size <= 1.0:
        return value if size > TINY else 0.0
    if not size < 1e6:
        return 4.0 if value > 0.0 else (-4.0 if value < 0.0 else 0.0)
    over = size - 1.0
    size = 1.0 + over / (1.0 + over / 3.0)
    return size if value > 0.0 else -size


@inline
def whole_tap(line, mask, place, delay):
    """Return the float64 that was written `delay` frames ago; `line` is an address. [audio thread]"""
    return np.float64(floats(line, mask + 1)[(place - delay) & mask])


@inline
def tap(line, mask, place, delay):
    """Return the sample `delay` frames ago, float64, at least 2. [audio thread]

    The cubic through four samples (Lagrange): its gain is 1 at most, so that a loop through it never grows.
    """
    ring = floats(line, mask + 1)
    whole = np.int64(delay)
    d = delay - np.float64(whole)
    newest = place - whole + 1
    a = np.float64(ring[newest & mask])
    b = np.float64(ring[(newest - 1) & mask])
    c = np.float64(ring[(newest - 2) & mask])
    e = np.float64(ring[(newest - 3) & mask])
    up, down, far = d + 1.0, d - 1.0, d - 2.0
    return d * down * (up * e - far * a) / 6.0 + up * far * down * 0.5 * b - up * d * far * 0.5 * c


@inline
def sine(phase):
    """Return sin(2 pi phase) for a phase in cycles, within 1e-5. [audio thread]"""
    turn = phase - math.floor(phase + 0.25)  # -0.25 to 0.75
    if turn > 0.25:
        turn = 0.5 - turn
    x = 2.0 * math.pi * turn
    square = x * x
    return x * (
        1.0 - square * (0.16666667 - square * (0.0083333310 - square * (0.00019840874 - square * 2.7525562e-6)))
    )


@inline
def turned(phase, step):
    """Return a phase one frame later, in cycles from 0 to 1; one that is no number begins anew. [audio thread]"""
    phase += step
    if phase >= 1.0:
        phase -= 1.0
    return phase if phase >= 0.0 and phase < 1.0 else 0.0
