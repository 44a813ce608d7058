"""Writes a graph as NAM's WaveNet of one array: layers in series or in parallel whose outputs are added up.

These graphs differ from NAM's own nets but can still be written: each layer has its own mix (head1x1), several layers
read the same signal, a layer does not read the condition (weights of zero) or has no activation (a leaky ReLU of slope
1), or the input layer has a bias. That bias is added to the bias of every convolution that reads the input layer, which
is exact after the zeros of the prewarm.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from ...errors import UnsupportedArchitecture
from ..nodes import Activation, Affine, Conv1d, Dense, Input, Node, PRelu
from ..read.nam_parts import PLAIN
from ..wavenet_layers import Match, match
from .plain_graph import PlainGraph, numbers

NAMES = {kind: name for name, kind in PLAIN.items()}
IDENTITY = {"type": "LeakyReLU", "negative_slope": 1.0}  # NAM has no identity activation
GATE = "Sigmoid"  # the second activation of a layer without a gate, which NAM does not read
SAME = 1e-12  # largest error of a matrix times its inverse, against the identity


class Written(NamedTuple):
    """A config, its weights in their order, and whether a version newer than the oldest is needed to read it."""

    config: dict[str, Any]
    weights: list[np.ndarray]
    new: bool = False


class Linear(NamedTuple):
    """A convolution: weight (out, in, taps), bias (out,)."""

    weight: np.ndarray
    bias: np.ndarray
    dilation: int = 1


@dataclass(frozen=True)
class Layer:
    """A layer that reads node `reads`: ``A(conv(v) + mixin(c))``, gated where it has a second activation.

    `step` is the 1x1 layer whose output is added to the layer's input for the next layers. `head` is the 1x1 layer
    whose output is added to the array's sum, "direct" if the layer's own output is added, None if nothing is.
    """

    reads: int
    conv: Linear
    activation: Any = None
    second: Any = None
    mixin: np.ndarray | None = None
    step: Linear | None = None
    head: Linear | str | None = None

    @property
    def width(self) -> int:
        """Features of the layer's output."""
        return len(self.conv.bias) // (2 if self.second else 1)


def activation_name(graph: PlainGraph, index: int) -> Any:
    """Return the entry of a config for an activation node.

    Raises
    ------
    UnsupportedArchitecture
        The node is not an activation, or is one that NAM does not have.
    """
    node = graph.nodes[index]
    if isinstance(node, PRelu):
        return {"type": "PReLU", "negative_slopes": numbers(node.alpha)}
    if not isinstance(node, Activation):
        graph.fail(index, "expected an activation here")
    if node.kind in NAMES:
        return NAMES[node.kind]
    if node.kind == "leaky_relu":
        return {"type": "LeakyReLU", "negative_slope": node.slope}
    if node.kind == "hardtanh":
        if node.constants == (0.0, 0.0, -1.0, 1.0):
            return "Hardtanh"
        keys = {"min_slope": node.slope, "max_slope": node.slope_high, "min_val": node.low, "max_val": node.high}
        return {"type": "LeakyHardtanh", **keys}
    graph.fail(index, f"NAM has no {node.kind}, only {', '.join(NAMES)}, leaky_relu, prelu and hardtanh")


def wavenet(graph: PlainGraph) -> Written:
    """Return a graph as the config and the weights of one array.

    Raises
    ------
    UnsupportedArchitecture
        Names the node that does not fit.
    """
    inputs = [i for i, node in enumerate(graph.nodes) if isinstance(node, Input)]
    if len(inputs) > 1:
        graph.fail(inputs[1], "NAM has no knobs and no sample period")
    error = None
    for total, head in _heads(graph):
        try:
            return _Array(graph, inputs[0], total).written(head)
        except UnsupportedArchitecture as raised:
            error = error or raised
    assert error is not None
    raise error


def _heads(graph: PlainGraph) -> Iterator[tuple[int, Linear | None]]:
    """Yield the node at which the layers' outputs are added up, and the convolution after it: the output, or none."""
    found = linear(graph.nodes[graph.last])
    if found is not None and not isinstance(graph.nodes[graph.source(graph.last)], Input):
        yield graph.source(graph.last), found
    yield graph.last, None


def linear(node: Node) -> Linear | None:
    """Return a dense layer, a convolution, or a gain and shift, as a convolution of one group; None for others."""
    if isinstance(node, Dense):
        return Linear(node.weight[:, :, None], node.bias)
    if isinstance(node, Affine):
        return Linear(np.diag(node.scale)[:, :, None], node.shift)
    if not isinstance(node, Conv1d):
        return None
    outputs, inputs, taps = node.weight.shape
    weight = np.zeros((outputs, inputs * node.groups, taps))
    rows = outputs // node.groups
    for g in range(node.groups):
        weight[g * rows : (g + 1) * rows, g * inputs : (g + 1) * inputs] = node.weight[g * rows : (g + 1) * rows]
    return Linear(weight, node.bias, node.dilation)


