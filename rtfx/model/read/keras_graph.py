"""Converts a Keras model's config, Sequential or functional, to a graph; inner models become part of the same graph.

Each layer is read by its config and its weights, in the order in which Keras lists them. CuDNNLSTM and CuDNNGRU become
plain layers. Their gates have Keras' order, but each gate's kernels have cuDNN's layout: the input kernel, (inputs,
hidden), holds the numbers of an (hidden, inputs) matrix row by row, and the recurrent kernel is transposed. One vector
holds two biases, first that of the input, then that of the state. Source: Keras hdf5_format.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from ...errors import ModelError, NonFiniteWeights, ResourceLimit, ShapeMismatch, UnsupportedArchitecture, UsageError
from ..graph import Graph
from ..nodes import ACTIVATIONS, Activation, Add, Affine, Concat, Conv1d, Dense, Gru, Lstm, Mul, Node, PRelu, Rnn
from ..spec import UNKNOWN_RATE, Knob, ModelSpec, check_limits
from ..values import NODES, WIDTH, at_most, number
from .inputs import CHANNELS, input_nodes, sort_inputs, usual_names, with_knobs

CUDNN_GATES = {"CuDNNLSTM": 4, "CuDNNGRU": 3}
PLAIN = {"CuDNNLSTM": "LSTM", "CuDNNGRU": "GRU"}
SILENT = (
    "Dropout", "SpatialDropout1D", "AlphaDropout", "GaussianDropout", "GaussianNoise", "ActivityRegularization",
    "Identity",
)  # fmt: skip
ACTIVATION_NAMES = {
    "hard_tanh": "hardtanh", "swish": "silu", "hard_swish": "hardswish", "hard_silu": "hardswish", "relu6": "hardtanh",
}  # fmt: skip
CONSTANTS = {"leaky_relu": {"slope": 0.2}, "relu6": {"low": 0.0, "high": 6.0}}  # Keras' own; its slope is not PyTorch's
OPERATIONS = ("Tanh", "Relu", "Sigmoid", "Silu", "Selu", "Softplus", "Softsign")  # keras.ops, called on a signal
CELLS = ("LSTM", "GRU", "SimpleRNN", *PLAIN)
FRAMEWISE = ("Dense", "Activation", "ReLU", "LeakyReLU", "ELU", "Softmax", *SILENT)
JOINS: dict[str, type[Node]] = {"Add": Add, "Multiply": Mul, "Concatenate": Concat, "Subtract": Add}
MODELS = ("Functional", "Sequential", "Model")
KERAS = "keras"  # modules of Keras' own classes
Weights = Mapping[str, Any]  # layer -> its tensors in Keras' order; for an inner model another such mapping
Value = tuple[str, int]  # a layer's name and the number of the call whose output this is


def cudnn_kind(name: object) -> str | None:
    """Return the key of `CUDNN_GATES` that a type such as "cudnn_lstm" means, in any spelling; None for others."""
    flat = re.sub("[^a-z]", "", str(name).lower())
    return next((kind for kind in CUDNN_GATES if kind.lower() == flat), None)


def plain_tensors(kind: str, tensors: Sequence[np.ndarray], where: str) -> list[np.ndarray]:
    """Return kernel, recurrent kernel and bias as Keras' LSTM or GRU (with reset_after=True) has them.

    Parameters
    ----------
    kind : str
        A key of `CUDNN_GATES`.
    tensors : sequence of numpy.ndarray
        Kernel (inputs, gates * hidden), recurrent kernel (hidden, gates * hidden), bias (2 * gates * hidden,).

    Raises
    ------
    ShapeMismatch
        Another number of tensors, or shapes that do not fit each other.
    """
    gates = CUDNN_GATES[kind]
    shapes = [np.shape(each) for each in tensors]
    hidden = shapes[1][0] if len(shapes) == 3 and len(shapes[1]) == 2 else 0
    wide = gates * hidden
    if not hidden or len(shapes[0]) != 2 or shapes[0][1] != wide or shapes[1:] != [(hidden, wide), (2 * wide,)]:
        raise ShapeMismatch(f"{where} ({kind}) holds tensors of {shapes}, expected two kernels and two biases")
    kernel, recurrent, bias = tensors
    inputs = kernel.shape[0]
    kernels = [block.reshape(hidden, inputs).T for block in np.split(kernel, gates, axis=1)]
    recurrents = [block.T for block in np.split(recurrent, gates, axis=1)]
    rows = bias.reshape(2, wide)
    return [np.hstack(kernels), np.hstack(recurrents), rows if kind == "CuDNNGRU" else rows.sum(axis=0)]


def reset_first(blocks: np.ndarray) -> np.ndarray:
    """Return a GRU's gates in PyTorch's order r, z, n along the first axis; Keras has z, r, n."""
    z, r, n = np.split(blocks, 3)
    return np.concatenate([r, z, n])


def layer_nodes(source: int, kind: str, config: dict[str, Any], w: list[np.ndarray], where: str) -> Iterator[Node]:
    """Yield the nodes of one layer; the first reads `source`, each other node reads the one before it.

    Raises
    ------
    UnsupportedArchitecture
        rtfx does not support the layer or an option of it.
    LookupError, TypeError, ValueError
        The config is not one that Keras writes.
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
        one_tap = config.get("kernel_size") == [1]  # "same" adds no padding to it
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
    """Yield the activation with this name; yield nothing if there is none."""
    if value in (None, "linear"):
        return
    name = ACTIVATION_NAMES.get(value, value) if isinstance(value, str) else json.dumps(value)[:60]
    if name not in ACTIVATIONS:
        raise UnsupportedArchitecture(f"{where}: activation {name[:60]!r} is none that rtfx knows")
    yield Activation((source,), name, **CONSTANTS.get(value, {}))


