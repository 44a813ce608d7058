"""The stack of residual layers that WaveNetVA and GatedConvNet share, in the pattern that is fused into layer kernels.

Of each layer: a dilated convolution, one activation or two that gate each other, a 1x1 layer added to the layer's
input; and of all layers a linear mix, written as a sum of one small dense layer each.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..nodes import Activation, Add, Conv1d, Dense, Mul, Node, Slice
from .torch_layers import add

GATED = {"gated": ("tanh", "sigmoid"), "softgated": ("softsign", "softsign")}
PLAIN = ("tanh", "sigmoid", "relu", "softsign")  # and linear: none


class Layer(NamedTuple):
    """One layer, in PyTorch's axis order."""

    weight: np.ndarray  # (out, in, taps), out doubled if gated
    bias: np.ndarray
    dilation: int
    mixed_weight: np.ndarray  # (channels, channels)
    mixed_bias: np.ndarray


def append_stack(
    nodes: list[Node], source: int, layers: list[Layer], activation: str, head: np.ndarray, head_bias: np.ndarray
) -> int:
    """Append the stack behind node `source`; return the output.

    Parameters
    ----------
    layers : list of Layer
        The 1x1 layer of the last reaches no output and is left out. A first layer of one input is added to every
        channel of its output.
    activation : str
        A key of `GATED`, one of `PLAIN`, or "linear".
    head : numpy.ndarray
        The linear mix, (outputs, channels of all layers, the first layer's first).
    """
    channels = layers[0].mixed_weight.shape[0]
    outputs = head.shape[0]
    heads = []
    for index, layer in enumerate(layers):
        conv = add(nodes, Conv1d((source,), weight=layer.weight, bias=layer.bias, dilation=layer.dilation))
        features = _activated(nodes, conv, activation, channels)
        part = np.ascontiguousarray(head[:, index * channels : (index + 1) * channels])
        heads.append(add(nodes, Dense((features,), weight=part, bias=head_bias if index == 0 else np.zeros(outputs))))
        if index + 1 < len(layers):
            residual = source
            if layer.weight.shape[1] < channels:
                residual = add(nodes, Dense((source,), weight=np.ones((channels, 1)), bias=np.zeros(channels)))
            mixed = add(nodes, Dense((features,), weight=layer.mixed_weight, bias=layer.mixed_bias))
            source = add(nodes, Add((mixed, residual)))
    return add(nodes, Add(tuple(heads))) if len(heads) > 1 else heads[0]


def _activated(nodes: list[Node], source: int, activation: str, channels: int) -> int:
    """Append the activation, return its output, `channels` wide."""
    if activation not in GATED:
        return source if activation == "linear" else add(nodes, Activation((source,), kind=activation))
    first, second = GATED[activation]
    halves = [add(nodes, Slice((source,), i * channels, (i + 1) * channels)) for i in (0, 1)]
    gates = [add(nodes, Activation((half,), kind=kind)) for half, kind in zip(halves, (first, second), strict=True)]
    return add(nodes, Mul(tuple(gates)))
