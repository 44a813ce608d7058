"""Writes a WaveNet as NAM's: arrays of dilated layers, a condition, a head.

What differs from NAM's own nets and can still be said: a mix of its own for every layer (head1x1), layers side by side,
a layer that does not read the condition (weights of zero), no activation (a leaky ReLU of slope 1), and a bias of the
input layer, which every convolution behind it takes over. That last is exact once the zeros of the prewarm have passed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ...errors import UnsupportedArchitecture
from ..nodes import Activation, Input, PRelu
from ..read.nam_wavenet import FILMS
from .nam_activation import name_of
from .nam_layers import alike
from .nam_parts import Written
from .nam_pieces import Linear, Pieces, identity
from .plain_graph import PlainGraph, single
from .wavenet_parts import Array, arrays_of

Weights = list[np.ndarray]
Nested = Callable[[PlainGraph], dict[str, Any]]  # the complete model of a part of the graph
Post = list[tuple[Linear, int]]  # convolutions behind the arrays, each with the node of the activation before it
GATE = "Sigmoid"  # of layers that NAM's older switch calls gated
CONDITIONS = 16  # nodes that are tried as the condition


def wavenet(graph: PlainGraph, nested: Nested) -> Written:
    """Return the config and weights of the WaveNet that a graph is; another net may make its condition.

    Raises
    ------
    UnsupportedArchitecture
        Names the node that does not fit a WaveNet whose condition is the input.
    """
    inputs = [i for i, node in enumerate(graph.nodes) if isinstance(node, Input)]
    if len(inputs) > 1:
        graph.fail(inputs[1], "NAM has no knobs and no sample period")
    error = None
    for condition in _conditions(graph, inputs[0]):
        for last, post in _heads(graph):
            try:
                return _written(graph, last, post, inputs[0], condition, nested)
            except UnsupportedArchitecture as raised:
                error = error or raised
    assert error is not None
    raise error


def _conditions(graph: PlainGraph, source: int) -> Iterator[int]:
    """Yield the input, then nodes that may be the condition in its place: those that most layers of one tap read."""
    yield source
    pieces = Pieces(graph, source)
    pairs = [pieces.pointwise(i) for i in range(len(graph.nodes))]
    readers = Counter(found[1] for found in pairs if found and found[1] != source)
    yield from [index for index, _ in readers.most_common(CONDITIONS)]


def _heads(graph: PlainGraph) -> Iterator[tuple[int, Post]]:
    """Yield the output, or a node before it, and the convolutions behind the arrays from there, each activated."""
    pieces = Pieces(graph, -1)
    index = graph.last
    post: Post = []
    ends: list[tuple[int, Post]] = [(index, [])]
    while (found := pieces.linear(index)) and found[0].dilation == 1:
        layer, activation = found
        if not isinstance(graph.nodes[activation], (Activation, PRelu)):
            break
        post = [(layer.dense(), activation), *post]
        index = graph.source(activation)
        ends.append((index, post))
    scaled = graph.gain(index) is not None  # then what was found is no part of the last array
    yield from ends[::-1] if scaled else ends


def _written(graph: PlainGraph, last: int, post: Post, source: int, condition: int, nested: Nested) -> Written:
    scale = 1.0
    if (gain := graph.gain(last)) is not None and (factor := single(gain)) is not None:
        scale, last = factor, graph.source(last)
    width = graph.widths[source]
    entries, weights, new = [], [], bool(post) or width > 1 or condition != source
    for array in arrays_of(graph, last, source, condition):
        entry, more, newer = _entry(graph, array, graph.widths[condition], graph.widths[last])
        entries.append(entry)
        weights += more
        new = new or newer
    config: dict[str, Any] = {"layers": entries, "head": None, "head_scale": float(np.float32(scale))}
    if width > 1:
        config["in_channels"] = width
    if condition != source:
        config["condition_dsp"] = nested(graph.part(source, condition))
    if post:
        config["head"] = _post_config(graph, post)
    weights += [tensor for layer, _ in post for tensor in (layer.weight, layer.bias)]
    return Written(config, [*weights, np.array([scale])], new)


def _post_config(graph: PlainGraph, post: Post) -> dict[str, Any]:
    tensors = [layer.weight for layer, _ in post]
    names = [name_of(graph, activation) for _, activation in post]
    widths = {tensor.shape[0] for tensor in tensors[:-1]}
    if any(name != names[0] for name in names) or len(widths) > 1:
        graph.fail(post[-1][1], "NAM's head behind the arrays has one activation and one width")
    return {
        "in_channels": tensors[0].shape[1],
        "channels": widths.pop() if widths else tensors[0].shape[1],
        "out_channels": tensors[-1].shape[0],
        "kernel_sizes": [tensor.shape[2] for tensor in tensors],
        "activation": names[0],
    }


def _entry(graph: PlainGraph, array: Array, condition: int, outputs: int) -> tuple[dict[str, Any], Weights, bool]:
    """Return an array's entry in the config, its weights, and whether that needs the newer version."""
    channels = array.rechannel.shape[0]
    layers = alike(graph, array.layers, channels, condition)
    first, head = layers[0], (array.head or identity(outputs)).dense()
    entry: dict[str, Any] = {
        "input_size": array.rechannel.shape[1],
        "condition_size": condition,
        "channels": channels,
        "dilations": [layer.conv.dilation for layer in layers],
    }
    if head.pointwise:
        entry |= {"head_size": head.outputs, "head_bias": bool(head.bias.any())}
    else:
        sizes = {"out_channels": head.outputs, "kernel_size": head.weight.shape[2]}
        entry["head"] = sizes | {"bias": bool(head.bias.any()), "head_dilation": head.dilation}
    entry |= _one_or_each("kernel_size", "kernel_sizes", [layer.conv.weight.shape[2] for layer in layers])
    entry |= _one_or_each("activation", "activation", [layer.activation for layer in layers])
    gates = [layer.gate for layer in layers]
    second = [layer.secondary or GATE for layer in layers]
    if set(gates) in ({"none"}, {"gated"}) and all(name == GATE for name in second):
        entry["gated"] = gates[0] == "gated"
    else:
        entry |= {"gating_mode": gates} | _one_or_each("secondary_activation", "secondary_activation", second)
    if first.width != channels:
        entry["bottleneck"] = first.width
    parts = {"groups_input": first.conv, "groups_input_mixin": first.mixin}
    entry |= {key: part.groups for key, part in parts.items() if part and part.groups > 1}
    if first.layer1x1 is None or first.layer1x1.groups > 1:
        entry["layer1x1"] = {"active": first.layer1x1 is not None, "groups": _groups(first.layer1x1)}
    if first.head1x1:
        entry["head1x1"] = {"active": True, "out_channels": first.head1x1.outputs, "groups": _groups(first.head1x1)}
    for name, film in first.films.items():
        entry[name] = {"active": True, "shift": film.shift, "groups": film.linear.groups}
    weights: Weights = [array.rechannel]
    for layer in layers:
        assert layer.mixin is not None
        weights += [layer.conv.weight, layer.conv.bias, layer.mixin.weight]
        parts1x1 = [layer.layer1x1, layer.head1x1, *(layer.films[name].linear for name in FILMS if name in layer.films)]
        weights += [tensor for part in parts1x1 if part for tensor in (part.weight, part.bias)]
    weights += [head.weight, *([head.bias] if head.bias.any() else [])]
    old = {"input_size", "condition_size", "channels", "head_size", "dilations", "head_bias", "kernel_size"}
    newer = bool(set(entry) - old - {"activation", "gated"}) or not isinstance(entry["activation"], str)
    return entry, weights, newer


def _groups(part: Linear | None) -> int:
    return part.groups if part else 1


def _one_or_each(one: str, each: str, values: list[Any]) -> dict[str, Any]:
    """Return one value under its key if all are equal, else all of them."""
    return {one: values[0]} if all(value == values[0] for value in values) else {each: values}
