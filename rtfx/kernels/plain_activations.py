"""The activations one number at a time, by the C library: what their vector forms are checked against."""

from __future__ import annotations

import math

import numpy as np

from .codes import CONSTANTS, FASTTANH, FASTTANH_LIMIT, SELU_ALPHA, SELU_SCALE
from .jit import inline
from .memory import floats

ZERO, ONE = np.float32(0.0), np.float32(1.0)
ROOT_HALF = math.sqrt(0.5)
NUMERATOR, SQUARE, CUBE, DENOMINATOR, FOURTH = FASTTANH


@inline
def tanh32(x):
    return np.float32(math.tanh(x))


@inline
def sigmoid32(x):
    return np.float32(1.0 / (1.0 + math.exp(-x)))


@inline
def fasttanh(x):
    """Return Neural Amp Modeler's quotient for tanh."""
    x = float(min(max(x, np.float32(-FASTTANH_LIMIT)), np.float32(FASTTANH_LIMIT)))
    q, square = abs(x), x * x
    above = x * (NUMERATOR * (1.0 + q) + (SQUARE + CUBE * q) * square)
    return np.float32(above / (DENOMINATOR + (DENOMINATOR + square) * (q + FOURTH * square)))


@inline
def elu(x, slope):
    return x if x >= ZERO else np.float32(slope * math.expm1(x))


@inline
def hardtanh(x, address):
    """Return x between its bounds and straight lines outside; constants: slope, slope_high, low, high."""
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
    """Return the activations of codes 8 and above."""
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
    """Return one activation of codes.CODES by its code; `address` is that of its constants.

    An array in its place would be counted as a reference at the call: not what the audio thread may do.
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
