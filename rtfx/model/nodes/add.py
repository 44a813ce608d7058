"""A sum of signals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...errors import ShapeMismatch
from .node import Node


@dataclass(frozen=True, eq=False)
class Add(Node):
    """The sum of all sources, which have the same number of features."""

    joins: ClassVar[bool] = True

    def check(self, incoming: Sequence[int], where: str) -> None:
        super().check(incoming, where)
        equally_wide(incoming, where)

    def evaluate(self, sources: list[np.ndarray]) -> np.ndarray:
        return np.sum(sources, axis=0)


def equally_wide(incoming: Sequence[int], where: str) -> None:
    """Raise ShapeMismatch unless all sources have the same number of features."""
    if len(set(incoming)) != 1:
        raise ShapeMismatch(f"{where} joins signals of {list(incoming)} features, expected equal widths")
