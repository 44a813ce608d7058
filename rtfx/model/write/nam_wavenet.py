"""Writes a WaveNet as NAM's: arrays of dilated layers, a condition, a head.

What differs from NAM's own nets and can still be said: a mix of its own for every layer (head1x1), a layer that does
not read the condition (weights of zero), no activation (a leaky ReLU of slope 1), and a bias of the input layer, which
every convolution behind it takes over. That last is exact once the zeros of the prewarm have passed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..nodes import Activation, Input, PRelu
from .graph import Graph, single
from .nam_activation import name_of
from .nam_parts import Written
from .wavenet_parts import Array, Layer, Linear, arrays_of, linear_of

Weights = list[np.ndarray]
GATE = "Sigmoid"  # of layers that NAM's older switch calls gated


def wavenet(graph: Graph) -> Written:
    """Return the config and weights of the WaveNet that a graph is.

    Raises
    ------
    UnsupportedArchitecture
        Names the node that does not fit.
    """
    inputs = [i for i, node in enumerate(graph.nodes) if isinstance(node, Input)]
    if len(inputs) > 1:
        graph.fail(inputs[1], "NAM has no knobs and no sample period")
    last, post = _post_head(graph)
    scale = 1.0
    if (gain := graph.gain(last)) is not None and (factor := single(gain)) is not None:
        scale, last = factor, graph.source(last)
    width = graph.widths[inputs[0]]
    entries, weights, new = [], [], bool(post) or width > 1
    for array in arrays_of(graph, last, inputs[0]):
        entry, more, newer = _entry(graph, array, width, graph.widths[last])
        entries.append(entry)
        weights += more
        new = new or newer
    config: dict[str, Any] = {"layers": entries, "head": None, "head_scale": float(np.float32(scale))}
    if width > 1:
        config["in_channels"] = width
    if post:
        config["head"] = _post_config(graph, post)
        weights += [
            tensor for index, _ in post for tensor in (_linear(graph, index).weight, _linear(graph, index).bias)
        ]
    return Written(config, [*weights, np.array([scale])], new)


def _linear(graph: Graph, index: int) -> Linear:
    part = linear_of(graph.nodes[index])
    assert part is not None
    return part


def _post_head(graph: Graph) -> tuple[int, list[tuple[int, int]]]:
    """Return the node before the head behind the arrays, and its (convolution, activation) pairs, if it has one."""
    index, pairs = graph.last, []
    while (part := linear_of(graph.nodes[index])) and part.dilation == part.groups == 1:
        activation = graph.source(index)
        if not isinstance(graph.nodes[activation], (Activation, PRelu)):
            break
        pairs.append((index, activation))
        index = graph.source(activation)
    scaled = graph.gain(index) is not None  # else what was found is the head of the last array
    return (index, pairs[::-1]) if scaled else (graph.last, [])


def _post_config(graph: Graph, post: list[tuple[int, int]]) -> dict[str, Any]:
    tensors = [_linear(graph, index).weight for index, _ in post]
    names = [name_of(graph, activation) for _, activation in post]
    widths = {tensor.shape[0] for tensor in tensors[:-1]}
    if any(name != names[0] for name in names) or len(widths) > 1:
        graph.fail(post[-1][0], "NAM's head behind the arrays has one activation and one width")
    return {
        "in_channels": tensors[0].shape[1],
        "channels": widths.pop() if widths else tensors[0].shape[1],
        "out_channels": tensors[-1].shape[0],
        "kernel_sizes": [tensor.shape[2] for tensor in tensors],
        "activation": names[0],
    }


def _entry(graph: Graph, array: Array, condition: int, outputs: int) -> tuple[dict[str, Any], Weights, bool]:
    """Return an array's entry in the config, its weights, and whether that needs the newer version."""
    layers, channels = array.layers, array.rechannel.shape[0]
    first = layers[0]
    width = graph.widths[first.p]
    same = {(graph.widths[layer.p], layer.conv.groups, layer.head1x1 is None) for layer in layers}
    if len(same) > 1:
        graph.fail(first.p, "has other widths, groups or mixes than the layers behind it, NAM's array the same for all")
    mixed = first.head1x1
    head = array.head
    if head is None:
        head = Linear(np.eye(outputs)[:, :, None], np.zeros(outputs))
    entry: dict[str, Any] = {
        "input_size": array.rechannel.shape[1],
        "condition_size": condition,
        "channels": channels,
        "head_size": head.weight.shape[0],
        "dilations": [layer.conv.dilation for layer in layers],
        "head_bias": bool(head.bias.any()),
    }
    entry |= _one_or_each("kernel_size", "kernel_sizes", [layer.conv.weight.shape[2] for layer in layers])
    entry |= _one_or_each("activation", "activation", [layer.activation for layer in layers])
    gates = [layer.gate for layer in layers]
    second = [layer.secondary or GATE for layer in layers]
    if len(set(gates)) == 1 and all(name == GATE for name in second):
        entry["gated"] = gates[0] == "gated"
    else:
        entry |= {"gating_mode": gates} | _one_or_each("secondary_activation", "secondary_activation", second)
    if width != channels:
        entry["bottleneck"] = width
    if not head.pointwise:
        del entry["head_size"], entry["head_bias"]
        sizes = {"out_channels": head.weight.shape[0], "kernel_size": head.weight.shape[2]}
        entry["head"] = sizes | {"bias": bool(head.bias.any()), "head_dilation": head.dilation}
    groups = {
        "groups_input": first.conv.groups,
        "groups_input_mixin": _groups(graph, layers, [layer.mixin for layer in layers]),
        "layer1x1": _groups(graph, layers, [layer.layer1x1 for layer in layers]),
    }
    entry |= {key: value for key, value in groups.items() if value > 1 and key != "layer1x1"}
    if groups["layer1x1"] > 1:
        entry["layer1x1"] = {"active": True, "groups": groups["layer1x1"]}
    if mixed is not None:
        outer = _groups(graph, layers, [layer.head1x1 for layer in layers])
        entry["head1x1"] = {"active": True, "out_channels": mixed.weight.shape[0], "groups": outer}
    weights: Weights = [array.rechannel]
    for layer in layers:
        rows = layer.conv.weight.shape[0]
        weights += [layer.conv.weight, layer.conv.bias]
        none = np.zeros((rows, condition // groups["groups_input_mixin"]))
        weights.append(none if layer.mixin is None else layer.mixin.weight)
        silent = Linear(np.zeros((channels, width // groups["layer1x1"], 1)), np.zeros(channels))
        inner = layer.layer1x1 or silent
        weights += [inner.weight, inner.bias]
        if layer.head1x1 is not None:
            weights += [layer.head1x1.weight, layer.head1x1.bias]
    weights += [head.weight, *([head.bias] if head.bias.any() else [])]
    old = {"input_size", "condition_size", "channels", "head_size", "dilations", "head_bias", "kernel_size"}
    newer = bool(set(entry) - old - {"activation", "gated"}) or not isinstance(entry["activation"], str)
    return entry, weights, newer


def _one_or_each(one: str, each: str, values: list[Any]) -> dict[str, Any]:
    """Return one value under its key if all are equal, else all of them."""
    return {one: values[0]} if all(value == values[0] for value in values) else {each: values}


def _groups(graph: Graph, layers: tuple[Layer, ...], parts: list[Linear | None]) -> int:
    """Return the groups of a part, which must be the same in all layers that have it."""
    found = {part.groups for part in parts if part is not None}
    if len(found) > 1:
        graph.fail(layers[0].p, "has other groups than the layers behind it, NAM's array the same for all")
    return found.pop() if found else 1
