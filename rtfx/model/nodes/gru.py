"""A gated recurrent unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .activation import sigmoid
from .node import tensor
from .recurrent import Recurrent


@dataclass(frozen=True, eq=False)
class Gru(Recurrent):
    """h = (1 - z) n + z h, n = tanh(W_n x + b_n + r (U_n h + d_n)), r and z = sigmoid(W x + b + U h + d).

    `weight_ih` is W (3H, in), `weight_hh` U (3H, H), `bias_ih` b and `bias_hh` d (3H,), rows r, z, n; `h0` (H,) is the
    initial state. The reset gate r multiplies the product U_n h + d_n, as in PyTorch.
    """

    gates: ClassVar[int] = 3

    bias_ih: np.ndarray = tensor(1)
    bias_hh: np.ndarray = tensor(1)
    h0: np.ndarray | None = tensor(1, None)

    def input_sums(self, x: np.ndarray) -> np.ndarray:
        return self.weight_ih @ x + self.bias_ih[:, None]

    def step(self, sums: np.ndarray, state: np.ndarray) -> np.ndarray:
        units = self.width
        recurrent = self.weight_hh @ state + self.bias_hh.reshape(-1, *[1] * (state.ndim - 1))
        gates = sigmoid(sums[: 2 * units] + recurrent[: 2 * units])  # r, z
        n = np.tanh(sums[2 * units :] + gates[:units] * recurrent[2 * units :])
        return n + gates[units:] * (state - n)
