"""Layers in float64 from their equations, for judging kernels: no code of rtfx in here."""

from __future__ import annotations

import numpy as np


def sigmoid(x):
    return 0.5 + 0.5 * np.tanh(0.5 * x)


ACTIVATIONS = {
    "": lambda x, slope: x,
    "tanh": lambda x, slope: np.tanh(x),
    "sigmoid": lambda x, slope: sigmoid(x),
    "relu": lambda x, slope: np.maximum(x, 0.0),
    "leaky_relu": lambda x, slope: np.where(x >= 0.0, x, slope * x),
    "elu": lambda x, slope: np.where(x >= 0.0, x, slope * np.expm1(np.minimum(x, 0.0))),
    "sine": lambda x, slope: np.sin(slope * x),
}


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
