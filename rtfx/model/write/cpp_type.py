"""The compile-time type that RTNeural needs for a model, from the layers of its JSON."""

from __future__ import annotations

from typing import Any

from ...errors import ModelError
from ..spec import ModelSpec
from .graph import PlainGraph
from .rtneural import layers_of

ACTIVATIONS = {
    "tanh": "TanhActivationT",
    "relu": "ReLuActivationT",
    "sigmoid": "SigmoidActivationT",
    "softmax": "SoftmaxActivationT",
    "elu": "ELuActivationT",
}
LONGEST = 64  # layers: a type of more is no help to anybody


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
            parts.append(f"{ACTIVATIONS[layer['activation']]}<float, {outputs}>")
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
