"""A rectifier with a slope for each feature."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .node import Node, tensor


@dataclass(frozen=True, eq=False)
class PRelu(Node):
    """y = x where x >= 0, else alpha x; alpha (features,)."""

    alpha: np.ndarray = tensor(1)

    def shapes(self, incoming: Sequence[int]) -> dict[str, tuple[int, ...]]:
        return {"alpha": (incoming[0],)}

    def evaluate(self, sources: list[np.ndarray]) -> np.ndarray:
        (x,) = sources
        return np.where(x >= 0, x, self.alpha.astype(x.dtype)[:, None] * x)
