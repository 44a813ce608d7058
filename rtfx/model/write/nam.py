"""Writes NAM files: in the form of the file that a model was read from, else as LSTMs and WaveNets, alone or in series.

Weights are written in single precision, as in NAM's own files. Knobs are written only for models read from a NAM file
with knobs, because NAM's own player has none. To fill a form, the reader reads it with the numbers 1, 2, 3, ... as
weights; each number in the resulting graph is then the index of a weight in the file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import ModelError, UnsupportedArchitecture
from ..nodes import Activation, Hold, Input, Lstm, Node, PRelu, Recurrent
from ..read.inputs import CHANNELS, choice_of, without_knobs
from ..read.nam import DEFAULT_RATE, KINDS, read
from ..rewrite import rewrite
from ..spec import ModelSpec
from ..values import WEIGHTS, at_most
from .captures import RecurrentNet, recurrent_net
from .nam_wavenet import IDENTITY, Written, activation_name, wavenet
from .plain_graph import PlainGraph

OLD, NEW = "0.5.4", "0.7.0"  # file versions; the older is written if it defines all keys
GEAR = {kind: gear for gear, kind in reversed(KINDS.items())}  # for each kind, the first gear of that kind
TRIALS = 600  # most parts of a graph that are tried, which takes at most a second


def document(spec: ModelSpec) -> tuple[dict[str, Any], list[str]]:
    """Return the file's content and warnings.

    Raises
    ------
    UnsupportedArchitecture
        The most similar architecture does not allow a node; the message names it.
    """
    plain = without_knobs(spec) if spec.family == "nam" else spec
    warnings = []
    if spec.sample_rate is None:
        warnings.append(f"the model does not state a sample rate: the file says {DEFAULT_RATE:g} Hz, NAM's own")
    data = refilled(plain)
    if data is None:
        _refuse(PlainGraph(plain))
        data = _built(plain)
        if data["architecture"] == "Sequential":
            warnings.append("the file is a Sequential of several nets, which NAM's player has known since August 2026")
    metadata = {key: value for key, value in _metadata(spec).items() if key != "inputs"}
    return data | {"metadata": metadata | choice_of(spec)}, warnings


def refilled(spec: ModelSpec) -> dict[str, Any] | None:
    """Return the file that a model was read from, with the model's own weights; None if its graph has changed."""
    if spec.form is None:
        return None
    try:
        form = spec.form if spec.sizes else _full_size(spec.form)
        count = at_most(_weights_in(form), WEIGHTS, "number of weights")
        known = read(_filled(form, np.arange(1.0, count + 1), spec), Path("form.nam"), inputs=CHANNELS)
    except (ModelError, LookupError, TypeError, ValueError, AttributeError):  # in rtfx JSON a form may be any object
        return None
    weights = np.zeros(count)
    pairs = _pairs(spec, known)
    if pairs is None:
        return None
    for node, places in pairs:
        for name, numbers in places.tensors.items() if not isinstance(node, PRelu) else ():  # slopes are no weights
            index = numbers.astype(np.int64) - 1
            taken = (numbers == index + 1) & (index >= 0) & (index < count)
            weights[index[taken]] = node.tensors[name][taken]
    data = _filled(form, _single(weights), spec)
    again = _pairs(spec, read(data, Path("form.nam"), inputs=CHANNELS))
    same = all(_equal(node.tensors[name], other.tensors[name]) for node, other in again or () for name in node.tensors)
    return data if again and same else None


def _full_size(form: Any) -> Any:
    """Return the form of a slimmable net's full size alone: a trained net has no other size."""
    if isinstance(form, list):
        return [_full_size(entry) for entry in form]
    if not isinstance(form, dict):
        return form
    if form.get("architecture") == "SlimmableContainer":
        return _full_size(form["config"]["submodels"][-1]["model"])
    return {key: _full_size(entry) for key, entry in form.items() if key != "slimmable"}


def _weights_in(form: Any) -> int:
    """Return the number of weights of all models in a form."""
    if not isinstance(form, dict | list):
        return 0
    inside = sum(map(_weights_in, form.values() if isinstance(form, dict) else form))
    return inside + (int(form["weights"]) if isinstance(form, dict) and {"architecture", "weights"} <= set(form) else 0)


