"""Methods to run a model whose sample rate differs from the stream's, and whether they are stable.

==========  ================================================================  ===================  =================
method      what                                                              for                  added latency
==========  ================================================================  ===================  =================
none        the model runs unchanged                                          its own rate         none
delay       the state of recurrent layers fed back from further ago           recurrent nets,      none
                                                                              higher rates
dilate      every dilation multiplied                                         nets without state,  none
                                                                              whole multiples
resample    conversion to the model's rate before it and back after it        all                  ``Conversion``'s
==========  ================================================================  ===================  =================

At a whole multiple M of the model's rate, delay and dilate make M interleaved copies of the net: every M-th output
sample is exactly the net's output for every M-th input sample. docs/measurements/sample-rates.md measures the methods.

Delay can make a recurrent net oscillate. Near a point of rest a cell is linear, s[n] = J s[n - 1]. With feedback
through the interpolator L(z), every eigenvalue e of J gives the poles of 1 = e L(z). If a pole is outside the unit
circle, the net oscillates. The reason is that Lagrange's polynomial amplifies some frequencies away from the middle of
its points, and below a delay of 2 it has to be evaluated there. Carson, Wright and Bilbao ("Interpolation filter design
for sample rate independent audio effect RNNs", ICASSP 2025) found that this bound predicts 97.8 % of failures.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ..errors import UsageError
from ..model.nodes import Conv1d, Input, Recurrent
from ..model.nodes.recurrent import past_states
from ..model.spec import ModelSpec
from .block import ReadyBlock

NEEDS = {
    "delay": "a recurrent net, without long convolutions or strides, in a stream above",
    "dilate": "a net without recurrence or strides, at a whole multiple of",
}
LEVELS = (0.0, 0.03, -0.03, 0.3, -0.3)  # constant inputs around whose points of rest the net is linearised
SETTLE_FRAMES = 2048
SETTLED = 1e-9
SLACK = 1e-3  # relative; how much faster a net that oscillates by itself may grow, per frame at its own rate
NUDGE = 1e-5  # difference of a state by which the derivatives of a step are taken


def fitted(block: ReadyBlock, sample_rate: float, wanted: str = "auto") -> tuple[ReadyBlock, list[str]]:
    """Return the block with its model changed to run in a stream of `sample_rate` Hz, and messages for the user.

    Parameters
    ----------
    block : ReadyBlock
        A block without a model, or whose model has no sample rate, is returned unchanged.
    sample_rate : float
        The stream's, in Hz.
    wanted : str
        One of `rig.parameters.RATE_METHODS`; "auto" chooses the method without latency if it fits and is stable.

    Raises
    ------
    UsageError
        The wanted method does not fit the model.
    """
    spec = block.spec or block.net
    if spec is None or not spec.sample_rate:
        return block, []
    choice = choose_method(spec, sample_rate, wanted)
    if choice.method == "none":
        return block, []
    factor = sample_rate / spec.sample_rate
    made_for = f"{block.id}: the model was made for {spec.sample_rate:g} Hz"
    if choice.method == "resample":
        block = replace(block, model_rate=spec.sample_rate)
        conversion = block.conversion(sample_rate)
        if conversion is None:  # the net of a block that plays its circuit
            return block, []
        why = f" ({choice.why})" if choice.why else ""
        return block, [
            f"{made_for} and is resampled from and to {sample_rate:g} Hz{why}, which adds "
            f"{1000.0 * conversion.latency / sample_rate:.2g} ms: -r {spec.sample_rate:g} opens the device at the "
            "model's rate"
        ]
    how = (
        f"its state comes from {factor:.4g} frames ago" if choice.method == "delay" else "its dilations are multiplied"
    )
    slower = spec.stretched(factor)
    block = replace(block, spec=slower) if block.spec else replace(block, net=slower)
    block = replace(block, period_rate=spec.sample_rate)
    return block, [f"{made_for}; at {sample_rate:g} Hz {how} ({choice.method}), which adds no latency"]


class Choice(NamedTuple):
    """A method; `why` is the reason if it replaces the method that fits without latency, else ""."""

    method: str
    why: str = ""


def choose_method(spec: ModelSpec, sample_rate: float, wanted: str = "auto") -> Choice:
    """Return how a model runs in a stream of `sample_rate` Hz.

    Raises
    ------
    UsageError
        The wanted method does not fit the model. A method that fits but would not be stable is replaced by resampling.
    """
    if not spec.sample_rate or spec.sample_rate == sample_rate:
        return Choice("none")
    factor = sample_rate / spec.sample_rate
    nets = [spec, *(size for _, size in spec.sizes)]
    recurrent = any(net.recurrent for net in nets)
    method = "delay" if recurrent else "dilate"
    fits = factor > 1.0 and all(_stretches(net, factor) for net in nets)
    if wanted in ("delay", "dilate") and (wanted != method or not fits):
        raise UsageError(
            f"{spec.name}: --rate-method {wanted} needs {NEEDS[wanted]} {spec.sample_rate:g} Hz, "
            f"found {'a recurrent net' if recurrent else 'a net without state'} at {sample_rate:g} Hz: use resample"
        )
    if wanted == "resample" or not fits:
        return Choice("resample")
    if factor != int(factor) and not all(stays_stable(net, factor) for net in nets):
        return Choice("resample", f"its state fed back from {factor:.4g} frames ago would not be stable")
    return Choice(method)


def _stretches(spec: ModelSpec, factor: float) -> bool:
    """Return whether every node can be stretched; a factor that is not whole needs interpolated recurrent states."""
    taps = max((node.weight.shape[2] for node in spec.nodes if isinstance(node, Conv1d)), default=1)
    return spec.period == 1 and (factor == int(factor) or taps == 1 and spec.recurrent)


def stays_stable(spec: ModelSpec, delay: float) -> bool:
    """Return whether all poles are inside the unit circle, or no further outside than at the model's own rate."""
    pole = largest_pole(spec, delay)
    return pole <= 1.0 or pole**delay <= largest_pole(spec, 1.0) * (1.0 + SLACK)


@lru_cache(maxsize=64)
def largest_pole(spec: ModelSpec, delay: float) -> float:
    """Return the largest magnitude of a pole, with states fed back from `delay` frames ago and knobs at default."""
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
    """Return the states at which the layer rests for constant inputs, (state, points)."""
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
