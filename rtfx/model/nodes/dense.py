"""A dense layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .node import Node, tensor


@dataclass(frozen=True, eq=False)
class Dense(Node):
    """y = W x + b, W (out, in), b (out,)."""

    weight: np.ndarray = tensor(2)
    bias: np.ndarray = tensor(1)

    @property
    def width(self) -> int:
        return self.weight.shape[0]

    def shapes(self, incoming: Sequence[int]) -> dict[str, tuple[int, ...]]:
        return {"weight": (self.width, incoming[0]), "bias": (self.width,)}

    def evaluate(self, sources: list[np.ndarray]) -> np.ndarray:
        (x,) = sources
        return self.weight.astype(x.dtype) @ x + self.bias.astype(x.dtype)[:, None]
