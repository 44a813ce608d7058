"""Any model's graph in PyTorch, differentiable by its weights: what is trained is what is played.

Signals are (features, batch, frames), so that a layer is one matrix product over all frames of all segments. Every node
computes only the last frames that those behind it need: a convolution no more than its taps reach.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from ..model.nodes import (
    Activation,
    Add,
    Affine,
    Concat,
    Conv1d,
    Dense,
    Gru,
    Hold,
    Input,
    Lstm,
    Mul,
    Node,
    PRelu,
    Recurrent,
    Rnn,
    Slice,
)
from ..model.nodes.activation import SELU_ALPHA, SELU_SCALE, SOFTPLUS_LINEAR
from ..model.spec import SIZE, ModelSpec

Tensors = Mapping[str, Any]

ACTIVATIONS: dict[str, Callable[..., Any]] = {
    "tanh": lambda x, *constants: torch.tanh(x),
    "relu": lambda x, *constants: torch.relu(x),
    "leaky_relu": lambda x, slope, *constants: torch.nn.functional.leaky_relu(x, slope),
    "sigmoid": lambda x, *constants: torch.sigmoid(x),
    "softmax": lambda x, *constants: torch.softmax(x, dim=0),
    "elu": lambda x, slope, *constants: torch.where(x >= 0, x, slope * torch.expm1(x.clamp(max=0.0))),
    "sine": lambda x, slope, *constants: torch.sin(slope * x),
    "silu": lambda x, *constants: torch.nn.functional.silu(x),
    "hardswish": lambda x, *constants: torch.nn.functional.hardswish(x),
    "softsign": lambda x, *constants: x / (1.0 + x.abs()),
    "selu": lambda x, *constants: SELU_SCALE * ACTIVATIONS["elu"](x, SELU_ALPHA),
    "gelu": lambda x, *constants: torch.nn.functional.gelu(x),
    "softplus": lambda x, *constants: torch.nn.functional.softplus(x, threshold=SOFTPLUS_LINEAR),
    "softshrink": lambda x, slope, *constants: torch.nn.functional.softshrink(x, slope),
}


def _hardtanh(x, slope, slope_high, low, high):
    above = torch.where(x > high, high + slope_high * (x - high), x)
    return torch.where(x < low, low + slope * (x - low), above)


def _fasttanh(x, *constants):
    q, square = x.abs(), x * x
    above = x * (2.45550750702956 * (1 + q) + (0.893229853513558 + 0.821226666969744 * q) * square)
    return above / (2.44506634652299 + (2.44506634652299 + square) * (x + 0.814642734961073 * x * q).abs())


ACTIVATIONS |= {"hardtanh": _hardtanh, "fasttanh": _fasttanh}


def run(spec: ModelSpec, weights: Tensors, x: Any, frames: int) -> Any:
    """Return the last `frames` of the model's output, (outputs, batch, frames), from zeros in every history.

    Parameters
    ----------
    spec : ModelSpec
    weights : mapping of str to torch.Tensor
        Those tensors that stand in for the spec's own, named as in `model.update.weights_of`: ``node3.weight``.
    x : torch.Tensor
        (batch, inputs, all frames): audio channels, then knobs in the order of `spec.knobs`.
    """
    whole = x.shape[2]
    needs = _needs(spec, frames, whole)
    signals: list[Any] = []
    last_used = {s: i for i, node in enumerate(spec.nodes) for s in node.sources}
    rows = x.transpose(0, 1)
    knobs = [knob.name for knob in spec.knobs if not (spec.sizes and knob.name == SIZE)]
    channel = 0
    for i, node in enumerate(spec.nodes):
        sources = [signals[s] for s in node.sources]
        if isinstance(node, Input):
            if node.role == "audio":
                y = rows[channel : channel + node.channels]
                channel += node.channels
            elif node.role == "knob":
                place = spec.inputs + knobs.index(node.name)
                y = rows[place : place + 1]
            else:
                y = torch.full_like(rows[:1], 1.0 / (spec.sample_rate or 48000.0))
        else:
            tensors = {
                name: weights[key] if (key := f"node{i}.{name}") in weights else _tensor(value, x)
                for name, value in vars(node).items()
                if isinstance(value, np.ndarray)
            }
            y = COMPUTE[type(node)](node, tensors, sources, needs[i])
        signals.append(y[..., y.shape[2] - needs[i] :])
        for s in set(node.sources):
            if last_used[s] == i:  # long audio would else be held once for every node
                signals[s] = None
    return signals[-1]


def _tensor(value: np.ndarray, like: Any) -> Any:
    return torch.as_tensor(value, dtype=like.dtype)


def _needs(spec: ModelSpec, frames: int, whole: int) -> list[int]:
    """Return how many of the last frames of every node those behind it take."""
    needs = [0] * len(spec.nodes)
    needs[-1] = min(frames, whole)
    for i in range(len(spec.nodes) - 1, -1, -1):
        node, reach = spec.nodes[i], 0
        if isinstance(node, Conv1d):
            reach = (node.weight.shape[2] - 1) * node.dilation
        elif isinstance(node, (Recurrent, Hold)):
            reach = whole
        for s in node.sources:
            needs[s] = max(needs[s], min(needs[i] + reach, whole))
    return needs


def _common(sources: Sequence[Any], frames: int) -> list[Any]:
    return [x[..., x.shape[2] - frames :] for x in sources]


def _dense(node: Dense, w: Tensors, sources: list[Any], frames: int) -> Any:
    (x,) = _common(sources, frames)
    return torch.addmm(w["bias"][:, None], w["weight"], x.reshape(x.shape[0], -1)).view(-1, *x.shape[1:])


def _conv1d(node: Conv1d, w: Tensors, sources: list[Any], frames: int) -> Any:
    (x,) = sources
    (outputs, inputs, taps), groups, d = w["weight"].shape, node.groups, node.dilation
    missing = frames + (taps - 1) * d - x.shape[2]
    if missing > 0:  # before the first frame there was silence
        x = torch.nn.functional.pad(x, (missing, 0))
    start = x.shape[2] - frames - (taps - 1) * d
    heard = [x[..., start + k * d : start + k * d + frames] for k in range(taps)]
    batch = x.shape[1]
    if groups == 1:
        weight = w["weight"].permute(0, 2, 1).reshape(outputs, taps * inputs)
        return torch.addmm(w["bias"][:, None], weight, torch.cat(heard).view(taps * inputs, -1)).view(-1, batch, frames)
    weight = w["weight"].view(groups, outputs // groups, inputs, taps).transpose(2, 3).flatten(2)
    stacked = torch.stack([part.reshape(groups, inputs, batch * frames) for part in heard], dim=1)
    return (weight @ stacked.flatten(1, 2)).view(outputs, batch, frames) + w["bias"][:, None, None]


def _recurrent(node: Lstm | Gru | Rnn, w: Tensors, sources: list[Any], frames: int) -> Any:
    (x,) = sources
    if isinstance(node, Gru):
        biases = [w["bias_ih"], w["bias_hh"]]
    else:
        biases = [w["bias"], torch.zeros_like(w["bias"])]
    state = _tensor(node.stored_state(np.float64), x).view(-1, 1, 1, node.width)
    starts = [part.expand(1, x.shape[1], -1).contiguous() for part in state]
    step: Any = {Lstm: torch.lstm, Gru: torch.gru, Rnn: torch.rnn_tanh}[type(node)]
    first = starts if isinstance(node, Lstm) else starts[0]
    options = True, 1, 0.0, False, False, False  # biases, layers, dropout, training, both directions, batch first
    return step(x.permute(2, 1, 0).contiguous(), first, [w["weight_ih"], w["weight_hh"], *biases], *options)[0].permute(
        2, 1, 0
    )


def _activation(node: Activation, w: Tensors, sources: list[Any], frames: int) -> Any:
    return ACTIVATIONS[node.kind](_common(sources, frames)[0], *node.constants)


def _prelu(node: PRelu, w: Tensors, sources: list[Any], frames: int) -> Any:
    (x,) = _common(sources, frames)
    return torch.where(x >= 0, x, w["alpha"][:, None, None] * x)


def _affine(node: Affine, w: Tensors, sources: list[Any], frames: int) -> Any:
    (x,) = _common(sources, frames)
    return w["scale"][:, None, None] * x + w["shift"][:, None, None]


def _add(node: Add, w: Tensors, sources: list[Any], frames: int) -> Any:
    total, *others = _common(sources, frames)
    for other in others:
        total = total + other
    return total


def _mul(node: Mul, w: Tensors, sources: list[Any], frames: int) -> Any:
    product, *others = _common(sources, frames)
    for other in others:
        product = product * other
    return product


def _concat(node: Concat, w: Tensors, sources: list[Any], frames: int) -> Any:
    return torch.cat(_common(sources, frames))


def _slice(node: Slice, w: Tensors, sources: list[Any], frames: int) -> Any:
    return _common(sources, frames)[0][node.start : node.stop]


def _hold(node: Hold, w: Tensors, sources: list[Any], frames: int) -> Any:
    (x,) = sources
    now = torch.arange(x.shape[2])
    age = (now - node.phase) % node.stride
    sounds = (now >= age) & ((age == 0) | (node.between == "last"))
    return torch.where(sounds, x[..., (now - age).clamp(min=0)], torch.zeros((), dtype=x.dtype))


COMPUTE: dict[type[Node], Callable[..., Any]] = {
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
