"""Turns a Keras 3 model into a model: Sequential or functional, by its config and its layers' weights."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..errors import ModelError, UnsupportedArchitecture, UsageError
from .limits import check_limits
from .nodes import ACTIVATIONS, Activation, Add, Affine, Concat, Conv1d, Dense, Gru, Lstm, Mul, Node, PRelu, Rnn
from .rtneural import guitar_knobs, inputs
from .rtneural_layers import _reset_first
from .spec import UNKNOWN_RATE, Knob, ModelSpec
from .torch_layers import add

JOINS: dict[str, type[Node]] = {"Add": Add, "Multiply": Mul, "Concatenate": Concat}
SILENT = ("Dropout", "SpatialDropout1D", "GaussianNoise", "Identity")
NAMES = {"hard_tanh": "hardtanh", "swish": "silu", "hard_swish": "hardswish", "hard_silu": "hardswish"}
CONSTANTS = {"leaky_relu": {"slope": 0.2}}  # Keras' default is not PyTorch's
CELLS = ("LSTM", "GRU", "SimpleRNN")


def spec_from_keras(
    model: Any, knobs: Sequence[str] | None = None, sample_rate: float | None = None, name: str | None = None
) -> ModelSpec:
    """Return the model that a Keras model of shape (batch, frames, features) is.

    Raises
    ------
    ModelError
        UnsupportedArchitecture names the layer that rtfx has none for.
    UsageError
        No Keras model.
    """
    if not callable(getattr(model, "get_config", None)) or not hasattr(model, "layers"):
        raise UsageError(f"expected a Keras model, found {type(model).__name__}")
    weights = {layer.name: [np.asarray(w, np.float64) for w in layer.get_weights()] for layer in model.layers}
    try:
        entries = model.get_config()["layers"]
        width = int(model.input_shape[-1])
        kinds = [{"type": entry["class_name"].lower()} for entry in entries]
        named = list(knobs) if knobs is not None else guitar_knobs(kinds, width)
        nodes = inputs(width, named)
        _append(nodes, entries, weights)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, ModelError):
            raise
        raise UnsupportedArchitecture(f"not understood ({type(error).__name__}: {error})") from error
    spec = ModelSpec(
        family="keras",
        nodes=tuple(nodes),
        name=name or str(model.name),
        sample_rate=sample_rate,
        rate_source="user" if sample_rate else "unknown",
        knobs=tuple(Knob(knob) for knob in named),
        warnings=() if sample_rate else (UNKNOWN_RATE,),
    )
    return check_limits(spec)


def _append(nodes: list[Node], entries: list[dict[str, Any]], weights: dict[str, list[np.ndarray]]) -> None:
    """Append all layers, in their order, which is one in which they can be computed."""
    place: dict[str, int] = {}
    last = len(nodes) - 1
    for entry in entries:
        kind, config = entry["class_name"], entry["config"]
        name = config["name"]
        sources = [place[source] for source in _sources(entry.get("inbound_nodes") or [])] or [last]
        where = f"layer {name} ({kind})"
        if kind == "InputLayer":
            if place:
                raise UnsupportedArchitecture(f"{where}: a second input, expected one of (frames, features)")
        elif kind in JOINS:
            last = add(nodes, JOINS[kind](tuple(sources)))
        elif kind not in SILENT:
            last = sources[0]
            for node in _layer(last, kind, config, weights[name], where):
                last = add(nodes, node)
        else:
            last = sources[0]
        place[name] = last


def _sources(value: Any) -> Iterator[str]:
    """Yield the names of the layers that a layer reads."""
    if isinstance(value, dict):
        history = (
            value.get("config", {}).get("keras_history") if value.get("class_name") == "__keras_tensor__" else None
        )
        if history:
            yield history[0]
        else:
            for entry in value.values():
                yield from _sources(entry)
    elif isinstance(value, (list, tuple)):
        for entry in value:
            yield from _sources(entry)


def _layer(source: int, kind: str, config: dict[str, Any], w: list[np.ndarray], where: str) -> Iterator[Node]:
    """Yield the nodes of one layer, each after the one before it."""
    if kind == "Dense":
        yield Dense((source,), _turned(w[0]), _bias(w, 1, w[0].shape[1]))
    elif kind == "Conv1D":
        if config["padding"] not in ("causal", "valid") or config["strides"][0] != 1:
            raise UnsupportedArchitecture(f"{where}: padding {config['padding']!r}, expected 'causal' and no stride")
        weight = np.ascontiguousarray(w[0].transpose(2, 1, 0))
        yield Conv1d((source,), weight, _bias(w, 1, len(weight)), config["dilation_rate"][0], config["groups"])
    elif kind in CELLS:
        yield _cell(source, kind, config, w, where)
        return
    elif kind == "BatchNormalization":
        gamma = w.pop(0) if config["scale"] else np.ones(w[-1].size)
        beta = w.pop(0) if config["center"] else np.zeros(w[-1].size)
        scale = gamma / np.sqrt(w[1] + config["epsilon"])
        yield Affine((source,), scale, beta - w[0] * scale)
        return
    elif kind == "PReLU":
        if w[0].shape[0] != 1:
            raise UnsupportedArchitecture(f"{where}: a slope for every frame, expected shared_axes=[1]")
        yield PRelu((source,), w[0][0])
        return
    elif kind == "LeakyReLU":
        yield Activation((source,), "leaky_relu", slope=config["negative_slope"])
        return
    elif kind == "ReLU" and not config["max_value"] and not config["negative_slope"] and not config["threshold"]:
        yield Activation((source,), "relu")
        return
    elif kind != "Activation":
        raise UnsupportedArchitecture(f"{where}: no layer that rtfx knows")
    activation = config["activation"]
    if activation != "linear":
        found = NAMES.get(activation, activation) if isinstance(activation, str) else json.dumps(activation)[:60]
        if found not in ACTIVATIONS:
            raise UnsupportedArchitecture(f"{where}: activation {found!r} is none that rtfx knows")
        yield Activation((source + (kind != "Activation"),), found, **CONSTANTS.get(found, {}))


def _cell(source: int, kind: str, config: dict[str, Any], w: list[np.ndarray], where: str) -> Node:
    """Return a recurrent layer."""
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
