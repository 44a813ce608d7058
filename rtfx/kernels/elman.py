"""Elman's recurrent layer, h = tanh(W x + U h + b), as a plain loop: a rare layer, one compilation for every size."""

from __future__ import annotations

import numpy as np

from .jit import kernel
from .memory import floats, records
from .plain_activations import tanh32
from .state import state_dtype


def elman_state(hidden: int) -> np.dtype:
    """Return the state: sizes, then h and room for the next h."""
    rows = [("h", np.float32, (hidden,)), ("sums", np.float32, (hidden,))]
    return state_dtype(("width_in", np.int64), ("hidden", np.int64), *rows)


_SIZES = elman_state(0)
H = 64 + 2 * 8  # bytes before h


def elman(state, source, target, frames):
    """Weights: W (hidden, in), U (hidden, hidden), b (hidden,); h (hidden, frames) is written."""
    s = records(state, 1, _SIZES)[0]
    hidden, inputs = s.hidden, s.width_in
    h, sums = floats(state + H, hidden), floats(state + H + 4 * hidden, hidden)
    w_ih = floats(s.weights, hidden * inputs)
    w_hh = floats(s.weights + 4 * hidden * inputs, hidden * hidden)
    bias = floats(s.weights + 4 * hidden * (inputs + hidden), hidden)
    for t in range(frames):
        for u in range(hidden):
            total = bias[u]
            for i in range(inputs):
                total += w_ih[u * inputs + i] * floats(source + 4 * (i * s.in_stride + t), 1)[0]
            for k in range(hidden):
                total += w_hh[u * hidden + k] * h[k]
            sums[u] = total
        for u in range(hidden):
            h[u] = tanh32(sums[u])
            floats(target + 4 * (u * s.out_stride + t), 1)[0] = h[u]
    return 0


ELMAN = kernel(elman)
