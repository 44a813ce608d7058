"""Writes AIDA-X files: one recurrent layer and a dense one, gains in dB, the direct path, and a test of itself.

The test is 2048 frames that a reader runs from zero state, knobs at 0 and gains 1, as AIDA-X' own exporter adds them.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...units import db_from_gain
from ..comparison_signal import guitar_like
from ..nodes import Gru, Lstm
from ..read import aidax as reader
from ..reference import evaluate
from ..spec import ModelSpec
from .graph import PlainGraph
from .recurrent import RecurrentNet, recurrent_net
from .rtneural import WRITERS, dropped_state

SIZES = (8, 12, 16, 20, 24, 32, 40, 64, 80)  # hidden sizes that AIDA-X is compiled for
BATCH = 2048
SAME_GAIN = 1e-9  # relative: far below float32
RATE = 48000.0


def document(spec: ModelSpec) -> tuple[dict[str, Any], list[str]]:
    """Return the file's content and warnings.

    Raises
    ------
    UnsupportedArchitecture
        Names the node that AIDA-X would refuse.
    """
    from pathlib import Path

    graph = PlainGraph(spec, pass_on=True)
    net = recurrent_net(graph)
    if len(net.layers) > 1 or not isinstance(net.layers[0], (Gru, Lstm)):
        graph.fail(net.node, "AIDA-X plays one LSTM or GRU layer and a dense one")
    if net.head.width != 1 or net.entrance.width > 3 or graph.widths[net.entrance.audio] != 1:
        graph.fail(net.node, "AIDA-X has one audio channel in and out, and at most two knobs")
    if any(gain < 0 for gain in (net.before, net.after)):
        net = net.folded()  # a level in dB has no sign
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
    """Return whether the input is added, which AIDA-X does with both gains on the way."""
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
