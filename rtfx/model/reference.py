"""Evaluates a ModelSpec node by node in plain NumPy; every kernel is measured against the result.

Each node computes its own equation (``nodes``), written for clarity and not for speed. Kernels and plan share no code
with this module.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..errors import UnsupportedInput, UsageError, did_you_mean
from .nodes import Input
from .spec import ModelSpec


def evaluate(
    spec: ModelSpec,
    x: np.ndarray,
    knobs: Mapping[str, float] | None = None,
    sample_rate: float | None = None,
    cold: bool = False,
    dtype: type = np.float64,
) -> np.ndarray:
    """Return the bare output of the model.

    Parameters
    ----------
    spec : ModelSpec
    x : numpy.ndarray
        Audio, ``(channels, frames)``, or ``(frames,)`` for a model of one input.
    knobs : mapping, optional
        Values by name, constant over the signal; the defaults for those not named.
    sample_rate : float, optional
        Hz; needed by models that take the sample period.
    cold : bool
        Start from the stored state or zeros; otherwise `spec.prewarm_frames` zeros are processed first. It has no
        effect if `spec.quiet_past`: the past of every layer is then its response to zeros at the input.
    dtype : type
        numpy.float64, or numpy.float32 for the plain float32 evaluation that accuracy bounds are derived from.

    Returns
    -------
    numpy.ndarray
        ``(outputs, frames)`` of `dtype`.

    Raises
    ------
    UsageError
        An unknown knob, or no sample rate where one is needed.
    UnsupportedInput
        The number of channels differs from the model's inputs.
    """
    x = np.atleast_2d(np.asarray(x, dtype))
    if x.ndim != 2 or x.shape[0] != spec.inputs:
        raise UnsupportedInput(f"{spec.name}: audio of shape {x.shape}, expected ({spec.inputs}, frames)")
    values = {knob.name: knob.default for knob in spec.knobs}
    for name, value in (knobs or {}).items():
        if name not in values:
            known = ", ".join(values) or "none"
            raise UsageError(f"{spec.name} has no knob {name!r}{did_you_mean(name, values)}, its knobs: {known}")
        values[name] = float(value)
    frames = x.shape[1]
    if not cold and not spec.quiet_past:
        x = np.concatenate([np.zeros((x.shape[0], spec.prewarm_frames), dtype), x], axis=1)
    signals: list[np.ndarray] = []
    before: list[np.ndarray] = []  # (features, 1): each node's constant past output, if `quiet_past`
    channel = 0
    for node in spec.nodes:
        sources = [signals[s] for s in node.sources]
        with np.errstate(over="ignore", invalid="ignore"):
            if isinstance(node, Input) and node.role == "audio":
                signals.append(x[channel : channel + node.channels])
                channel += node.channels
            elif isinstance(node, Input):
                signals.append(np.full((1, x.shape[1]), _constant(node, values, sample_rate), dtype))
            elif spec.quiet_past:
                signals.append(node.evaluate_settled(sources, [before[s] for s in node.sources]))
            else:
                signals.append(node.evaluate(sources))
            if spec.quiet_past:
                before.append(node.settled([before[s] for s in node.sources]).astype(dtype))
    return signals[-1][:, signals[-1].shape[1] - frames :]


def _constant(node: Input, values: Mapping[str, float], sample_rate: float | None) -> float:
    """Return the value of a knob, or the sample period in seconds."""
    if node.role == "knob":
        return values[node.name]
    if sample_rate is None:
        raise UsageError("the model takes the sample period as an input: name the sample rate")
    return 1.0 / sample_rate
