"""Recognises the guitar captures' net: recurrent layers, a dense layer, gains around, the input added or not."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..nodes import Affine, Dense, Gru, Lstm, Recurrent, Rnn
from .graph import Entrance, PlainGraph, single

Layer = Lstm | Gru | Rnn


@dataclass(frozen=True)
class RecurrentNet:
    """``y = after net(before x, knobs) + direct x``; `node` is the last layer, for messages."""

    entrance: Entrance
    layers: tuple[Layer, ...]
    head: Dense
    before: float
    after: float
    direct: float
    node: int

    def folded(self) -> RecurrentNet:
        """Return the same net with its gains of 1: they are in its weights."""
        first = self.layers[0]
        scale = np.ones(first.weight_ih.shape[1])
        scale[0] = self.before
        layers = (replace(first, weight_ih=first.weight_ih * scale), *self.layers[1:])
        head = replace(self.head, weight=self.after * self.head.weight, bias=self.after * self.head.bias)
        return replace(self, layers=layers, head=head, before=1.0, after=1.0)


def recurrent_net(graph: PlainGraph) -> RecurrentNet:
    """Return the net that a graph is.

    Raises
    ------
    UnsupportedArchitecture
        Names the node that is none of its parts.
    """
    last, after = graph.last, 1.0
    if (factor := _factor(graph, last)) is not None:
        last, after = graph.source(last), factor
    terms = graph.terms(last)
    direct = 0.0
    if len(terms) > 1:
        straight = [term for term in terms if _audio_gain(graph, term) is not None]
        if len(terms) != 2 or len(straight) != 1:
            graph.fail(last, "adds up signals, expected the net's output and at most the audio input")
        direct = after * (_audio_gain(graph, straight[0]) or 0.0)
        last = terms[1 - terms.index(straight[0])]
    entrance, chain = graph.chain(last)
    before = single(entrance.gain)
    if entrance.period or before is None:
        graph.fail(entrance.node, "takes the sample period, expected audio and knobs")
    if chain and (factor := _factor(graph, chain[0])) is not None and entrance.width == 1:
        before, chain = before * factor, chain[1:]
    if not chain or not isinstance(graph.nodes[chain[0]], Recurrent):
        graph.fail(chain[0] if chain else last, "expected recurrent layers first, then a dense one")
    layers: list[Layer] = []
    head: Dense | None = None
    for index in chain:
        node = graph.nodes[index]
        if isinstance(node, Lstm | Gru | Rnn) and head is None:
            layers.append(node)
        elif isinstance(node, Dense) and head is None:
            head = node
        elif isinstance(node, Affine) and head is not None:
            head = replace(head, weight=node.scale[:, None] * head.weight, bias=node.scale * head.bias + node.shift)
        else:
            graph.fail(index, "expected recurrent layers, then a dense one, and nothing else")
    if head is None:
        graph.fail(chain[-1], "expected a dense layer behind the recurrent ones")
    return RecurrentNet(entrance, tuple(layers), head, before, after, direct, chain[-1])


def _factor(graph: PlainGraph, index: int) -> float | None:
    """Return the factor that a node multiplies all features by, None if it does anything else."""
    gain = graph.gain(index)
    return None if gain is None else single(gain)


def _audio_gain(graph: PlainGraph, index: int) -> float | None:
    """Return the gain from the audio input to a node, None if there is anything else between."""
    factor = _factor(graph, index)
    entrance = graph.entrance(index if factor is None else graph.source(index))
    if entrance is None or entrance.node != entrance.audio:
        return None
    return 1.0 if factor is None else factor
