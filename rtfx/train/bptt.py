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

from .compiled import compiled_as_written as compiled
from .tiles import gru_gates, gru_slopes, lstm_gates, lstm_slopes, outer, tile

FLOAT = 4  # bytes
STEPS = 8  # frames whose gradients are summed at a time: as many as stay in the nearest cache


@compiled
def at(array):
    """Return an array's address; who asks for it keeps the array."""
    return np.int64(array.ctypes.data)


@compiled
def add(y, weight, x, rows, terms, w_row, w_term, lanes):
    """y += weight x; weight[r, k] lies at r w_row + k w_term."""
    whole = lanes // 16 * 16
    for b in range(0, whole, 16):
        r = 0
        while r + 8 <= rows:
            place = y + FLOAT * (r * lanes + b)
            tile(weight + FLOAT * r * w_row, 0, x + FLOAT * b, place, terms, w_row, w_term, lanes, 8, 16, 0)
            r += 8
        while r < rows:
            place = y + FLOAT * (r * lanes + b)
            tile(weight + FLOAT * r * w_row, 0, x + FLOAT * b, place, terms, w_row, w_term, lanes, 1, 16, 0)
            r += 1
    for b in range(whole, lanes):
        for r in range(rows):
            place = y + FLOAT * (r * lanes + b)
            tile(weight + FLOAT * r * w_row, 0, x + FLOAT * b, place, terms, w_row, w_term, lanes, 1, 1, 0)


@compiled
def put(y, bias, weight, x, rows, terms, lanes):
    """y = bias + weight x, the weight row by row."""
    whole = lanes // 16 * 16
    for b in range(0, whole, 16):
        r = 0
        while r + 8 <= rows:
            w, first, place = weight + FLOAT * r * terms, bias + FLOAT * r, y + FLOAT * (r * lanes + b)
            tile(w, first, x + FLOAT * b, place, terms, terms, 1, lanes, 8, 16, 1)
            r += 8
        while r < rows:
            w, first, place = weight + FLOAT * r * terms, bias + FLOAT * r, y + FLOAT * (r * lanes + b)
            tile(w, first, x + FLOAT * b, place, terms, terms, 1, lanes, 1, 16, 1)
            r += 1
    for b in range(whole, lanes):
        for r in range(rows):
            w, first, place = weight + FLOAT * r * terms, bias + FLOAT * r, y + FLOAT * (r * lanes + b)
            tile(w, first, x + FLOAT * b, place, terms, terms, 1, lanes, 1, 1, 1)


@compiled
def gather(total, left, right, rows, columns, frames, l_frame, r_frame, lanes):
    """total (rows, columns, 16) += sum over frames and vectors of left[r] right[k]; left over lanes go to lane 0."""
    whole = lanes // 16 * 16
    r = 0
    while r < rows:
        high = 4 if r + 4 <= rows else 1
        k = 0
        while k < columns:
            wide = 4 if high == 4 and k + 4 <= columns else 1
            place = total + FLOAT * 16 * (r * columns + k)
            for b in range(0, whole, 16):
                a, c = left + FLOAT * (r * lanes + b), right + FLOAT * (k * lanes + b)
                if wide == 4:
                    outer(a, c, place, frames, l_frame, r_frame, lanes, columns, 4, 4, 16)
                elif high == 4:
                    outer(a, c, place, frames, l_frame, r_frame, lanes, columns, 4, 1, 16)
                else:
                    outer(a, c, place, frames, l_frame, r_frame, lanes, columns, 1, 1, 16)
            for b in range(whole, lanes):
                for i in range(high):
                    for j in range(wide):
                        a, c = left + FLOAT * ((r + i) * lanes + b), right + FLOAT * ((k + j) * lanes + b)
                        one = total + FLOAT * 16 * ((r + i) * columns + k + j)
                        outer(a, c, one, frames, l_frame, r_frame, lanes, columns, 1, 1, 1)
            k += wide
        r += high