def _filled(form: Any, weights: np.ndarray, spec: ModelSpec) -> dict[str, Any]:
    """Return a form with weights, taken one after the other, in place of their numbers."""
    used = 0

    def fill(value: Any) -> Any:
        nonlocal used
        if isinstance(value, list):
            return [fill(entry) for entry in value]
        if not isinstance(value, dict):
            return value
        filled = {key: fill(entry) for key, entry in value.items()}
        if "architecture" in value and "weights" in value:
            start, used = used, used + int(value["weights"])
            filled["weights"] = weights[start:used].tolist()
            filled["sample_rate"] = spec.sample_rate or DEFAULT_RATE
        return filled

    return fill(form)


def _pairs(spec: ModelSpec, other: ModelSpec) -> list[tuple[Node, Node]] | None:
    """Return the nodes of two models side by side, of all sizes; None unless the graphs are the same."""
    if [limit for limit, _ in spec.sizes] != [limit for limit, _ in other.sizes]:
        return None
    pairs: list[tuple[Node, Node]] = []
    both = [(spec, other), *((a, b) for (_, a), (_, b) in zip(spec.sizes, other.sizes, strict=True))]
    for one, two in both:
        if [_shape(node) for node in one.nodes] != [_shape(node) for node in two.nodes]:
            return None
        pairs += zip(one.nodes, two.nodes, strict=True)
    return pairs


def _shape(node: Node) -> tuple:
    """Return all fields of a node except the numbers in its tensors, to compare two nodes."""
    return type(node), [(k, v.shape if isinstance(v, np.ndarray) else v) for k, v in vars(node).items()]


def _equal(a: np.ndarray, b: np.ndarray) -> bool:
    with np.errstate(over="ignore"):
        return bool((a.astype(np.float32) == b.astype(np.float32)).all())


def _single(weights: np.ndarray) -> np.ndarray:
    """Return weights rounded to single precision."""
    with np.errstate(over="ignore"):
        rounded = weights.astype(np.float32)
    if not np.isfinite(rounded).all():
        raise UnsupportedArchitecture("a weight is beyond single precision, which NAM files are in")
    return rounded.astype(np.float64)


def _built(spec: ModelSpec) -> dict[str, Any]:
    """Return a graph as a NAM model: one net, or several in series; a slimmable net gives one model per size."""
    if spec.sizes:
        submodels = [{"max_value": limit, "model": document(inner)[0]} for limit, inner in spec.sizes]
        return _model(spec, "SlimmableContainer", Written({"submodels": submodels}, [], new=True))
    graph = PlainGraph(replace(spec, nodes=rewrite(spec.nodes)))
    try:
        return _one(graph)
    except UnsupportedArchitecture as error:
        models = series(graph, _one)
        if models is None:
            raise error
    return _model(spec, "Sequential", Written({"models": models}, [], new=True))


def _refuse(graph: PlainGraph) -> None:
    """Raise for the first node that no NAM architecture contains."""
    for index, node in enumerate(graph.nodes):
        if isinstance(node, Input) and node.role != "audio":
            graph.fail(index, "NAM has no knobs and no sample period")
        if isinstance(node, Recurrent) and not isinstance(node, Lstm):
            graph.fail(index, "NAM's only recurrent layer is the LSTM")
        if isinstance(node, Hold):
            graph.fail(index, "NAM has no strides")
        if isinstance(node, Activation):
            activation_name(graph, index)


def _model(spec: ModelSpec, architecture: str, written: Written) -> dict[str, Any]:
    """Return a complete model without its metadata."""
    return {
        "version": NEW if written.new else OLD,
        "architecture": architecture,
        "config": written.config,
        "weights": _single(np.concatenate([np.zeros(0), *map(np.ravel, written.weights)])).tolist(),
        "sample_rate": spec.sample_rate or DEFAULT_RATE,
    }


def _one(graph: PlainGraph) -> dict[str, Any]:
    """Return a graph as a model of the one NAM architecture that fits it."""
    if not any(isinstance(node, Recurrent) for node in graph.nodes):
        return _model(graph.spec, "WaveNet", wavenet(graph))
    net = recurrent_net(graph)
    if net.direct:
        return _model(graph.spec, "WaveNet", _with_input(graph, net.folded()))
    return _model(graph.spec, "LSTM", _lstm(graph, net.folded()))