def _relu(source: int, config: dict[str, Any], where: str) -> Activation:
    """Return a ReLU that may have a slope below zero and a largest value."""
    if config["threshold"]:
        raise UnsupportedArchitecture(f"{where}: threshold {str(config['threshold'])[:20]}, expected 0")
    slope, largest = number(config["negative_slope"] or 0.0, where), config["max_value"]
    if largest is not None:
        return Activation((source,), "hardtanh", slope=slope, low=0.0, high=number(largest, where))
    return Activation((source,), "leaky_relu", slope=slope) if slope else Activation((source,), "relu")


def _normalisation(source: int, config: dict[str, Any], w: list[np.ndarray], where: str) -> Affine:
    """Return a batch normalisation in evaluation mode; its axis is that of the features."""
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
        weight_ih, weight_hh = (reset_first(_turned(t)) for t in w[:2])
        return Gru((source,), weight_ih, weight_hh, bias_ih=reset_first(rows[0]), bias_hh=reset_first(rows[1]))
    bias = _bias(w, 2, w[0].shape[1])
    return (Lstm if kind == "LSTM" else Rnn)((source,), _turned(w[0]), _turned(w[1]), bias)


def _turned(matrix: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(matrix.T)


def _bias(weights: list[np.ndarray], index: int, size: int) -> np.ndarray:
    return weights[index] if len(weights) > index else np.zeros(size)


@contextmanager
def understood() -> Iterator[None]:
    """Turn the exceptions that an invalid config causes in the code that reads it into a ModelError."""
    try:
        yield
    except ModelError:
        raise
    except RecursionError as error:
        raise ResourceLimit("models inside models nested too deeply, expected a few levels") from error
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise UnsupportedArchitecture(f"not understood ({type(error).__name__}: {str(error)[:100]})") from error


def spec_from_config(
    config: dict[str, Any],
    weights: Weights,
    width: int,
    knobs: Sequence[str] | None,
    sample_rate: float | None,
    name: str,
    asked: str | None = None,
) -> ModelSpec:
    """Return the model that a config with `width` input features describes; `asked` is as in `sort_inputs`.

    Raises
    ------
    ModelError
        UnsupportedArchitecture names a layer that rtfx does not support.
    """
    with understood():
        recurrent = any(re.search("LSTM|GRU", str(entry["class_name"]), re.IGNORECASE) for entry in config["layers"])
        graph = Graph(input_nodes(at_most(width, WIDTH, "features of the input"), ()))
        if _model(graph, graph.output, config, weights) != graph.output:
            raise UnsupportedArchitecture("the output is not the last layer: layers behind it reach nothing")
    warnings: list[str] = []
    if knobs is not None and asked is None:
        if not len(set(knobs)) == len(knobs) < width:
            raise UsageError(
                f"{len(knobs)} knobs are named: {', '.join(knobs)}; expected at most {width - 1}, each with a name of "
                "its own"
            )
        sorted_out = tuple(Knob(knob) for knob in knobs)
    else:
        stated = tuple(Knob(knob) for knob in knobs or ())
        usual = usual_names(recurrent, width)
        sorted_out = sort_inputs(width, graph.widths[graph.output], warnings, asked, stated, usual, unnamed=CHANNELS)
    spec = ModelSpec(
        family="keras",
        nodes=with_knobs(graph.listed(), sorted_out),
        name=name,
        sample_rate=sample_rate,
        rate_source="user" if sample_rate else "unknown",
        knobs=sorted_out,
        warnings=tuple(warnings if sample_rate else [*warnings, UNKNOWN_RATE]),
    )
    return check_limits(spec)


def _model(graph: Graph, source: int, config: dict[str, Any], weights: Weights) -> int:
    """Append a model that reads node `source`; return its output."""
    entries = config["layers"]
    at_most(len(entries), NODES, "number of layers")
    functional = any(entry.get("inbound_nodes") for entry in entries)
    if not functional:
        for entry in entries:
            source = _called(graph, [source], entry, weights)
        return source
    places: dict[Value, int] = {}
    waiting: list[tuple[Value, dict[str, Any], list[Value | float]]] = []
    for entry in entries:
        if entry["class_name"] == "InputLayer":
            if places:
                raise UnsupportedArchitecture(
                    f"layer {str(entry['config']['name'])[:60]}: a second input, expected one"
                )
            places[entry["config"]["name"], 0] = source
        else:
            calls = [(_named(entry), i, list(_arguments(call))) for i, call in enumerate(entry["inbound_nodes"])]
            waiting += [((name, i), entry, arguments) for name, i, arguments in calls]
    at_most(len(waiting), NODES, "number of layers")
    while waiting:  # usually one round: Keras lists layers nearly in the order of their computation
        later = []
        for value, entry, arguments in waiting:
            if any(isinstance(argument, tuple) and argument not in places for argument in arguments):
                later.append((value, entry, arguments))
                continue
            sources = [places[argument] if isinstance(argument, tuple) else argument for argument in arguments]
            places[value] = _called(graph, sources, entry, weights)
        if len(later) == len(waiting):
            raise UnsupportedArchitecture(f"layer {str(later[0][0][0])[:60]} reads itself or a layer that is not there")
        waiting = later
    outputs = config["output_layers"]
    outputs = [outputs] if isinstance(outputs[0], str) else outputs
    if len(outputs) != 1:
        raise UnsupportedArchitecture(f"{len(outputs)} outputs, expected one: join them by Concatenate")
    return places[outputs[0][0], outputs[0][1]]


def _named(entry: dict[str, Any]) -> str:
    """Return a layer's name; raise UnsupportedArchitecture for a layer of another library than Keras."""
    name = entry["config"]["name"]
    registered = entry.get("registered_name") or ""
    module = entry.get("module") or KERAS
    if ">" in registered or module.split(".")[0] != KERAS:
        raise UnsupportedArchitecture(
            f"layer {str(name)[:60]} is a custom one, {str(registered or module)[:60]}, whose code is never run"
        )
    return name


def _called(graph: Graph, sources: list[Any], entry: dict[str, Any], weights: Weights) -> int:
    """Append one call of a layer that reads nodes, and numbers where an operation has them; return its output."""
    kind, config, name = entry["class_name"], entry["config"], _named(entry)
    where = f"layer {str(name)[:60]} ({str(kind)[:40]})"
    if kind == "InputLayer":
        return sources[0]
    if kind in JOINS:
        return _joined(graph, sources, kind, config, where)
    if len(sources) != 1 or isinstance(sources[0], float):
        raise UnsupportedArchitecture(f"{where}: called with {len(sources)} signals, expected one")
    last = sources[0]
    if kind in MODELS:
        return _model(graph, last, config, weights[name])
    if kind in ("ZeroPadding1D", "Cropping1D"):
        if config.get("padding", config.get("cropping"))[1]:
            raise UnsupportedArchitecture(f"{where}: frames at the end, expected at the beginning only")
        return last
    if kind == "Rescaling":
        return _affine(graph, last, float(config["scale"]), float(config["offset"]))
    made = list(layer_nodes(last, kind, config, list(weights.get(name, ())), where))
    for node in made:
        last = graph.add(replace(node, sources=(last,)))
    return last


def _joined(graph: Graph, sources: list[Any], kind: str, config: dict[str, Any], where: str) -> int:
    """Append a sum, product, difference or concatenation; with a number it becomes a gain or an offset."""
    constants = [each for each in sources if isinstance(each, float)]
    signals = [each for each in sources if not isinstance(each, float)]
    if not signals or (constants and (len(sources) != 2 or kind == "Concatenate")):
        raise UnsupportedArchitecture(f"{where}: arguments that rtfx does not understand")
    if kind == "Concatenate" and config.get("axis", -1) not in (-1, 2):
        raise UnsupportedArchitecture(f"{where}: joins along axis {str(config['axis'])[:20]}, expected the features'")
    if constants:
        if kind == "Multiply":
            return _affine(graph, signals[0], constants[0], 0.0)
        if kind == "Add":
            return _affine(graph, signals[0], 1.0, constants[0])
        first = isinstance(sources[0], float)
        return _affine(graph, signals[0], -1.0 if first else 1.0, constants[0] if first else -constants[0])
    if kind == "Subtract":
        if len(signals) != 2:
            raise UnsupportedArchitecture(f"{where}: a difference of {len(signals)} signals, expected two")
        signals = [signals[0], _affine(graph, signals[1], -1.0, 0.0)]
    return graph.add(JOINS[kind](tuple(signals)))


def _affine(graph: Graph, source: int, scale: float, shift: float) -> int:
    """Append a gain and an offset, the same for all features."""
    ones = np.ones(at_most(graph.widths[source], NODES, "features"))
    return graph.add(Affine((source,), scale=scale * ones, shift=shift * ones))


def _arguments(value: Any) -> Iterator[Value | float]:
    """Yield the arguments of a layer's call: signals, and the numbers in an operation."""
    if isinstance(value, dict):
        if value.get("class_name") == "__keras_tensor__":
            layer, call, part = value["config"]["keras_history"]
            yield _signal(layer, call, part)
        elif "args" in value:
            yield from _arguments(value["args"])
            for key, entry in value.get("kwargs", {}).items():
                signals = list(_arguments(entry)) if isinstance(entry, (dict, list)) else []
                if signals or (entry is not None and key not in ("training", "mask")):
                    raise UnsupportedArchitecture(f"a layer is called with {key[:40]}=..., expected signals alone")
        else:
            raise UnsupportedArchitecture("a layer is called with an object, expected signals alone")
    elif isinstance(value, (list, tuple)):
        if value and isinstance(value[0], str):  # Keras 2: name, call, part, further arguments
            if len(value) > 3 and value[3]:
                raise UnsupportedArchitecture(f"layer {value[0][:60]} is passed on with arguments, expected it alone")
            yield _signal(value[0], value[1], value[2])
        else:
            for entry in value:
                yield from _arguments(entry)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield float(value)
    elif value is not None:
        raise UnsupportedArchitecture(f"a layer is called with {str(value)[:40]!r}, expected signals alone")


def _signal(layer: Any, call: Any, part: Any) -> Value:
    if part != 0:
        raise UnsupportedArchitecture(f"the state of layer {str(layer)[:60]} is used, expected its output alone")
    return str(layer), int(call)
