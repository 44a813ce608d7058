"""Back-propagation through time for one GRU or LSTM with a linear output, compiled, the batch along the vector lanes.

For nets as small as a pedal's this is two orders of magnitude faster than a framework that calls a library per time
step. Arrays are float32: x (frames, inputs, batch), y and its gradient (frames, batch), states (hidden, batch), time
leading. Gates and weights are in PyTorch's order: GRU r, z, n with two biases; LSTM i, f, g, o with the second bias
zero.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .compiled import compiled

ONE, HALF = np.float32(1.0), np.float32(0.5)
P0, P1, P2, P3, P4 = (np.float32(c) for c in (0.99999973, 0.13181791, 0.0032581343, 1.6632677e-05, 7.604329e-9))
Q1, Q2, Q3, Q4 = (np.float32(c) for c in (0.46515013, 0.02497609, 0.00028948886, 5.481147e-07))
LIMIT = np.float32(7.9)


@compiled
def tanh(x):
    """Return tanh(x), absolute error 4e-7; a rational that vectorises."""
    x = min(max(x, -LIMIT), LIMIT)
    s = x * x
    p = P4 * s + P3
    p = (p * s + P2) * s + P1
    p = p * s + P0
    q = Q4 * s + Q3
    q = (q * s + Q2) * s + Q1
    q = q * s + ONE
    return x * p / q


@compiled
def sigmoids(out, a, b):
    """out = sigmoid(a + b); one row at a time, so that the loop vectorises."""
    for i in range(out.size):
        out[i] = HALF + HALF * tanh(HALF * (a[i] + b[i]))


@compiled
def tanhs(out, a, r, b):
    """out = tanh(a + r b)."""
    for i in range(out.size):
        out[i] = tanh(a[i] + r[i] * b[i])


@compiled
def sums(out, weight, bias, x):
    """out[r] = bias[r] + weight[r] x over the batch; four columns at a time, so that out is loaded less often."""
    whole = weight.shape[1] // 4 * 4
    for r in range(out.shape[0]):
        out[r, :] = bias[r]
        for k in range(0, whole, 4):
            w0, w1, w2, w3 = weight[r, k], weight[r, k + 1], weight[r, k + 2], weight[r, k + 3]
            for b in range(x.shape[1]):
                out[r, b] += (w0 * x[k, b] + w1 * x[k + 1, b]) + (w2 * x[k + 2, b] + w3 * x[k + 3, b])
        for k in range(whole, weight.shape[1]):
            w = weight[r, k]
            for b in range(x.shape[1]):
                out[r, b] += w * x[k, b]


@compiled
def back(d_out, weight, x, d_weight, d_bias, d_x):
    """Add the gradients of `sums` to d_weight, d_bias and d_x."""
    zero, whole = np.float32(0.0), weight.shape[1] // 4 * 4
    for r in range(d_out.shape[0]):
        total = zero
        for b in range(d_out.shape[1]):
            total += d_out[r, b]
        d_bias[r] += total
        for k in range(0, whole, 4):
            t0, t1, t2, t3 = zero, zero, zero, zero
            for b in range(d_out.shape[1]):
                d = d_out[r, b]
                t0 += d * x[k, b]
                t1 += d * x[k + 1, b]
                t2 += d * x[k + 2, b]
                t3 += d * x[k + 3, b]
            d_weight[r, k] += t0
            d_weight[r, k + 1] += t1
            d_weight[r, k + 2] += t2
            d_weight[r, k + 3] += t3
        for k in range(whole, weight.shape[1]):
            total = zero
            for b in range(d_out.shape[1]):
                total += d_out[r, b] * x[k, b]
            d_weight[r, k] += total
    whole = weight.shape[0] // 4 * 4
    for k in range(weight.shape[1]):
        for r in range(0, whole, 4):
            w0, w1, w2, w3 = weight[r, k], weight[r + 1, k], weight[r + 2, k], weight[r + 3, k]
            for b in range(d_out.shape[1]):
                d_x[k, b] += (w0 * d_out[r, b] + w1 * d_out[r + 1, b]) + (w2 * d_out[r + 2, b] + w3 * d_out[r + 3, b])
        for r in range(whole, weight.shape[0]):
            w = weight[r, k]
            for b in range(d_out.shape[1]):
                d_x[k, b] += w * d_out[r, b]


@compiled
def gru_forward(x, w_ih, w_hh, b_ih, b_hh, w_out, b_out, state, tape, y):
    """Run the GRU; tape (frames, 5 hidden, batch) keeps h before, r, z, n and what r multiplies; state moves on."""
    hidden = w_hh.shape[1]
    a, c = np.empty((3 * hidden, x.shape[2]), np.float32), np.empty((3 * hidden, x.shape[2]), np.float32)
    for t in range(x.shape[0]):
        h = state[:hidden]
        sums(a, w_ih, b_ih, x[t])
        sums(c, w_hh, b_hh, h)
        y[t, :] = b_out[0]
        now = tape[t]
        now[:hidden] = h
        now[4 * hidden :] = c[2 * hidden :]
        for u in range(hidden):
            sigmoids(now[hidden + u], a[u], c[u])
            sigmoids(now[2 * hidden + u], a[hidden + u], c[hidden + u])
            tanhs(now[3 * hidden + u], a[2 * hidden + u], now[hidden + u], c[2 * hidden + u])
        for u in range(hidden):
            z, n, w, kept = now[2 * hidden + u], now[3 * hidden + u], w_out[0, u], h[u]
            for b in range(x.shape[2]):
                kept[b] = (ONE - z[b]) * n[b] + z[b] * kept[b]
                y[t, b] += w * kept[b]


@compiled
def gru_backward(x, w_ih, w_hh, w_out, tape, last, d_y, g_ih, g_hh, g_bih, g_bhh, g_out, g_bout):
    """Add the gradients of all weights; `last` is the state after the last frame."""
    frames, hidden, batch = x.shape[0], w_hh.shape[1], x.shape[2]
    d_h = np.zeros((hidden, batch), np.float32)
    d_a, d_c = np.empty((3 * hidden, batch), np.float32), np.empty((3 * hidden, batch), np.float32)
    d_x = np.zeros((x.shape[1], batch), np.float32)
    for t in range(frames - 1, -1, -1):
        after = last[:hidden] if t == frames - 1 else tape[t + 1, :hidden]
        for u in range(hidden):
            total, w = np.float32(0.0), w_out[0, u]
            for b in range(batch):
                total += d_y[t, b] * after[u, b]
                d_h[u, b] += w * d_y[t, b]
            g_out[0, u] += total
        for b in range(batch):
            g_bout[0] += d_y[t, b]
        for u in range(hidden):
            for b in range(batch):
                h, r = tape[t, u, b], tape[t, hidden + u, b]
                z, n, rec = tape[t, 2 * hidden + u, b], tape[t, 3 * hidden + u, b], tape[t, 4 * hidden + u, b]
                d_n = d_h[u, b] * (ONE - z) * (ONE - n * n)
                d_a[u, b] = d_n * rec * r * (ONE - r)
                d_a[hidden + u, b] = d_h[u, b] * (h - n) * z * (ONE - z)
                d_a[2 * hidden + u, b] = d_n
                d_c[u, b], d_c[hidden + u, b], d_c[2 * hidden + u, b] = d_a[u, b], d_a[hidden + u, b], d_n * r
                d_h[u, b] *= z
        back(d_a, w_ih, x[t], g_ih, g_bih, d_x)
        back(d_c, w_hh, tape[t, :hidden], g_hh, g_bhh, d_h)


@compiled
def lstm_forward(x, w_ih, w_hh, b_ih, b_hh, w_out, b_out, state, tape, y):
    """Run the LSTM; tape (frames, 7 hidden, batch) keeps h and c before, i, f, g, o and tanh(c). state is h, then c."""
    hidden = w_hh.shape[1]
    a, e = np.empty((4 * hidden, x.shape[2]), np.float32), np.empty((4 * hidden, x.shape[2]), np.float32)
    ones, none = np.ones(x.shape[2], np.float32), np.zeros(x.shape[2], np.float32)
    for t in range(x.shape[0]):
        h, c = state[:hidden], state[hidden:]
        sums(a, w_ih, b_ih, x[t])
        sums(e, w_hh, b_hh, h)
        y[t, :] = b_out[0]
        now = tape[t]
        now[:hidden], now[hidden : 2 * hidden] = h, c
        for u in range(hidden):
            sigmoids(now[2 * hidden + u], a[u], e[u])
            sigmoids(now[3 * hidden + u], a[hidden + u], e[hidden + u])
            tanhs(now[4 * hidden + u], a[2 * hidden + u], ones, e[2 * hidden + u])
            sigmoids(now[5 * hidden + u], a[3 * hidden + u], e[3 * hidden + u])
        for u in range(hidden):
            i, f, g, kept = now[2 * hidden + u], now[3 * hidden + u], now[4 * hidden + u], c[u]
            for b in range(x.shape[2]):
                kept[b] = f[b] * kept[b] + i[b] * g[b]
            tanhs(now[6 * hidden + u], kept, ones, none)
        for u in range(hidden):
            o, curved, w, out = now[5 * hidden + u], now[6 * hidden + u], w_out[0, u], h[u]
            for b in range(x.shape[2]):
                out[b] = o[b] * curved[b]
                y[t, b] += w * out[b]


@compiled
def lstm_backward(x, w_ih, w_hh, w_out, tape, last, d_y, g_ih, g_hh, g_bih, g_bhh, g_out, g_bout):
    """Add the gradients of all weights; the second bias has none."""
    frames, hidden, batch = x.shape[0], w_hh.shape[1], x.shape[2]
    d_h, d_c = np.zeros((hidden, batch), np.float32), np.zeros((hidden, batch), np.float32)
    d_a, d_x = np.empty((4 * hidden, batch), np.float32), np.zeros((x.shape[1], batch), np.float32)
    unused = np.zeros(4 * hidden, np.float32)
    for t in range(frames - 1, -1, -1):
        for u in range(hidden):
            total, w = np.float32(0.0), w_out[0, u]
            for b in range(batch):
                h = tape[t, 5 * hidden + u, b] * tape[t, 6 * hidden + u, b]
                total += d_y[t, b] * h
                d_h[u, b] += w * d_y[t, b]
            g_out[0, u] += total
        for b in range(batch):
            g_bout[0] += d_y[t, b]
        for u in range(hidden):
            for b in range(batch):
                i, f = tape[t, 2 * hidden + u, b], tape[t, 3 * hidden + u, b]
                g, o, curved = tape[t, 4 * hidden + u, b], tape[t, 5 * hidden + u, b], tape[t, 6 * hidden + u, b]
                d = d_c[u, b] + d_h[u, b] * o * (ONE - curved * curved)
                d_a[u, b] = d * g * i * (ONE - i)
                d_a[hidden + u, b] = d * tape[t, hidden + u, b] * f * (ONE - f)
                d_a[2 * hidden + u, b] = d * i * (ONE - g * g)
                d_a[3 * hidden + u, b] = d_h[u, b] * curved * o * (ONE - o)
                d_c[u, b] = d * f
                d_h[u, b] = np.float32(0.0)
        back(d_a, w_ih, x[t], g_ih, g_bih, d_x)
        back(d_a, w_hh, tape[t, :hidden], g_hh, unused, d_h)


FORWARD: dict[str, Callable[..., Any]] = {"gru": gru_forward, "lstm": lstm_forward}
BACKWARD: dict[str, Callable[..., Any]] = {"gru": gru_backward, "lstm": lstm_backward}
TAPE = {"gru": 5, "lstm": 7}  # rows of hidden units
STATE = {"gru": 1, "lstm": 2}
GATES = {"gru": 3, "lstm": 4}
