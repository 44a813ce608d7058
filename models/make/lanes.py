"""A GRU with a linear output, forward and back through time, in register tiles: 64 sequences side by side.

Arrays are float32, time leading, the batch last and a multiple of 64. The tape keeps for every frame the rows h before,
x, r, z, n and U_n h + b_hn. Gradients of the weights are matrix products over tape and gate gradients, by BLAS.
"""

from __future__ import annotations

from functools import cache

import numba
import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from rtfx.kernels import activations
from rtfx.kernels.simd import I64, Emitter
from rtfx.units import LOG2E

LANES, WIDTH, ROWS = 64, 16, 4  # sequences of a tile, of a vector; rows of a tile
PARTS = range(0, LANES, WIDTH)
i64 = types.int64


@intrinsic(prefer_literal=True)
def tile(context, weight, source, target, terms, rows, stride, add):
    """target[r] = bias[r] + sum_k weight[k, r] source[k] (rows at `stride` floats); weight: bias, then k by k.

    With `add` the target's own value takes the bias's place.
    """
    rows_n, adds = rows.literal_value, add.literal_value

    def codegen(context, builder, signature, arguments):
        e = Emitter(builder)
        w, x, y = (e.pointer(a) for a in arguments[:3])
        count, step = arguments[3], arguments[5]
        sums = [[e.slot(WIDTH) for _ in PARTS] for _ in range(rows_n)]
        for r in range(rows_n):
            place = builder.mul(step, ir.Constant(I64, r))
            for p, s in zip(PARTS, sums[r], strict=True):
                start = e.load(y, builder.add(place, ir.Constant(I64, p)), WIDTH) if adds else e.broadcast(w, r, WIDTH)
                builder.store(start, s)
        with e.loop(count) as k:
            at = builder.mul(k, step)
            row = builder.mul(builder.add(k, ir.Constant(I64, 1)), ir.Constant(I64, rows_n))
            xs = [e.load(x, builder.add(at, ir.Constant(I64, p)), WIDTH) for p in PARTS]
            for r in range(rows_n):
                v = e.broadcast(w, builder.add(row, ir.Constant(I64, r)), WIDTH)
                for value, s in zip(xs, sums[r], strict=True):
                    builder.store(e.fma(v, value, builder.load(s)), s)
        for r in range(rows_n):
            place = builder.mul(step, ir.Constant(I64, r))
            for p, s in zip(PARTS, sums[r], strict=True):
                e.store(builder.load(s), y, builder.add(place, ir.Constant(I64, p)))
        return context.get_constant(types.int64, 0)

    return i64(i64, i64, i64, i64, rows, i64, add), codegen


@intrinsic(prefer_literal=True)
def gates(context, r, z, n, c, h, after):
    """From pre-activations of r, z, n (x part) and c = U_n h + b: r, z, n in place, `after` the new state."""

    def codegen(context, builder, signature, arguments):
        e = Emitter(builder)
        r, z, n, c, h, after = (e.pointer(a) for a in arguments)
        for p in PARTS:
            rv = activations.sigmoid_of_scaled(e, e.mul(e.load(r, p, WIDTH), e.const(-LOG2E, WIDTH)))
            zv = activations.sigmoid_of_scaled(e, e.mul(e.load(z, p, WIDTH), e.const(-LOG2E, WIDTH)))
            total = e.fma(rv, e.load(c, p, WIDTH), e.load(n, p, WIDTH))
            nv = activations.tanh_of_scaled(e, e.mul(total, e.const(2 * LOG2E, WIDTH)))
            e.store(rv, r, p)
            e.store(zv, z, p)
            e.store(nv, n, p)
            e.store(e.fma(zv, e.sub(e.load(h, p, WIDTH), nv), nv), after, p)
        return context.get_constant(types.int64, 0)

    return i64(i64, i64, i64, i64, i64, i64), codegen


@intrinsic(prefer_literal=True)
def gates_back(context, r, z, n, c, h, d_h, d_y, w, dr, dz, dn, dc):
    """Gradients of the pre-activations from that of the new state, d_h + w d_y; d_h becomes that of h through z."""

    def codegen(context, builder, signature, arguments):
        e = Emitter(builder)
        r, z, n, c, h, d_h, d_y, w, dr, dz, dn, dc = (e.pointer(a) for a in arguments)
        one = e.const(1.0, WIDTH)
        wv = e.broadcast(w, 0, WIDTH)
        for p in PARTS:
            rv, zv, nv, cv, hv = (e.load(a, p, WIDTH) for a in (r, z, n, c, h))
            d = e.fma(wv, e.load(d_y, p, WIDTH), e.load(d_h, p, WIDTH))
            dz_all = e.mul(d, zv)
            dnv = e.mul(e.sub(d, dz_all), e.sub(one, e.mul(nv, nv)))
            dcv = e.mul(dnv, rv)
            e.store(dnv, dn, p)
            e.store(dcv, dc, p)
            e.store(e.mul(e.mul(dcv, cv), e.sub(one, rv)), dr, p)
            e.store(e.mul(e.mul(dz_all, e.sub(hv, nv)), e.sub(one, zv)), dz, p)
            e.store(dz_all, d_h, p)
        return context.get_constant(types.int64, 0)

    return i64(*[i64] * 12), codegen


