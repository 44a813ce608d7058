"""The delay lines of the reverb, and why each of its kinds decays as fast as its knob says.

Every kind is a network that would ring for ever: a lossless matrix between delay lines, or a ring of allpasses and
delays. All its poles lie on the unit circle. Where each delay of d frames, those inside allpasses included, is followed
by the gain g**d, z becomes z/g in the whole network, so that every pole moves to the radius g: every mode decays by
60 dB in the time for which g**(decay sample_rate) is 1/1000 (J.-M. Jot, A. Chaigne, "Digital delay networks for
designing artificial reverberators", 1991).

Damping adds a shelf to some lines: ``hf x + (1 - hf) lowpass(x)`` with ``hf = g**(d bright)``, so that high
frequencies decay 1 + bright times as fast. Its gain at `MIDDLE_HZ` is divided out: the knob means that frequency.
"""

from __future__ import annotations

import math

import numpy as np

from ..kernels.kernel import inline
from ..kernels.memory import floats, records
from ..kernels.state import offsets, state_dtype
from .lines import TAP, TINY, held, rest, ring_length, tap, tap_at_rest

ROOM, HALL, PLATE, SPRING = "room", "hall", "plate", "spring"
KINDS = (ROOM, HALL, PLATE, SPRING)
BLOCK = 512  # the longest block that the engine gives
ROWS = 9  # of scratch: send left and right, four sines, wet left and right, a network's outputs
MOTION_HZ = (0.47, 0.71, 0.93, 1.13)
MOTION_SECONDS = 0.0008  # by which a line moves at most
SMALLEST, LARGEST = 0.6, 1.5  # times the lengths below, at size 0 and 1
LONGEST_PREDELAY = 0.25  # s
SLEW = 0.15  # frames a frame by which lines change their length when the size turns
SHELF_HZ, MIDDLE_HZ = 5000.0, 1000.0
PATIENCE_SECONDS = 0.3  # more than the longest line, chain of allpasses and early reflection
AUDIBLE = 1e-7  # -140 dBFS: a kind whose output is lower, and that gets nothing, may sleep
LONGEST_GAIN = 0.999999  # of a line
SPRINGS, STAGES = 3, 100  # and the allpasses of each
TRANSITION_HZ = 4300.0  # above it a spring passes nothing

# Lengths in seconds.
NETWORK = 16  # lines of a room or a hall
ROOM_LINES = tuple(
    n / 48000 for n in (1129, 2687, 2153, 1013, 1181, 2503, 919, 1669, 2237, 1367, 2179, 1511, 1499, 1327, 1889, 1831)
)
HALL_LINES = tuple(
    n / 48000 for n in (1433, 1601, 1867, 2053, 2251, 2399, 2617, 2797, 2999, 3203, 3407, 3607, 3847, 4073, 4327, 4591)
)
DIFFUSERS = 4  # allpasses before a network, for each side
DIFFUSER_LINES = tuple(n / 29761 for n in (142, 107, 379, 277, 151, 113, 353, 263))
EARLY_SECONDS = 0.08
# The plate of J. Dattorro, "Effect design, part 1" (1997): four diffusers at 29761 Hz, then two times allpass, delay,
# allpass, delay. The tank is run faster than the paper's, so that its echoes are dense sooner.
PLATE_RATE = 52000
DATTORRO = tuple(n / 29761 for n in (142, 107, 379, 277)) + tuple(
    n / PLATE_RATE for n in (672, 4453, 1800, 3720, 908, 4217, 2656, 3163)
)
SPRING_LINES = (0.0413, 0.0522, 0.0337)

# Where each group begins in the table of all lines.
PREDELAY, EARLY = 0, 2
ROOM_FIRST = EARLY + 2
HALL_FIRST = ROOM_FIRST + NETWORK + 2 * DIFFUSERS
PLATE_FIRST = HALL_FIRST + NETWORK + 2 * DIFFUSERS
SPRING_FIRST = PLATE_FIRST + len(DATTORRO)
COUNT = SPRING_FIRST + SPRINGS

# Cells that the kinds read: rows of the block's parameters. SHARE is followed by one row for each kind.
LOSS, BRIGHT, SIZE, MOTION, SHARE = 6, 7, 8, 9, 10

