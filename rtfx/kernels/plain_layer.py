"""A WaveNet layer as a plain loop over its natural weights: what the layer tile is checked against."""

from __future__ import annotations

import numpy as np

from .jit import kernel
from .layer import CONSTANTS, FOLDED, IDENTITY, MATRIX, ROWS, LayerShape, LayerWeights
from .memory import floats, records
from .plain_activations import activate
from .state import state_dtype


def field_of(name: str) -> str:
    """Return the field that holds a number of the shape: the header has `inputs` and `outputs` of its own."""
    return f"{name}_" if name in ("inputs", "outputs") else name


def layer_state(features: int) -> np.dtype:
    """Return the state: dilation, the shape's numbers, room for z."""
    numbers = [(field_of(name), np.int64) for name in ("dilation", *LayerShape._fields)]
    return state_dtype(*numbers, ("z", np.float32, (features,)))


_SIZES = layer_state(0)
_Z = _SIZES.itemsize


def pack(w: LayerWeights, constants: np.ndarray) -> np.ndarray:
    """Return the weights in natural order: constants, bias, condition, conv, mixed bias, mixed, residual."""
    parts = (constants, w.bias, w.condition, w.conv, w.mixed_bias, w.mixed, w.residual)
    return np.concatenate([np.ravel(part) for part in parts]).astype(np.float32)


def layer(state, source, target, frames):
    """The equations of `layer`, one frame and one sum at a time."""
    s = records(state, 1, _SIZES)[0]
    sums, inputs, taps, conditions, outputs = s.sums, s.inputs_, s.taps, s.conditions, s.outputs_
    features = sums // 2 if s.gate > 0 else sums
    folded = s.head_rows if s.head == FOLDED else np.int64(0)
    gate_constants = s.weights + 4 * (CONSTANTS // 2)
    bias = s.weights + 4 * CONSTANTS
    condition = bias + 4 * sums
    conv = condition + 4 * sums * conditions
    mixed_bias = conv + 4 * sums * inputs * taps
    mixed = mixed_bias + 4 * (outputs + folded)
    residual = mixed + 4 * (outputs + folded) * features
    z = floats(state + _Z, features)
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


PLAIN_LAYER = kernel(layer)
