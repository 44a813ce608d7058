"""Layers in float64 from their equations, for judging kernels: no code of rtfx in here."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import erfc


def sigmoid(x):
    return 0.5 + 0.5 * np.tanh(0.5 * x)


def constants(slope):
    """Return all four constants of an activation: slope, slope_high, low, high."""
    return (slope, 0.25, -0.625, 0.75)


def hardtanh(x, slope, slope_high, low, high):
    return np.clip(x, low, high) + slope * np.minimum(x - low, 0.0) + slope_high * np.maximum(x - high, 0.0)


def fasttanh(x):
    q = np.abs(x)
    above = x * (2.45550750702956 * (1 + q) + (0.893229853513558 + 0.821226666969744 * q) * x**2)
    return above / (2.44506634652299 + (2.44506634652299 + x**2) * np.abs(x + 0.814642734961073 * x * q))


def selu(x):
    return np.where(x >= 0.0, 1.0507009873554805 * x, 1.7580993408473766 * np.expm1(np.minimum(x, 0.0)))


ACTIVATIONS = {
    "": lambda x, slope: x,
    "tanh": lambda x, slope: np.tanh(x),
    "sigmoid": lambda x, slope: sigmoid(x),
    "relu": lambda x, slope: np.maximum(x, 0.0),
    "leaky_relu": lambda x, slope: np.where(x >= 0.0, x, slope * x),
    "elu": lambda x, slope: np.where(x >= 0.0, x, slope * np.expm1(np.minimum(x, 0.0))),
    "sine": lambda x, slope: np.sin(slope * x),
    "fasttanh": lambda x, slope: fasttanh(x),
    "hardtanh": lambda x, slope: hardtanh(x, *constants(slope)),
    "silu": lambda x, slope: x * sigmoid(x),
    "hardswish": lambda x, slope: np.where(x <= -3.0, 0.0, np.where(x >= 3.0, x, x * (x + 3.0) / 6.0)),
    "softsign": lambda x, slope: x / (1.0 + np.abs(x)),
    "selu": lambda x, slope: selu(x),
    "gelu": lambda x, slope: 0.5 * x * erfc(-x / math.sqrt(2.0)),
    "softplus": lambda x, slope: np.logaddexp(0.0, x),
    "softshrink": lambda x, slope: np.sign(x) * np.maximum(np.abs(x) - slope, 0.0),
}
STEEPEST = {"selu": 1.7580993408473766, "silu": 1.1, "hardswish": 1.5, "gelu": 1.13}  # largest slopes above 1


def conv(x, weight, bias, dilation):
    """Return (outputs, frames) of the frames behind the history.

    Parameters
    ----------
    x : (inputs, history + frames), history = (taps - 1) dilation
    weight : (outputs, inputs, taps), tap 0 the oldest
    """
    taps = weight.shape[2]
    frames = x.shape[1] - (taps - 1) * dilation
    y = np.repeat(bias[:, None], frames, axis=1)
    for k in range(taps):
        y = y + weight[:, :, k] @ x[:, k * dilation : k * dilation + frames]
    return y


def lstm(x, w_ih, w_hh, b_ih, b_hh, h, c):
    """Return h at every frame, (hidden, frames); gates i, f, g, o."""
    result = np.zeros((h.size, x.shape[1]))
    for t in range(x.shape[1]):
        i, f, g, o = np.split(w_ih @ x[:, t] + b_ih + w_hh @ h + b_hh, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        result[:, t] = h
    return result


def gru(x, w_ih, w_hh, b_ih, b_hh, h):
    """Return h at every frame, (hidden, frames); gates r, z, n; the reset acts on the product."""
    result = np.zeros((h.size, x.shape[1]))
    for t in range(x.shape[1]):
        r, z, n = np.split(w_ih @ x[:, t] + b_ih, 3)
        hr, hz, hn = np.split(w_hh @ h + b_hh, 3)
        r, z = sigmoid(r + hr), sigmoid(z + hz)
        h = (1.0 - z) * np.tanh(n + r * hn) + z * h
        result[:, t] = h
    return result
