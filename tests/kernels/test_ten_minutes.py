"""Ten minutes of audio through recurrent layers: rounding errors do not accumulate, even in nets with a long memory.

The oracle is every sample of the ten minutes in float64, from the first one on: the equations as loops that LLVM
vectorises, with an exponential of their own, compared with the slower oracle first.
"""

import numpy as np
import pytest
from numba import njit

from rtfx.kernels.recurrent import GRU, LSTM
from rtfx.model.nodes import Dense, Gru, Lstm
from rtfx.model.parity import guitar_like
from rtfx.plan.lowering.recurrent import recurrent_layer

from . import oracle

pytestmark = pytest.mark.slow

RATE, MINUTES, HIDDEN = 48000, 10, 8
FRAMES = 60 * RATE
FLOOR = 10.0 ** (-110 / 20)
LN2 = (0.693145751953125, 1.42860682030941723212e-6)  # sum is ln 2, the first part short enough to be exact times n
FACTORIALS = np.cumprod([1.0, *range(1, 14)])


def looped(cell, dtype):
    """Return a compiled loop over one layer of `HIDDEN` units and its dense row, in one kind of floats."""
    gates = 4 if cell == LSTM else 3
    rows = gates * HIDDEN
    high, low, log2e, zero, one, two = (dtype(v) for v in (*LN2, np.log2(np.e), 0, 1, 2))
    coefficients = tuple(dtype(1.0 / v) for v in FACTORIALS[::-1])
    integer, shift, bias = (np.int64, 52, 1023) if dtype == np.float64 else (np.int32, 23, 127)
    # adding `rounding` leaves the nearest integer in the lowest bits
    shift, bias, edge, rounding = integer(shift), integer(bias), dtype(80.0), dtype(1.5 * 2.0**shift)

    @njit(error_model="numpy", fastmath={"contract"})
    def exponentials(z, bits, powers):
        for i in range(z.size):
            x = z[i]
            x = edge if x > edge else x
            x = -edge if x < -edge else x
            shifted = x * log2e + rounding
            n = shifted - rounding
            r = (x - n * high) - n * low
            s = r * r
            even, odd = coefficients[1], coefficients[0]
            for k in range(3, 14, 2):
                even = even * s + coefficients[k]
                odd = odd * s + coefficients[k - 1]
            z[i] = even + odd * r
            powers[i] = shifted
        for i in range(z.size):
            bits[i] = (bits[i] + bias) << shift
        for i in range(z.size):
            z[i] *= powers[i]

    @njit(error_model="numpy", fastmath={"contract"})
    def run(x, y, h, c, w_ih, w_hh, b_ih, b_hh, dense, dense_bias):
        fed, sums, z = np.empty(rows, dtype), np.empty(rows, dtype), np.empty(rows, dtype)
        bits = np.empty(rows, integer)
        powers = bits.view(dtype)
        last, last_bits = np.empty(HIDDEN, dtype), np.empty(HIDDEN, integer)
        last_powers = last_bits.view(dtype)
        for t in range(x.size):
            for r in range(rows):
                fed[r] = b_ih[r] + w_ih[r] * x[t]
                total = b_hh[r]
                for k in range(HIDDEN):
                    total += w_hh[k, r] * h[k]
                sums[r] = total
            if cell == LSTM:  # i f g o
                for r in range(rows):
                    z[r] = -(fed[r] + sums[r])
                for u in range(2 * HIDDEN, 3 * HIDDEN):
                    z[u] *= two
                exponentials(z, bits, powers)
                for u in range(HIDDEN):
                    g = two / (one + z[2 * HIDDEN + u]) - one
                    c[u] = c[u] / (one + z[HIDDEN + u]) + g / (one + z[u])
                    last[u] = -two * c[u]
                exponentials(last, last_bits, last_powers)
                for u in range(HIDDEN):
                    h[u] = (two / (one + last[u]) - one) / (one + z[3 * HIDDEN + u])
            else:  # r z n
                for r in range(2 * HIDDEN):
                    z[r] = -(fed[r] + sums[r])
                exponentials(z, bits, powers)
                for u in range(HIDDEN):
                    last[u] = -two * (fed[2 * HIDDEN + u] + sums[2 * HIDDEN + u] / (one + z[u]))
                exponentials(last, last_bits, last_powers)
                for u in range(HIDDEN):
                    update = one / (one + z[HIDDEN + u])
                    n = two / (one + last[u]) - one
                    h[u] = (one - update) * n + update * h[u]
            total = dense_bias[0]
            for u in range(HIDDEN):
                total += dense[u] * h[u]
            y[t] = total

    return run


