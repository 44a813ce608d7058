"""A small LSTM trained in NumPy, as a training loop beside a stream that plays."""

from __future__ import annotations

import numpy as np

NAMES = ("rec.weight_ih_l0", "rec.weight_hh_l0", "rec.bias_ih_l0", "rec.bias_hh_l0", "lin.weight", "lin.bias")


def sigmoid(x):
    return 0.5 + 0.5 * np.tanh(0.5 * x)


class SmallLstm:
    """One LSTM and a linear output, with the names and the gate order of a PyTorch module."""

    def __init__(self, hidden: int = 6, seed: int = 0):
        generator = np.random.default_rng(seed)
        shapes = ((4 * hidden, 1), (4 * hidden, hidden), (4 * hidden,), (4 * hidden,), (1, hidden), (1,))
        self.weights = [generator.uniform(-1.0, 1.0, shape) / np.sqrt(hidden) for shape in shapes]
        self.hidden = hidden
        self._moments = [(np.zeros_like(w), np.zeros_like(w)) for w in self.weights]
        self._steps = 0

    def state_dict(self) -> dict[str, np.ndarray]:
        return dict(zip(NAMES, self.weights, strict=True))

    def step(self, x: np.ndarray, target: np.ndarray, warm_up: int, rate: float = 0.01) -> float:
        """Take one step of Adam on (frames, batch); return the error-to-signal ratio behind the warm-up."""
        w_ih, w_hh, b_ih, b_hh, w_out, b_out = self.weights
        frames, batch = x.shape
        h, c = np.zeros((self.hidden, batch)), np.zeros((self.hidden, batch))
        tape = []
        error = np.zeros_like(x)
        for t in range(frames):
            a = w_ih * x[t] + w_hh @ h + (b_ih + b_hh)[:, None]
            i, f, o = (
                sigmoid(part) for part in (a[: self.hidden], a[self.hidden : 2 * self.hidden], a[-self.hidden :])
            )
            g = np.tanh(a[2 * self.hidden : 3 * self.hidden])
            tape.append((h, c, i, f, g, o))
            c = f * c + i * g
            h = o * np.tanh(c)
            error[t] = (w_out @ h)[0] + b_out[0] - target[t]
        error[:warm_up] = 0.0
        power = np.sum(target[warm_up:] ** 2)
        gradients = [np.zeros_like(w) for w in self.weights]
        d_h, d_c = np.zeros_like(h), np.zeros_like(c)
        for t in range(frames - 1, -1, -1):
            before, kept, i, f, g, o = tape[t]
            curved = np.tanh(f * kept + i * g)
            d_y = 2.0 * error[t] / power
            gradients[4] += d_y @ (o * curved).T
            gradients[5] += d_y.sum()
            d_h = d_h + w_out.T * d_y
            d_c = d_c + d_h * o * (1.0 - curved**2)
            d_a = np.concatenate(
                (
                    d_c * g * i * (1.0 - i),
                    d_c * kept * f * (1.0 - f),
                    d_c * i * (1.0 - g**2),
                    d_h * curved * o * (1.0 - o),
                )
            )
            gradients[0] += (d_a @ x[t])[:, None]
            gradients[1] += d_a @ before.T
            gradients[2] += d_a.sum(axis=1)
            gradients[3] += d_a.sum(axis=1)
            d_h, d_c = w_hh.T @ d_a, d_c * f
        self._steps += 1
        for w, d, (first, second) in zip(self.weights, gradients, self._moments, strict=True):
            first += 0.1 * (d - first)
            second += 0.01 * (d * d - second)
            w -= rate * (first / (1.0 - 0.9**self._steps)) / (np.sqrt(second / (1.0 - 0.99**self._steps)) + 1e-8)
        return float(np.sum(error**2) / power)
