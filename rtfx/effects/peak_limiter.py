"""Limiter block: looks ahead by 1.5 ms and keeps sample peaks and peaks between samples below a ceiling.

The input times `gain_db` over the ceiling is limited to 1; then it is multiplied by the ceiling. Each frame:

    peak   the largest |x| of all channels, at the sample and at three points behind it, which a windowed sinc finds
    wanted = 1 / max(peak, 1)
    held   = least `wanted` of the frames in the look-ahead L
    slow   = held if that is lower, else slow + release (held - slow)
    gain   = mean of means: two moving averages of L / 2 + 1 frames each

Every `slow` in the reach of both averages is at most the `wanted` of the frame that leaves the delay line, and so is
their mean: no sample is above the ceiling. The means are of integers, multiples of 2**-40, so that their running sums
are exact however long it plays: where nothing has to be turned down, the gain is 1 and keeps every bit.

The delay line is of the same kind for all sample rates: `RING` frames a channel, each written twice, a ring length
apart, so that the filter reads adjacent numbers.
"""

from __future__ import annotations

import math

import numpy as np

from ..kernels.kernel import Loop
from ..kernels.memory import floats, records, row
from ..kernels.state import state_dtype
from ..model.values import CHANNELS
from ..rig.parameters import Parameter
from ..units import gain_from_db
from .effect import Effect

PARAMETERS = (
    Parameter("gain_db", 0.0, -24.0, 36.0, "dB", summary="gain before it: how much is limited"),
    Parameter("ceiling_db", -1.0, -24.0, 0.0, "dB", summary="no peak is above it"),
    Parameter("release_ms", 80.0, 5.0, 2000.0, "ms", summary="time constant of coming back"),
)

LOOK_AHEAD_SECONDS = 0.0015
LONGEST_LOOK_AHEAD = 448  # frames, even: 1.5 ms at 298 kHz
RING = 512
MASK = RING - 1
PHASES, TAPS = 3, 24  # points between two samples, and the samples that each is computed from
WINDOW = 6.0  # beta of the filter's Kaiser window
UNIT = 1 << 40
LARGEST = np.float32(1e15)  # no guitar is louder; such a sample, or NaN, is taken for silence

LIMITER_STATE = state_dtype(
    ("look_ahead", np.int64),
    ("between", np.float32, (PHASES * TAPS,)),
    ("frame", np.int64),
    ("slow", np.float64),
    ("first", np.int64),  # of the queue, and behind its last: its values grow, from `held` on
    ("behind", np.int64),
    ("queue", np.float64, (RING,)),
    ("queued", np.int64, (RING,)),  # frame of each
    ("slows", np.int64, (RING,)),
    ("means", np.int64, (RING,)),
    ("sum", np.int64),
    ("sum_of_sums", np.int64),
    ("started", np.int64),
)
MEMORY = LIMITER_STATE.itemsize  # where it begins, in bytes behind the state


def look_ahead(sample_rate: float) -> int:
    """Return the look-ahead in frames, an even number."""
    return min(2 * math.ceil(0.5 * LOOK_AHEAD_SECONDS * sample_rate), LONGEST_LOOK_AHEAD)


def latency(sample_rate: float) -> int:
    """Return the look-ahead and the half of the filter between samples."""
    return look_ahead(sample_rate) + TAPS // 2


