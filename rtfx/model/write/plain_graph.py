"""A model's graph for writers: it has no nodes without effect, and errors name a node of the model."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import numpy as np

from ...errors import UnsupportedArchitecture
from ..graph import Graph, widths
from ..nodes import Activation, Add, Affine, Concat, Conv1d, Dense, Hold, Input, Mul, Node, Slice
from ..spec import ModelSpec


@dataclass(frozen=True)
class Entrance:
    """The start of a chain of layers: a node whose features are the audio, then the knobs, then the sample period.

    `audio` is the audio input, `gain` the factor that is applied to the audio alone before this node.
    """

    node: int
    audio: int
    gain: np.ndarray
    knobs: tuple[str, ...]
    period: bool
    width: int


class PlainGraph:
    """The nodes that the output depends on; `origin` holds the index of each in the model.

    With `pass_on`, layers of a recurrent net that NAM needs to add the input, and that have no effect, are removed too.
    """

    def __init__(self, spec: ModelSpec, pass_on: bool = False):
        self.spec = spec
        self.nodes, self.origin = _tidy(spec, pass_on and spec.recurrent)
        self.widths = widths(self.nodes)

    @property
    def last(self) -> int:
        """Index of the output."""
        return len(self.nodes) - 1

    def part(self, first: int, last: int) -> PlainGraph:
        """Return the net between two nodes, `first` being its input.

        Raises
        ------
        UnsupportedArchitecture
            `last` depends on other inputs too.
        """
        graph = Graph(self.nodes)
        graph.replace(first, Input((), channels=self.widths[first]))
        graph.output = last
        graph.prune(())
        for i, node in graph.nodes.items():
            if i < first or (isinstance(node, Input) and i != first):
                self.fail(i, f"is read beside node {self.origin[first]}, expected nothing else to be")
        net = copy(self)
        net.nodes, net.origin = list(graph.renumbered()), [self.origin[i] for i in graph.order()]
        net.widths = [self.widths[i] for i in graph.order()]
        return net

    def fail(self, index: int, why: str) -> NoReturn:
        """Raise UnsupportedArchitecture for a node that the format cannot hold."""
        node = self.nodes[index]
        detail = f" {node.kind}" if hasattr(node, "kind") else ""
        raise UnsupportedArchitecture(f"node {self.origin[index]} ({type(node).__name__.lower()}{detail}): {why}")

    def terms(self, index: int) -> list[int]:
        """Return the terms whose sum a node is, with sums within sums expanded."""
        if not isinstance(self.nodes[index], Add):
            return [index]
        return [term for source in self.nodes[index].sources for term in self.terms(source)]

    def source(self, index: int) -> int:
        """Return the only source of a node."""
        if len(self.nodes[index].sources) != 1:
            self.fail(index, "joins signals, expected one layer after the other")
        return self.nodes[index].sources[0]

    def chain(self, index: int) -> tuple[Entrance, list[int]]:
        """Return the layers in series that end at a node, and the entrance at which they begin."""
        layers: list[int] = []
        while (entrance := self.entrance(index)) is None:
            layers.append(index)
            index = self.source(index)
        return entrance, layers[::-1]

    def entrance(self, index: int) -> Entrance | None:
        """Return the entrance at a node: the audio input, alone or joined with other inputs; None for other nodes."""
        node = self.nodes[index]
        sources = node.sources if isinstance(node, Concat) else (index,)
        gain = np.ones(1)
        audio = sources[0]
        if isinstance(node, Concat) and (scale := self.gain(audio)) is not None:
            gain, audio = scale, self.nodes[audio].sources[0]
        inputs = [self.nodes[i] for i in (audio, *sources[1:])]
        if not all(isinstance(each, Input) for each in inputs):
            return None
        roles = [each.role for each in inputs if isinstance(each, Input)]
        knobs = roles.count("knob")
        expected = ["audio", *["knob"] * knobs, *["sample_period"] * (len(roles) > 1 + knobs)]
        if roles != expected:
            self.fail(index, f"takes {', '.join(roles)}, expected audio, then knobs, then the sample period")
        names = tuple(each.name for each in inputs if isinstance(each, Input) and each.role == "knob")
        return Entrance(index, audio, gain, names, "sample_period" in roles, self.widths[index])

    def gain(self, index: int) -> np.ndarray | None:
        """Return the scale of a node that only scales, None for any other."""
        node = self.nodes[index]
        return node.scale if isinstance(node, Affine) and not node.shift.any() else None


def single(gain: np.ndarray) -> float | None:
    """Return the only value in `gain`, None if there are several."""
    return float(gain[0]) if (gain == gain[0]).all() else None


def _tidy(spec: ModelSpec, pass_on: bool) -> tuple[list[Node], list[int]]:
    """Return the nodes except those that copy their source or are unused, and the index of each in `spec`."""
    graph = Graph()
    origin: dict[int, int] = {}
    place: list[int] = []

    def added(node: Node) -> int:
        number = graph.add(node)
        origin[number] = len(place)
        return number

    for node in spec.nodes:
        node = replace(node, sources=tuple(place[s] for s in node.sources))
        same = _resolved(node, graph)
        if pass_on and not isinstance(same, int) and _changes_nothing(same):
            same = same.sources[0]
        if isinstance(same, int):
            place.append(same)
            continue
        for part in _mixes(same, graph):  # then `same` is their sum
            same = Add((*(same.sources if isinstance(same, Add) else ()), added(part)))
        place.append(added(same))
    graph.output = place[-1]
    if isinstance(graph.nodes[graph.output], Input):
        raise UnsupportedArchitecture("the output is one of the inputs, expected a layer")
    graph.prune(("audio",))
    return list(graph.renumbered()), [origin[number] for number in graph.order()]


def _resolved(node: Node, graph: Graph) -> Node | int:
    """Return the node in its simplest form, or the index of an earlier node with the same signal."""
    if isinstance(node, (Add, Mul, Concat)) and len(node.sources) == 1:
        return node.sources[0]
    if isinstance(node, Conv1d) and node.weight.shape[2] == 1 and node.groups == 1:
        return Dense(node.sources, weight=node.weight[:, :, 0], bias=node.bias)
    if isinstance(node, Hold) and node.stride == 1:
        return node.sources[0]
    if isinstance(node, Affine) and (node.scale == 1).all() and not node.shift.any():
        return node.sources[0]
    if isinstance(node, Slice):
        return _resolved_slice(node, graph)
    return node


def _changes_nothing(node: Node) -> bool:
    """Return whether a node copies its source, as a leaky ReLU of slope 1 does."""
    if isinstance(node, Dense):
        weight = node.weight
        return weight.shape[0] == weight.shape[1] and (weight == np.eye(len(weight))).all() and not node.bias.any()
    return isinstance(node, Activation) and node.kind == "leaky_relu" and node.slope == 1


def _mixes(node: Node, graph: Graph) -> list[Dense]:
    """Return a dense layer of a join as one dense layer for each joined signal; none if it reads inputs, or no join."""
    if not isinstance(node, Dense) or not isinstance(joined := graph.nodes[node.sources[0]], Concat):
        return []
    if any(isinstance(graph.nodes[i], Input | Affine) for i in joined.sources):
        return []
    parts, start = [], 0
    for i in joined.sources:
        weight = np.ascontiguousarray(node.weight[:, start : start + graph.widths[i]])
        parts.append(Dense((i,), weight=weight, bias=node.bias if not start else np.zeros(node.width)))
        start += graph.widths[i]
    return parts


def _resolved_slice(node: Slice, graph: Graph) -> Node | int:
    """Return a slice of a slice as one slice, and a slice that takes a whole signal, joined or not, as that signal."""
    (source,), start, stop = node.sources, node.start, node.stop
    if stop - start == graph.widths[source]:
        return source
    before = graph.nodes[source]
    if isinstance(before, Slice):
        return _resolved_slice(Slice(before.sources, start + before.start, stop + before.start), graph)
    if isinstance(before, Concat):
        first = 0
        for part in before.sources:
            if first <= start and stop <= first + graph.widths[part]:
                return _resolved_slice(Slice((part,), start - first, stop - first), graph)
            first += graph.widths[part]
    return node


def numbers(tensor: np.ndarray) -> Any:
    """Return a tensor as nested lists of numbers with all digits."""
    return np.asarray(tensor, np.float64).tolist()
