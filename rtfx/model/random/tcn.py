"""The graph of a random convolution stack: the plugin's, or that of RONN's research code.

Source: the plugin's ronn.cpp, as meant and as shipped; dev/ of the same repository for `python`.
"""

from __future__ import annotations

import math

import numpy as np

from ..nodes import Activation, Affine, Conv1d, Input, Node
from .settings import Tcn
from .tables import INITS, OFFSET_ACTIVATIONS, activation, drawn, symmetric
from .torch_numbers import TorchGenerator

CONDITION = 128  # features of the vector that scales and shifts every layer of the research code's nets


def tcn_nodes(settings: Tcn) -> tuple[Node, ...]:
    """Return the graph: weights in layer order from one generator."""
    if settings.semantics == "python":
        return _python_nodes(settings)
    generator, bias_generator = TorchGenerator(settings.seed), TorchGenerator(settings.seed + 1)
    nodes: list[Node] = [Input(sources=(), channels=settings.inputs)]
    for layer, shape in enumerate(settings.shapes):
        bias = np.zeros(shape[0])
        if settings.bias:
            bias = symmetric(bias_generator, (shape[0],), _default_bound(shape)).astype(np.float64)
        _append_convolution(nodes, settings, layer, _weights(settings, generator, shape), bias)
        if layer < settings.layers - 1:
            _append_activation(nodes, settings)
    return tuple(nodes)


def stays_silent(settings: Tcn) -> bool:
    """Tell whether zeros at the input leave zeros everywhere in the net."""
    return not settings.biased and (settings.activation not in OFFSET_ACTIVATIONS or settings.layers == 1)


def _weights(settings: Tcn, generator: TorchGenerator, shape: tuple[int, ...]) -> np.ndarray:
    """Return one layer's weights, float32."""
    names = list(INITS)
    if settings.semantics == "as_shipped" and settings.init in names:
        return [drawn(name, generator, shape) for name in names[names.index(settings.init) :]][-1]
    return drawn(settings.init, generator, shape)


def _python_nodes(settings: Tcn) -> tuple[Node, ...]:
    """Return the research code's net: built with PyTorch's defaults, then every weight, but no bias, drawn again."""
    generator = TorchGenerator(settings.seed)
    dimensions = settings.film_dim
    condition = [(dimensions**2, dimensions), (dimensions**4, dimensions**2), (CONDITION, dimensions**4)]
    shapes: list[tuple[int, ...]] = [*condition] if dimensions else []
    for shape in settings.shapes:
        shapes += [shape, (2 * shape[0], CONDITION)] if dimensions else [shape]
    biases = []
    for shape in shapes:
        symmetric(generator, shape, 1.0)  # the default weights, replaced below
        biases.append(symmetric(generator, (shape[0],), _default_bound(shape)).astype(np.float64))
    weights = [drawn(settings.init, generator, shape).astype(np.float64) for shape in shapes]
    vector = np.array(settings.film_values)
    tables = list(zip(weights, biases, strict=True))
    if dimensions:
        for weight, bias in tables[:3]:
            vector = np.maximum(weight @ vector + bias, 0.0) if vector.size else vector
        tables = tables[3:]
    nodes: list[Node] = [Input(sources=(), channels=settings.inputs)]
    for layer, shape in enumerate(settings.shapes):
        _append_convolution(nodes, settings, layer, *tables.pop(0))
        if dimensions:
            weight, bias = tables.pop(0)
            if vector.size:
                scale, shift = np.split(weight @ vector + bias, [shape[0]])
                nodes.append(Affine((len(nodes) - 1,), scale=scale, shift=shift))
        _append_activation(nodes, settings)
    return tuple(nodes)


def _append_convolution(nodes: list[Node], settings: Tcn, layer: int, weight: np.ndarray, bias: np.ndarray) -> None:
    groups = settings.channels // weight.shape[1] if settings.depthwise and 0 < layer < settings.layers - 1 else 1
    dilation = settings.dilation**layer
    nodes.append(
        Conv1d((len(nodes) - 1,), weight=weight.astype(np.float64), bias=bias, dilation=dilation, groups=groups)
    )


def _append_activation(nodes: list[Node], settings: Tcn) -> None:
    function = activation(settings.activation, settings.semantics == "python")
    if function is not None:
        nodes.append(Activation((len(nodes) - 1,), kind=function[0], slope=function[1]))


def _default_bound(shape: tuple[int, ...]) -> float:
    """Return PyTorch's bound of a layer's biases: 1 / sqrt(fan_in)."""
    return 1 / math.sqrt(math.prod(shape[1:]))
