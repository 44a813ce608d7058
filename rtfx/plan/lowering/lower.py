"""Lowers a model: for each node in turn it calls the function that is registered for the node's kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...errors import UnsupportedArchitecture
from ...kernels.elementwise import rows_kernel
from ...kernels.processor import lanes
from ...model.nodes import Node
from ...model.rewrite import rewrite
from ...model.spec import ModelSpec
from ...model.wavenet_layers import Match, matches
from ..arena import Builder, Signal
from ..self_check import Layer

LOWER: dict[type[Node], Callable[[Lowering, int, Any, list[Signal]], Signal | None]] = {}


def lowers(*kinds: type[Node]) -> Callable[[Any], Any]:
    """Register a function for kinds of node: ``function(lowering, index, node, sources) -> Signal | None``.

    The function appends steps to ``lowering.builder`` and returns the node's signal. If its steps compute several
    nodes, it puts the signal of each into ``lowering.signals`` and returns None. `sources` are the signals of the
    node's sources.
    """

    def register(function: Any) -> Any:
        LOWER.update(dict.fromkeys(kinds, function))
        return function

    return register


def lower(spec: ModelSpec, builder: Builder, audio: Signal, controls: dict[str, Signal]) -> Signal:
    """Append the steps of a model and return its output signal.

    Parameters
    ----------
    spec : ModelSpec
    builder : Builder
        Takes the steps, buffers and weights.
    audio : Signal
        The audio input: one row for each of the model's audio channels.
    controls : dict of str to Signal
        One row for each knob, by its name; and the row ``sample_period`` if the model has such an input.

    Returns
    -------
    Signal
        One row for each output channel.

    Raises
    ------
    UnsupportedArchitecture
        No function is registered for a node's kind.
    """
    return Lowering(spec, builder, audio, controls).run()


class Lowering:
    """One run over the nodes of a model, with the signals computed so far.

    Attributes
    ----------
    nodes : sequence of Node
        The rewritten graph.
    users : list of list of int
        The nodes that use each node.
    signals : dict of int to Signal
        The output signal of each node that has been lowered.
    sums : dict of int to (Signal, list of int)
        For each head sum that layers add to: its signal, and the nodes already added.
    absorbed : set of int
        Nodes that another node's kernel computes inside; they have no signal.
    channel : int
        The first audio channel that no Input node reads yet.
    """

    def __init__(self, spec: ModelSpec, builder: Builder, audio: Signal, controls: dict[str, Signal]):
        self.spec, self.builder, self.audio, self.controls = spec, builder, audio, controls
        self.nodes: Sequence[Any] = rewrite(spec.nodes)
        self.users: list[list[int]] = [[] for _ in self.nodes]
        for index, node in enumerate(self.nodes):
            for source in node.sources:
                self.users[source].append(index)
        self.signals: dict[int, Signal] = {}
        self.sums: dict[int, tuple[Signal, list[int]]] = {}
        self.layers: dict[int, Match] = {found.conv: found for found in matches(self.nodes, self.users)}
        self.absorbed = {node for found in self.layers.values() for node in found.inside}
        self.channel = 0

    def run(self) -> Signal:
        """Lower every node; return the signal of the last."""
        from .wavenet import lower_layers

        for index, node in enumerate(self.nodes):
            if index in self.signals or index in self.absorbed:
                continue
            self.builder.node = type(node).__name__
            if index in self.layers:
                lower_layers(self, index)
                continue
            if type(node) not in LOWER:
                raise UnsupportedArchitecture(f"{self.spec.name}: no kernel for node {index} ({node.op()})")
            sources = [self.signals[s] for s in node.sources if s in self.signals]
            signal = LOWER[type(node)](self, index, node, sources)
            if signal is not None:
                self.signals[index] = signal
        self.builder.node = ""
        return self.signals[len(self.nodes) - 1]

    def following(self, index: int, kind: type[Node]) -> int | None:
        """Return the only user of a node if it is of this kind, else None."""
        users = self.users[index]
        return users[0] if len(users) == 1 and isinstance(self.nodes[users[0]], kind) else None

    def rows(self, operation: int, source: Signal, weights: Any = None, extra: tuple[Signal, ...] = ()) -> Signal:
        """Append one elementwise step that writes to a new buffer."""
        kernel = rows_kernel(operation, source.width, lanes())
        return self.builder.step(kernel, source, self.builder.buffer(source.width), extra=extra, weights=weights)

    def step(self, layer: Layer, source: Signal, target: Signal, extra: tuple[Signal, ...] = ()) -> Signal:
        """Append the step of a layer."""
        return self.builder.step(layer.kernel, source, target, extra, layer.weights, layer.dtype, **layer.fields)

    def with_history(self, source: Signal, frames: int) -> Signal:
        """Make the source's buffer keep `frames` past frames; parameter rows keep none, so they are copied first."""
        if frames and source.buffer == 0:
            source = self.rows(0, source)
        if frames:
            self.builder.remember(source, frames)
        return source
