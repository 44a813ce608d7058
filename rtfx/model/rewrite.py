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

import numpy as np

from .graph import Graph
from .nodes import Add, Affine, Concat, Conv1d, Dense, Node


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
    graph.replace(index, _scaled(inner, node.scale, node.shift))
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
    bias = node.weight @ inner.bias + node.bias
    graph.replace(index, Dense(inner.sources, weight=node.weight @ inner.weight, bias=bias))
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
    graph.replace(index, replace(node, sources=inner.sources, weight=weight))
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
    graph.replace(index, Add(tuple(parts)))
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
    parts: list[int] = []
    first = 0
    for source in inner.sources:
        weight = node.weight[:, first : first + graph.widths[source]]
        bias = np.zeros(node.width) if parts else node.bias
        parts.append(graph.insert_before(index, Dense((source,), weight=weight, bias=bias)))
        first += graph.widths[source]
    graph.replace(index, Add(tuple(parts)))
    return True


def flatten(graph: Graph, index: int, users) -> bool:
    """Add(Add): one sum, where the inner one has no other user."""
    node = graph.nodes[index]
    if not isinstance(node, Add):
        return False
    for place, source in enumerate(node.sources):
        inner = graph.nodes[source]
        if isinstance(inner, Add) and len(users[source]) == 1:
            graph.replace(index, Add(node.sources[:place] + inner.sources + node.sources[place + 1 :]))
            return True
    return False


def merge_last_tap(graph: Graph, index: int, users) -> bool:
    """Add(Conv1d(x), Dense(x)): the dense layer joins the newest tap."""
    node = graph.nodes[index]
    if not isinstance(node, Add) or len(node.sources) != 2:
        return False
    for conv_at, dense_at in (node.sources, node.sources[::-1]):
        conv, dense = graph.nodes[conv_at], graph.nodes[dense_at]
        if not isinstance(conv, Conv1d) or not isinstance(dense, Dense):
            continue
        alone = len(users[conv_at]) == len(users[dense_at]) == 1
        if alone and conv.sources == dense.sources and conv.groups == 1:
            weight = conv.weight.copy()
            weight[:, :, -1] += dense.weight
            graph.replace(index, replace(conv, weight=weight, bias=conv.bias + dense.bias))
            return True
    return False


RULES = (fold_affine, compose_dense, compose_conv, distribute, split_concat, flatten, merge_last_tap)