def _metadata(spec: ModelSpec) -> dict[str, Any]:
    """Return the metadata that players read, and the rest of it if the model was read from a NAM file."""
    known = {
        "name": spec.name,
        "gear_type": GEAR.get(spec.kind),
        "loudness": spec.loudness_db,
        "input_level_dbu": spec.input_level_dbu,
        "output_level_dbu": spec.output_level_dbu,
    }
    kept = spec.metadata if spec.family == "nam" else {}
    return {key: value for key, value in known.items() if value is not None} | kept


def _audio_only(graph: PlainGraph, index: int) -> int:
    """Return the audio channels of a chain that begins at a node, which must be the audio input."""
    entrance = graph.entrance(index)
    if entrance is None or entrance.node != entrance.audio:
        graph.fail(index, "NAM has no knobs and no sample period")
    return entrance.width


def _with_input(graph: PlainGraph, net: RecurrentNet) -> Written:
    """Return the sum of the input and an LSTM of it, as a WaveNet of one linear layer whose condition is the LSTM."""
    channels, unit = _audio_only(graph, net.entrance.node), np.eye(net.head.width)
    if channels != net.head.width:
        graph.fail(graph.last, f"adds up {channels} and {net.head.width} channels")
    layer = {
        "input_size": channels, "condition_size": channels, "channels": channels, "head_size": channels,
        "head_bias": False, "kernel_size": 1, "dilations": [1], "activation": IDENTITY,
        "layer1x1": {"active": False, "groups": 1},  # NAM's player reads both
    }  # fmt: skip
    lstm = _model(graph.spec, "LSTM", _lstm(graph, net))
    config = {"layers": [layer], "head": None, "head_scale": 1.0, "condition_dsp": lstm}
    if channels > 1:
        config["in_channels"] = channels
    return Written(config, [unit, net.direct * unit, np.zeros(channels), unit, unit, np.ones(1)], new=True)


def _lstm(graph: PlainGraph, net: RecurrentNet) -> Written:
    """Return LSTM layers of one size, each with the state that it starts from, and a dense layer."""
    channels = _audio_only(graph, net.entrance.node)
    weights: list[np.ndarray] = []
    hidden = net.layers[0].width
    for layer in net.layers:
        if not isinstance(layer, Lstm) or layer.width != hidden:
            graph.fail(net.node, "is behind other layers than LSTMs of one size, which is all that NAM has")
        zero = np.zeros(hidden)
        start = [zero if state is None else state for state in (layer.h0, layer.c0)]
        weights += [np.concatenate([layer.weight_ih, layer.weight_hh], axis=1), layer.bias, *start]
    config = {"input_size": channels, "hidden_size": hidden, "num_layers": len(net.layers)}
    if (channels, net.head.width) != (1, 1):
        config |= {"in_channels": channels, "out_channels": net.head.width}
    return Written(config, [*weights, net.head.weight, net.head.bias], new=(channels, net.head.width) != (1, 1))


def series(graph: PlainGraph, write: Callable[[PlainGraph], dict[str, Any]]) -> list[dict[str, Any]] | None:
    """Return complete models that equal the graph in series, each as long as possible; None if there are none."""
    if sum(isinstance(node, Input) for node in graph.nodes) > 1:
        return None
    cuts = _cuts(graph)
    hopeless: set[int] = set()
    trials = 0

    def models(start: int) -> list[dict[str, Any]] | None:
        nonlocal trials
        if start == len(cuts) - 1:
            return []
        for end in range(len(cuts) - 1, start, -1):
            if (start, end) == (0, len(cuts) - 1) or end in hopeless:
                continue
            trials += 1
            if trials > TRIALS:
                return None
            try:
                model = write(graph.part(cuts[start], cuts[end]))
            except UnsupportedArchitecture:
                continue
            if (rest := models(end)) is not None:
                return [model, *rest]
            hopeless.add(end)
        return None

    return models(0)


def _cuts(graph: PlainGraph) -> list[int]:
    """Return the input and all nodes that lie on every path from it to the output."""
    cuts, furthest = [], {source: i for i, node in enumerate(graph.nodes) for source in node.sources}
    reach = 0  # the last node that reads one before
    for i in range(len(graph.nodes)):
        if reach <= i:
            cuts.append(i)
        reach = max(reach, furthest.get(i, i))
    return cuts