STATE = state_dtype(
    ("place", np.int64),  # frames so far, in all rings
    ("tap", TAP),  # of the predelay
    ("quiet", np.int64, (4,)),  # frames for which a kind was silent; it sleeps after `patience`
    ("patience", np.int64),
    ("phases", np.float64, (4,)),
    ("steps", np.float64, (4,)),  # of the phases
    ("low", np.float64, (2,)),  # the low cut's integrators
    ("band", np.float64, (2,)),
    ("offset", np.int64, (COUNT,)),  # of each line behind the state, in floats
    ("mask", np.int64, (COUNT,)),
    ("base", np.float64, (COUNT,)),  # frames at a size of 1
    ("scaled", np.float64, (COUNT,)),  # 1: the size changes the length
    ("span", np.float64, (COUNT,)),  # for how many frames its shelf damps, at a size of 1; 0: it has none
    ("length", np.float64, (COUNT,)),  # frames now
    ("gain", np.float64, (COUNT,)),
    ("high", np.float64, (COUNT,)),  # hf
    ("lowpass", np.float64, (COUNT,)),
    ("turned", np.float64, (12,)),  # decay, damping and size of each kind for which gains were computed
    ("moving", np.int64, (4,)),  # whether lines of a kind still change their length
    ("shelf", np.float64),  # share of the shelf's low-pass, and that filter at `MIDDLE_HZ`
    ("middle_real", np.float64),
    ("middle_imaginary", np.float64),
    ("early", np.int64, (12,)),  # frames of the early reflections, left and right in turn
    ("plate_taps", np.int64, (14,)),
    ("tap_gains", np.float64, (14,)),
    ("tap_loss", np.float64),  # for which they were computed
    ("stretch", np.int64),  # delay of a spring's allpass
    ("stages", np.int64),  # offset of the springs' allpasses
    ("stage", np.int64),  # where they are in their rings
    ("chain_gain", np.float64),  # of the delays in the springs' allpasses
    ("chain_loss", np.float64),  # for which it was computed
    ("cut", np.float64, (5,)),  # the springs' low-pass: g, then k of each section
    ("sections", np.float64, (8,)),  # its integrators
)
BYTES, TAP_PLACE = STATE.itemsize, offsets(STATE)["tap"]
ROW_BYTES = 4 * BLOCK

EARLY_LINES = (4.3, 5.1, 9.1, 8.3, 13.7, 14.9, 19.9, 21.1, 27.1, 25.7, 34.7, 36.5)  # ms
# Dattorro's output taps: left, then right
PLATE_TAPS = (266, 2974, 1913, 1996, 1990, 187, 1066, 353, 3627, 1228, 2673, 2111, 335, 121)


def lengths(sample_rate: float) -> list[float]:
    """Return the frames of every line at a size of 1."""
    seconds = (
        *(LONGEST_PREDELAY,) * 2,
        *(EARLY_SECONDS,) * 2,
        *ROOM_LINES,
        *DIFFUSER_LINES,
        *HALL_LINES,
        *DIFFUSER_LINES,
        *DATTORRO,
        *SPRING_LINES,
    )
    return [round(s * sample_rate) for s in seconds]


def scaled() -> list[float]:
    """Return 1 for each line that the size changes, 0 for predelay, early reflections and diffusers."""
    network = [1.0] * NETWORK + [0.0] * 2 * DIFFUSERS
    return [0.0] * 4 + 2 * network + [0.0] * 4 + [1.0] * 8 + [1.0] * SPRINGS


def rings(sample_rate: float) -> list[int]:
    """Return the floats of every line."""
    most = MOTION_SECONDS * sample_rate
    return [ring_length(n * LARGEST**s + most * s) for n, s in zip(lengths(sample_rate), scaled(), strict=True)]


def stretch(sample_rate: float) -> int:
    """Return the frames of a spring's stretched allpass, whose first image is at `TRANSITION_HZ`."""
    return max(round(sample_rate / (2.0 * TRANSITION_HZ)), 1)


def memory(sample_rate: float) -> int:
    """Return the floats of all lines, of the springs' allpasses and of the scratch rows."""
    return ROWS * BLOCK + sum(rings(sample_rate)) + SPRINGS * STAGES * stretch(sample_rate)


def spans(sample_rate: float, dispersion: float) -> list[float]:
    """Return for how many frames the shelf of each line damps: of its whole loop where one shelf serves several."""
    base, kept = lengths(sample_rate), [0.0] * COUNT
    for first in (ROOM_FIRST, HALL_FIRST):
        kept[first : first + NETWORK] = base[first : first + NETWORK]
    for half in (PLATE_FIRST + 4, PLATE_FIRST + 8):
        kept[half + 1] = sum(base[half : half + 4])
    chain = STAGES * stretch(sample_rate) * (1.0 - dispersion) / (1.0 + dispersion)
    for line in range(SPRING_FIRST, COUNT):
        kept[line] = base[line] + chain
    return kept


