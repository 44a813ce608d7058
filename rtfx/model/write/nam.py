"""Writes NAM files: the envelope, and the one of NAM's architectures that the model is.

A file holds its weights in single precision, as NAM does. Knobs are written for those NAM files alone that have them:
NAM's own player has none.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ...errors import UnsupportedArchitecture
from ..nodes import Activation, Affine, Conv1d, Dense, Hold, Input, Lstm, Recurrent
from ..read.inputs import choice_of, without_knobs
from ..read.nam import DEFAULT_RATE, KINDS
from ..spec import ModelSpec
from .captures import RecurrentNet, recurrent_net
from .nam_activation import IDENTITY, name_of
from .nam_parts import Written
from .nam_series import series
from .nam_wavenet import wavenet
from .plain_graph import PlainGraph

OLD, NEW = "0.5.4", "0.7.0"  # a file says the older version where that knows all of its keys
GEAR = {kind: gear for gear, kind in reversed(KINDS.items())}  # the first of several


def document(spec: ModelSpec) -> tuple[dict[str, Any], list[str]]:
    """Return the file's content and warnings.

    Raises
    ------
    UnsupportedArchitecture
        Names a node that stands in the way of the architecture that the model comes nearest to.
    """
    warnings = []
    if spec.family == "nam":
        plain = without_knobs(spec)
        if plain is not spec:
            return _with_choice(*document(plain), spec)
    if spec.sample_rate is None:
        warnings.append(f"the model does not state a sample rate: the file says {DEFAULT_RATE:g} Hz, NAM's own")
    _refuse(PlainGraph(spec))
    if spec.sizes:
        submodels = [{"max_value": limit, "model": document(inner)[0]} for limit, inner in spec.sizes]
        data = _model(spec, "SlimmableContainer", Written({"submodels": submodels}, [], new=True))
    else:
        data = _nested(PlainGraph(spec))
        if "Sequential" in json.dumps(_architectures(data)):
            warnings.append("the file is a Sequential of several nets, which NAM's player has known since August 2026")
    return _with_choice(data | {"metadata": _metadata(spec)}, warnings, spec)


def _with_choice(data: dict[str, Any], warnings: list[str], spec: ModelSpec) -> tuple[dict[str, Any], list[str]]:
    """Return a document that says what its inputs are, where a reader would not find it out."""
    metadata = {key: value for key, value in data["metadata"].items() if key != "inputs"}
    return data | {"metadata": metadata | choice_of(spec)}, warnings


def _refuse(graph: PlainGraph) -> None:
    """Raise for the first node that no architecture of NAM's has, whatever is around it."""
    for index, node in enumerate(graph.nodes):
        if isinstance(node, Input) and node.role != "audio":
            graph.fail(index, "NAM has no knobs and no sample period")
        if isinstance(node, Recurrent) and not isinstance(node, Lstm):
            graph.fail(index, "NAM's only recurrent layer is the LSTM")
        if isinstance(node, Hold):
            graph.fail(index, "NAM has no strides")
        if isinstance(node, Activation):
            name_of(graph, index)


def _architectures(data: dict[str, Any]) -> list:
    config = data["config"]
    inner = [*config.get("models", ()), *([config["condition_dsp"]] if config.get("condition_dsp") else [])]
    return [data["architecture"], *map(_architectures, inner)]


def _model(spec: ModelSpec, architecture: str, written: Written) -> dict[str, Any]:
    """Return a complete model but for its metadata."""
    with np.errstate(over="ignore"):
        weights = np.concatenate([np.zeros(0), *map(np.ravel, written.weights)]).astype(np.float32)
    if not np.isfinite(weights).all():
        raise UnsupportedArchitecture("a weight is beyond single precision, which NAM files are in")
    return {
        "version": NEW if written.new else OLD,
        "architecture": architecture,
        "config": written.config,
        "weights": weights.astype(np.float64).tolist(),
        "sample_rate": spec.sample_rate or DEFAULT_RATE,
    }


def _nested(graph: PlainGraph) -> dict[str, Any]:
    """Return the model that a graph is: one net, else several in series."""
    try:
        return _one(graph)
    except UnsupportedArchitecture as error:
        models = series(graph, _one)
        if models is None:
            raise error
    return _model(graph.spec, "Sequential", Written({"models": models}, [], new=True))


def _one(graph: PlainGraph) -> dict[str, Any]:
    """Return the model of the first architecture that has words for a graph."""
    error = None
    for architecture in _nearest(graph):
        try:
            return _model(graph.spec, architecture.name, architecture.write(graph))
        except UnsupportedArchitecture as raised:
            error = error or raised
    assert error is not None
    raise error


class _Architecture(NamedTuple):
    name: str
    write: Callable[[PlainGraph], Written]


def _wavenet(graph: PlainGraph) -> Written:
    return wavenet(graph, _nested)


def _nearest(graph: PlainGraph) -> list[_Architecture]:
    """Return the architecture that has nodes such as these, since others would complain about the wrong one; WaveNet.

    A WaveNet has words for single layers too, and for a net of any kind as its condition.
    """
    kinds = [type(node) for node in graph.nodes]
    if any(issubclass(kind, Recurrent) for kind in kinds):
        return [_Architecture("LSTM", _lstm), _Architecture("WaveNet", _with_input), _Architecture("WaveNet", _wavenet)]
    last = [_Architecture("WaveNet", _wavenet)]
    if any(len(node.sources) > 1 for node in graph.nodes):
        return last
    if kinds[1:] in ([Conv1d], [Dense]):
        return [_Architecture("Linear", _linear), *last]
    return [_Architecture("ConvNet", _convnet), *last]


