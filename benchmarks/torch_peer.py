"""A ModelSpec as PyTorch plays it block by block: eager, one thread, no gradients; every layer keeps its history."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from rtfx.errors import UnsupportedArchitecture
from rtfx.model.nodes import Activation, Add, Affine, Concat, Conv1d, Dense, Gru, Input, Lstm, Mul, PRelu, Rnn, Slice
from rtfx.model.spec import ModelSpec

ACTIVATIONS: dict[str, Callable[[Any, Activation], Any]] = {
    "tanh": lambda x, a: torch.tanh(x),
    "relu": lambda x, a: torch.relu(x),
    "leaky_relu": lambda x, a: F.leaky_relu(x, a.slope),
    "sigmoid": lambda x, a: torch.sigmoid(x),
    "softmax": lambda x, a: torch.softmax(x, 0),
    "elu": lambda x, a: F.elu(x, a.slope),
    "sine": lambda x, a: torch.sin(a.slope * x),
    "silu": lambda x, a: F.silu(x),
    "hardswish": lambda x, a: F.hardswish(x),
    "softsign": lambda x, a: F.softsign(x),
    "selu": lambda x, a: F.selu(x),
    "gelu": lambda x, a: F.gelu(x),
    "softplus": lambda x, a: F.softplus(x),
    "softshrink": lambda x, a: F.softshrink(x, a.slope),
}
CELLS: dict[type, type] = {Lstm: torch.nn.LSTM, Gru: torch.nn.GRU, Rnn: torch.nn.RNN}


def stream(spec: ModelSpec, block: int, sample_rate: float) -> Callable[[np.ndarray], np.ndarray]:
    """Return the function that plays the next block; see `peers.stream`."""
    torch.set_num_threads(1)
    defaults = {knob.name: knob.default for knob in spec.knobs}
    layers: list[Callable] = []
    channel = 0
    for index, node in enumerate(spec.nodes):
        if isinstance(node, Input) and node.role == "audio":
            layers.append(_channels(channel, channel + node.channels))
            channel += node.channels
        elif isinstance(node, Input):
            value = defaults[node.name] if node.role == "knob" else 1.0 / sample_rate
            layers.append(_constant(torch.full((1, block), value)))
        elif type(node) in LAYERS and not (isinstance(node, Activation) and node.kind not in ACTIVATIONS):
            layers.append(LAYERS[type(node)](node))
        else:
            kind = getattr(node, "kind", type(node).__name__.lower())
            raise UnsupportedArchitecture(f"{spec.name}: torch is not told how to play node {index} ({kind})")
    sources = [node.sources for node in spec.nodes]

    @torch.inference_mode()
    def process(x: np.ndarray) -> np.ndarray:
        audio = torch.from_numpy(x)
        signals: list[torch.Tensor] = []
        for layer, needed in zip(layers, sources, strict=True):
            signals.append(layer(*[signals[s] for s in needed]) if needed else layer(audio))
        return signals[-1].numpy()

    return process


def _tensor(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(array.astype(np.float32))


def _channels(first: int, last: int) -> Callable:
    return lambda audio: audio[first:last]


def _constant(row: torch.Tensor) -> Callable:
    return lambda audio: row


def _dense(node: Dense) -> Callable:
    weight, bias = _tensor(node.weight), _tensor(node.bias)[:, None]
    return lambda x: torch.addmm(bias, weight, x)


def _conv(node: Conv1d) -> Callable:
    weight, bias = _tensor(node.weight), _tensor(node.bias)
    history = (weight.shape[2] - 1) * node.dilation
    past = torch.zeros(weight.shape[1] * node.groups, history)

    def convolve(x: torch.Tensor) -> torch.Tensor:
        nonlocal past
        whole = torch.cat([past, x], 1)
        past = whole[:, whole.shape[1] - history :]
        return F.conv1d(whole, weight, bias, dilation=node.dilation, groups=node.groups)

    return convolve


def _cell(node: Lstm | Gru | Rnn) -> Callable:
    if node.delay != 1.0:
        raise UnsupportedArchitecture(f"torch has no cell whose state is {node.delay:g} frames old")
    cell = CELLS[type(node)](node.weight_ih.shape[1], node.width)
    own = {"weight_ih_l0": node.weight_ih, "weight_hh_l0": node.weight_hh}
    if isinstance(node, Gru):
        own |= {"bias_ih_l0": node.bias_ih, "bias_hh_l0": node.bias_hh}
    else:
        own |= {"bias_ih_l0": node.bias, "bias_hh_l0": np.zeros_like(node.bias)}
    cell.load_state_dict({name: _tensor(value) for name, value in own.items()})
    names = ("h0", "c0") if isinstance(node, Lstm) else ("h0",)
    stored = [getattr(node, name) for name in names]
    parts = [_tensor(np.zeros(node.width) if value is None else value)[None] for value in stored]
    state: Any = tuple(parts) if len(parts) == 2 else parts[0]

    def step(x: torch.Tensor) -> torch.Tensor:
        nonlocal state
        y, state = cell(x.T, state)
        return y.T

    return step


def _affine(node: Affine) -> Callable:
    scale, shift = _tensor(node.scale)[:, None], _tensor(node.shift)[:, None]
    return lambda x: scale * x + shift


def _prelu(node: PRelu) -> Callable:
    alpha = _tensor(node.alpha)[:, None]
    return lambda x: torch.where(x >= 0, x, alpha * x)


def _sum(node: Add) -> Callable:
    def add(first: torch.Tensor, *others: torch.Tensor) -> torch.Tensor:
        for other in others:
            first = first + other
        return first

    return add


def _product(node: Mul) -> Callable:
    def multiply(first: torch.Tensor, *others: torch.Tensor) -> torch.Tensor:
        for other in others:
            first = first * other
        return first

    return multiply


LAYERS: dict[type, Callable[[Any], Callable]] = {
    Dense: _dense,
    Conv1d: _conv,
    Lstm: _cell,
    Gru: _cell,
    Rnn: _cell,
    Activation: lambda node: lambda x: ACTIVATIONS[node.kind](x, node),
    Affine: _affine,
    PRelu: _prelu,
    Add: _sum,
    Mul: _product,
    Concat: lambda node: lambda *parts: torch.cat(parts),
    Slice: lambda node: lambda x: x[node.start : node.stop],
}
