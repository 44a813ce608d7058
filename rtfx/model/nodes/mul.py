"""A product of signals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .add import equally_wide
from .node import Node


@dataclass(frozen=True, eq=False)
class Mul(Node):
    """The product of all sources, element by element; all have the same number of features."""

    joins: ClassVar[bool] = True

    def check(self, incoming: Sequence[int], where: str) -> None:
        super().check(incoming, where)
        equally_wide(incoming, where)

    def evaluate(self, sources: list[np.ndarray]) -> np.ndarray:
        return np.prod(sources, axis=0)