def tensors(cell):
    """Return weights of a net whose units remember from a few samples to a tenth of a second."""
    gates = 4 if cell == LSTM else 3
    generator = np.random.default_rng(cell)
    shapes = [(gates * HIDDEN, 1), (gates * HIDDEN, HIDDEN), (gates * HIDDEN,), (gates * HIDDEN,), (1, HIDDEN), (1,)]
    drawn = [generator.uniform(-1.0, 1.0, shape) / np.sqrt(HIDDEN) for shape in shapes]
    drawn[2][HIDDEN : 2 * HIDDEN] += np.linspace(0.0, 8.0, HIDDEN)  # the LSTM's forget gate, the GRU's update gate
    return [tensor.astype(np.float32).astype(np.float64) for tensor in drawn]


class Loop:
    """The loop over all minutes, in one kind of floats."""

    def __init__(self, cell, weights, dtype):
        w_ih, w_hh, b_ih, b_hh, dense, dense_bias = (tensor.astype(dtype) for tensor in weights)
        self.run, self.dtype = looped(cell, dtype), dtype
        self.weights = w_ih.ravel(), np.ascontiguousarray(w_hh.T), b_ih, b_hh, dense[0], dense_bias
        self.h, self.c = np.zeros(HIDDEN, dtype), np.zeros(HIDDEN, dtype)

    def __call__(self, x):
        y = np.empty(x.size, self.dtype)
        self.run(x.astype(self.dtype), y, self.h, self.c, *self.weights)
        return y.astype(np.float64)


class Compiled:
    """The layer's kernel as a plan calls it."""

    def __init__(self, cell, weights):
        w_ih, w_hh, b_ih, b_hh, dense, dense_bias = weights
        node = Lstm((), w_ih, w_hh, b_ih + b_hh) if cell == LSTM else Gru((), w_ih, w_hh, b_ih, b_hh)
        self.layer = recurrent_layer(node, Dense((), dense, dense_bias))
        assert self.layer.kernel.name.startswith("kernels.recurrent")
        self.state = self.layer.state(0, 0)

    def __call__(self, x):
        x, y = np.append(x, np.zeros(16)).astype(np.float32), np.zeros(x.size + 64, np.float32)
        for start in range(0, FRAMES, 4096):
            places = (array.ctypes.data + 4 * start for array in (x, y))
            assert self.layer.kernel(self.state.ctypes.data, *places, min(4096, FRAMES - start)) == 0
        return y[:FRAMES].astype(np.float64)


@pytest.mark.parametrize("cell", [LSTM, GRU], ids=["lstm", "gru"])
def test_ten_minutes_stay_within_the_bound(cell):
    """The bound of `rtfx verify`, -110 dB of the peak or 4 x the error of the equations in float32, every minute."""
    weights = tensors(cell)
    clip = guitar_like(1, FRAMES // 4, RATE)[0].astype(np.float64)
    layer, exact, single = Compiled(cell, weights), Loop(cell, weights, np.float64), Loop(cell, weights, np.float32)
    errors, plain, peak = [], [], 0.0
    for minute in range(MINUTES):
        x = np.concatenate([clip * np.float32(0.4 + 0.6 * (0.618 * (4 * minute + part) % 1.0)) for part in range(4)])
        y = exact(x)
        if minute == 0:
            start = np.zeros(HIDDEN), np.zeros(HIDDEN)
            h = (oracle.lstm if cell == LSTM else oracle.gru)(x[None, :3000], *weights[:4], *start[: 2 - cell])
            assert np.abs(weights[4] @ h + weights[5] - y[:3000]).max() < 1e-13
        peak = max(peak, np.abs(y).max())
        errors.append(np.abs(layer(x) - y).max())
        if minute == 0:
            plain.append(np.abs(single(x) - y).max())
    assert max(errors) / peak <= max(FLOOR, 4.0 * max(plain) / peak), (errors, plain)
    assert max(errors[1:]) < 2.0 * errors[0], f"what rounding leaves adds up: {errors}"