class _Array:
    """The layers that are added up at a node, ordered along the chain of signals that they read."""

    def __init__(self, graph: PlainGraph, source: int, total: int):
        self.graph, self.source = graph, source
        users: list[list[int]] = [[] for _ in graph.nodes]
        for i, node in enumerate(graph.nodes):
            for s in node.sources:
                users[s].append(i)
        self.layers: dict[int, Layer] = {}  # by the node of a layer's output
        self.found: dict[int, Match] = {}  # the same, of layers that begin with a convolution
        self.after: dict[int, int] = {}  # signal of the chain -> output of the layer that was added last
        for i, node in enumerate(graph.nodes):
            if isinstance(node, Dense | Conv1d) and (found := match(graph.nodes, users, i, for_file=True)):
                self.found.setdefault(found.features, found)
                if found.output is not None:
                    self.after[found.output] = found.features
        for term in graph.terms(total):
            self._add_term(term)
        self.chain = self._chain()
        self.width = graph.widths[total]

    def _add_term(self, term: int) -> None:
        """Note a term of the sum: a layer's output, or a 1x1 layer of it."""
        part = linear(self.graph.nodes[term])
        if part is not None and part.weight.shape[2] == 1:
            z = self.graph.nodes[term].sources[0]
            if z in self.found or isinstance(self.graph.nodes[z], Activation | PRelu):
                return self._note(z, part)
        return self._note(term, "direct")

    def _note(self, z: int, head: Linear | str | None) -> None:
        if z in self.layers:
            self.graph.fail(z, "is added twice, expected each layer once")
        self.layers[z] = replace(self._layer(z), head=head)

    def _layer(self, z: int) -> Layer:
        """Return the layer whose output is node `z`."""
        graph, nodes = self.graph, self.graph.nodes
        if (found := self.found.get(z)) is None:
            active = isinstance(nodes[z], Activation | PRelu)
            name, x = (activation_name(graph, z), graph.source(z)) if active else (IDENTITY, z)
            conv = linear(nodes[x])
            if conv is not None:
                return Layer(nodes[x].sources[0], conv, name)
            width = graph.widths[x]
            return Layer(x, Linear(np.eye(width)[:, :, None], np.zeros(width)), name)
        conv = linear(nodes[found.conv])
        assert conv is not None
        mixin = None
        if found.condition is not None:
            dense: Any = nodes[found.condition]
            if dense.sources[0] != self.source:
                graph.fail(found.condition, "is added to a convolution, expected a dense layer of the input")
            mixin, conv = dense.weight, conv._replace(bias=conv.bias + dense.bias)
        names = [activation_name(graph, a) for a in found.activations] or [IDENTITY]
        step = None if found.mixed is None else linear(nodes[found.mixed])
        second = names[1] if len(names) > 1 else None
        return Layer(nodes[found.conv].sources[0], conv, names[0], second, mixin, step)

    def _chain(self) -> list[int]:
        """Return the signals that layers read, in order; each is the signal before it plus a layer's 1x1 layer.

        A layer on the way that adds nothing to the sum is noted too.
        """
        chain = [max(layer.reads for layer in self.layers.values())]
        while chain[0] in self.after:
            z = self.after[chain[0]]
            if z not in self.layers:
                self._note(z, None)
            found = self.found[z]
            chain.insert(0, self.layers[z].reads if found.residual is None else found.residual)
        return chain

    def _entrance(self) -> Linear:
        """Return the dense layer between the input and the chain's first signal."""
        first = self.graph.nodes[self.chain[0]]
        if self.chain[0] == self.source:
            width = self.graph.widths[self.source]
            return Linear(np.eye(width)[:, :, None], np.zeros(width))
        if not isinstance(first, Dense) or first.sources[0] != self.source:
            self.graph.fail(self.chain[0], "is read by layers, expected the input or a dense layer of it")
        return Linear(first.weight[:, :, None], first.bias)

    def _ordered(self) -> list[Layer]:
        """Return the layers in NAM's order: each group reads one signal, and a group's last layer makes the next."""
        made: list[Layer] = []
        left = dict(self.layers)
        for place, signal in enumerate(self.chain):
            last = self.after.get(self.chain[place + 1]) if place + 1 < len(self.chain) else None
            here = [
                z for z, layer in left.items() if layer.reads == signal or (not place and layer.reads == self.source)
            ]
            for z in sorted(here, key=lambda z: (z == last, z)):
                layer = left.pop(z)
                made.append(layer if z == last else replace(layer, step=None))
        if left:
            self.graph.fail(min(left), "reads a signal beside the chain of layers")
        return made

    def written(self, head: Linear | None) -> Written:
        """Return the array's config and weights; `head` is the convolution after the sum."""
        layers = self._ordered()
        entrance = self._entrance()
        into, inputs = entrance.weight.shape[:2]
        layers = [self._fitted(layer, entrance) for layer in layers]
        width = max(layer.width for layer in layers)
        mixes = any(layer.head != "direct" or layer.width < width for layer in layers)
        steps = any(layer.step for layer in layers) or width != into
        layers = [self._widened(layer, width) for layer in layers]
        end = head or Linear(np.eye(self.width)[:, :, None], np.zeros(self.width))
        entry: dict[str, Any] = {
            "input_size": inputs, "condition_size": inputs, "channels": into,
            "dilations": [layer.conv.dilation for layer in layers],
        }  # fmt: skip
        if end.weight.shape[2] == 1:
            entry |= {"head_size": len(end.bias), "head_bias": bool(end.bias.any())}
        else:
            sizes = {"out_channels": len(end.bias), "kernel_size": end.weight.shape[2]}
            entry["head"] = sizes | {"bias": bool(end.bias.any()), "head_dilation": end.dilation}
        entry |= _one_or_each("kernel_size", "kernel_sizes", [layer.conv.weight.shape[2] for layer in layers])
        entry |= _one_or_each("activation", "activation", [layer.activation for layer in layers])
        second = [layer.second or GATE for layer in layers]
        gates = ["gated" if layer.second else "none" for layer in layers]
        if len(set(gates)) == 1 and all(name == GATE for name in second):
            entry["gated"] = gates[0] == "gated"
        else:
            entry |= {"gating_mode": gates, **_one_or_each("secondary_activation", "secondary_activation", second)}
        if width != into:
            entry["bottleneck"] = width
        if not steps:
            entry["layer1x1"] = {"active": False, "groups": 1}
        if mixes:
            entry["head1x1"] = {"active": True, "out_channels": self.width, "groups": 1}
        weights: list[np.ndarray] = [entrance.weight]
        for layer in layers:
            mixin = np.zeros((len(layer.conv.bias), inputs)) if layer.mixin is None else layer.mixin
            weights += [layer.conv.weight, layer.conv.bias, mixin]
            if steps:
                weights += layer.step[:2] if layer.step else (np.zeros((into, width)), np.zeros(into))
            if mixes:
                weights += self._mix(layer, width)
        weights += [end.weight, *([end.bias] if end.bias.any() else []), np.ones(1)]
        config: dict[str, Any] = {"layers": [entry], "head": None, "head_scale": 1.0}
        if inputs > 1:
            config["in_channels"] = inputs
        old = {"input_size", "condition_size", "channels", "head_size", "dilations", "head_bias", "kernel_size"}
        new = inputs > 1 or bool(set(entry) - old - {"activation", "gated"}) or not isinstance(entry["activation"], str)
        return Written(config, weights, new)

    def _mix(self, layer: Layer, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Return weight and bias of the 1x1 layer between a layer and the sum."""
        if isinstance(layer.head, Linear):
            return layer.head.weight, layer.head.bias
        return np.eye(self.width, width) if layer.head else np.zeros((self.width, width)), np.zeros(self.width)

    def _fitted(self, layer: Layer, entrance: Linear) -> Layer:
        """Return a layer whose convolution reads NAM's chain, which lacks the entrance's bias, and never the input."""
        weight = layer.conv.weight
        if layer.reads != self.source:
            bias = layer.conv.bias + weight.sum(axis=2) @ entrance.bias
            return replace(layer, conv=layer.conv._replace(bias=bias))
        back = np.linalg.pinv(entrance.weight[:, :, 0])
        if np.abs(back @ entrance.weight[:, :, 0] - np.eye(len(back))).max() > SAME:
            self.graph.fail(self.source, "is read beside a dense layer of it, from which it cannot be computed")
        return replace(layer, conv=layer.conv._replace(weight=np.einsum("oik,ij->ojk", weight, back)))

    def _widened(self, layer: Layer, width: int) -> Layer:
        """Return a layer with more features, which its 1x1 layers do not read."""
        more = width - layer.width
        if not more:
            return layer
        if layer.second:
            self.graph.fail(self.source, f"feeds a gated layer of {layer.width} features, others have {width}")

        def columns(part: Any) -> Any:
            return part._replace(weight=np.pad(part.weight, ((0, 0), (0, more), (0, 0)))) if part else part

        conv, activation = layer.conv, layer.activation
        if isinstance(activation, dict) and "negative_slopes" in activation:
            activation = activation | {"negative_slopes": activation["negative_slopes"] + [0.0] * more}
        wider = np.pad(conv.weight, ((0, more), (0, 0), (0, 0)))
        return replace(
            layer,
            conv=Linear(wider, np.pad(conv.bias, (0, more)), conv.dilation),
            activation=activation,
            mixin=None if layer.mixin is None else np.pad(layer.mixin, ((0, more), (0, 0))),
            step=columns(layer.step),
            head=columns(layer.head) if isinstance(layer.head, Linear) else layer.head,
        )


def _one_or_each(one: str, each: str, values: list[Any]) -> dict[str, Any]:
    """Return one value under its key if all are equal, else all of them."""
    return {one: values[0]} if all(value == values[0] for value in values) else {each: values}
