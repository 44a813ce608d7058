"""Rewrites a model graph into a smaller equal one, in float64, before anything is compiled.

Rules, applied until none fits:

- a dense layer behind a dense layer is one dense layer; so is an affine behind a dense layer or a convolution
- a dense layer without bias before a convolution is folded into its taps, if that makes the convolution smaller (with
  a bias it could not be: the zeros of the history would get it too)
- a dense layer over a sum that only it uses, and that is wider than its output, becomes a sum of dense layers: the
  head of a WaveNet then costs one dot product a layer
- a dense layer over a concatenation that only it uses becomes a sum of dense layers, where adding their outputs costs
  no more than copying the features together would
- a sum within a sum is one sum; a dense layer and a convolution of the same signal that are added are one convolution
- nodes that nothing uses are dropped: the last 1x1 of a WaveNet, for one
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..model.spec import Add, Affine, Concat, Conv1d, Dense, Input, Node


class Graph:
    """Nodes by number, in computable order, with the users of each."""

    def __init__(self, nodes):
        self.nodes: dict[int, Any] = dict(enumerate(nodes))  # rules tell the class of a Node
        self.output = len(self.nodes) - 1
        self._fresh = len(self.nodes)

    def users(self) -> dict[int, list[int]]:
        """Return who uses each node; the output counts as used once by -1."""
        users: dict[int, list[int]] = {index: [] for index in self.nodes}
        for index, node in self.nodes.items():
            for source in node.sources:
                users[source].append(index)
        users[self.output].append(-1)
        return users

    def widths(self) -> dict[int, int]:
        """Return the features of each node's output."""
        widths: dict[int, int] = {}
        for index, node in self.nodes.items():
            if isinstance(node, Concat):
                widths[index] = sum(widths[s] for s in node.sources)
            else:
                widths[index] = node.width or widths[node.sources[0]]
        return widths

    def insert_before(self, place: int, node: Node) -> int:
        """Insert a node just before `place` and return its number."""
        number, self._fresh = self._fresh, self._fresh + 1
        self.nodes = {
            key: value
            for old, item in self.nodes.items()
            for key, value in ([(number, node)] if old == place else []) + [(old, item)]
        }
        return number

    def prune(self) -> None:
        """Drop every node that the output does not depend on; inputs stay, as their order counts the channels."""
        needed: set[int] = set()
        stack = [self.output, *(index for index, node in self.nodes.items() if isinstance(node, Input))]
        while stack:
            index = stack.pop()
            if index not in needed:
                needed.add(index)
                stack += self.nodes[index].sources
        self.nodes = {index: node for index, node in self.nodes.items() if index in needed}

    def listed(self) -> tuple[Node, ...]:
        """Return the nodes renumbered, the output last."""
        self.prune()
        order = [index for index in self.nodes if index != self.output] + [self.output]
        number = {index: i for i, index in enumerate(order)}
        return tuple(replace(self.nodes[i], sources=tuple(number[s] for s in self.nodes[i].sources)) for i in order)


def rewrite(nodes: tuple[Node, ...]) -> tuple[Node, ...]:
    """Return an equal graph with less to compute."""
    graph = Graph(nodes)
    graph.prune()
    while any(_apply(rule, graph) for rule in RULES):
        graph.prune()
    return graph.listed()


def _apply(rule, graph: Graph) -> bool:
    """Apply a rule wherever it fits; return whether it fitted anywhere."""
    changed = False
    users = graph.users()
    for index in list(graph.nodes):
        if index in graph.nodes and rule(graph, index, users):
            graph.prune()
            users = graph.users()
            changed = True
    return changed


def _scaled(node, scale: np.ndarray, shift: np.ndarray):
    """Return a dense layer or convolution followed by an affine."""
    shape = (-1,) + (1,) * (node.weight.ndim - 1)
    return replace(node, weight=node.weight * scale.reshape(shape), bias=node.bias * scale + shift)


def fold_affine(graph: Graph, index: int, users) -> bool:
    """Affine(Dense | Conv1d)."""
    node = graph.nodes[index]
    if not isinstance(node, Affine):
        return False
    inner = graph.nodes[node.sources[0]]
    if not isinstance(inner, Dense | Conv1d) or len(users[node.sources[0]]) != 1:
        return False
    graph.nodes[index] = _scaled(inner, node.scale, node.shift)
    return True


