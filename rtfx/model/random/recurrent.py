"""Random recurrent nets: ``random:gru?...`` and ``random:lstm?...``, untrained cells and a dense layer behind them.

Weights are drawn in PyTorch's order of parameters: of each layer input, then state; then the dense layer's. Their
outputs stay between -1 and 1 times the last layer's weights, whatever the input, so that no seed can explode.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..nodes import Dense, Gru, Input, Lstm, Node
from .settings import CELL_MAC_NS, CELL_NS
from .tables import drawn, symmetric
from .torch_numbers import TorchGenerator


@dataclass(frozen=True)
class Recurrent:
    """A random recurrent net; the names are the keys of ``random:gru?key=value``."""

    seed: int = 42
    layers: int = 1
    channels: int = 8  # hidden size of every layer
    init: str = "xavier_normal"
    bias: bool = False
    inputs: int = 1
    outputs: int = 1

    gates = 3
    history_floats = 0

    @property
    def frame_ns(self) -> float:
        """About the time that a frame takes, in ns."""
        inputs = [self.inputs, *[self.channels] * (self.layers - 1)]
        macs = sum(self.gates * self.channels * (width + self.channels) for width in inputs)
        return CELL_NS * self.layers + CELL_MAC_NS * macs


@dataclass(frozen=True)
class RandomGru(Recurrent):
    """Of gated recurrent units."""


@dataclass(frozen=True)
class RandomLstm(Recurrent):
    """Of long short-term memories."""

    gates = 4


def recurrent_nodes(settings: Recurrent) -> tuple[Node, ...]:
    """Return the graph; biases are U(+-1/sqrt(channels)) from seed + 1, as the convolution stack's."""
    generator, bias_generator = TorchGenerator(settings.seed), TorchGenerator(settings.seed + 1)
    size, rows = settings.channels, settings.gates * settings.channels
    nodes: list[Node] = [Input(sources=(), channels=settings.inputs)]

    def bias(width: int) -> np.ndarray:
        if not settings.bias:
            return np.zeros(width)
        return symmetric(bias_generator, (width,), 1 / math.sqrt(size)).astype(np.float64)

    for layer in range(settings.layers):
        inputs = size if layer else settings.inputs
        weight_ih = drawn(settings.init, generator, (rows, inputs)).astype(np.float64)
        weight_hh = drawn(settings.init, generator, (rows, size)).astype(np.float64)
        before = (len(nodes) - 1,)
        if isinstance(settings, RandomGru):
            nodes.append(Gru(before, weight_ih=weight_ih, weight_hh=weight_hh, bias_ih=bias(rows), bias_hh=bias(rows)))
        else:
            nodes.append(Lstm(before, weight_ih=weight_ih, weight_hh=weight_hh, bias=bias(rows)))
    weight = drawn(settings.init, generator, (settings.outputs, size)).astype(np.float64)
    nodes.append(Dense((len(nodes) - 1,), weight=weight, bias=bias(settings.outputs)))
    return tuple(nodes)
