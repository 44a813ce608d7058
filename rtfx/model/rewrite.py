"""Rewrites a graph into a smaller equal one, in float64, before kernels are chosen or a NAM file is written.

Each rule has a pattern, which is the kind of a node and that of one of its sources, and a function. The function
returns the new node, or None if the new graph would not be cheaper. Rules are applied until none fits. Then unused
nodes, such as the last 1x1 layer of a WaveNet, are removed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .graph import Graph
from .nodes import Add, Affine, Concat, Conv1d, Dense, Node

Users = dict[int, list[int]]


@dataclass(frozen=True)
class Rule:
    """A pattern and what replaces it.

    Parameters
    ----------
    node, source : type or union of types
        The kind of a node, and that of one of its sources.
    alone : bool
        The source must have no other user, so that it is removed when the node no longer reads it.
    function : callable
        ``(graph, index, place, users)`` -> the new node or None; `place` is the source's index in the node's sources.
    """

    node: Any
    source: Any
    alone: bool
    function: Callable[[Graph, int, int, Users], Node | None]

    def apply(self, graph: Graph, index: int, users: Users) -> bool:
        """Replace node `index` if it fits; return whether it did."""
        node = graph.nodes[index]
        if not isinstance(node, self.node):
            return False
        for place, source in enumerate(node.sources):
            if isinstance(graph.nodes[source], self.source) and not (self.alone and len(users[source]) > 1):
                new = self.function(graph, index, place, users)
                if new is not None:
                    graph.replace(index, new)
                    return True
        return False


def rewrite(nodes: tuple[Node, ...]) -> tuple[Node, ...]:
    """Return an equal graph with less to compute.

    Parameters
    ----------
    nodes : tuple of Node
        In computable order; the last is the output.
    """
    graph = Graph(nodes)
    graph.prune()
    while any(_everywhere(rule, graph) for rule in RULES):
        graph.prune()
    return graph.listed()


def _everywhere(rule: Rule, graph: Graph) -> bool:
    """Apply a rule wherever it fits; return whether it fitted anywhere."""
    changed = False
    users = graph.users()
    for index in list(graph.nodes):
        if index in graph.nodes and rule.apply(graph, index, users):
            graph.prune()
            users = graph.users()
            changed = True
    return changed


def fold_affine(graph: Graph, index: int, place: int, users: Users) -> Node:
    """Multiply a gain and shift into the weights of the layer before it."""
    node: Any = graph.nodes[index]
    inner: Any = graph.nodes[node.sources[0]]
    shape = (-1,) + (1,) * (inner.weight.ndim - 1)
    return replace(inner, weight=inner.weight * node.scale.reshape(shape), bias=inner.bias * node.scale + node.shift)


def compose_dense(graph: Graph, index: int, place: int, users: Users) -> Node | None:
    """Replace two dense layers by one, unless other nodes read the first or the product has more weights than both."""
    node: Any = graph.nodes[index]
    inner: Any = graph.nodes[node.sources[0]]
    if len(users[node.sources[0]]) > 1 or inner.weight.shape[1] * node.width > node.weight.size + inner.weight.size:
        return None
    return Dense(inner.sources, weight=node.weight @ inner.weight, bias=node.weight @ inner.bias + node.bias)


def compose_conv(graph: Graph, index: int, place: int, users: Users) -> Node | None:
    """Multiply a dense layer into the taps of the convolution behind it, if that makes the convolution smaller.

    The dense layer must have no bias, because the rewrite would also add it to the zeros before the first frame.
    """
    node: Any = graph.nodes[index]
    inner: Any = graph.nodes[node.sources[0]]
    if node.groups != 1 or inner.bias.any() or inner.weight.shape[1] >= inner.width:
        return None
    return replace(node, sources=inner.sources, weight=np.einsum("oik,ij->ojk", node.weight, inner.weight))


def distribute(graph: Graph, index: int, place: int, users: Users) -> Node | None:
    """Replace a dense layer of a wider sum by a sum of dense layers; the first of them gets the bias.

    The head of a WaveNet then needs one dot product for each layer.
    """
    node: Any = graph.nodes[index]
    if node.width >= node.weight.shape[1]:
        return None
    return _sum(graph, index, [(source, node.weight) for source in graph.nodes[node.sources[0]].sources])


def split_concat(graph: Graph, index: int, place: int, users: Users) -> Node | None:
    """Replace a dense layer of joined signals by a sum of dense layers, if adding costs no more than joining them."""
    node: Any = graph.nodes[index]
    sources = graph.nodes[node.sources[0]].sources
    if node.width * (len(sources) - 1) > node.weight.shape[1]:
        return None
    ends = np.cumsum([graph.widths[source] for source in sources])
    return _sum(graph, index, list(zip(sources, np.split(node.weight, ends[:-1], axis=1), strict=True)))


def _sum(graph: Graph, index: int, parts: list[tuple[int, np.ndarray]]) -> Node:
    """Insert dense layers, given by source and weight, before dense layer `index`; return their sum."""
    bias = graph.nodes[index].tensors["bias"]
    layers = [Dense((s,), weight=weight, bias=0 * bias if i else bias) for i, (s, weight) in enumerate(parts)]
    return Add(tuple(graph.insert_before(index, layer) for layer in layers))


def flatten(graph: Graph, index: int, place: int, users: Users) -> Node:
    """Replace a sum within a sum by one sum."""
    sources = graph.nodes[index].sources
    return Add((*sources[:place], *graph.nodes[sources[place]].sources, *sources[place + 1 :]))


def merge_last_tap(graph: Graph, index: int, place: int, users: Users) -> Node | None:
    """Add a dense layer to the newest tap of a convolution of the same signal."""
    sources = graph.nodes[index].sources
    conv: Any = graph.nodes[sources[place]]
    dense: Any = graph.nodes[sources[1 - place]] if len(sources) == 2 else None
    if not isinstance(dense, Dense) or len(users[sources[1 - place]]) > 1:
        return None
    if conv.sources != dense.sources or conv.groups != 1:
        return None
    weight = conv.weight.copy()
    weight[:, :, -1] += dense.weight
    return replace(conv, weight=weight, bias=conv.bias + dense.bias)


RULES = (
    Rule(Affine, Dense | Conv1d, True, fold_affine),
    Rule(Dense, Dense, False, compose_dense),
    Rule(Conv1d, Dense, False, compose_conv),
    Rule(Dense, Add, True, distribute),
    Rule(Dense, Concat, True, split_concat),
    Rule(Add, Add, True, flatten),
    Rule(Add, Conv1d, True, merge_last_tap),
)