@intrinsic(prefer_literal=True)
def products(context, left, right, total, frames, left_frame, right_frame, stride, rows):
    """total[r, k, lane] += sum over frames and vectors of left[r] right[k], for `rows` rows and 4 columns."""
    rows_n = rows.literal_value

    def codegen(context, builder, signature, arguments):
        e = Emitter(builder)
        a, b, out = (e.pointer(v) for v in arguments[:3])
        count, a_frame, b_frame, step = arguments[3:7]
        slots = [[e.slot(WIDTH) for _ in range(ROWS)] for _ in range(rows_n)]
        for r in range(rows_n):
            for k in range(ROWS):
                builder.store(e.load(out, (r * ROWS + k) * WIDTH, WIDTH), slots[r][k])
        with e.loop(count) as t:
            at_a, at_b = builder.mul(t, a_frame), builder.mul(t, b_frame)
            for p in PARTS:

                def take(base, at, row, p=p):
                    place = builder.add(at, builder.mul(step, ir.Constant(I64, row)))
                    return e.load(base, builder.add(place, ir.Constant(I64, p)), WIDTH)

                columns = [take(b, at_b, k) for k in range(ROWS)]
                for r in range(rows_n):
                    v = take(a, at_a, r)
                    for k in range(ROWS):
                        builder.store(e.fma(v, columns[k], builder.load(slots[r][k])), slots[r][k])
        for r in range(rows_n):
            for k in range(ROWS):
                e.store(builder.load(slots[r][k]), out, (r * ROWS + k) * WIDTH)
        return context.get_constant(types.int64, 0)

    return i64(i64, i64, i64, i64, i64, i64, i64, rows), codegen


@numba.njit(cache=False)
def forward(w_gate, w_cand, w_in, w_out, tape, y, hidden, inputs, frames, batch):
    """w_*: addresses of packed weights; tape (frames + 1, 6 hidden + inputs, batch), its h of frame 0 and x given."""
    row = batch * 4
    per = (5 * hidden + inputs) * row
    for column in range(0, batch, 64):
        for t in range(frames):
            h = tape + t * per + column * 4
            x = h + hidden * row
            r = x + inputs * row
            z, n, c = r + hidden * row, r + 2 * hidden * row, r + 3 * hidden * row
            for g in range(0, 2 * hidden, 4):
                tile(w_gate + g * (1 + hidden + inputs) * 4, h, r + g * row, hidden + inputs, 4, batch, 0)
            for g in range(0, hidden, 4):
                tile(w_cand + g * (1 + hidden) * 4, h, c + g * row, hidden, 4, batch, 0)
                tile(w_in + g * (1 + inputs) * 4, x, n + g * row, inputs, 4, batch, 0)
            after = h + per
            for u in range(hidden):
                at = u * row
                gates(r + at, z + at, n + at, c + at, h + at, after + at)
            tile(w_out, after, y + (t * batch + column) * 4, hidden, 1, batch, 0)


STEPS = 8  # frames whose products are summed at a time


