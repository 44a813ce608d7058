"""Recurrent layers in plain NumPy: one step of each cell, and the state delay line that runs them at another rate.

A cell made for one rate runs at `delay` times that rate with its state fed back from `delay` frames ago. At a whole
number that is so many interleaved copies of the cell, exact; else the state between two frames is interpolated, by the
cubic through the four nearest frames that exist (Carson, Wright, Chowdhury, Valimaki and Bilbao, "Sample rate
independent recurrent neural networks for audio effects processing", DAFx 2024).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .functions import sigmoid
from .nodes import Gru, Lstm, Node, Rnn


def lstm_step(node: Any, driven: np.ndarray, state: np.ndarray) -> np.ndarray:
    """Return the next h and c, one above the other; `driven` is W x + b."""
    hidden = node.width
    h, c = state[:hidden], state[hidden:]
    z = driven + node.weight_hh @ h
    gates = sigmoid(z)  # i, f, unused, o
    c = gates[hidden : 2 * hidden] * c + gates[:hidden] * np.tanh(z[2 * hidden : 3 * hidden])
    return np.concatenate([gates[3 * hidden :] * np.tanh(c), c])


def gru_step(node: Any, driven: np.ndarray, h: np.ndarray) -> np.ndarray:
    """Return the next h; `driven` is W x + b of the input side."""
    hidden = node.width
    recurrent = node.weight_hh @ h + node.bias_hh.reshape(-1, *[1] * (h.ndim - 1))
    gates = sigmoid(driven[: 2 * hidden] + recurrent[: 2 * hidden])  # r, z
    n = np.tanh(driven[2 * hidden :] + gates[:hidden] * recurrent[2 * hidden :])
    return n + gates[hidden:] * (h - n)


def rnn_step(node: Any, driven: np.ndarray, h: np.ndarray) -> np.ndarray:
    """Return the next h; `driven` is W x + b."""
    return np.tanh(driven + node.weight_hh @ h)


STEPS: dict[type[Node], Callable[[Any, np.ndarray, np.ndarray], np.ndarray]] = {
    Lstm: lstm_step,
    Gru: gru_step,
    Rnn: rnn_step,
}


def driven_by(node: Any, x: np.ndarray) -> np.ndarray:
    """Return the input's part of the gate sums, (gates, frames)."""
    bias = node.bias_ih if isinstance(node, Gru) else node.bias
    return node.weight_ih @ x + bias[:, None]


def stored_state(node: Any, dtype: Any) -> np.ndarray:
    """Return the state that the file starts from, else zeros: h, and c below it."""
    names = ("h0", "c0") if isinstance(node, Lstm) else ("h0",)
    parts = [getattr(node, name) for name in names]
    return np.concatenate([np.zeros(node.width) if part is None else part for part in parts]).astype(dtype)


def lagrange(delay: float) -> list[tuple[int, float]]:
    """Return (age in frames, weight) of the past states whose sum is the state `delay` frames ago."""
    if delay == int(delay):
        return [(int(delay), 1.0)]
    first = max(int(delay) - 1, 1)
    ages = range(first, first + 4)
    return [(age, float(np.prod([(delay - other) / (age - other) for other in ages if other != age]))) for age in ages]


def run_cell(node: Any, x: np.ndarray) -> np.ndarray:
    """Return h at every frame, ``(hidden, frames)``, in the precision of `x`."""
    typed = _in_precision(node, x.dtype)
    step, hidden = STEPS[type(node)], node.width
    driven = driven_by(typed, x).T.copy()
    state = stored_state(node, x.dtype)
    taps = [(age, x.dtype.type(weight)) for age, weight in lagrange(node.delay)]
    before = taps[-1][0]
    states = np.empty((before + len(driven), len(state)), x.dtype)
    states[:before] = state
    for t, from_input in enumerate(driven, before):
        state = states[t - taps[0][0]]
        if len(taps) > 1:
            state = sum(weight * states[t - age] for age, weight in taps)
        states[t] = step(typed, from_input, state)
    return states[before:, :hidden].T


def _in_precision(node: Any, dtype: Any) -> Any:
    """Return the node with its tensors in `dtype`."""
    if dtype == np.float64:
        return node
    values = {name: v.astype(dtype) if isinstance(v, np.ndarray) else v for name, v in vars(node).items()}
    return type(node)(**values)
