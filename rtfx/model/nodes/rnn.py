"""An Elman layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .node import tensor
from .recurrent import Recurrent


@dataclass(frozen=True, eq=False)
class Rnn(Recurrent):
    """h = tanh(W x + U h + b).

    `weight_ih` is W (H, in), `weight_hh` U (H, H), `bias` b (H,), `h0` (H,) the initial state.
    """

    gates: ClassVar[int] = 1

    bias: np.ndarray = tensor(1)
    h0: np.ndarray | None = tensor(1, None)

    def input_sums(self, x: np.ndarray) -> np.ndarray:
        return self.weight_ih @ x + self.bias[:, None]

    def step(self, sums: np.ndarray, state: np.ndarray) -> np.ndarray:
        return np.tanh(sums + self.weight_hh @ state)
