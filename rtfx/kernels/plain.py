"""The same layers as plain loops over their natural weights: what every tile is checked against once on each machine,
and what runs where a tile fails that check or a layer is too large to unroll. One compilation serves every shape."""

from __future__ import annotations

import numpy as np

from .codes import CONSTANTS
from .jit import kernel
from .memory import floats, records
from .plain_activations import activate, sigmoid32, tanh32
from .state import state_dtype

CONV_STATE = state_dtype(
    ("dilation", np.int64),
    ("taps", np.int64),
    ("width_in", np.int64),
    ("width_out", np.int64),
    ("activation", np.int64),
)


def cell_state(hidden: int) -> np.dtype:
    """Return the state of `PLAIN_CELL`: sizes, then h, c and room for the gate sums."""
    sizes = [("cell", np.int64), ("width_in", np.int64), ("hidden", np.int64), ("width_out", np.int64)]
    return state_dtype(
        *sizes, ("h", np.float32, (hidden,)), ("c", np.float32, (hidden,)), ("sums", np.float32, (8 * hidden,))
    )


_SIZES = cell_state(0)
CELL_FLOATS = 64 + 4 * 8  # bytes before h


def conv(state, source, target, frames):
    """Weights: constants, bias (out), weight (out, in, taps); y (out, frames)."""
    s = records(state, 1, CONV_STATE)[0]
    inputs, outputs, taps = s.width_in, s.width_out, s.taps
    weights = floats(s.weights, CONSTANTS + outputs + outputs * inputs * taps)
    for o in range(outputs):
        y = floats(target + 4 * o * s.out_stride, frames)
        for t in range(frames):
            total = weights[CONSTANTS + o]
            for i in range(inputs):
                first = source + 4 * (i * s.in_stride + t - (taps - 1) * s.dilation)
                for k in range(taps):
                    w = weights[CONSTANTS + outputs + (o * inputs + i) * taps + k]
                    total += w * floats(first + 4 * k * s.dilation, 1)[0]
            y[t] = activate(s.activation, total, s.weights)
    return 0


def cell(state, source, target, frames):
    """Weights: w_ih, w_hh, b_ih, b_hh in PyTorch's order, then dense weight and bias; no dense: h itself is written."""
    s = records(state, 1, _SIZES)[0]
    hidden, inputs, outputs = s.hidden, s.width_in, s.width_out
    gates = np.int64(4) - s.cell
    rows = gates * hidden
    h = floats(state + CELL_FLOATS, hidden)
    c = floats(state + CELL_FLOATS + 4 * hidden, hidden)
    sums = floats(state + CELL_FLOATS + 8 * hidden, 2 * rows)
    w_ih = floats(s.weights, rows * inputs)
    w_hh = floats(s.weights + 4 * rows * inputs, rows * hidden)
    biases = floats(s.weights + 4 * rows * (inputs + hidden), 2 * rows)
    dense = floats(s.weights + 4 * rows * (inputs + hidden + 2), outputs * (hidden + 1))
    one = np.float32(1.0)
    for t in range(frames):
        for r in range(rows):
            total = biases[r]
            for i in range(inputs):
                total += w_ih[r * inputs + i] * floats(source + 4 * (i * s.in_stride + t), 1)[0]
            recurrent = biases[rows + r]
            for k in range(hidden):
                recurrent += w_hh[r * hidden + k] * h[k]
            sums[r] = total
            sums[rows + r] = recurrent
        for u in range(hidden):
            a = sigmoid32(sums[u] + sums[rows + u])
            b = sigmoid32(sums[hidden + u] + sums[rows + hidden + u])
            if s.cell == 0:
                candidate = tanh32(sums[2 * hidden + u] + sums[rows + 2 * hidden + u])
                c[u] = b * c[u] + a * candidate
                h[u] = sigmoid32(sums[3 * hidden + u] + sums[rows + 3 * hidden + u]) * tanh32(c[u])
            else:
                candidate = tanh32(sums[2 * hidden + u] + a * sums[rows + 2 * hidden + u])
                h[u] = (one - b) * candidate + b * h[u]
        for o in range(outputs):
            total = dense[outputs * hidden + o]
            for k in range(hidden):
                total += dense[o * hidden + k] * h[k]
            floats(target + 4 * (o * s.out_stride + t), 1)[0] = total
        if outputs == 0:
            for u in range(hidden):
                floats(target + 4 * (u * s.out_stride + t), 1)[0] = h[u]
    return 0


PLAIN_CONV = kernel(conv)
PLAIN_CELL = kernel(cell)
