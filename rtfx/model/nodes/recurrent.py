"""What recurrent layers share: the state, and the delay line that runs them at another sample rate.

A layer made for one rate runs at `delay` times that rate if its state is fed back from `delay` frames ago. If `delay`
is an integer, the layer acts as `delay` interleaved copies of itself, which is exact. Otherwise the state between two
frames is interpolated by a cubic through the four nearest existing frames (Carson, Wright, Chowdhury, Valimaki, Bilbao,
"Sample rate independent recurrent neural networks for audio effects processing", DAFx 2024).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from ...errors import ShapeMismatch
from .node import Node, tensor


@dataclass(frozen=True, eq=False)
class Recurrent(Node):
    """A layer whose output is a state h that it carries from frame to frame.

    Parameters
    ----------
    weight_ih, weight_hh : numpy.ndarray
        (gates H, in) and (gates H, H).
    delay : float
        Age in frames of the state that is fed back: 1 unless the model runs at a rate other than its own. Files do not
        store it.

    Attributes
    ----------
    gates : int
        Rows of the weights per unit.
    states : tuple of str
        Fields of the stored states, h first; None stands for zeros.
    """

    weight_ih: np.ndarray = tensor(2)
    weight_hh: np.ndarray = tensor(2)

    delay: float = field(default=1.0, kw_only=True)

    gates: ClassVar[int]
    states: ClassVar[tuple[str, ...]] = ("h0",)

    @property
    def width(self) -> int:
        return self.weight_hh.shape[1]

    def shapes(self, incoming: Sequence[int]) -> dict[str, tuple[int, ...]]:
        rows, units = self.gates * self.width, self.width
        shapes: dict[str, tuple[int, ...]] = {name: (rows,) for name in self.tensors if name.startswith("bias")}
        shapes |= {"weight_ih": (rows, incoming[0]), "weight_hh": (rows, units)}
        return shapes | {name: (units,) for name in self.states if getattr(self, name) is not None}

    def check(self, incoming: Sequence[int], where: str) -> None:
        if not self.delay >= 1.0:
            raise ShapeMismatch(f"{where}: the state is {self.delay:g} frames old, expected at least 1")
        super().check(incoming, where)

    def input_sums(self, x: np.ndarray) -> np.ndarray:
        """Return the input's contribution to the gates, bias included, (gates H, frames)."""
        raise NotImplementedError

    def step(self, sums: np.ndarray, state: np.ndarray) -> np.ndarray:
        """Return the next state, its parts stacked in one vector, from one frame of `input_sums`."""
        raise NotImplementedError

    def stored_state(self, dtype: Any) -> np.ndarray:
        """Return the initial state stored in the file, else zeros; its parts are stacked in one vector."""
        parts = [getattr(self, name) for name in self.states]
        return np.concatenate([np.zeros(self.width) if part is None else part for part in parts]).astype(dtype)

    def evaluate(self, sources: list[np.ndarray]) -> np.ndarray:
        (x,) = sources
        changes: dict[str, Any] = {name: value.astype(x.dtype) for name, value in self.tensors.items()}
        typed = replace(self, **changes)
        driven = typed.input_sums(x).T.copy()
        taps = [(age, x.dtype.type(weight)) for age, weight in past_states(self.delay)]
        before = taps[-1][0]
        state = typed.stored_state(x.dtype)
        states = np.empty((before + len(driven), len(state)), x.dtype)
        states[:before] = state
        for t, sums in enumerate(driven, before):
            state = states[t - taps[0][0]]
            if len(taps) > 1:
                state = sum(weight * states[t - age] for age, weight in taps)
            states[t] = typed.step(sums, state)
        return states[before:, : self.width].T

    def stretched(self, factor: float) -> Recurrent:
        return replace(self, delay=self.delay * factor)


def past_states(delay: float) -> list[tuple[int, float]]:
    """Return (age in frames, weight) of the past states whose weighted sum is the state `delay` frames ago."""
    if delay == int(delay):
        return [(int(delay), 1.0)]
    first = max(int(delay) - 1, 1)
    ages = range(first, first + 4)
    return [(age, float(np.prod([(delay - other) / (age - other) for other in ages if other != age]))) for age in ages]
