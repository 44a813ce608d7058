"""Recognises a WaveNet in a graph: goes from the output back to the input, one array of layers after the other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...errors import UnsupportedArchitecture
from ..nodes import Activation, Add, Conv1d, Dense, Mul, Node, PRelu, Slice
from .graph import Graph
from .nam_activation import IDENTITY, name_of


@dataclass(frozen=True)
class Linear:
    """A dense layer or convolution: weight (out, in/groups, taps)."""

    weight: np.ndarray
    bias: np.ndarray
    dilation: int = 1
    groups: int = 1

    @property
    def pointwise(self) -> bool:
        return self.weight.shape[2] == 1

    def shifted(self, bias: np.ndarray) -> Linear:
        return replace(self, bias=self.bias + bias)


@dataclass(frozen=True)
class Layer:
    """One layer; `p` is the node of its output, the last array's last layer has no `layer1x1` that is heard."""

    p: int
    conv: Linear
    mixin: Linear | None
    gate: str
    activation: Any
    secondary: Any
    layer1x1: Linear | None = None
    head1x1: Linear | None = None


@dataclass(frozen=True)
class Array:
    """Layers in their order; without a `head` its layers' own mixes are added up."""

    rechannel: np.ndarray
    layers: tuple[Layer, ...]
    head: Linear | None


def linear_of(node: Node) -> Linear | None:
    """Return a dense layer or convolution, None for any other node."""
    if isinstance(node, Dense):
        return Linear(node.weight[:, :, None], node.bias)
    return Linear(node.weight, node.bias, node.dilation, node.groups) if isinstance(node, Conv1d) else None


def arrays_of(graph: Graph, output: int, condition: int) -> list[Array]:
    """Return the arrays of the net that ends at `output`, the first first; `condition` is its input."""
    head = linear_of(graph.nodes[output])
    if head is None and not all(linear_of(graph.nodes[term]) for term in graph.terms(output)):
        graph.fail(output, "expected the head of a WaveNet: a dense layer or convolution of the layers' sum")
    total = output if head is None else graph.source(output)
    end: int | None = None
    found: list[Array] = []
    while True:
        walk = _Walk(graph, condition, total, end)
        found.append(Array(walk.rechannel, walk.layers(), head))
        if walk.entrance == condition:
            if walk.before is not None:
                graph.fail(walk.before, "adds to the head of the first array, expected its layers alone")
            return found[::-1]
        head = None if walk.before is None else linear_of(graph.nodes[walk.before])
        if head is None or walk.before is None:
            graph.fail(walk.entrance, "expected an array's output, whose head is added to the next array's")
        total, end = graph.source(walk.before), walk.entrance