@compiled
def gather_output(total, total_bias, d_y, tape, last, first, stop, per, hidden, lanes, ones):
    """Add to the output's gradients, (hidden, 16) and (1, 16), frames first to stop; `last` follows the tape's end."""
    within = min(stop, tape.shape[0] - 1)
    left, row = at(d_y), FLOAT * lanes
    gather(
        total,
        left + first * row,
        at(tape) + FLOAT * (first + 1) * per,
        1,
        hidden,
        within - first,
        lanes,
        per,
        lanes,
    )
    if stop == tape.shape[0]:
        gather(total, left + within * row, last, 1, hidden, 1, 0, 0, lanes)
    gather(total_bias, left + first * row, ones, 1, 1, stop - first, lanes, 0, lanes)


@compiled
def gru_forward(x, w_ih, w_hh, b_ih, b_hh, w_out, b_out, state, tape, y):
    """Run the GRU; tape (frames, 5 hidden, batch) keeps h before, r, z, n and what r multiplies; state moves on."""
    hidden, inputs, lanes, frames = w_hh.shape[1], x.shape[1], x.shape[2], x.shape[0]
    both = b_ih + b_hh
    size = hidden * lanes
    group, row = FLOAT * size, FLOAT * lanes
    bend = 2 * hidden * FLOAT  # from the first bias to those of n
    tape[0, :hidden] = state
    for t in range(frames):
        h = at(tape) + t * 5 * group
        source = at(x) + t * inputs * row
        put(h + group, at(both), at(w_ih), source, 2 * hidden, inputs, lanes)
        add(h + group, at(w_hh), h, 2 * hidden, hidden, hidden, 1, lanes)
        put(h + 3 * group, at(b_ih) + bend, at(w_ih) + bend * inputs, source, hidden, inputs, lanes)
        put(h + 4 * group, at(b_hh) + bend, at(w_hh) + bend * hidden, h, hidden, hidden, lanes)
        after = h + 5 * group if t + 1 < frames else at(state)
        gru_gates(h, after, size)
        put(at(y) + t * row, at(b_out), at(w_out), after, 1, hidden, lanes)


@compiled
def gru_backward(x, w_ih, w_hh, w_out, tape, last, d_y, g_ih, g_hh, g_bih, g_bhh, g_out, g_bout):
    """Add the gradients of all weights; `last` is the state after the last frame."""
    frames, hidden, lanes, inputs = x.shape[0], w_hh.shape[1], x.shape[2], x.shape[1]
    size, row = hidden * lanes, FLOAT * lanes
    group = FLOAT * size
    d_h, ones = np.zeros(size, np.float32), np.ones(lanes, np.float32)
    d_a, d_c = np.empty((STEPS, 3 * size), np.float32), np.empty((STEPS, 3 * size), np.float32)
    s_ih, s_hh = np.zeros((3 * hidden, inputs, 16), np.float32), np.zeros((3 * hidden, hidden, 16), np.float32)
    s_bih, s_bhh = np.zeros((3 * hidden, 16), np.float32), np.zeros((3 * hidden, 16), np.float32)
    s_out, s_bout = np.zeros((hidden, 16), np.float32), np.zeros((1, 16), np.float32)
    stop = frames
    while stop > 0:
        first = max(stop - STEPS, 0)
        for t in range(stop - 1, first - 1, -1):
            a, c = at(d_a) + (t - first) * 3 * group, at(d_c) + (t - first) * 3 * group
            add(at(d_h), at(w_out), at(d_y) + t * row, hidden, 1, 1, 1, lanes)
            gru_slopes(at(tape) + t * 5 * group, at(d_h), a, c, size)
            add(at(d_h), at(w_hh), c, hidden, 3 * hidden, 1, hidden, lanes)
        n, h = stop - first, at(tape) + first * 5 * group
        a, c, source = at(d_a), at(d_c), at(x) + first * inputs * row
        gather(at(s_ih), a, source, 3 * hidden, inputs, n, 3 * size, inputs * lanes, lanes)
        gather(at(s_hh), c, h, 3 * hidden, hidden, n, 3 * size, 5 * size, lanes)
        gather(at(s_bih), a, at(ones), 3 * hidden, 1, n, 3 * size, 0, lanes)
        gather(at(s_bhh), c, at(ones), 3 * hidden, 1, n, 3 * size, 0, lanes)
        outs = at(s_out), at(s_bout)
        gather_output(outs[0], outs[1], d_y, tape, at(last), first, stop, 5 * size, hidden, lanes, at(ones))
        stop = first
    g_ih += s_ih.sum(axis=2)
    g_hh += s_hh.sum(axis=2)
    g_bih += s_bih.sum(axis=1)
    g_bhh += s_bhh.sum(axis=1)
    g_out[0] += s_out.sum(axis=1)
    g_bout += s_bout.sum(axis=1)


