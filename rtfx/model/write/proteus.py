"""Writes Automated-GuitarAmpModelling JSON, the format of Proteus and of the other GuitarML plugins.

The net is a stack of LSTM, GRU or RNN layers and a linear one; gains are multiplied into its weights. PyTorch has two
biases where an LSTM needs one: the second is written as zeros.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..nodes import Gru
from ..read.agam import KNOBS, PLUGINS
from ..spec import ModelSpec
from .graph import PlainGraph, numbers
from .recurrent import recurrent_net
from .rtneural import dropped_state

PROTEUS_RATE = 44100.0


def document(spec: ModelSpec) -> tuple[dict[str, Any], list[str]]:
    """Return the file's content and warnings.

    Raises
    ------
    UnsupportedArchitecture
        Names the node that the format has no place for.
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
        graph.fail(graph.last, f"adds the input times {net.direct:g}, the format only as it is")
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
    """Return what a GuitarML plugin will make of the file where that is not what it says."""
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
