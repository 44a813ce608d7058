"""A gain and an offset for each feature."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .node import Node, tensor


@dataclass(frozen=True, eq=False)
class Affine(Node):
    """y = scale x + shift; both (features,)."""

    scale: np.ndarray = tensor(1)
    shift: np.ndarray = tensor(1)

    @property
    def macs(self) -> int:
        return self.scale.size

    def shapes(self, incoming: Sequence[int]) -> dict[str, tuple[int, ...]]:
        return {"scale": (incoming[0],), "shift": (incoming[0],)}

    def evaluate(self, sources: list[np.ndarray]) -> np.ndarray:
        (x,) = sources
        return self.scale.astype(x.dtype)[:, None] * x + self.shift.astype(x.dtype)[:, None]
