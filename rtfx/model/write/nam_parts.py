"""What the writers of NAM's architectures return."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np


class Written(NamedTuple):
    """A config, its weights in their order, and whether a version newer than the oldest is needed to read it."""

    config: dict[str, Any]
    weights: list[np.ndarray]
    new: bool = False
