"""Writes RTNeural JSON: layers one after the other, tensors in Keras' order.

A gain or shift becomes a batch normalisation of mean 0, variance 1 and epsilon 0, and a leaky ReLU a PReLU; both are
exact. RTNeural stores only the number of inputs after the audio; its host decides their meaning. The key ``inputs``
marks channels. The key ``sample_rate`` holds the sample rate; RTNeural ignores it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...errors import ModelError
from ..nodes import Activation, Affine, Conv1d, Dense, Gru, Lstm, Node, PRelu
from ..read.inputs import choice_of
from ..read.rtneural import ACTIVATIONS
from ..spec import ModelSpec
from .plain_graph import Entrance, PlainGraph, numbers

Layers = list[dict[str, Any]]
CPP_ACTIVATIONS = {
    "tanh": "TanhActivationT",
    "relu": "ReLuActivationT",
    "sigmoid": "SigmoidActivationT",
    "softmax": "SoftmaxActivationT",
    "elu": "ELuActivationT",
}
LONGEST = 64  # most layers in a C++ type; a longer type would be unreadable


def document(spec: ModelSpec) -> tuple[dict[str, Any], list[str]]:
    """Return the file's content and warnings.

    Raises
    ------
    UnsupportedArchitecture
        RTNeural JSON has no layer for a node; the message names the first one after the input.
    """
    entrance, layers = layers_of(PlainGraph(spec, pass_on=True))
    data: dict[str, Any] = {"in_shape": [None, None, entrance.width], "layers": layers}
    if _is_klon(spec, entrance, layers):
        layers[0]["type"] = "time-distributed-dense" if layers[0]["type"] == "dense" else layers[0]["type"]
        for layer in layers:
            del layer["activation"]
    elif spec.sample_rate is not None:
        data["sample_rate"] = spec.sample_rate
    return data | choice_of(spec), dropped_state(spec)


def layers_of(graph: PlainGraph) -> tuple[Entrance, Layers]:
    """Return the layers of a graph that is a chain, and the entrance at which it begins."""
    entrance, chain = graph.chain(graph.last)
    layers: Layers = []
    if (entrance.gain != 1).any():
        audio = graph.widths[entrance.audio]
        gains = np.concatenate([np.broadcast_to(entrance.gain, audio), np.ones(entrance.width - audio)])
        layers.append(_batchnorm(Affine((), scale=gains, shift=0 * gains)))
    for index in chain:
        node = graph.nodes[index]
        if isinstance(node, Activation) and node.kind != "leaky_relu":
            plain = node.kind in ACTIVATIONS and (node.kind != "elu" or node.slope == 1)
            if not plain:
                graph.fail(index, f"RTNeural knows only {', '.join(ACTIVATIONS[1:])} (slope 1), prelu and leaky relu")
            if layers and layers[-1]["type"] in ("dense", "conv1d") and not layers[-1]["activation"]:
                layers[-1]["activation"] = node.kind
                continue
        if type(node) not in WRITERS:
            graph.fail(index, "RTNeural JSON has no such layer")
        width = graph.widths[index]
        layers.append({**WRITERS[type(node)](node), "shape": [None, None, width]})
        if isinstance(node, Activation) and node.kind == "leaky_relu":
            layers[-1] |= _layer("prelu", np.full((1, width), node.slope))
    return entrance, layers


def dropped_state(spec: ModelSpec) -> list[str]:
    """Return a warning for a recurrent layer with an initial state, for formats that cannot store one."""
    starts = [getattr(node, name, None) for node in spec.nodes for name in ("h0", "c0")]
    if any(state is not None and state.any() for state in starts):
        return ["the file cannot hold the model's initial state: the net starts from zero and settles"]
    return []


def _is_klon(spec: ModelSpec, entrance: Entrance, layers: Layers) -> bool:
    """Return whether a net is KlonCentaur's, whose loader expects a layout of its own."""
    shape = [(layer["type"], layer["activation"]) for layer in layers]
    if entrance.period:
        return shape == [("dense", "tanh"), ("gru", ""), ("dense", "")] and entrance.knobs == ("gain",)
    return spec.family == "klon" and shape == [("gru", ""), ("dense", "")] and entrance.width == 1