def compose_dense(graph: Graph, index: int, users) -> bool:
    """Dense(Dense), unless the inner one is shared and the composed one larger."""
    node = graph.nodes[index]
    if not isinstance(node, Dense):
        return False
    inner = graph.nodes[node.sources[0]]
    if not isinstance(inner, Dense):
        return False
    if len(users[node.sources[0]]) > 1 or inner.weight.shape[1] * node.width > node.weight.size + inner.weight.size:
        return False
    graph.nodes[index] = Dense(
        inner.sources, weight=node.weight @ inner.weight, bias=node.weight @ inner.bias + node.bias
    )
    return True


def compose_conv(graph: Graph, index: int, users) -> bool:
    """Conv1d(Dense without bias) of fewer inputs."""
    node = graph.nodes[index]
    if not isinstance(node, Conv1d) or node.groups != 1:
        return False
    inner = graph.nodes[node.sources[0]]
    if not isinstance(inner, Dense) or inner.bias.any() or inner.weight.shape[1] >= inner.width:
        return False
    weight = np.einsum("oik,ij->ojk", node.weight, inner.weight)
    graph.nodes[index] = replace(node, sources=inner.sources, weight=weight)
    return True


def distribute(graph: Graph, index: int, users) -> bool:
    """Dense(Add) of fewer outputs than inputs: a sum of dense layers; the bias goes to the first."""
    node = graph.nodes[index]
    if not isinstance(node, Dense) or node.width >= node.weight.shape[1]:
        return False
    inner = graph.nodes[node.sources[0]]
    if not isinstance(inner, Add) or len(users[node.sources[0]]) != 1:
        return False
    parts = []
    for i, source in enumerate(inner.sources):
        bias = node.bias if i == 0 else np.zeros(node.width)
        parts.append(graph.insert_before(index, Dense((source,), weight=node.weight, bias=bias)))
    graph.nodes[index] = Add(tuple(parts))
    return True


def split_concat(graph: Graph, index: int, users) -> bool:
    """Dense(Concat) of few outputs: a sum of dense layers; the bias goes to the first."""
    node = graph.nodes[index]
    if not isinstance(node, Dense):
        return False
    inner = graph.nodes[node.sources[0]]
    if not isinstance(inner, Concat) or len(users[node.sources[0]]) != 1:
        return False
    if node.width * (len(inner.sources) - 1) > node.weight.shape[1]:
        return False
    widths = graph.widths()
    parts: list[int] = []
    first = 0
    for source in inner.sources:
        weight = node.weight[:, first : first + widths[source]]
        bias = np.zeros(node.width) if parts else node.bias
        parts.append(graph.insert_before(index, Dense((source,), weight=weight, bias=bias)))
        first += widths[source]
    graph.nodes[index] = Add(tuple(parts))
    return True


def flatten(graph: Graph, index: int, users) -> bool:
    """Add(Add): one sum, where the inner one has no other user."""
    node = graph.nodes[index]
    if not isinstance(node, Add):
        return False
    for place, source in enumerate(node.sources):
        inner = graph.nodes[source]
        if isinstance(inner, Add) and len(users[source]) == 1:
            graph.nodes[index] = Add(node.sources[:place] + inner.sources + node.sources[place + 1 :])
            return True
    return False


def merge_last_tap(graph: Graph, index: int, users) -> bool:
    """Add(Conv1d(x), Dense(x)): the dense layer joins the newest tap."""
    node = graph.nodes[index]
    if not isinstance(node, Add) or len(node.sources) != 2:
        return False
    for conv_at, dense_at in (node.sources, node.sources[::-1]):
        conv, dense = graph.nodes[conv_at], graph.nodes[dense_at]
        fits = (
            isinstance(conv, Conv1d) and isinstance(dense, Dense) and conv.sources == dense.sources and conv.groups == 1
        )
        if fits and len(users[conv_at]) == len(users[dense_at]) == 1:
            weight = conv.weight.copy()
            weight[:, :, -1] += dense.weight
            graph.nodes[index] = replace(conv, weight=weight, bias=conv.bias + dense.bias)
            return True
    return False


RULES = (fold_affine, compose_dense, compose_conv, distribute, split_concat, flatten, merge_last_tap)
