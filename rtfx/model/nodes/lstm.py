"""A long short-term memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .activation import sigmoid
from .node import tensor
from .recurrent import Recurrent


@dataclass(frozen=True, eq=False)
class Lstm(Recurrent):
    """c = sigmoid(f) c + sigmoid(i) tanh(g), h = sigmoid(o) tanh(c), with (i, f, g, o) = W x + U h + b.

    `weight_ih` is W (4H, in), `weight_hh` U (4H, H), `bias` b (4H,), `h0` and `c0` (H,) the initial states.
    """

    gates: ClassVar[int] = 4
    states: ClassVar[tuple[str, ...]] = ("h0", "c0")

    bias: np.ndarray = tensor(1)
    h0: np.ndarray | None = tensor(1, None)
    c0: np.ndarray | None = tensor(1, None)

    def input_sums(self, x: np.ndarray) -> np.ndarray:
        return self.weight_ih @ x + self.bias[:, None]

    def step(self, sums: np.ndarray, state: np.ndarray) -> np.ndarray:
        units = self.width
        h, c = state[:units], state[units:]
        z = sums + self.weight_hh @ h
        gates = sigmoid(z)  # i, f, unused, o
        c = gates[units : 2 * units] * c + gates[:units] * np.tanh(z[2 * units : 3 * units])
        return np.concatenate([gates[3 * units :] * np.tanh(c), c])
