"""Reads a signal at every n-th frame, for layers that run at a fraction of the sample rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import ShapeMismatch, UnsupportedArchitecture
from .node import Node, count, place, text

BETWEEN = ("last", "zero")


@dataclass(frozen=True, eq=False)
class Hold(Node):
    """x at every stride-th frame, from frame `phase` on; in between the output repeats that value, or is zero.

    Frame 0 is the first frame that is processed, prewarm included; before frame `phase` the output is zero.

    Parameters
    ----------
    stride : int
        Frames.
    phase : int
        The first frame that is read, 0 to stride - 1.
    between : str
        One of `BETWEEN`.
    """

    stride: int = count()
    phase: int = place(0)
    between: str = text("last")

    @property
    def history(self) -> int:
        return self.stride - 1 if self.between == "last" else 0

    def check(self, incoming: Sequence[int], where: str) -> None:
        super().check(incoming, where)
        if self.stride < 1 or not 0 <= self.phase < self.stride:
            raise ShapeMismatch(f"{where}: stride {self.stride}, phase {self.phase}: expected 0 <= phase < stride")
        if self.between not in BETWEEN:
            raise UnsupportedArchitecture(
                f"{where}: between is {self.between!r}, expected one of: {', '.join(BETWEEN)}"
            )

    def evaluate(self, sources: list[np.ndarray]) -> np.ndarray:
        (x,) = sources
        age = (np.arange(x.shape[1]) - self.phase) % self.stride
        taken = np.arange(x.shape[1]) - age
        sounds = (taken >= 0) & ((age == 0) | (self.between == "last"))
        return np.where(sounds, x[:, np.maximum(taken, 0)], x.dtype.type(0))