@compiled
def lstm_forward(x, w_ih, w_hh, b_ih, b_hh, w_out, b_out, state, tape, y):
    """Run the LSTM; tape (frames, 7 hidden, batch) keeps h and c before, i, f, g, o and tanh(c). state is h, then c."""
    hidden, inputs, lanes, frames = w_hh.shape[1], x.shape[1], x.shape[2], x.shape[0]
    both = b_ih + b_hh
    size = hidden * lanes
    group, row = FLOAT * size, FLOAT * lanes
    tape[0, : 2 * hidden] = state
    for t in range(frames):
        h = at(tape) + t * 7 * group
        source = at(x) + t * inputs * row
        put(h + 2 * group, at(both), at(w_ih), source, 4 * hidden, inputs, lanes)
        add(h + 2 * group, at(w_hh), h, 4 * hidden, hidden, hidden, 1, lanes)
        after = h + 7 * group if t + 1 < frames else at(state)
        lstm_gates(h, after, size)
        put(at(y) + t * row, at(b_out), at(w_out), after, 1, hidden, lanes)


@compiled
def lstm_backward(x, w_ih, w_hh, w_out, tape, last, d_y, g_ih, g_hh, g_bih, g_bhh, g_out, g_bout):
    """Add the gradients of all weights; the second bias has none."""
    frames, hidden, lanes, inputs = x.shape[0], w_hh.shape[1], x.shape[2], x.shape[1]
    size, row = hidden * lanes, FLOAT * lanes
    group = FLOAT * size
    d_h, d_c, ones = np.zeros(size, np.float32), np.zeros(size, np.float32), np.ones(lanes, np.float32)
    d_a = np.empty((STEPS, 4 * size), np.float32)
    s_ih, s_hh = np.zeros((4 * hidden, inputs, 16), np.float32), np.zeros((4 * hidden, hidden, 16), np.float32)
    s_bias = np.zeros((4 * hidden, 16), np.float32)
    s_out, s_bout = np.zeros((hidden, 16), np.float32), np.zeros((1, 16), np.float32)
    stop = frames
    while stop > 0:
        first = max(stop - STEPS, 0)
        for t in range(stop - 1, first - 1, -1):
            a = at(d_a) + (t - first) * 4 * group
            add(at(d_h), at(w_out), at(d_y) + t * row, hidden, 1, 1, 1, lanes)
            lstm_slopes(at(tape) + t * 7 * group, at(d_h), at(d_c), a, size)
            add(at(d_h), at(w_hh), a, hidden, 4 * hidden, 1, hidden, lanes)
        n, h = stop - first, at(tape) + first * 7 * group
        a, source = at(d_a), at(x) + first * inputs * row
        gather(at(s_ih), a, source, 4 * hidden, inputs, n, 4 * size, inputs * lanes, lanes)
        gather(at(s_hh), a, h, 4 * hidden, hidden, n, 4 * size, 7 * size, lanes)
        gather(at(s_bias), a, at(ones), 4 * hidden, 1, n, 4 * size, 0, lanes)
        outs = at(s_out), at(s_bout)
        gather_output(outs[0], outs[1], d_y, tape, at(last), first, stop, 7 * size, hidden, lanes, at(ones))
        stop = first
    g_ih += s_ih.sum(axis=2)
    g_hh += s_hh.sum(axis=2)
    g_bih += s_bias.sum(axis=1)
    g_out[0] += s_out.sum(axis=1)
    g_bout += s_bout.sum(axis=1)


FORWARD: dict[str, Callable[..., Any]] = {"gru": gru_forward, "lstm": lstm_forward}
BACKWARD: dict[str, Callable[..., Any]] = {"gru": gru_backward, "lstm": lstm_backward}
TAPE = {"gru": 5, "lstm": 7}  # rows of hidden units
STATE = {"gru": 1, "lstm": 2}
GATES = {"gru": 3, "lstm": 4}
