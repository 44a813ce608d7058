"""Vector arithmetic of back-propagation through time: small matrix products over lanes, gates and their gradients.

A lane is one segment of the batch. Sixteen lanes make a vector; the remaining lanes are computed one by one. Arguments
are addresses of float32 rows of `lanes` each; offsets and strides count floats.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from ..kernels import activations
from ..kernels.simd import I64, Emitter
from ..units import LOG2E

WIDTH = 16
i64 = types.int64
DONE: Any = types.int64


def _tile(context, weight, bias, x, y, terms, w_row, w_term, lanes, rows, width, fresh):
    """Compute y[r] = bias[r] + sum_k weight[r, k] x[k] for `rows` rows of one vector; without `fresh`, y[r] += ..."""
    rows_n, w, begins = rows.literal_value, width.literal_value, fresh.literal_value

    def codegen(context, b, signature, arguments):
        e = Emitter(b)
        weights, first, source, target = (e.pointer(a) for a in arguments[:4])
        count, row, term, stride = arguments[4:8]
        sums = [e.slot(w) for _ in range(rows_n)]
        for r, s in enumerate(sums):
            at = b.mul(stride, ir.Constant(I64, r))
            b.store(e.broadcast(first, r, w) if begins else e.load(target, at, w), s)
        with e.loop(count) as k:
            vector, at = e.load(source, b.mul(k, stride), w), b.mul(k, term)
            for r, s in enumerate(sums):
                v = e.broadcast(weights, b.add(at, b.mul(row, ir.Constant(I64, r))), w)
                b.store(e.fma(v, vector, b.load(s)), s)
        for r, s in enumerate(sums):
            e.store(b.load(s), target, b.mul(stride, ir.Constant(I64, r)))
        return context.get_constant(DONE, 0)

    return i64(i64, i64, i64, i64, i64, i64, i64, i64, rows, width, fresh), codegen


def _outer(context, left, right, total, frames, left_frame, right_frame, lanes, columns, rows, cols, width):
    """Add the sum over frames of left[r] right[k] to total[r, k], vectors, for `rows` by `cols` of its `columns`."""
    rows_n, cols_n, w = (kind.literal_value for kind in (rows, cols, width))

    def codegen(context, b, signature, arguments):
        e = Emitter(b)
        ls, rs, sums = (e.pointer(a) for a in arguments[:3])
        count, l_step, r_step, stride, line = arguments[3:8]
        places = [
            (b.mul(b.add(b.mul(line, ir.Constant(I64, r)), ir.Constant(I64, k)), ir.Constant(I64, WIDTH)), e.slot(w))
            for r in range(rows_n)
            for k in range(cols_n)
        ]
        for at, s in places:
            b.store(e.load(sums, at, w), s)
        with e.loop(count) as t:
            l_at, r_at = b.mul(t, l_step), b.mul(t, r_step)
            xs = [e.load(rs, b.add(r_at, b.mul(stride, ir.Constant(I64, k))), w) for k in range(cols_n)]
            for r in range(rows_n):
                v = e.load(ls, b.add(l_at, b.mul(stride, ir.Constant(I64, r))), w)
                for x, (_, s) in zip(xs, places[r * cols_n :], strict=False):
                    b.store(e.fma(v, x, b.load(s)), s)
        for at, s in places:
            e.store(b.load(s), sums, at)
        return context.get_constant(DONE, 0)

    return i64(i64, i64, i64, i64, i64, i64, i64, i64, rows, cols, width), codegen


def elementwise(pointers: int, emit):
    """Return an intrinsic that calls `emit(e, pointers, size, at, width)` for every vector of `size` floats."""
    kinds = [i64] * (pointers + 1)

    def codegen(context, b, signature, arguments):
        e = Emitter(b)
        bases, size = [e.pointer(a) for a in arguments[:pointers]], arguments[pointers]
        whole = b.and_(size, ir.Constant(I64, -WIDTH))
        with e.loop(whole, WIDTH) as at:
            emit(e, bases, size, at, WIDTH)
        with e.loop(size, 1, whole) as at:
            emit(e, bases, size, at, 1)
        return context.get_constant(DONE, 0)

    return codegen, kinds


def _sigmoid(e: Emitter, x):
    return activations.sigmoid_of_scaled(e, e.mul(x, e.const(-LOG2E, x.type.count)))


def _tanh(e: Emitter, x):
    return activations.tanh_of_scaled(e, e.mul(x, e.const(2.0 * LOG2E, x.type.count)))


def _rows(e: Emitter, size, at, count: int) -> list:
    """Return the offsets of one vector in `count` adjacent groups of rows."""
    return [e.b.add(at, e.b.mul(size, ir.Constant(I64, i))) for i in range(count)]


def _gru_gates(e: Emitter, bases, size, at, width):
    tape, after = bases
    h, r, z, n, c = _rows(e, size, at, 5)
    rv, zv = (_sigmoid(e, e.load(tape, place, width)) for place in (r, z))
    nv = _tanh(e, e.fma(rv, e.load(tape, c, width), e.load(tape, n, width)))
    for value, place in ((rv, r), (zv, z), (nv, n)):
        e.store(value, tape, place)
    e.store(e.fma(zv, e.sub(e.load(tape, h, width), nv), nv), after, at)


def _gru_slopes(e: Emitter, bases, size, at, width):
    tape, d_h, d_a, d_c = bases
    hv, rv, zv, nv, cv = (e.load(tape, place, width) for place in _rows(e, size, at, 5))
    one, d = e.const(1.0, width), e.load(d_h, at, width)
    kept = e.mul(d, zv)
    dn = e.mul(e.sub(d, kept), e.sub(one, e.mul(nv, nv)))
    dc = e.mul(dn, rv)
    dr = e.mul(e.mul(dc, cv), e.sub(one, rv))
    dz = e.mul(e.mul(kept, e.sub(hv, nv)), e.sub(one, zv))
    for target, last in ((d_a, dn), (d_c, dc)):
        for value, place in zip((dr, dz, last), _rows(e, size, at, 3), strict=True):
            e.store(value, target, place)
    e.store(kept, d_h, at)


def _lstm_gates(e: Emitter, bases, size, at, width):
    tape, after = bases
    _, c, i, f, g, o, curved = _rows(e, size, at, 7)
    iv, fv, ov = (_sigmoid(e, e.load(tape, place, width)) for place in (i, f, o))
    gv = _tanh(e, e.load(tape, g, width))
    cv = e.fma(fv, e.load(tape, c, width), e.mul(iv, gv))
    bent = _tanh(e, cv)
    for value, place in ((iv, i), (fv, f), (gv, g), (ov, o), (bent, curved)):
        e.store(value, tape, place)
    e.store(e.mul(ov, bent), after, at)
    e.store(cv, after, _rows(e, size, at, 2)[1])


def _lstm_slopes(e: Emitter, bases, size, at, width):
    tape, d_h, d_c, d_a = bases
    _, cv, iv, fv, gv, ov, bent = (e.load(tape, place, width) for place in _rows(e, size, at, 7))
    one, dh = e.const(1.0, width), e.load(d_h, at, width)
    d = e.fma(e.mul(dh, ov), e.sub(one, e.mul(bent, bent)), e.load(d_c, at, width))
    di = e.mul(e.mul(d, gv), e.mul(iv, e.sub(one, iv)))
    df = e.mul(e.mul(d, cv), e.mul(fv, e.sub(one, fv)))
    dg = e.mul(e.mul(d, iv), e.sub(one, e.mul(gv, gv)))
    do = e.mul(e.mul(dh, bent), e.mul(ov, e.sub(one, ov)))
    for value, place in zip((di, df, dg, do), _rows(e, size, at, 4), strict=True):
        e.store(value, d_a, place)
    e.store(e.mul(d, fv), d_c, at)
    e.store(e.const(0.0, width), d_h, at)


def _typed_gru_gates(context, tape, after, size):
    """Compute r, z, n in place from the pre-activations, h and c = U_n h + b; write the new h to `after`."""
    codegen, kinds = elementwise(2, _gru_gates)
    return i64(*kinds), codegen


def _typed_gru_slopes(context, tape, d_h, d_a, d_c, size):
    """Compute the gradients d_a and d_c of the pre-activations' two parts from d_h; d_h becomes its part by z."""
    codegen, kinds = elementwise(4, _gru_slopes)
    return i64(*kinds), codegen


def _typed_lstm_gates(context, tape, after, size):
    """Compute i, f, g, o and tanh(c) in place from the pre-activations, h and c; write the new h and c to `after`."""
    codegen, kinds = elementwise(2, _lstm_gates)
    return i64(*kinds), codegen


def _typed_lstm_slopes(context, tape, d_h, d_c, d_a, size):
    """Compute the pre-activations' gradient d_a from d_h and d_c; d_c becomes the old c's gradient, d_h 0."""
    codegen, kinds = elementwise(4, _lstm_slopes)
    return i64(*kinds), codegen


# as Numba calls them, without the context argument
tile: Any = intrinsic(prefer_literal=True)(_tile)
outer: Any = intrinsic(prefer_literal=True)(_outer)
gru_gates: Any = intrinsic(_typed_gru_gates)
gru_slopes: Any = intrinsic(_typed_gru_slopes)
lstm_gates: Any = intrinsic(_typed_lstm_gates)
lstm_slopes: Any = intrinsic(_typed_lstm_slopes)
