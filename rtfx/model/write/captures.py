"""Writes guitar captures, recurrent layers and a dense layer with gains and a direct path, as Proteus JSON or AIDA-X.

Proteus JSON is the format of Automated-GuitarAmpModelling, which the other GuitarML plugins also read: a stack of LSTM,
GRU or RNN layers and a linear layer. Gains are multiplied into its weights. PyTorch has two biases where an LSTM needs
one, so the second is written as zeros. An AIDA-X file has one recurrent layer, gains in dB, an optional direct path and
a test, as AIDA-X' own exporter adds it: 2048 frames that a reader runs from zero state with knobs at 0 and gains of 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...units import db_from_gain
from ..nodes import Affine, Dense, Gru, Lstm, Recurrent, Rnn
from ..parity import guitar_like
from ..read import aidax as reader
from ..read.agam import KNOBS, PLUGINS
from ..reference import evaluate
from ..spec import ModelSpec
from .plain_graph import Entrance, PlainGraph, numbers, single
from .rtneural import WRITERS, dropped_state

RecurrentLayer = Lstm | Gru | Rnn
PROTEUS_RATE = 44100.0
SIZES = (8, 12, 16, 20, 24, 32, 40, 64, 80)  # hidden sizes that AIDA-X is compiled for
BATCH = 2048
SAME_GAIN = 1e-9  # relative difference, far below float32 precision
RATE = 48000.0


@dataclass(frozen=True)
class RecurrentNet:
    """``y = after net(before x, knobs) + direct x``; `node` is the last layer, for messages."""

    entrance: Entrance
    layers: tuple[RecurrentLayer, ...]
    head: Dense
    before: float
    after: float
    direct: float
    node: int

    def folded(self) -> RecurrentNet:
        """Return the same net with gains of 1; the weights contain the gains instead."""
        first = self.layers[0]
        scale = np.ones(first.weight_ih.shape[1])
        scale[0] = self.before
        layers = (replace(first, weight_ih=first.weight_ih * scale), *self.layers[1:])
        head = replace(self.head, weight=self.after * self.head.weight, bias=self.after * self.head.bias)
        return replace(self, layers=layers, head=head, before=1.0, after=1.0)


def recurrent_net(graph: PlainGraph) -> RecurrentNet:
    """Return a graph as a recurrent net with gains and a direct path.

    Raises
    ------
    UnsupportedArchitecture
        A node is no part of such a net; the message names it.
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
    layers: list[RecurrentLayer] = []
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


def proteus(spec: ModelSpec) -> tuple[dict[str, Any], list[str]]:
    """Return the file's content and warnings.

    Raises
    ------
    UnsupportedArchitecture
        The format cannot hold a node; the message names it.
    """
    graph = PlainGraph(spec, pass_on=True)
    net = recurrent_net(graph).folded()
    kinds = {type(layer) for layer in net.layers}
    sizes = {layer.width for layer in net.layers}
    if len(kinds) > 1 or len(sizes) > 1:
        graph.fail(net.node, "is behind recurrent layers that differ, expected one kind and one size")
    if net.head.width != 1 or net.entrance.width > 1 + len(KNOBS) or graph.widths[net.entrance.audio] != 1:
        graph.fail(net.node, "expected one audio channel in and out, and at most two knobs")
    if net.direct not in (0.0, 1.0):
        graph.fail(graph.last, f"adds the input times {net.direct:g}, the format only times 1")
    (kind,), (hidden,), width = kinds, sizes, net.entrance.width
    unit, skip = kind.__name__.upper(), int(net.direct)
    state: dict[str, Any] = {}
    for i, layer in enumerate(net.layers):
        both = (layer.bias_ih, layer.bias_hh) if isinstance(layer, Gru) else (layer.bias, np.zeros_like(layer.bias))
        tensors = (layer.weight_ih, layer.weight_hh, *both)
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        state |= {f"rec.{name}_l{i}": numbers(value) for name, value in zip(names, tensors, strict=True)}
    state |= {"lin.weight": numbers(net.head.weight), "lin.bias": numbers(net.head.bias)}
    model = {
        "model": "SimpleRNN", "input_size": width, "skip": skip, "output_size": 1, "unit_type": unit,
        "num_layers": len(net.layers), "hidden_size": hidden, "bias_fl": True,
    }  # fmt: skip
    data: dict[str, Any] = {"model_data": model, "state_dict": state}
    if spec.sample_rate is not None:
        data["samplerate"] = spec.sample_rate
    return data, [*dropped_state(spec), *_plugin_warnings(spec, unit, hidden, width, len(net.layers), skip)]