def _metadata(spec: ModelSpec) -> dict[str, Any]:
    """Return what players read, of any family, and all else of a NAM file."""
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


def _with_input(graph: PlainGraph) -> Written:
    """Return the sum of the input and an LSTM of it: a WaveNet of one straight layer, the LSTM its condition."""
    net = recurrent_net(graph).folded()
    channels, unit = _audio_only(graph, net.entrance.node), np.eye(net.head.width)
    if channels != net.head.width:
        graph.fail(graph.last, f"adds up {channels} and {net.head.width} channels")
    layer = {
        "input_size": channels, "condition_size": channels, "channels": channels, "head_size": channels,
        "head_bias": False, "kernel_size": 1, "dilations": [1], "activation": IDENTITY,
        "layer1x1": {"active": False, "groups": 1},  # NAM's player reads both
    }  # fmt: skip
    lstm = _model(graph.spec, "LSTM", _lstm_of(graph, net))
    config = {"layers": [layer], "head": None, "head_scale": 1.0, "condition_dsp": lstm}
    if channels > 1:
        config["in_channels"] = channels
    return Written(config, [unit, net.direct * unit, np.zeros(channels), unit, unit, np.ones(1)], new=True)


def _lstm(graph: PlainGraph) -> Written:
    net = recurrent_net(graph).folded()
    written = _lstm_of(graph, net)
    if net.direct:
        graph.fail(graph.last, "adds the input, which NAM's LSTM cannot")
    return written


def _lstm_of(graph: PlainGraph, net: RecurrentNet) -> Written:
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


def _linear(graph: PlainGraph) -> Written:
    entrance, (index,) = graph.chain(graph.last)
    node = graph.nodes[index]
    channels = _audio_only(graph, entrance.node)
    if isinstance(node, Dense):
        node = Conv1d((), weight=node.weight[:, :, None], bias=node.bias)
    assert isinstance(node, Conv1d)
    one = (node.weight == node.weight[:1]).all() and (node.bias == node.bias[0]).all()
    if (node.width, node.groups) != (channels, channels) or not one:
        graph.fail(index, "NAM's Linear has one response for all channels, each from its own input")
    response = np.zeros((node.weight.shape[2] - 1) * node.dilation + 1)
    response[:: node.dilation] = node.weight[0, 0]
    config = {"receptive_field": response.size, "bias": bool(node.bias[0])}
    if channels > 1:
        config |= {"in_channels": channels, "out_channels": channels}
    return Written(config, [response[::-1], *([node.bias[:1]] if node.bias[0] else [])], new=channels > 1)


def _convnet(graph: PlainGraph) -> Written:
    """Blocks of a convolution of two taps, normalised or not, and an activation; a dense layer."""
    entrance, chain = graph.chain(graph.last)
    inputs = _audio_only(graph, entrance.node)
    head = graph.nodes[chain[-1]]
    if not isinstance(head, Dense):
        graph.fail(chain[-1], "NAM's ConvNet ends in a dense layer")
    blocks, scales, activations = [], [], []
    position = 0
    while position < len(chain) - 1:
        index = chain[position]
        blocks.append(_two_taps(graph, index))
        position += 1
        norm = graph.nodes[chain[position]]
        scales.append(norm if isinstance(norm, Affine) else None)
        position += isinstance(norm, Affine)
        activations.append(name_of(graph, chain[position]))
        if activations[-1] != activations[0] or blocks[-1].width != blocks[0].width:
            graph.fail(chain[position], "NAM's ConvNet has one activation and one width for all blocks")
        if blocks[-1].groups != blocks[0].groups:
            graph.fail(index, "NAM's ConvNet has one number of groups for all blocks")
        position += 1
    if not blocks:
        graph.fail(graph.last, "NAM has no architecture that is a dense layer alone")
    batchnorm = any(scale is not None for scale in scales)
    weights: list[np.ndarray] = []
    for block, scale in zip(blocks, scales, strict=True):
        weights.append(block.weight)
        if not batchnorm:
            weights.append(block.bias)
            continue
        ones, zeros = np.ones(block.width), np.zeros(block.width)
        gamma, beta = (ones, block.bias) if scale is None else (scale.scale, scale.scale * block.bias + scale.shift)
        weights += [zeros, ones, gamma, beta, np.zeros(1)]  # mean, variance, then epsilon
    config: dict[str, Any] = {
        "channels": blocks[0].width,
        "dilations": [block.dilation for block in blocks],
        "batchnorm": batchnorm,
        "activation": activations[0],
    }
    if blocks[0].groups > 1:
        config["groups"] = blocks[0].groups
    if (inputs, head.width) != (1, 1):
        config |= {"in_channels": inputs, "out_channels": head.width}
    return Written(config, [*weights, head.weight, head.bias], new=len(config) > 4 or isinstance(activations[0], dict))


def _two_taps(graph: PlainGraph, index: int) -> Conv1d:
    """Return a convolution of one or two taps as one of two."""
    node = graph.nodes[index]
    if isinstance(node, Dense):
        node = Conv1d((), weight=node.weight[:, :, None], bias=node.bias)
    if not isinstance(node, Conv1d) or node.weight.shape[2] > 2:
        graph.fail(index, "NAM's ConvNet is made of convolutions of two taps, each with an activation")
    if node.weight.shape[2] == 2:
        return node
    weight = np.concatenate([np.zeros_like(node.weight), node.weight], axis=2)
    return Conv1d((), weight=weight, bias=node.bias, groups=node.groups)
