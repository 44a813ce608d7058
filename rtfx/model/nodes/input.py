"""An input of the model: audio, a knob, or the sample period."""

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
    """An input of the model.

    Parameters
    ----------
    role : str
        One of `ROLES`. A knob is constant except while it glides to a new value; the sample period is in seconds.
    name : str
        For a knob, the name of the model's `Knob`.
    channels : int
        At least 1 for audio, 1 for the other roles.
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
