"""The layers of Keras as nodes: each by its config and its weights, in the order in which Keras lists them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from ...errors import NonFiniteWeights, UnsupportedArchitecture
from ..nodes import ACTIVATIONS, Activation, Affine, Conv1d, Dense, Gru, Lstm, Node, PRelu, Rnn
from ..values import number
from .cudnn import PLAIN, plain_tensors
from .rtneural_layers import _reset_first

SILENT = (
    "Dropout", "SpatialDropout1D", "AlphaDropout", "GaussianDropout", "GaussianNoise", "ActivityRegularization",
    "Identity",
)  # fmt: skip
NAMES = {
    "hard_tanh": "hardtanh", "swish": "silu", "hard_swish": "hardswish", "hard_silu": "hardswish", "relu6": "hardtanh",
}  # fmt: skip
CONSTANTS = {"leaky_relu": {"slope": 0.2}, "relu6": {"low": 0.0, "high": 6.0}}  # Keras' own; its slope is not PyTorch's
OPERATIONS = ("Tanh", "Relu", "Sigmoid", "Silu", "Selu", "Softplus", "Softsign")  # keras.ops, called on a signal
CELLS = ("LSTM", "GRU", "SimpleRNN", *PLAIN)
FRAMEWISE = ("Dense", "Activation", "ReLU", "LeakyReLU", "ELU", "Softmax", *SILENT)


def layer_nodes(source: int, kind: str, config: dict[str, Any], w: list[np.ndarray], where: str) -> Iterator[Node]:
    """Yield the nodes of one layer, the first of which reads `source` and each other the one before it.

    Raises
    ------
    UnsupportedArchitecture
        A layer or an option that rtfx has none for; KeyError and the like where the config is not Keras'.
    """
    if kind in SILENT:
        return
    if kind == "TimeDistributed":
        inner, name = config["layer"]["config"], str(config["layer"]["class_name"])
        if name not in FRAMEWISE:
            raise UnsupportedArchitecture(
                f"{where}: a {name[:40]} for every frame, expected one of: {', '.join(FRAMEWISE)}"
            )
        yield from layer_nodes(source, name, inner, w, where)
    elif kind == "Dense":
        yield Dense((source,), _turned(w[0]), _bias(w, 1, w[0].shape[1]))
        yield from _activation(source + 1, config["activation"], where)
    elif kind == "Conv1D":
        one_tap = config.get("kernel_size") == [1]  # "same" pads it with nothing
        if config["padding"] not in ("causal", "valid") and not (one_tap and config["padding"] == "same"):
            raise UnsupportedArchitecture(f"{where}: padding {str(config['padding'])[:20]!r}, expected 'causal'")
        if config["strides"][0] != 1:
            raise UnsupportedArchitecture(f"{where}: a stride of {str(config['strides'][0])[:20]}, expected none")
        weight = np.ascontiguousarray(w[0].transpose(2, 1, 0))
        bias = _bias(w, 1, len(weight))
        yield Conv1d((source,), weight, bias, int(config["dilation_rate"][0]), int(config.get("groups", 1)))
        yield from _activation(source + 1, config["activation"], where)
    elif kind in CELLS:
        yield _cell(source, kind, config, w, where)
    elif kind == "BatchNormalization":
        yield _normalisation(source, config, list(w), where)
    elif kind == "PReLU":
        if w[0].shape[0] != 1:
            raise UnsupportedArchitecture(f"{where}: a slope for every frame, expected shared_axes=[1]")
        yield PRelu((source,), w[0][0])
    elif kind == "LeakyReLU":
        slope = config["negative_slope"] if "negative_slope" in config else config["alpha"]
        yield Activation((source,), "leaky_relu", slope=number(slope, where))
    elif kind == "ELU":
        yield Activation((source,), "elu", slope=number(config["alpha"], where))
    elif kind == "Softmax" and config["axis"] in (-1, 2):
        yield Activation((source,), "softmax")
    elif kind == "ReLU":
        yield _relu(source, config, where)
    elif kind in OPERATIONS:
        yield from _activation(source, kind.lower(), where)
    elif kind == "Activation":
        yield from _activation(source, config["activation"], where)
    else:
        raise UnsupportedArchitecture(f"{where}: no layer that rtfx knows; its code is never run")


def _activation(source: int, value: Any, where: str) -> Iterator[Node]:
    """Yield an activation by its name, nothing for none."""
    if value in (None, "linear"):
        return
    name = NAMES.get(value, value) if isinstance(value, str) else json.dumps(value)[:60]
    if name not in ACTIVATIONS:
        raise UnsupportedArchitecture(f"{where}: activation {name[:60]!r} is none that rtfx knows")
    yield Activation((source,), name, **CONSTANTS.get(value, {}))


def _relu(source: int, config: dict[str, Any], where: str) -> Activation:
    """Return a ReLU that may slope below zero and end at a largest value."""
    if config["threshold"]:
        raise UnsupportedArchitecture(f"{where}: threshold {str(config['threshold'])[:20]}, expected 0")
    slope, largest = number(config["negative_slope"] or 0.0, where), config["max_value"]
    if largest is not None:
        return Activation((source,), "hardtanh", slope=slope, low=0.0, high=number(largest, where))
    return Activation((source,), "leaky_relu", slope=slope) if slope else Activation((source,), "relu")


def _normalisation(source: int, config: dict[str, Any], w: list[np.ndarray], where: str) -> Affine:
    """Return a batch normalisation as evaluated; its axis is the features'."""
    if config["axis"] not in (-1, 2, [-1], [2]):
        raise UnsupportedArchitecture(f"{where}: axis {str(config['axis'])[:20]}, expected that of the features")
    gamma = w.pop(0) if config["scale"] else np.ones(w[-1].size)
    beta = w.pop(0) if config["center"] else np.zeros(w[-1].size)
    mean, variance = w
    spread = variance + number(config["epsilon"], where)
    if not (spread > 0).all():
        raise NonFiniteWeights(f"{where}: variance + epsilon is not positive: save the model again")
    scale = gamma / np.sqrt(spread)
    return Affine((source,), scale, beta - mean * scale)


def _cell(source: int, kind: str, config: dict[str, Any], w: list[np.ndarray], where: str) -> Node:
    """Return a recurrent layer."""
    if kind in PLAIN:  # its config has no gates to choose
        w, kind = plain_tensors(kind, w, where), PLAIN[kind]
        config = config | {"activation": "tanh", "reset_after": True}
    gates = config.get("recurrent_activation", "sigmoid")
    if config["activation"] != "tanh" or gates != "sigmoid" or config["go_backwards"] or not config["return_sequences"]:
        raise UnsupportedArchitecture(f"{where}: expected tanh, sigmoid gates and return_sequences=True")
    if kind == "GRU":
        if not config["reset_after"]:
            raise UnsupportedArchitecture(f"{where}: expected reset_after=True")
        rows = w[2] if len(w) > 2 else np.zeros((2, w[0].shape[1]))
        weight_ih, weight_hh = (_reset_first(_turned(t)) for t in w[:2])
        return Gru((source,), weight_ih, weight_hh, bias_ih=_reset_first(rows[0]), bias_hh=_reset_first(rows[1]))
    bias = _bias(w, 2, w[0].shape[1])
    return (Lstm if kind == "LSTM" else Rnn)((source,), _turned(w[0]), _turned(w[1]), bias)


def _turned(matrix: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(matrix.T)


def _bias(weights: list[np.ndarray], index: int, size: int) -> np.ndarray:
    return weights[index] if len(weights) > index else np.zeros(size)