def _layer(kind: str, *weights: np.ndarray, **keys: Any) -> dict[str, Any]:
    return {"type": kind, "activation": "", "weights": [numbers(weight) for weight in weights], **keys}


def _dense(node: Dense) -> dict[str, Any]:
    return _layer("dense", node.weight.T, node.bias)


def _conv1d(node: Conv1d) -> dict[str, Any]:
    sizes = {"kernel_size": [node.weight.shape[2]], "dilation": [node.dilation], "groups": node.groups}
    return _layer("conv1d", node.weight.transpose(2, 1, 0), node.bias, **sizes)


def _gru(node: Gru) -> dict[str, Any]:
    biases = np.stack([_update_first(node.bias_ih), _update_first(node.bias_hh)])
    return _layer("gru", _update_first(node.weight_ih).T, _update_first(node.weight_hh).T, biases)


def _update_first(blocks: np.ndarray) -> np.ndarray:
    """Return a GRU's gates in Keras' order z, r, n along the first axis; PyTorch has r, z, n."""
    r, z, n = np.split(blocks, 3)
    return np.concatenate([z, r, n])


def _lstm(node: Lstm) -> dict[str, Any]:
    return _layer("lstm", node.weight_ih.T, node.weight_hh.T, node.bias)


def _prelu(node: PRelu) -> dict[str, Any]:
    return _layer("prelu", node.alpha[None])


def _batchnorm(node: Affine) -> dict[str, Any]:
    zero, one = np.zeros_like(node.scale), np.ones_like(node.scale)
    shape = [None, None, node.scale.size]
    return _layer("batchnorm", node.scale, node.shift, zero, one, epsilon=0.0, shape=shape)


def _activation(node: Activation) -> dict[str, Any]:
    return {**_layer("activation"), "activation": node.kind}


WRITERS: dict[type[Node], Callable[[Any], dict[str, Any]]] = {
    Dense: _dense,
    Conv1d: _conv1d,
    Gru: _gru,
    Lstm: _lstm,
    PRelu: _prelu,
    Affine: _batchnorm,
    Activation: _activation,
}


def rtneural_type(spec: ModelSpec) -> str | None:
    """Return ``RTNeural::ModelT<float, inputs, outputs, ...>``, None for a model that RTNeural cannot express."""
    try:
        entrance, layers = layers_of(PlainGraph(spec))
    except ModelError:
        return None
    if len(layers) > LONGEST:
        return None
    width = entrance.width
    parts = []
    for layer in layers:
        outputs = layer["shape"][-1]
        if layer["type"] != "activation":
            parts.append(_template(layer, width, outputs))
        if layer["activation"]:
            parts.append(f"{CPP_ACTIVATIONS[layer['activation']]}<float, {outputs}>")
        width = outputs
    types = ", ".join(f"RTNeural::{part}" for part in parts)
    return f"RTNeural::ModelT<float, {entrance.width}, {width}, {types}>"


def _template(layer: dict[str, Any], inputs: int, outputs: int) -> str:
    kind = layer["type"]
    if kind == "conv1d":
        groups = f", {layer['groups']}" if layer["groups"] > 1 else ""
        return f"Conv1DT<float, {inputs}, {outputs}, {layer['kernel_size'][0]}, {layer['dilation'][0]}{groups}>"
    if kind in ("prelu", "batchnorm"):
        return f"{'PReLUActivationT' if kind == 'prelu' else 'BatchNorm1DT'}<float, {outputs}>"
    name = {"dense": "DenseT", "gru": "GRULayerT", "lstm": "LSTMLayerT"}[kind]
    return f"{name}<float, {inputs}, {outputs}>"