def _plugin_warnings(spec: ModelSpec, unit: str, hidden: int, width: int, layers: int, skip: int) -> list[str]:
    """Return a warning for each part of the file that a GuitarML plugin plays differently."""
    plugin = PLUGINS.get((unit, hidden, width)) if layers == 1 else None
    if plugin is None:
        known = ", ".join(sorted({f"{name} ({u} {h})" for (u, h, _), (name, _) in PLUGINS.items()}))
        what = f"{layers} x {unit} {hidden} of {width} inputs"
        return [f"no GuitarML plugin takes {what}, only rtfx and the trainer do; the plugins: {known}"]
    warnings = []
    if not skip:
        warnings.append(f"{plugin[0]} adds the input to the output whatever the file says: it will not sound the same")
    if plugin[0] == "Proteus" and spec.sample_rate not in (None, PROTEUS_RATE):
        warnings.append(f"Proteus runs every model at {PROTEUS_RATE:g} Hz, this one is made for {spec.sample_rate:g}")
    return warnings


def aidax(spec: ModelSpec) -> tuple[dict[str, Any], list[str]]:
    """Return the file's content and warnings.

    Raises
    ------
    UnsupportedArchitecture
        AIDA-X would refuse a node; the message names it.
    """
    from pathlib import Path

    graph = PlainGraph(spec, pass_on=True)
    net = recurrent_net(graph)
    if len(net.layers) > 1 or not isinstance(net.layers[0], (Gru, Lstm)):
        graph.fail(net.node, "AIDA-X plays one LSTM or GRU layer and a dense one")
    if net.head.width != 1 or net.entrance.width > 3 or graph.widths[net.entrance.audio] != 1:
        graph.fail(net.node, "AIDA-X has one audio channel in and out, and at most two knobs")
    if any(gain < 0 for gain in (net.before, net.after)):
        net = net.folded()  # dB cannot express a negative gain
    skip = _skip(graph, net)
    metadata = {"name": spec.name, "samplerate": _plain(spec.sample_rate or RATE)}
    if spec.kind in reader.KINDS:
        metadata["kind"] = spec.kind
    layers = []
    for node in (*net.layers, net.head):
        layers.append({**WRITERS[type(node)](node), "shape": [None, None, node.width]})
    data: dict[str, Any] = {"in_shape": [None, None, net.entrance.width], "in_skip": int(skip)}
    if net.before != 1:
        data["in_gain"] = _decibels(net.before)
    if net.after != 1:
        data["out_gain"] = _decibels(net.after)
    data |= {"metadata": metadata, "layers": layers}
    x = guitar_like(1, BATCH, spec.sample_rate or RATE).astype(np.float64)
    bare = reader.read({key: value for key, value in data.items() if not key.endswith("_gain")}, Path("test.aidax"))
    y = evaluate(bare, x, dict.fromkeys((knob.name for knob in bare.knobs), 0.0), cold=True)
    data |= {"input_batch": x[0].tolist(), "output_batch": y[0].tolist()}
    warnings = dropped_state(spec)
    if net.layers[0].width not in SIZES:
        warnings.append(f"AIDA-X itself takes hidden sizes {', '.join(map(str, SIZES))}, not {net.layers[0].width}")
    if spec.sample_rate is None:
        warnings.append(f"the model does not state a sample rate: the file says {RATE:g} Hz, AIDA-X' own")
    return data, warnings


def _skip(graph: PlainGraph, net: RecurrentNet) -> bool:
    """Return whether the input is added to the output; AIDA-X applies both gains to it."""
    if net.direct == 0:
        return False
    if not math.isclose(net.direct, net.before * net.after, rel_tol=SAME_GAIN):
        graph.fail(
            graph.last, f"adds the input times {net.direct:g}, in AIDA-X it is the gains, {net.before * net.after:g}"
        )
    return True


def _decibels(gain: float) -> float:
    return db_from_gain(gain) if gain else reader.SILENT_DB


def _plain(rate: float) -> float | int:
    return int(rate) if rate == int(rate) else rate
