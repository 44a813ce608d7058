"""Recognises a WaveNet in a graph: goes from the output back to the input, one array of layers after the other.

In the words of nam_wavenet.py's formulas a layer is a term p of the head, direct or through a 1x1 layer, and reads a
signal v of its array: the array's first matrix of what comes in, and 1x1 layers of earlier p added to that.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ...errors import UnsupportedArchitecture
from ..nodes import Add
from .nam_activation import IDENTITY
from .nam_pieces import Film, Linear, Pieces, identity
from .plain_graph import PlainGraph

CONV = ("conv_pre_film", "conv_post_film")
MIXIN = ("input_mixin_pre_film", "input_mixin_post_film")


@dataclass(frozen=True)
class Layer:
    """One layer; `p` is the node of its output, `width` its features; without a `layer1x1` nothing later reads it."""

    p: int
    width: int
    conv: Linear
    mixin: Linear | None
    gate: str
    activation: Any
    secondary: Any
    films: dict[str, Film] = field(default_factory=dict)
    layer1x1: Linear | None = None
    head1x1: Linear | None = None


@dataclass(frozen=True)
class Array:
    """Layers in their order; without a `head` what they add up is the output."""

    rechannel: np.ndarray
    layers: tuple[Layer, ...]
    head: Linear | None


def arrays_of(graph: PlainGraph, output: int, source: int, condition: int) -> list[Array]:
    """Return the arrays of the net from `source` to `output`, the first first; its layers read `condition` too.

    Raises
    ------
    UnsupportedArchitecture
        Names the node that does not fit.
    """
    pieces = Pieces(graph, condition)
    found = pieces.linear(output)
    total = output if found is None else found[1]
    heads: list[Linear | None] = [found and found[0]]
    walks: list[_Walk] = []
    end: int | None = None
    while True:
        walks.append(_walk(pieces, source, total, end))
        before = walks[-1].before
        if walks[-1].entrance == source:
            if before is not None:
                graph.fail(before, "adds to the head of the first array, expected its layers alone")
            break
        head = None if before is None else pieces.linear(before)
        if head is None:
            graph.fail(walks[-1].entrance, "expected an array's output, whose head is added to the next array's")
        heads.append(head[0])
        total, end = head[1], walks[-1].entrance
    arrays: list[Array] = []
    bias = np.zeros(1)
    for walk, head1 in zip(walks[::-1], heads[::-1], strict=True):
        bias = walk.first.bias + (walk.first.constant(bias) if arrays else 0.0)
        arrays.append(Array(walk.first.weight[:, :, 0], walk.layers(bias), head1))
    return arrays


def _walk(pieces: Pieces, source: int, total: int, end: int | None) -> _Walk:
    """Return the array that ends in `end`; None: nobody reads it, it ends in what its latest layer reads."""
    if end is not None:
        return _Walk(pieces, source, total, end)
    terms = pieces.terms(total)
    latest = max(terms, key=lambda term: _mixed(pieces, term)[0])
    error = None
    for p in dict.fromkeys((_mixed(pieces, latest)[0], latest)):
        try:
            return _Walk(pieces, source, total, _parts(pieces, p, ())[1])
        except UnsupportedArchitecture as raised:
            error = error or raised
    assert error is not None
    raise error


def _mixed(pieces: Pieces, term: int) -> tuple[int, Linear | None, Film | None]:
    """Return the layer that a term of the head is a 1x1 layer of, else the term itself."""
    inner, film = pieces.film(term)
    found = pieces.pointwise(inner)
    return (term, None, None) if found is None else (found[1], found[0], film)


def _parts(pieces: Pieces, p: int, chain: tuple[int, ...]) -> tuple[Layer, int]:
    """Return a layer, and what its convolution reads; the nodes in `chain` are known to be such."""
    graph = pieces.graph
    films: dict[str, Film | None] = {}
    core, films["activation_post_film"] = pieces.film(p) if p not in chain else (p, None)
    gate, activation, secondary, z = pieces.gate(core) if core not in chain else ("none", IDENTITY, None, core)
    terms = [z]
    if z not in chain:
        z, films["activation_pre_film"] = pieces.film(z)
        terms = pieces.terms(z)
    if len(terms) > 2:
        graph.fail(z, "expected a convolution, and at most the condition added to it")
    reads, mixin = terms[0], None
    if len(terms) == 2:
        for i in (1, 0):
            after, films[MIXIN[1]] = pieces.film(terms[i])
            found = pieces.pointwise(after)
            inner, films[MIXIN[0]] = pieces.film(found[1]) if found else (-1, None)
            if found and inner == pieces.condition:
                reads, mixin = terms[1 - i], found[0]
                break
        else:
            graph.fail(z, "adds two convolutions, of which none is a 1x1 layer of the input")
    if reads in chain:
        conv, entered = identity(graph.widths[reads]), reads
    else:
        reads, films[CONV[1]] = pieces.film(reads)
        conv, entered = pieces.linear(reads) or (identity(graph.widths[reads]), reads)
        if entered not in chain:
            entered, films[CONV[0]] = pieces.film(entered)
    kept = {name: film for name, film in films.items() if film is not None}
    return Layer(p, graph.widths[p], conv, mixin, gate, activation, secondary, kept), entered


class _Walk:
    """One array: from the sum of its layers and its output `v`, back to its first matrix."""

    def __init__(self, pieces: Pieces, source: int, total: int, v: int):
        self.pieces, self.graph, self.width = pieces, pieces.graph, pieces.graph.widths[total]
        self.steps: list[tuple[int, Linear, Film | None]] = []  # by place in the chain: what is added after it
        chain = [v]
        while v != source and isinstance(self.graph.nodes[v], Add) and pieces.film(v)[1] is None:
            v, p, part, film = self._step(v)
            self.steps.insert(0, (p, part, film))
            chain.insert(0, v)
        self.chain = tuple(chain)
        first = None if v == source else pieces.pointwise(v)
        if first is None and v != source:
            self.graph.fail(v, "expected a residual sum, or the dense layer that an array begins with")
        layer, self.entrance = first or (identity(self.graph.widths[v]), v)
        self.first = layer.dense()
        self.heard: dict[int, tuple[Linear | None, Film | None]] = {}
        self.extra: dict[int, list[int]] = {v: [] for v in self.chain}
        self.before = self._sort(pieces.terms(total))

    def layers(self, bias: np.ndarray) -> tuple[Layer, ...]:
        """Return the layers in their order; `bias` is the constant part of all that they read."""
        made = []
        for i, v in enumerate(self.chain):
            made += [self._layer(p, bias) for p in sorted(self.extra[v])]
            if i < len(self.steps):
                p, part, film = self.steps[i]
                layer = self._layer(p, bias)
                films = layer.films | ({"layer1x1_post_film": film} if film else {})
                made.append(replace(layer, layer1x1=part, films=films))
        return tuple(made)

    def _sort(self, terms: list[int]) -> int | None:
        """Find what each layer adds to the head; return the term that no layer gives: the head before."""
        known = {p for p, _, _ in self.steps}
        before = None
        for term in terms:
            p, part, film = _mixed(self.pieces, term)
            if term in known and term not in self.heard:
                self.heard[term] = None, None
            elif p in known and p not in self.heard:
                self.heard[p] = part, film
            elif self._parallel(term):
                continue
            elif before is None:
                before = term
            else:
                self.graph.fail(term, "is no layer of its array, nor the head before it")
        return before

    def _parallel(self, term: int) -> bool:
        """Note a layer that nothing is added after."""
        options: tuple[tuple[int, Linear | None, Film | None], ...] = (_mixed(self.pieces, term), (term, None, None))
        for p, part, film in options:
            try:
                entered = _parts(self.pieces, p, self.chain)[1]
            except UnsupportedArchitecture:
                continue
            entered = self._same(entered)
            if entered in self.chain and p not in self.heard:
                self.heard[p] = part, film
                self.extra[entered].append(p)
                return True
        return False

    def _same(self, entered: int) -> int:
        """Return the array's first signal for the input that it is spread over, as in `_spread`."""
        if entered == self.entrance and entered not in self.chain:
            return self.chain[0]
        return entered

    def _step(self, v: int) -> tuple[int, int, Linear, Film | None]:
        """Return what a residual sum adds a layer to, that layer's output, the 1x1 layer between, and its FiLM."""
        sources = self.graph.nodes[v].sources
        for rest, y in (sources, sources[::-1]) if len(sources) == 2 else ():
            inner, film = self.pieces.film(y)
            found = self.pieces.pointwise(inner)
            if found is None:
                continue
            part, p = found
            try:
                entered = _parts(self.pieces, p, (rest,))[1]
            except UnsupportedArchitecture:
                continue
            spread = self.pieces.linear(rest)
            if entered == rest or (spread and spread[1] == entered):
                return rest, p, part, film
        self.graph.fail(v, "expected a residual sum: what a layer reads, and a 1x1 layer of what it gives")

    def _layer(self, p: int, bias: np.ndarray) -> Layer:
        """Return one layer; its convolution takes over the constant part of its input and of the condition."""
        layer, entered = _parts(self.pieces, p, self.chain)
        conv, films = layer.conv, dict(layer.films)
        if entered not in self.chain:
            conv = self._spread(conv, p)
        if bias.any() and any(name in films for name in CONV):
            self.graph.fail(p, "changes by FiLM what a bias was added to, NAM's arrays begin without one")
        conv = conv.shifted(conv.constant(bias))
        if layer.mixin is not None and layer.mixin.bias.any():
            if MIXIN[1] in films or CONV[1] in films:
                self.graph.fail(p, "changes by FiLM what a bias was added to, NAM mixes the condition without one")
            conv = conv.shifted(layer.mixin.bias)
        part, film = self.heard.get(p, (Linear(np.zeros((self.width, layer.width, 1)), np.zeros(self.width)), None))
        films |= {"head1x1_post_film": film} if film else {}
        return replace(layer, conv=conv, films=films, head1x1=part)

    def _spread(self, conv: Linear, index: int) -> Linear:
        """Return a convolution of the one input as one of the features that the input is spread over."""
        places = np.flatnonzero(self.first.weight[:, 0, 0] == 1)
        if self.first.weight.shape[1] > 1 or conv.groups > 1 or self.first.bias.any() or not places.size:
            self.graph.fail(index, "reads the input itself, expected the features of its array")
        weight = np.zeros((conv.weight.shape[0], self.first.outputs, conv.weight.shape[2]))
        weight[:, places[0]] = conv.weight[:, 0]
        return replace(conv, weight=weight)
