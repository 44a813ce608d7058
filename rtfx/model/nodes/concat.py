"""Signals side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .node import Node


@dataclass(frozen=True, eq=False)
class Concat(Node):
    """The features of all sources, one after the other."""

    joins: ClassVar[bool] = True

    def width_after(self, incoming: Sequence[int]) -> int:
        return sum(incoming)

    def evaluate(self, sources: list[np.ndarray]) -> np.ndarray:
        return np.concatenate(sources)
