"""A signal from outside: audio, a knob, or the sample period."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import ShapeMismatch
from ..values import one_of
from .node import Node, features, stated, text

ROLES = ("audio", "knob", "sample_period")


@dataclass(frozen=True, eq=False)
class Input(Node):
    """A signal from outside.

    Parameters
    ----------
    role : str
        One of `ROLES`. A knob is constant but for glides; the sample period is in seconds.
    name : str
        Of a knob, that of the model's `Knob`.
    channels : int
        Of audio at least 1, else 1.
    """

    role: str = stated(lambda value, where: one_of(value, ROLES, where), "audio")
    name: str = text("audio")
    channels: int = features(1)

    @property
    def width(self) -> int:
        return self.channels

    def check(self, incoming: Sequence[int], where: str) -> None:
        if incoming:
            raise ShapeMismatch(f"{where} has sources {self.sources}, expected none")
        if self.role not in ROLES:
            raise ShapeMismatch(f"{where}: role is {self.role!r}, expected one of: {', '.join(ROLES)}")
        if self.channels < 1 or (self.role != "audio" and self.channels > 1):
            raise ShapeMismatch(f"{where}: {self.channels} channels, expected 1 (audio: at least 1)")

    def settled(self, sources: list[np.ndarray]) -> np.ndarray:
        return np.zeros((self.channels, 1))