class _Walk:
    """One array: from the sum of its layers, and its output unless it is the last, back to its first matrix."""

    def __init__(self, graph: Graph, condition: int, total: int, end: int | None):
        self.graph, self.condition = graph, condition
        self.terms = graph.terms(total)
        self.steps: list[tuple[int, Linear | None]] = []
        v = end
        if v is None:  # nobody reads the output of the last layer: it is the layer that comes latest in the sum
            p = max(self._mixed(term)[0] for term in self.terms)
            v = self._entered(p)
            self.steps.append((p, None))
        while isinstance(graph.nodes[v], Add):
            v, p, part = self._step(v)
            self.steps.insert(0, (p, part))
        first = linear_of(graph.nodes[v])
        if v == condition and len(self.steps) == 1:  # a single layer that reads the input itself
            first = Linear(np.eye(graph.widths[v])[:, :, None], np.zeros(graph.widths[v]))
            self.entrance = v
        elif first is None or not first.pointwise or first.groups > 1:
            graph.fail(v, "expected a residual sum, or the dense layer that an array begins with")
        else:
            self.entrance = graph.source(v)
        self.first = v
        self.rechannel, self.bias = first.weight[:, :, 0], first.bias
        self.mixes: dict[int, Linear | None] = {}
        self.before = self._sort()

    def layers(self) -> tuple[Layer, ...]:
        """Return the layers in their order."""
        made = []
        for p, part in self.steps:
            if p not in self.mixes:
                self.graph.fail(p, "does not reach the head, as every layer of NAM's does")
            made.append(replace(self._layer(p), layer1x1=part, head1x1=self.mixes[p]))
        return tuple(made)

    def _sort(self) -> int | None:
        """Find what each layer adds to the head; return the term that no layer gives: the head before."""
        known = {p for p, _ in self.steps}
        before = None
        for term in self.terms:
            p, part = (term, None) if term in known else self._mixed(term)
            if p in known and p not in self.mixes:
                self.mixes[p] = part
            elif before is None:
                before = term
            else:
                self.graph.fail(term, "is no layer of its array, nor the head before it")
        return before

    def _mixed(self, term: int) -> tuple[int, Linear | None]:
        """Return the layer that a term of the head is a 1x1 layer of, else the term itself."""
        part = linear_of(self.graph.nodes[term])
        return (term, None) if part is None or not part.pointwise else (self.graph.source(term), part)

    def _step(self, v: int) -> tuple[int, int, Linear]:
        """Return what a residual sum adds a layer to, that layer's output, and the 1x1 layer between."""
        graph, sources = self.graph, self.graph.nodes[v].sources
        for rest, y in (sources, sources[::-1]) if len(sources) == 2 else ():
            part = linear_of(graph.nodes[y])
            if part is None or not part.pointwise:
                continue
            try:
                entered = self._entered(graph.source(y))
            except UnsupportedArchitecture:
                continue
            spread = linear_of(graph.nodes[rest]) is not None and graph.nodes[rest].sources == (entered,)
            if entered == rest or spread:
                return rest, graph.source(y), part
        graph.fail(v, "expected a residual sum: what a layer reads, and a 1x1 layer of what it gives")

    def _entered(self, p: int) -> int:
        """Return what the convolution of a layer reads."""
        return self.graph.source(self._parts(p)[0])

    def _parts(self, p: int) -> tuple[int, int | None, str, Any, Any]:
        """Return convolution, mixed condition, gate and activations of a layer's output."""
        graph, node = self.graph, self.graph.nodes[p]
        gate, names, z = "none", [IDENTITY, None], p
        if isinstance(node, Mul) and len(node.sources) == 2:
            names = [name_of(graph, source) for source in node.sources]
            gate, z = "gated", self._halved(p)
        elif isinstance(node, (Activation, PRelu)):
            names, z = [name_of(graph, p), None], graph.source(p)
        terms = graph.terms(z)
        if len(terms) > 2 or any(linear_of(graph.nodes[term]) is None for term in terms):
            graph.fail(z, "expected a convolution, and at most the condition added to it")
        if len(terms) == 1:
            return terms[0], None, gate, names[0], names[1]
        mixins = [t for t in terms if graph.source(t) == self.condition and self._mixed(t)[1] is not None]
        if not mixins:
            graph.fail(z, "adds two convolutions, of which none is a 1x1 layer of the input")
        return terms[1 - terms.index(mixins[-1])], mixins[-1], gate, names[0], names[1]

    def _halved(self, p: int) -> int:
        """Return the signal whose first half, activated, is multiplied by its second."""
        graph = self.graph
        slices = [graph.nodes[graph.source(source)] for source in graph.nodes[p].sources]
        first, second = slices
        whole = isinstance(first, Slice) and isinstance(second, Slice) and first.sources == second.sources
        if not whole or (first.start, first.stop) != (0, second.start) or second.stop != 2 * second.start:  # type: ignore
            graph.fail(p, "multiplies two signals, expected the two halves of one convolution, each activated")
        return first.sources[0]

    def _layer(self, p: int) -> Layer:
        """Return one layer; its convolution takes over the bias of the array's first matrix and of the condition."""
        graph = self.graph
        conv_index, mixin_index, gate, activation, secondary = self._parts(p)
        conv = linear_of(graph.nodes[conv_index])
        mixin = None if mixin_index is None else linear_of(graph.nodes[mixin_index])
        assert conv is not None
        if graph.source(conv_index) != self.first and graph.source(conv_index) == self.entrance:
            conv = self._spread(conv, conv_index)
        conv = conv.shifted(_constant(conv, self.bias))
        if mixin is not None:
            conv = conv.shifted(mixin.bias)
        return Layer(p, conv, mixin, gate, activation, secondary)

    def _spread(self, conv: Linear, index: int) -> Linear:
        """Return a convolution of the one input as one of the features that the input is spread over."""
        places = np.flatnonzero(self.rechannel[:, 0] == 1)
        if self.rechannel.shape[1] > 1 or conv.groups > 1 or self.bias.any() or not places.size:
            self.graph.fail(index, "reads the input itself, expected the features of its array")
        weight = np.zeros((conv.weight.shape[0], self.rechannel.shape[0], conv.weight.shape[2]))
        weight[:, places[0]] = conv.weight[:, 0]
        return replace(conv, weight=weight)


def _constant(conv: Linear, value: np.ndarray) -> np.ndarray:
    """Return what a convolution makes of constant features, its bias aside."""
    outputs, inputs, _ = conv.weight.shape
    weight = conv.weight.sum(axis=2).reshape(conv.groups, outputs // conv.groups, inputs)
    return np.einsum("goi,gi->go", weight, value.reshape(conv.groups, inputs)).ravel()
