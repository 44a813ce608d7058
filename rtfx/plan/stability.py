"""Whether a recurrent net stays bounded when its state is fed back through an interpolator: its largest linear pole.

Around a point of rest a cell is linear, s[n] = J s[n - 1]. Fed back through the interpolator L(z) every eigenvalue e of
J gives the poles of 1 = e L(z), and where one lies outside the unit circle the net howls: Lagrange's polynomial
amplifies some frequencies where it looks beside its middle, as it must below a delay of 2. Carson, Wright and Bilbao
("Interpolation filter design for sample rate independent audio effect RNNs", ICASSP 2025) found that this bound
foretells 97.8 % of failures.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from ..model.nodes import Input, Recurrent
from ..model.nodes.recurrent import past_states
from ..model.spec import ModelSpec

LEVELS = (0.0, 0.03, -0.03, 0.3, -0.3)  # constant inputs around whose points of rest the net is linearised
SETTLE_FRAMES = 2048
SETTLED = 1e-9
SLACK = 1e-3  # in the growth per frame of the model's own rate, of nets that oscillate by themselves
NUDGE = 1e-5  # of a state, for the slopes of the step


def stays_stable(spec: ModelSpec, delay: float) -> bool:
    """Tell whether all poles stay inside the unit circle, or no further outside than at the model's own rate."""
    pole = largest_pole(spec, delay)
    return pole <= 1.0 or pole**delay <= largest_pole(spec, 1.0) * (1.0 + SLACK)


@lru_cache(maxsize=64)
def largest_pole(spec: ModelSpec, delay: float) -> float:
    """Return the largest magnitude of any pole, with the states fed back from `delay` frames ago; knobs at default."""
    knobs = {knob.name: knob.default for knob in spec.knobs}
    period = 1.0 / spec.sample_rate if spec.sample_rate else 0.0
    signals: list[np.ndarray] = []
    largest = 0.0
    for node in spec.nodes:
        if isinstance(node, Input) and node.role == "audio":
            signals.append(np.tile(LEVELS, (node.channels, 1)))
        elif isinstance(node, Input):
            signals.append(np.full((1, len(LEVELS)), knobs[node.name] if node.role == "knob" else period))
        elif isinstance(node, Recurrent):
            driven = node.input_sums(signals[node.sources[0]])
            state = _settled(node, driven)
            for point in range(len(LEVELS)):
                slopes = _slopes(node, driven[:, point], state[:, point])
                largest = max(largest, _pole(np.linalg.eigvals(slopes), delay))
            signals.append(state[: node.width])
        else:
            signals.append(node.evaluate([signals[s] for s in node.sources]))
    return largest


def _settled(node: Any, driven: np.ndarray) -> np.ndarray:
    """Return the states, (state, points), that constant inputs lead to."""
    state = np.repeat(node.stored_state(np.float64)[:, None], driven.shape[1], axis=1)
    for _ in range(SETTLE_FRAMES):
        before, state = state, node.step(driven, state)
        if np.abs(state - before).max() < SETTLED:
            break
    return state


def _slopes(node: Any, driven: np.ndarray, state: np.ndarray) -> np.ndarray:
    """Return the Jacobian of one step, (state, state), by central differences."""
    nudges = NUDGE * np.eye(state.size)
    around = state[:, None] + np.concatenate([nudges, -nudges], axis=1)
    after = node.step(np.repeat(driven[:, None], 2 * state.size, axis=1), around)
    return (after[:, : state.size] - after[:, state.size :]) / (2.0 * NUDGE)


def _pole(eigenvalues: np.ndarray, delay: float) -> float:
    """Return the largest root of z^n = e sum_k weight_k z^(n - age_k) over the eigenvalues e; n is the greatest age."""
    taps = past_states(delay)
    degree = taps[-1][0]
    companions = np.zeros((eigenvalues.size, degree, degree), complex)
    companions[:, np.arange(1, degree), np.arange(degree - 1)] = 1.0
    for age, weight in taps:
        companions[:, 0, age - 1] = weight * eigenvalues
    return float(np.abs(np.linalg.eigvals(companions)).max())