@numba.njit(cache=False)
def backward(w_back, w_out, tape, d_y, d_gates, d_h, sums, out_sums, hidden, inputs, frames, batch):
    """d_gates (STEPS, 4 hidden, batch): r, z, c, n; d_h (hidden, batch) starts at zero.

    sums (4 hidden / 4, (hidden + inputs) / 4, 4, 4, 16) and out_sums (hidden / 4, 4, 16) gather the weights' gradients.
    """
    row = batch * 4
    per = (5 * hidden + inputs) * row
    d_per = 4 * hidden * row
    columns = (hidden + inputs) // 4
    for column in range(0, batch, 64):
        carried = d_h + column * 4
        last = frames
        while last > 0:
            first = max(last - STEPS, 0)
            for t in range(last - 1, first - 1, -1):
                h = tape + t * per + column * 4
                r = h + (hidden + inputs) * row
                z, n, c = r + hidden * row, r + 2 * hidden * row, r + 3 * hidden * row
                d = d_gates + (t - first) * d_per + column * 4
                slope = d_y + (t * batch + column) * 4
                for u in range(hidden):
                    at = u * row
                    gates_back(
                        r + at,
                        z + at,
                        n + at,
                        c + at,
                        h + at,
                        carried + at,
                        slope,
                        w_out + 4 * (1 + u),
                        d + at,
                        d + hidden * row + at,
                        d + 3 * hidden * row + at,
                        d + 2 * hidden * row + at,
                    )
                for g in range(0, hidden, 4):
                    tile(w_back + g * (1 + 3 * hidden) * 4, d, carried + g * row, 3 * hidden, 4, batch, 1)
            h = tape + first * per + column * 4
            d = d_gates + column * 4
            for g in range(hidden):
                for k in range(columns):
                    products(
                        d + 4 * g * row,
                        h + 4 * k * row,
                        sums + (g * columns + k) * 1024,
                        last - first,
                        d_per // 4,
                        per // 4,
                        batch,
                        4,
                    )
            for k in range(hidden // 4):
                products(
                    d_y + (first * batch + column) * 4,
                    h + per + 4 * k * row,
                    out_sums + k * 256,
                    last - first,
                    batch,
                    per // 4,
                    batch,
                    1,
                )
            last = first


@cache
def room(frames, rows, batch):
    """Tape and output, used again: fresh memory costs more than the arithmetic."""
    return np.empty((frames + 1, rows, batch), np.float32), np.empty((frames, batch), np.float32)


def packed(bias, weight, rows=ROWS):
    """Groups of `rows` rows: bias, then column by column."""
    both = np.concatenate([bias[:, None], weight], axis=1)
    return np.ascontiguousarray(both.reshape(-1, rows, both.shape[1]).transpose(0, 2, 1), np.float32)


class Gru:
    """Weights in PyTorch's order: w_ih, w_hh, b_ih, b_hh, w_out, b_out."""

    def __init__(self, weights):
        self.weights = [np.array(w, np.float32) for w in weights]

    @property
    def hidden(self):
        return self.weights[1].shape[1]

    @property
    def inputs(self):
        return self.weights[0].shape[1]

    @property
    def rows(self):
        """Rows of the tape's input: a multiple of four, the last one is 1."""
        return -(-(self.inputs + 1) // ROWS) * ROWS

    def widened(self, x):
        """x (frames, inputs, batch) with zeros and a last row of ones."""
        wide = np.zeros((x.shape[0], self.rows, x.shape[2]), np.float32)
        wide[:, : self.inputs] = x
        wide[:, -1] = 1.0
        return wide

    def run(self, x, h):
        """x (frames, rows, batch) as widened, h (hidden, batch) moves on -> y (frames, batch), tape."""
        w_ih, w_hh, b_ih, b_hh, w_out, b_out = self.weights
        H, K = self.hidden, self.rows
        frames, _, batch = x.shape
        assert batch % LANES == 0 and H % ROWS == 0
        tape, y = room(frames, 5 * H + K, batch)
        tape[0, :H] = h
        tape[:frames, H : H + K] = x
        wide = np.zeros((3 * H, K), np.float32)
        wide[:, : self.inputs] = w_ih
        gate = packed(b_ih[: 2 * H] + b_hh[: 2 * H], np.concatenate([w_hh[: 2 * H], wide[: 2 * H]], axis=1))
        cand, inn = packed(b_hh[2 * H :], w_hh[2 * H :]), packed(b_ih[2 * H :], wide[2 * H :])
        out = packed(b_out, w_out, 1)
        forward(
            gate.ctypes.data,
            cand.ctypes.data,
            inn.ctypes.data,
            out.ctypes.data,
            tape.ctypes.data,
            y.ctypes.data,
            H,
            K,
            frames,
            batch,
        )
        h[:] = tape[frames, :H]
        return y, tape

    def gradients(self, tape, d_y):
        w_ih, w_hh, _, b_hh, w_out, b_out = self.weights
        H, K = self.hidden, self.rows
        frames, batch = d_y.shape
        d = np.empty((STEPS, 4 * H, batch), np.float32)
        d_h = np.zeros((H, batch), np.float32)
        columns = (H + K) // 4
        sums, out_sums = np.zeros((H, columns, 4, 4, 16), np.float32), np.zeros((H // 4, 4, 16), np.float32)
        back = packed(np.zeros(H, np.float32), w_hh.T.copy())
        out = packed(b_out, w_out, 1)
        d_y = np.ascontiguousarray(d_y, np.float32)
        backward(
            back.ctypes.data,
            out.ctypes.data,
            tape.ctypes.data,
            d_y.ctypes.data,
            d.ctypes.data,
            d_h.ctypes.data,
            sums.ctypes.data,
            out_sums.ctypes.data,
            H,
            K,
            frames,
            batch,
        )
        g = sums.sum(axis=-1).transpose(0, 2, 1, 3).reshape(4 * H, H + K)  # r, z, c, n
        n = self.inputs
        g_ih = np.concatenate([g[: 2 * H, H : H + n], g[3 * H :, H : H + n]])
        g_bih = np.concatenate([g[: 2 * H, -1], g[3 * H :, -1]])
        return [
            g_ih,
            g[: 3 * H, :H],
            g_bih,
            g[: 3 * H, -1],
            out_sums.sum(axis=-1).reshape(1, H),
            np.array([d_y.sum()], np.float32),
        ]