def constants(sample_rate: float) -> dict:
    """Return look-ahead and filters: 1/4, 1/2 and 3/4 of the way from the older to the newer middle sample."""
    offsets = np.arange(TAPS)[None, :] - (TAPS // 2 - 1) - np.arange(1, PHASES + 1)[:, None] / (PHASES + 1)
    window = np.i0(WINDOW * np.sqrt(np.maximum(1.0 - (offsets / (TAPS // 2)) ** 2, 0.0))) / np.i0(WINDOW)
    between = np.sinc(offsets) * window
    between /= between.sum(axis=1, keepdims=True)
    return {"look_ahead": look_ahead(sample_rate), "between": np.float32(between.ravel())}


def memory(sample_rate: float) -> int:
    """Return the floats of the delay lines."""
    return CHANNELS * 2 * RING


def cells(values, sample_rate: float) -> list[float]:
    """Return [gain before over the ceiling, ceiling, release share]."""
    return [
        gain_from_db(values["gain_db"] - values["ceiling_db"]),
        gain_from_db(values["ceiling_db"]),
        -math.expm1(-1000.0 / (values["release_ms"] * sample_rate)),
    ]


def process(state, source, target, frames):
    s = records(state, 1, LIMITER_STATE)[0]
    channels = np.int64(s.inputs)
    x = floats(source, frames)
    y = floats(target, frames)
    gain_row = row(s.parameters, s.parameter_stride, 0, frames)
    ceiling = row(s.parameters, s.parameter_stride, 1, frames)
    release = row(s.parameters, s.parameter_stride, 2, frames)
    line = floats(state + MEMORY, 1)
    ahead = s.look_ahead
    length = ahead // 2 + 1
    if s.started == 0:
        s.started = 1
        for i in range(RING):
            s.slows[i] = UNIT
            s.means[i] = UNIT * length
        s.sum = UNIT * length
        s.sum_of_sums = UNIT * length * length
        s.slow = 1.0
    slow = s.slow if abs(s.slow) <= 1.0 else 1.0
    frame, first, behind = s.frame, s.first, s.behind
    for n in range(frames):
        place = frame & MASK
        peak = np.float32(1.0)
        for channel in range(channels):
            sample = x[channel * s.in_stride + n] * gain_row[n]
            if not abs(sample) < LARGEST:
                sample = np.float32(0.0)
            begin = channel * 2 * RING + place
            line[begin] = sample
            line[begin + RING] = sample
            oldest = begin + RING - TAPS + 1
            a, b, c = np.float32(0.0), np.float32(0.0), np.float32(0.0)
            for tap in range(TAPS):
                older = line[oldest + tap]
                a += s.between[tap] * older
                b += s.between[TAPS + tap] * older
                c += s.between[2 * TAPS + tap] * older
            middle = abs(line[oldest + TAPS // 2 - 1])
            peak = max(peak, max(max(middle, abs(a)), max(abs(b), abs(c))))
        wanted = 1.0 / np.float64(peak)
        # least `wanted` since frame - ahead
        while behind > first and s.queue[(behind - 1) & MASK] >= wanted:
            behind -= 1
        s.queue[behind & MASK] = wanted
        s.queued[behind & MASK] = frame
        behind += 1
        if s.queued[first & MASK] < frame - ahead:
            first += 1
        held = s.queue[first & MASK]
        slow = min(held, slow + np.float64(release[n]) * (held - slow))
        if not slow >= 0.0:
            slow = 0.0
        level = np.int64(slow * UNIT)
        if slow > 1.0 - 1e-9:
            level = UNIT
        s.sum += level - s.slows[(frame - length) & MASK]
        s.slows[place] = level
        s.sum_of_sums += s.sum - s.means[(frame - length) & MASK]
        s.means[place] = s.sum
        gain = np.float32(np.float64(s.sum_of_sums) / np.float64(UNIT * length * length))
        for channel in range(channels):
            begin = channel * 2 * RING + place + RING - ahead - TAPS // 2
            sample = line[begin] * gain
            y[channel * s.out_stride + n] = min(max(sample, np.float32(-1.0)), np.float32(1.0)) * ceiling[n]
        frame += 1
    s.frame, s.first, s.behind, s.slow = frame, first, behind, slow
    return 0


KERNEL = Loop(process)
LIMITER = Effect(
    "limiter",
    PARAMETERS,
    cells,
    KERNEL,
    LIMITER_STATE,
    summary="keeps every peak below a ceiling; 1.8 ms late",
    channels="linked",
    constants=constants,
    memory=memory,
    latency=latency,
)
