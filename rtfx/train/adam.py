"""Adam (Kingma and Ba 2015) over one vector, the gradient clipped to length 1."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

KEPT, KEPT_SQUARE = 0.9, 0.999  # of the running means of the gradient and of its square, per step
LONGEST = 1.0  # of a gradient


class Adam:
    """Moves a vector against gradients; `values` is changed in place."""

    def __init__(self, values: np.ndarray):
        self.values = values
        self.first, self.second, self.steps = np.zeros_like(values), np.zeros_like(values), 0

    def step(self, gradient: np.ndarray, rate: float) -> None:
        """Take one step; a gradient that is not finite is passed over."""
        length = float(np.sqrt(np.sum(gradient * gradient)))
        if not np.isfinite(length):
            return
        gradient = gradient * np.float32(min(1.0, LONGEST / (length + 1e-9)))
        self.steps += 1
        self.first += (1.0 - KEPT) * (gradient - self.first)
        self.second += (1.0 - KEPT_SQUARE) * (gradient * gradient - self.second)
        mean = self.first / (1.0 - KEPT**self.steps)
        size = np.sqrt(self.second / (1.0 - KEPT_SQUARE**self.steps)) + 1e-8
        self.values -= (rate * mean / size).astype(self.values.dtype)

    def state(self) -> dict[str, np.ndarray]:
        """Return copies of all that is kept."""
        kept = {"values": self.values, "first": self.first, "second": self.second}
        return {**{name: value.copy() for name, value in kept.items()}, "steps": np.array(self.steps)}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take what `state` returned."""
        self.values[:], self.first[:], self.second[:] = state["values"], state["first"], state["second"]
        self.steps = int(state["steps"])
