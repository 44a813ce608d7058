"""A part of a signal's features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import ShapeMismatch
from .node import Node, place


@dataclass(frozen=True, eq=False)
class Slice(Node):
    """Features `start` to `stop` of its source, `stop` excluded."""

    start: int = place()
    stop: int = place()

    @property
    def width(self) -> int:
        return self.stop - self.start

    def check(self, incoming: Sequence[int], where: str) -> None:
        super().check(incoming, where)
        if not 0 <= self.start < self.stop <= incoming[0]:
            raise ShapeMismatch(f"{where} takes features {self.start} to {self.stop} of {incoming[0]}, expected a part")

    def evaluate(self, sources: list[np.ndarray]) -> np.ndarray:
        (x,) = sources
        return x[self.start : self.stop]
