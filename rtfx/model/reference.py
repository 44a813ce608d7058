"""Plain NumPy evaluation of a ModelSpec: what every kernel is measured against.

It shares no code with kernels or plan and favours the equation over speed: convolutions are one matrix product a tap,
recurrent cells a loop over frames.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from ..errors import UnsupportedInput, UsageError, did_you_mean
from .functions import FUNCTIONS
from .nodes import Activation, Add, Affine, Concat, Conv1d, Dense, Gru, Hold, Input, Lstm, Mul, Node, PRelu, Rnn, Slice
from .reference_cells import run_cell
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
        Start from the stored state or zeros; else `spec.prewarm_frames` zeros are run first. The same where
        `spec.quiet_past`: then the past of every layer is what zeros at the input lead to.
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
        Another number of channels than the model has inputs.
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
    rests: list[np.ndarray] = []  # (features, 1): what each node has given for ever, where the past is quiet
    channel = 0
    for node in spec.nodes:
        if isinstance(node, Input) and node.role == "audio":
            signals.append(x[channel : channel + node.channels])
            channel += node.channels
        elif isinstance(node, Input):
            signals.append(np.full((1, x.shape[1]), _constant(node, values, sample_rate), dtype))
        else:
            with np.errstate(over="ignore", invalid="ignore"):
                if spec.quiet_past and isinstance(node, Conv1d):
                    signals.append(_after_rest(node, signals[node.sources[0]], rests[node.sources[0]]))
                else:
                    signals.append(EVALUATE[type(node)](node, [signals[s] for s in node.sources]))
        if spec.quiet_past:
            rests.append(_rest(node, [rests[s] for s in node.sources], dtype))
    return signals[-1][:, signals[-1].shape[1] - frames :]


def _constant(node: Input, values: Mapping[str, float], sample_rate: float | None) -> float:
    """Return the value of a knob, or the sample period in seconds."""
    if node.role == "knob":
        return values[node.name]
    if sample_rate is None:
        raise UsageError("the model takes the sample period as an input: name the sample rate")
    return 1.0 / sample_rate


def _dense(node: Dense, sources: list[np.ndarray]) -> np.ndarray:
    (x,) = sources
    return node.weight.astype(x.dtype) @ x + node.bias.astype(x.dtype)[:, None]


def _conv1d(node: Conv1d, sources: list[np.ndarray]) -> np.ndarray:
    (x,) = sources
    heard = 1 + max(0, x.shape[1] - 1) // node.dilation  # older taps see only what is before the first frame
    tensor = node.weight[:, :, -heard:]
    outputs, inputs, taps = tensor.shape  # inputs: of one group
    frames, groups, history = x.shape[1], node.groups, (taps - 1) * node.dilation
    padded = np.concatenate([np.zeros((x.shape[0], history), x.dtype), x], axis=1).reshape(groups, inputs, -1)
    weight = tensor.astype(x.dtype).reshape(groups, outputs // groups, inputs, taps)
    y = np.repeat(node.bias.astype(x.dtype)[:, None], frames, axis=1).reshape(groups, outputs // groups, frames)
    for tap in range(taps):
        start = tap * node.dilation
        y += weight[..., tap] @ padded[:, :, start : start + frames]
    return y.reshape(outputs, frames)


def _recurrent(node: Lstm | Gru | Rnn, sources: list[np.ndarray]) -> np.ndarray:
    (x,) = sources
    return run_cell(node, x)


def _rest(node: Node, sources: list[np.ndarray], dtype: type) -> np.ndarray:
    """Return what a node gives for sources that have been the same for ever, (features, 1)."""
    if isinstance(node, Input):
        return np.zeros((node.channels, 1), dtype)
    if isinstance(node, Conv1d):
        node = replace(node, weight=node.weight.sum(axis=2, keepdims=True))
    return EVALUATE[type(node)](node, sources)


def _after_rest(node: Conv1d, x: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """Return the convolution of a signal that has been `rest` for ever: that of the difference, and that of `rest`."""
    still = _rest(node, [rest], x.dtype.type)
    return _conv1d(replace(node, bias=0.0 * node.bias), [x - rest]) + still


def _activation(node: Activation, sources: list[np.ndarray]) -> np.ndarray:
    (x,) = sources
    return FUNCTIONS[node.kind](x, *(x.dtype.type(constant) for constant in node.constants))


def _prelu(node: PRelu, sources: list[np.ndarray]) -> np.ndarray:
    (x,) = sources
    return np.where(x >= 0, x, node.alpha.astype(x.dtype)[:, None] * x)


def _affine(node: Affine, sources: list[np.ndarray]) -> np.ndarray:
    (x,) = sources
    return node.scale.astype(x.dtype)[:, None] * x + node.shift.astype(x.dtype)[:, None]


def _add(node: Add, sources: list[np.ndarray]) -> np.ndarray:
    return np.sum(sources, axis=0)


def _mul(node: Mul, sources: list[np.ndarray]) -> np.ndarray:
    return np.prod(sources, axis=0)


def _concat(node: Concat, sources: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(sources)


def _slice(node: Slice, sources: list[np.ndarray]) -> np.ndarray:
    (x,) = sources
    return x[node.start : node.stop]


def _hold(node: Hold, sources: list[np.ndarray]) -> np.ndarray:
    (x,) = sources
    age = (np.arange(x.shape[1]) - node.phase) % node.stride
    taken = np.arange(x.shape[1]) - age
    sounds = (taken >= 0) & ((age == 0) | (node.between == "last"))
    return np.where(sounds, x[:, np.maximum(taken, 0)], x.dtype.type(0))


EVALUATE: dict[type[Node], Callable[..., np.ndarray]] = {
    Dense: _dense,
    Conv1d: _conv1d,
    Lstm: _recurrent,
    Gru: _recurrent,
    Rnn: _recurrent,
    Activation: _activation,
    PRelu: _prelu,
    Affine: _affine,
    Add: _add,
    Mul: _mul,
    Concat: _concat,
    Slice: _slice,
    Hold: _hold,
}
