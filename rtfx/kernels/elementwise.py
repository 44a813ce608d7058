"""Frame by frame arithmetic on rows, vectorised over time: activations, affine, PReLU, sums, products, softmax."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from ..units import LOG2E
from . import simd
from .activations import BY_CODE, CONSTANTS, exp2
from .kernel import Kernel, Tile
from .state import STATE

# operation codes: 0 copies, then the codes of activations.CODES, then these
AFFINE, PRELU, ADD, GAIN, SOFTMAX, MUL = 16, 17, 18, 19, 20, 21


def pack(*vectors) -> np.ndarray:
    """Return the constants of one operation: one value per row and vector, float32."""
    return np.concatenate([np.ravel(v) for v in vectors]).astype(np.float32) if vectors else np.zeros(0, np.float32)


class RowsShape(NamedTuple):
    """One operation on a number of rows; `lanes` is the number of frames in a vector."""

    operation: int
    rows: int
    lanes: int


def emit_elementwise(builder, shape: RowsShape, tile, state, source, target, frames):
    """Emit the loop over the block's frames, a vector at a time, and over the rows."""
    operation, rows, lanes = shape
    e, b = simd.Emitter(builder), builder
    header = simd.Record(e, state, STATE)
    in_stride, out_stride, extra_stride = (header.load(name) for name in ("in_stride", "out_stride", "extra_stride"))
    constants = e.pointer(header.load("weights"))
    x, y = e.pointer(source), e.pointer(target)

    def place(row, stride, t):
        return b.add(b.mul(e.index(row), stride), t)

    def each_row(value):
        """Emit ``y[row, t] = value(row, x[row, t], t)``."""
        with e.loop(frames, lanes) as t, e.loop(rows) as row:
            e.store(value(row, e.load(x, place(row, in_stride, t), lanes), t), y, place(row, out_stride, t))

    if operation == AFFINE:
        each_row(
            lambda row, v, t: e.fma(
                e.broadcast(constants, row, lanes), v, e.broadcast(constants, b.add(row, e.index(rows)), lanes)
            )
        )
    elif operation == PRELU:
        each_row(lambda row, v, t: e.where_positive(v, v, e.mul(e.broadcast(constants, row, lanes), v)))
    elif operation == ADD:
        other = e.pointer(header.load("extra"))
        each_row(lambda row, v, t: e.add(v, e.load(other, place(row, extra_stride, t), lanes)))
    elif operation == MUL:
        other = e.pointer(header.load("extra"))
        each_row(lambda row, v, t: e.mul(v, e.load(other, place(row, extra_stride, t), lanes)))
    elif operation == GAIN:
        gains = e.pointer(header.load("extra"))
        each_row(lambda row, v, t: e.mul(v, e.load(gains, t, lanes)))
    elif operation == SOFTMAX:
        _softmax(e, rows, lanes, frames, lambda r, t: e.load(x, place(r, in_stride, t), lanes), y, out_stride)
    else:
        factor, activate = BY_CODE[operation]
        own = [e.broadcast(constants, i, lanes) for i in range(CONSTANTS)] if operation else []
        scale = e.const(factor, lanes)
        each_row(lambda row, v, t: activate(e, e.mul(v, scale) if factor != 1.0 else v, own))


def _softmax(e, rows, lanes, frames, load, y, out_stride):
    """Emit softmax. The largest feature is subtracted first, so the sum lies between 1 and `rows` and never overflows.

    `load` returns the vector of a row and a time; `y` is (rows, frames).
    """
    b = e.b
    largest, total = e.slot(lanes), e.slot(lanes)
    with e.loop(frames, lanes) as t:
        b.store(load(e.index(0), t), largest)
        with e.loop(rows) as row:
            value, best = load(row, t), b.load(largest)
            b.store(b.select(b.fcmp_ordered(">", value, best), value, best), largest)
        b.store(e.const(0.0, lanes), total)
        with e.loop(rows) as row:
            power = exp2(e, e.mul(e.sub(load(row, t), b.load(largest)), e.const(LOG2E, lanes)))
            b.store(e.add(b.load(total), power), total)
            e.store(power, y, b.add(b.mul(row, out_stride), t))
        with e.loop(rows) as row:
            place = b.add(b.mul(row, out_stride), t)
            e.store(e.div(e.load(y, place, lanes), b.load(total)), y, place)


@cache
def rows_kernel(operation: int, rows: int, lanes: int) -> Kernel:
    """Return the kernel of one operation on `rows` rows."""
    return Tile(emit_elementwise, RowsShape(operation, rows, lanes))
