"""Streaming conversion between two sample rates by polyphase filters, for a model of another rate than the stream's.

With the rates' ratio ``model / stream = up / down`` in lowest terms, model frame j is at stream time j down / up.
A block of stream frames T to T + n - 1 gives the model frames j with T <= floor(j down / up) < T + n, so their number
follows from the stream's clock alone and the sound does not depend on the block size. Both directions are sums over
past frames only; `plan.resampling` makes the filters.

Inside a model, `hold` divides the rate of some rows by a whole number.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from .kernel import Loop, inline, intrinsic
from .memory import floats, records
from .state import state_dtype

STATE = state_dtype(("up", np.int64), ("down", np.int64), ("taps", np.int64), ("time", np.int64))
HOLD_STATE = state_dtype(
    ("rows", np.int64), ("stride", np.int64), ("phase", np.int64), ("zeros", np.int64), ("time", np.int64)
)


class Ratio(NamedTuple):
    """Model rate over stream rate in lowest terms."""

    up: int
    down: int

    @classmethod
    def of(cls, model_rate: float, stream_rate: float) -> Ratio:
        """Return the ratio of two rates in Hz."""
        model, stream = round(model_rate), round(stream_rate)
        common = math.gcd(model, stream)
        return cls(model // common, stream // common)

    def model_frames(self, stream_frames: int) -> int:
        """Return the most model frames that so many stream frames can give."""
        return -(-stream_frames * self.up // self.down) + 1


@intrinsic
def dot(context, left, right, count):
    """Return the sum of `count` products; a multiple of 16, always added in the same order."""
    from numba import types

    from .simd import Emitter

    width = 16

    def codegen(context, builder, signature, arguments):
        e = Emitter(builder)
        a, b = e.pointer(arguments[0]), e.pointer(arguments[1])
        total = e.slot(width)
        builder.store(e.const(0.0, width), total)
        with e.loop(arguments[2], width) as i:
            builder.store(e.fma(e.load(a, i, width), e.load(b, i, width), builder.load(total)), total)
        return e.sum_lanes(builder.load(total))

    return types.float32(types.int64, types.int64, types.int64), codegen


@inline
def first_frame(time, up, down):
    """Return the first model frame at or after stream frame `time`."""
    return (time * up + down - 1) // down


def inward(state, source, target, frames):
    """Stream to model rate, one row: y[j] from the stream frames up to floor(j down / up)."""
    s = records(state, 1, STATE)[0]
    up, down, taps = s.up, s.down, s.taps
    start = first_frame(s.time, up, down)
    count = first_frame(s.time + frames, up, down) - start
    y = floats(target, count)
    for j in range(count):
        place = (start + j) * down
        newest = place // up - s.time
        y[j] = dot(source + 4 * (newest - taps + 1), s.weights + 4 * taps * (place % up), taps)
    s.time = (s.time + frames) % down
    return 0


def outward(state, source, target, frames):
    """Model to stream rate, one row: y[t] from the model frames up to floor(t up / down)."""
    s = records(state, 1, STATE)[0]
    up, down, taps = s.up, s.down, s.taps
    start = first_frame(s.time, up, down)
    y = floats(target, frames)
    for t in range(frames):
        place = (s.time + t) * up
        newest = place // down - start
        y[t] = dot(source + 4 * (newest - taps + 1), s.weights + 4 * taps * (place % down), taps)
    s.time = (s.time + frames) % down
    return 0


def held(state, source, target, frames):
    """A parameter row at the model's rate: the value of the stream frame each model frame falls in."""
    s = records(state, 1, STATE)[0]
    up, down = s.up, s.down
    start = first_frame(s.time, up, down)
    count = first_frame(s.time + frames, up, down) - start
    x = floats(source, frames)
    y = floats(target, count)
    for j in range(count):
        y[j] = x[(start + j) * down // up - s.time]
    s.time = (s.time + frames) % down
    return 0


def hold(state, source, target, frames):
    """Write every stride-th frame of each row; between these repeat the last such frame, or write zeros.

    The repeated frame is read from the source's history, which holds stride - 1 frames.
    """
    s = records(state, 1, HOLD_STATE)[0]
    stride, reach = s.stride, s.stride - 1
    for row in range(s.rows):
        x = floats(source + 4 * (row * s.in_stride - reach), frames + reach)
        y = floats(target + 4 * row * s.out_stride, frames)
        for t in range(frames):
            age = (s.time + t + stride - s.phase) % stride
            y[t] = np.float32(0.0) if s.zeros and age else x[reach + t - age]
    s.time = (s.time + frames) % stride
    return 0


INWARD, OUTWARD, HELD, HOLD = Loop(inward), Loop(outward), Loop(held), Loop(hold)
