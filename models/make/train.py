"""Trains a small recurrent net on input, knob and output, and writes it as rtfx JSON.

Loss: error-to-signal ratio after the pre-emphasis 1 - 0.85/z, plus that of the mean (Wright et al. 2020); truncated
back-propagation: a warm-up without gradient, then one step of Adam every `CHUNK` frames with the state carried on.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from rtfx.model.rtfx_json import save
from rtfx.model.spec import Concat, Dense, Gru, Input, Knob, Lstm, ModelSpec, Node
from rtfx.train.bptt import BACKWARD, FORWARD, GATES, STATE, TAPE

SEGMENT, WARM_UP, CHUNK = 12000, 1000, 500
PRE_EMPHASIS = np.float32(0.85)
NAMES = ("w_ih", "w_hh", "b_ih", "b_hh", "w_out", "b_out")


class Net:
    """A GRU or LSTM of two inputs, audio and knob, and a linear output; weights in PyTorch's order."""

    def __init__(self, cell: str, hidden: int, seed: int, inputs: int = 2):
        rng = np.random.default_rng(seed)
        rows, bound = GATES[cell] * hidden, hidden**-0.5
        self.cell, self.hidden = cell, hidden
        shapes = ((rows, inputs), (rows, hidden), (rows,), (rows,), (1, hidden), (1,))
        self.weights = [rng.uniform(-bound, bound, shape).astype(np.float32) for shape in shapes]
        if cell == "lstm":
            self.weights[3][:] = 0.0
            self.weights[2][hidden : 2 * hidden] = 1.0  # forget little at first

    def state(self, batch: int) -> np.ndarray:
        """Return a state of rest."""
        return np.zeros((STATE[self.cell] * self.hidden, batch), np.float32)

    def run(self, x: np.ndarray, state: np.ndarray):
        """Return (output (frames, batch), tape) for x (frames, inputs, batch); `state` moves on."""
        tape = np.empty((x.shape[0], TAPE[self.cell] * self.hidden, x.shape[2]), np.float32)
        y = np.empty((x.shape[0], x.shape[2]), np.float32)
        FORWARD[self.cell](x, *self.weights, state, tape, y)
        return y, tape

    def gradients(self, x, tape, state, d_y) -> list[np.ndarray]:
        """Return the gradient of every weight."""
        g = [np.zeros_like(w) for w in self.weights]
        BACKWARD[self.cell](x, self.weights[0], self.weights[1], self.weights[4], tape, state, d_y, *g)
        return g


def loss(y: np.ndarray, target: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the loss of (frames, batch) and its gradient by y."""
    error = y - target
    shaped, wanted = error.copy(), target.copy()
    shaped[1:] -= PRE_EMPHASIS * error[:-1]
    wanted[1:] -= PRE_EMPHASIS * target[:-1]
    scale = np.float32(1.0) / (np.sum(wanted[1:] ** 2) + np.float32(1e-3))
    gradient = np.zeros_like(y)
    gradient[1:] += 2.0 * scale * shaped[1:]
    gradient[:-1] -= 2.0 * scale * PRE_EMPHASIS * shaped[1:]
    mean, power = error.mean(axis=0), np.mean(target**2) + np.float32(1e-5)
    gradient += 2.0 * mean / (power * y.shape[0] * y.shape[1])
    return float(scale * np.sum(shaped[1:] ** 2) + np.mean(mean**2) / power), gradient


def plain_esr(y: np.ndarray, target: np.ndarray) -> float:
    """Return the error-to-signal ratio without pre-emphasis."""
    return float(np.sum((y - target) ** 2) / np.sum(target**2))


def segments(x: np.ndarray, knob: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cut (frames,) arrays in segments: inputs (SEGMENT, 2, n), targets (SEGMENT, n)."""
    count = x.size // SEGMENT
    cut = [v[: count * SEGMENT].reshape(count, SEGMENT).T.astype(np.float32) for v in (x, knob, y)]
    return np.ascontiguousarray(np.stack(cut[:2], axis=1)), np.ascontiguousarray(cut[2])


def fit(
    net: Net,
    data,
    check,
    seconds: float,
    seed: int,
    batch: int = 64,
    rate: float = 5e-3,
    warm_up: int = WARM_UP,
    keep: Callable[[Net], None] | None = None,
) -> float:
    """Train for so many seconds; leave the best net by the check set in `net`, return its error-to-signal ratio."""
    inputs, targets = data
    rng = np.random.default_rng(seed)
    first, second = ([np.zeros_like(w) for w in net.weights] for _ in range(2))
    best, kept, begun, steps, epoch = np.inf, [w.copy() for w in net.weights], time.time(), 0, 0
    while (elapsed := time.time() - begun) < seconds:
        order = rng.permutation(inputs.shape[2])
        for start in range(0, order.size - batch + 1, batch):
            part = order[start : start + batch]
            x, y = np.ascontiguousarray(inputs[:, :, part]), np.ascontiguousarray(targets[:, part])
            state = net.state(batch)
            net.run(x[:warm_up], state)
            for t in range(warm_up, x.shape[0] - CHUNK + 1, CHUNK):
                out, tape = net.run(x[t : t + CHUNK], state)
                _, gradient = loss(out, y[t : t + CHUNK])
                steps += 1
                progress = min((time.time() - begun) / seconds, 1.0)
                speed = rate * (0.01 + 0.99 * 0.5 * (1.0 + np.cos(np.pi * progress)))
                adam(net, net.gradients(x[t : t + CHUNK], tape, state, gradient), first, second, steps, speed)
        epoch += 1
        out, _ = net.run(check[0], net.state(check[0].shape[2]))
        now = plain_esr(out[warm_up:], check[1][warm_up:])
        if now < best:
            best, kept = now, [w.copy() for w in net.weights]
            if keep:
                keep(net)
        print(f"epoch {epoch} {elapsed:.0f} s {steps} steps ESR {100 * now:.3f} % best {100 * best:.3f} %", flush=True)
    net.weights = kept
    return best


def adam(net: Net, gradients, first, second, step: int, rate: float) -> None:
    """Take one step of Adam (Kingma and Ba 2015), the gradient clipped to length 1."""
    length = float(np.sqrt(sum(np.sum(g * g) for g in gradients)))
    clip = min(1.0, 1.0 / (length + 1e-9))
    for w, g, m, v in zip(net.weights, gradients, first, second, strict=True):
        m += 0.1 * (clip * g - m)
        v += 0.001 * ((clip * g) ** 2 - v)
        w -= (rate * (m / (1.0 - 0.9**step)) / (np.sqrt(v / (1.0 - 0.999**step)) + 1e-8)).astype(np.float32)


def export(net: Net, path: Path, name: str, kind: str, knob: str, metadata: dict) -> ModelSpec:
    """Write the net as rtfx JSON, its numbers with the nine digits a float32 needs, and return its spec."""
    w_ih, w_hh, b_ih, b_hh, w_out, b_out = (np.vectorize(lambda v: float(f"{v:.9g}"))(w) for w in net.weights)
    cell: Node = Lstm((2,), w_ih, w_hh, b_ih + b_hh) if net.cell == "lstm" else Gru((2,), w_ih, w_hh, b_ih, b_hh)
    nodes = (Input(()), Input((), "knob", knob), Concat((0, 1)), cell, Dense((3,), w_out, b_out))
    spec = ModelSpec("rtfx", nodes, name, 48000.0, "file", (Knob(knob),), kind, metadata=metadata)
    save(spec, path)
    return spec
