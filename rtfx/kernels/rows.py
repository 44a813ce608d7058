"""Vectorised passes over one row of float32: scale, add, fill and measure. The engine applies them to every block.

Each pass returns the largest magnitude of the row as the bits of a float32 without sign. Such bits have the same order
as integers as their values have as numbers; infinity is above every number, and NaN is above infinity. So one maximum
gives the peak for the meter and also shows whether a value is not finite.
"""

from __future__ import annotations

import numpy as np

from .kernel import inline, intrinsic
from .memory import floats

SCALE, ADD, FILL, MEASURE = range(4)
LARGEST = np.float32(3.4028235e38)  # the largest finite float32
INFINITE_BITS = 0x7F800000  # the bits of an infinite float32; the bits of NaN are larger


@intrinsic
def row_pass(context, target, source, gain, loudest, frames, operation):
    """Emit one pass over a row; the functions below describe the operations."""
    from numba import types

    def codegen(context, builder, signature, arguments):
        return _emit(builder, operation.literal_value, *arguments[:5])

    return types.int64(types.int64, types.int64, types.float32, types.float32, types.int64, operation), codegen


def _emit(b, operation: int, target, source, gain, loudest, frames):
    from llvmlite import ir

    from . import simd
    from .processor import lanes

    e = simd.Emitter(b)
    x, y = e.pointer(source), e.pointer(target)
    width = lanes()
    whole = b.and_(frames, e.index(-width))
    bits = simd.I32
    overall = simd.slot(b, bits)
    for lanes_now, first, last in ((width, e.index(0), whole), (1, whole, frames)):
        factor = e.splat(gain, lanes_now)
        bound = e.bits(e.splat(loudest, lanes_now))
        kind = ir.VectorType(bits, lanes_now)
        largest = simd.slot(b, kind, kind(None))
        with e.loop(last, lanes_now, first) as n:
            if operation == FILL:
                value = factor
            else:
                value = e.load(x, n, lanes_now)
            if operation == SCALE:
                value = e.mul(value, factor)
            magnitude = b.and_(e.bits(value), e.integers(0x7FFFFFFF, lanes_now))
            if operation == SCALE:
                sound = b.icmp_signed("<=", magnitude, bound)
                value = b.select(sound, value, e.const(0.0, lanes_now))
                magnitude = b.select(sound, magnitude, e.integers(0, lanes_now))
            known = b.load(largest)
            b.store(b.select(b.icmp_signed(">", magnitude, known), magnitude, known), largest)
            if operation == ADD:
                value = e.add(e.load(y, n, lanes_now), value)
            if operation != MEASURE:
                e.store(value, y, n)
        found = b.load(largest)
        while found.type.count > 1:
            half = found.type.count // 2
            low, high = (e.shuffle(found, range(i, i + half)) for i in (0, half))
            found = b.select(b.icmp_signed(">", low, high), low, high)
        found = e.lane(found, 0)
        known = b.load(overall)
        b.store(b.select(b.icmp_signed(">", found, known), found, known), overall)
    return b.zext(b.load(overall), simd.I64)


@intrinsic
def number_of_bits(context, bits):
    """Return the float32 of these bits."""
    from llvmlite import ir
    from numba import types

    def codegen(context, builder, signature, arguments):
        return builder.bitcast(builder.trunc(arguments[0], ir.IntType(32)), ir.FloatType())

    return types.float32(types.int64), codegen


@inline
def scale_row(target, source, gain, frames):
    """Write ``source * gain``, or 0 where that is not finite; return the bits of its peak. [audio thread]"""
    return row_pass(target, source, gain, LARGEST, frames, SCALE)


@inline
def add_row(target, source, frames):
    """Add `source` to `target`; return the bits of the source's peak. [audio thread]"""
    return row_pass(target, source, np.float32(1.0), LARGEST, frames, ADD)


@inline
def fill_row(target, value, frames):
    """Write one value to every frame. [audio thread]"""
    row_pass(target, target, value, LARGEST, frames, FILL)


@inline
def measure_row(source, frames):
    """Return the bits of the peak, which are at least `INFINITE_BITS` if a frame is not finite. [audio thread]"""
    return row_pass(source, source, np.float32(1.0), LARGEST, frames, MEASURE)


@inline
def read_row(target, source, stride, loudest, frames):
    """Copy every `stride`-th float of `source`, or write 0 if its magnitude is above `loudest`. [audio thread]

    Return the bits of the peak of the written row.
    """
    if stride == 1:
        return row_pass(target, source, np.float32(1.0), loudest, frames, SCALE)
    x, y = floats(source, frames * stride), floats(target, frames)
    for n in range(frames):
        y[n] = x[n * stride]
    return row_pass(target, target, np.float32(1.0), loudest, frames, SCALE)


@inline
def gather_row(target, source, stride, frames):
    """Copy every `stride`-th float of `source`, or 0 if it is not finite; return the peak's bits. [audio thread]"""
    return read_row(target, source, stride, LARGEST, frames)


@inline
def scatter_row(target, source, stride, frames):
    """Copy `source` to every `stride`-th float of `target`. [audio thread]"""
    x, y = floats(source, frames), floats(target, frames * stride)
    for n in range(frames):
        y[n * stride] = x[n]