def constants(sample_rate: float, dispersion: float) -> dict:
    """Return what follows from the sample rate alone; `dispersion` is the coefficient of the springs' allpasses."""
    sizes, patience = rings(sample_rate), round(PATIENCE_SECONDS * sample_rate)
    starts = np.concatenate([[0], np.cumsum(sizes)]) + ROWS * BLOCK
    share = -math.expm1(-2.0 * math.pi * min(SHELF_HZ, 0.45 * sample_rate) / sample_rate)
    middle = share / (1.0 - (1.0 - share) * np.exp(-2j * math.pi * MIDDLE_HZ / sample_rate))
    return {
        "tap": tap_at_rest(sample_rate),
        "patience": patience,
        "quiet": (patience + 1,) * 4,  # all sleep until something is played
        "steps": tuple(hertz / sample_rate for hertz in MOTION_HZ),
        "offset": tuple(int(start) for start in starts[:-1]),
        "mask": tuple(size - 1 for size in sizes),
        "base": tuple(lengths(sample_rate)),
        "scaled": tuple(scaled()),
        "span": tuple(spans(sample_rate, dispersion)),
        "shelf": share,
        "middle_real": float(middle.real),
        "middle_imaginary": float(middle.imag),
        "early": tuple(round(ms * sample_rate / 1000.0) for ms in EARLY_LINES),
        "plate_taps": tuple(max(round(n * sample_rate / PLATE_RATE), 1) for n in PLATE_TAPS),
        "stretch": stretch(sample_rate),
        "stages": int(starts[-1]),
    }


@inline("none(int64, int64, int64, int64, float64, float64, float64)")
def tune(state, kind, first, count, loss, bright, size):
    """Bring lengths and gains of a kind's lines to decay, damping and size, if these have changed. [audio thread]

    `loss` is -ln g, `bright` how much faster high frequencies decay, `size` the factor of the lengths.
    """
    s = records(state, 1, STATE)[0]
    place = 3 * kind
    same = s.turned[place] == loss and s.turned[place + 1] == bright and s.turned[place + 2] == size
    if same and s.moving[kind] == 0:
        return
    s.turned[place], s.turned[place + 1], s.turned[place + 2] = loss, bright, size
    s.moving[kind] = 0
    for line in range(first, first + count):
        aim = s.base[line]
        if s.scaled[line] != 0.0:
            aim = np.float64(np.int64(aim * size + 0.5))
        length = s.length[line]
        if not (length > 1.0 and length < 2.0 * s.base[line] + 16.0):
            length = aim
        length += min(max(aim - length, -SLEW), SLEW)
        if length != aim:
            s.moving[kind] = 1
        s.length[line] = length
        gain = math.exp(-loss * length)
        if s.span[line] > 0.0:
            high = math.exp(-loss * bright * s.span[line] * size)
            real = high + (1.0 - high) * s.middle_real
            imaginary = (1.0 - high) * s.middle_imaginary
            gain /= math.sqrt(real * real + imaginary * imaginary)
            s.high[line] = high
        s.gain[line] = min(gain, LONGEST_GAIN)


@inline
def line_tap(state, s, line, place, moved):
    """Return the sample at the end of a line whose length is changed by `moved` frames. [audio thread]"""
    return tap(state + BYTES + 4 * s.offset[line], s.mask[line], place, s.length[line] + moved)


@inline
def write(state, s, line, place, value):
    """Write the present frame of a line. [audio thread]"""
    mask = s.mask[line]
    floats(state + BYTES + 4 * s.offset[line], mask + 1)[place & mask] = np.float32(value)


@inline
def allpass(state, s, line, place, moved, coefficient, value):
    """Return a sample behind an allpass whose delay has the line's gain. [audio thread]"""
    late = s.gain[line] * line_tap(state, s, line, place, moved)
    fed = held(value - coefficient * late)
    write(state, s, line, place, fed)
    return late + coefficient * fed


@inline
def awake(s, kind, loudest):
    """Return whether a kind must run in a frame of which `loudest` is the largest input. [audio thread]

    It sleeps when neither its input nor its output was loud for as long as no line of it is. `heard` tells it of its
    output.
    """
    s.quiet[kind] = 0 if loudest > TINY else min(s.quiet[kind] + 1, s.patience + 1)
    return s.quiet[kind] <= s.patience


@inline
def heard(s, kind, left, right):
    """Keep a kind awake while it sounds. [audio thread]"""
    if abs(left) > AUDIBLE or abs(right) > AUDIBLE:
        s.quiet[kind] = 0


@inline
def damped(s, line, value):
    """Return a sample behind the shelf and the gain of its line. [audio thread]"""
    s.lowpass[line] = rest(s.lowpass[line] + s.shelf * (value - s.lowpass[line]))
    return s.gain[line] * (s.lowpass[line] + s.high[line] * (value - s.lowpass[line]))
