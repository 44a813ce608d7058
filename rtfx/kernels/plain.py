"""The layers as plain loops over their natural weights, one number at a time, activations by the C library.

Every tile is checked against its loop once on each machine. A loop is also used if a tile fails that check, if a
layer is too large to unroll, and for Elman's layer, which is too rare for a tile. One compilation serves every shape.
"""

from __future__ import annotations

import math

import numpy as np

from .activations import CONSTANTS, FASTTANH, FASTTANH_LIMIT, SELU_ALPHA, SELU_SCALE
from .delay import keep, recall
from .kernel import Loop, inline
from .layer import CONSTANTS as LAYER_CONSTANTS
from .layer import FOLDED, IDENTITY, MATRIX, ROWS, LayerShape, LayerWeights
from .memory import floats, records
from .state import state_dtype

ZERO, ONE = np.float32(0.0), np.float32(1.0)
ROOT_HALF = math.sqrt(0.5)
NUMERATOR, SQUARE, CUBE, DENOMINATOR, FOURTH = FASTTANH
CONV_STATE = state_dtype(
    ("dilation", np.int64),
    ("taps", np.int64),
    ("width_in", np.int64),
    ("width_out", np.int64),
    ("activation", np.int64),
)


def cell_state(hidden: int) -> np.dtype:
    """Return the state of `cell`: sizes, then h and c (`hidden` each) and space for the gates' sums."""
    sizes = [("cell", np.int64), ("width_in", np.int64), ("hidden", np.int64), ("width_out", np.int64)]
    return state_dtype(
        *sizes, ("h", np.float32, (hidden,)), ("c", np.float32, (hidden,)), ("sums", np.float32, (8 * hidden,))
    )


def elman_state(hidden: int) -> np.dtype:
    """Return the state of `elman`: sizes, then h and space for the next h (`hidden` each)."""
    rows = [("h", np.float32, (hidden,)), ("sums", np.float32, (hidden,))]
    return state_dtype(("width_in", np.int64), ("hidden", np.int64), *rows)


def field_of(name: str) -> str:
    """Return the field that holds a number of the shape; `inputs` and `outputs` are already fields of the header."""
    return f"{name}_" if name in ("inputs", "outputs") else name


def layer_state(features: int) -> np.dtype:
    """Return the state of `layer`: dilation, the numbers of its shape, then space for z (`features`)."""
    numbers = [(field_of(name), np.int64) for name in ("dilation", *LayerShape._fields)]
    return state_dtype(*numbers, ("z", np.float32, (features,)))


_CELL, _ELMAN, _LAYER = cell_state(0), elman_state(0), layer_state(0)
_CELL_H = 64 + 4 * 8  # bytes before h
_ELMAN_H = 64 + 2 * 8  # bytes before h
_LAYER_Z = _LAYER.itemsize


def pack_layer(w: LayerWeights, constants: np.ndarray) -> np.ndarray:
    """Return the weights in natural order: constants, bias, condition, conv, mixed bias, mixed, residual."""
    parts = (constants, w.bias, w.condition, w.conv, w.mixed_bias, w.mixed, w.residual)
    return np.concatenate([np.ravel(part) for part in parts]).astype(np.float32)


@inline
def tanh32(x):
    return np.float32(math.tanh(x))


@inline
def sigmoid32(x):
    return np.float32(1.0 / (1.0 + math.exp(-x)))


@inline
def fasttanh(x):
    """Return Neural Amp Modeler's approximation of tanh, a quotient of polynomials."""
    x = float(min(max(x, np.float32(-FASTTANH_LIMIT)), np.float32(FASTTANH_LIMIT)))
    q, square = abs(x), x * x
    above = x * (NUMERATOR * (1.0 + q) + (SQUARE + CUBE * q) * square)
    return np.float32(above / (DENOMINATOR + (DENOMINATOR + square) * (q + FOURTH * square)))


@inline
def elu(x, slope):
    return x if x >= ZERO else np.float32(slope * math.expm1(x))


@inline
def hardtanh(x, address):
    """Return x between the bounds, and straight lines beyond them; constants: slope, slope_high, low, high."""
    constants = floats(address, CONSTANTS)
    if x < constants[2]:
        return constants[2] + constants[0] * (x - constants[2])
    if x > constants[3]:
        return constants[3] + constants[1] * (x - constants[3])
    return x


@inline
def softshrink(x, slope):
    return x - slope if x > slope else x + slope if x < -slope else ZERO * x


@inline
def rarer(code, x, address):
    """Return an activation whose code is 8 or above."""
    if code == 8:
        return hardtanh(x, address)
    if code == 9:
        return x * sigmoid32(x)
    if code == 10:
        return np.float32(x * min(max(x + 3.0, 0.0), 6.0) / 6.0)
    if code == 11:
        return x / (ONE + abs(x))
    if code == 12:
        return np.float32(SELU_SCALE * elu(x, np.float32(SELU_ALPHA)))
    if code == 13:
        return np.float32(0.5 * x * math.erfc(-ROOT_HALF * x))
    if code == 14:
        return np.float32(max(x, ZERO) + math.log1p(math.exp(-abs(x))))
    return softshrink(x, floats(address, 1)[0])


@inline
def activate(code, x, address):
    """Return the activation of `activations.CODES` with this code; `address` is the address of its constants.

    The constants are no array because Numba would count references to an array, which the audio thread must not do.
    """
    slope = floats(address, 1)[0]
    if code == 0:
        return x
    if code == 1:
        return tanh32(x)
    if code == 2:
        return sigmoid32(x)
    if code == 3:
        return ZERO if x < ZERO else x
    if code == 4:
        return x if x >= ZERO else slope * x
    if code == 5:
        return elu(x, slope)
    if code == 6:
        return np.float32(math.sin(slope * x))
    if code == 7:
        return fasttanh(x)
    return rarer(code, x, address)


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
    """Weights: w_ih, w_hh, b_ih, b_hh in PyTorch's order, dense weight and bias; without a dense layer h is written."""
    s = records(state, 1, _CELL)[0]
    hidden, inputs, outputs = s.hidden, s.width_in, s.width_out
    gates = np.int64(4) - s.cell
    rows = gates * hidden
    h = floats(state + _CELL_H, hidden)
    c = floats(state + _CELL_H + 4 * hidden, hidden)
    sums = floats(state + _CELL_H + 8 * hidden, 2 * rows)
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


def elman(state, source, target, frames):
    """Weights: W (hidden, in), U (hidden, hidden), b (hidden,); h (hidden, frames) is written."""
    s = records(state, 1, _ELMAN)[0]
    hidden, inputs = s.hidden, s.width_in
    h, sums = floats(state + _ELMAN_H, hidden), floats(state + _ELMAN_H + 4 * hidden, hidden)
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


run_cell, run_elman = inline(cell), inline(elman)


def delayed_cell(state, source, target, frames):
    """Compute `cell` with h and c delayed together; the delay line is stored after the gates' sums."""
    width = 2 * records(state, 1, _CELL)[0].hidden
    h = state + _CELL_H
    line = h + 4 * 5 * width
    for t in range(frames):
        recall(line, h, width)
        run_cell(state, source + 4 * t, target + 4 * t, 1)
        keep(line, h, width)
    return 0


def delayed_elman(state, source, target, frames):
    """Compute `elman` with h delayed; the delay line is stored after the space for the next h."""
    width = records(state, 1, _ELMAN)[0].hidden
    h = state + _ELMAN_H
    line = h + 4 * 2 * width
    for t in range(frames):
        recall(line, h, width)
        run_elman(state, source + 4 * t, target + 4 * t, 1)
        keep(line, h, width)
    return 0


def layer(state, source, target, frames):
    """Compute the equations of the module `layer`, one frame and one sum at a time."""
    s = records(state, 1, _LAYER)[0]
    sums, inputs, taps, conditions, outputs = s.sums, s.inputs_, s.taps, s.conditions, s.outputs_
    features = sums // 2 if s.gate > 0 else sums
    folded = s.head_rows if s.head == FOLDED else np.int64(0)
    gate_constants = s.weights + 4 * (LAYER_CONSTANTS // 2)
    bias = s.weights + 4 * LAYER_CONSTANTS
    condition = bias + 4 * sums
    conv = condition + 4 * sums * conditions
    mixed_bias = conv + 4 * sums * inputs * taps
    mixed = mixed_bias + 4 * (outputs + folded)
    residual = mixed + 4 * (outputs + folded) * features
    z = floats(state + _LAYER_Z, features)
    for t in range(frames):
        for f in range(features):
            value = np.float32(0.0)
            for half in range(2 if s.gate > 0 else 1):
                row = f + half * features
                total = floats(bias + 4 * row, 1)[0]
                for c in range(conditions):
                    x = floats(s.extra[0] + 4 * (c * s.extra_stride[0] + t), 1)[0]
                    total += floats(condition + 4 * (row * conditions + c), 1)[0] * x
                for k in range(taps):
                    for i in range(inputs):
                        x = floats(source + 4 * (i * s.in_stride + t - (taps - 1 - k) * s.dilation), 1)[0]
                        total += floats(conv + 4 * ((row * inputs + i) * taps + k), 1)[0] * x
                if half == 0:
                    value = activate(s.activation, total, s.weights)
                else:
                    value *= activate(s.gate - 1, total, gate_constants)
            z[f] = value
            if s.exposed:
                floats(target + 4 * (f * s.out_stride + t), 1)[0] = value
            if s.head == ROWS:
                place = floats(s.extra[1] + 4 * (f * s.extra_stride[1] + t), 1)
                place[0] = value if s.head_first else place[0] + value
        for row in range(outputs + folded):
            total = floats(mixed_bias + 4 * row, 1)[0]
            for f in range(features):
                total += floats(mixed + 4 * (row * features + f), 1)[0] * z[f]
            if row < outputs:
                if s.residual == IDENTITY:
                    total += floats(source + 4 * (row * s.in_stride + t), 1)[0]
                if s.residual == MATRIX:
                    for i in range(inputs):
                        x = floats(source + 4 * (i * s.in_stride + t), 1)[0]
                        total += floats(residual + 4 * (row * inputs + i), 1)[0] * x
                floats(target + 4 * (row * s.out_stride + t), 1)[0] = total
            else:
                place = floats(s.extra[1] + 4 * ((row - outputs) * s.extra_stride[1] + t), 1)
                place[0] = total if s.head_first else place[0] + total
    return 0


PLAIN_CONV, PLAIN_CELL, PLAIN_LAYER, ELMAN = Loop(conv), Loop(cell), Loop(layer), Loop(elman)
PLAIN_CELL_DELAYED, ELMAN_DELAYED = Loop(delayed_cell), Loop(delayed_elman)
