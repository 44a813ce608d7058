"""Reads RTNeural JSON (a Keras network: ``in_shape``, ``layers``), the KlonCentaur files among it.

The reader infers facts that the file does not state. A recurrent net with two inputs takes audio and a knob `drive`;
with three inputs, audio, `drive` and `tone`; but if it has as many outputs, all inputs are audio. The three inputs of a
KlonCentaur net are audio, a knob `gain` and the sample period in seconds. Any other number of inputs is the number of
audio channels. The sample rate is unknown, except that KlonCentaur's one-input nets were trained at 44.1 kHz; its
three-input nets are right at every rate. KlonCentaur files have no activation key at all. With two-dimensional layers
the audio inputs are the features of one frame, channels next to each other.

The reader of a layer type returns its nodes as a list of ``(class, fields)``, each reading the one before. Axes in
the file: dense ``[in][out]``, conv1d ``[taps][in/groups][out]``, gru and lstm ``[in][gates]``, ``[hidden][gates]``.
Layers over time and features become layers over time: a frame holds all features of all channels, flattened as
``feature * channels + channel``, and a kernel that slides along the features becomes a matrix with equal blocks. Time
is causal in every case; `padding` concerns only the feature axis. Sources: RTNeural's model_loader.h,
conv2d.h, conv1d_stateless.h and Keras exporter.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import ModelError, NonFiniteWeights, ShapeMismatch, UnsupportedArchitecture, WeightCountMismatch
from ..graph import Graph
from ..nodes import Activation, Affine, Conv1d, Dense, Gru, Lstm, Node, PRelu
from ..spec import Knob, ModelSpec
from ..values import (
    RECEPTIVE_FIELD,
    WEIGHTS,
    WIDTH,
    at,
    at_most,
    integer,
    listed,
    mapping,
    number,
    one_of,
    required,
    shown,
    string,
    tensor,
)
from .inputs import CHANNELS, input_nodes, said_choice, sort_inputs, stated_knobs, usual_names
from .keras_graph import CUDNN_GATES, cudnn_kind, plain_tensors, reset_first
from .sample_rate import find_rate

KLON_RATE = 44100.0
KLON_VOLTS_DB = -22.3  # the circuit's output clips at 13.1 V (KlonCentaur's output buffer): 13.1 V is full scale
Chain = list[tuple[type[Node], dict[str, Any]]]
ACTIVATIONS = ("", "tanh", "relu", "sigmoid", "softmax", "elu")
INPUT_LAYERS = ("unknown", "input", "inputlayer")
LAYER_KEYS = {"type", "shape", "activation", "weights", "name"}
PADDINGS = ("valid", "same")


def read(data: dict[str, Any], path: Path, inputs: str | None = None) -> ModelSpec:
    """Return the model in an RTNeural file.

    Parameters
    ----------
    data : dict
        The parsed file.
    path : Path
        Its stem is the model's name.
    inputs : str, optional
        The meaning of the inputs, as in `sort_inputs`.

    Raises
    ------
    ModelError
        A missing key, an unknown layer or activation, a shape that does not fit.
    """
    width = width_of(required(data, "in_shape"), "in_shape")
    layers = required(data, "layers")
    klon = klon_inputs(layers, width)
    warnings: list[str] = []
    knobs: tuple[Knob, ...] = (Knob("gain"),)
    if klon != 3:
        asked, stated = said_choice(inputs, data), stated_knobs(data)
        knobs = sort_inputs(
            width, outputs_of(layers), warnings, asked, stated, usual_names(_recurrent(layers), width), unnamed=CHANNELS
        )
    graph = Graph(input_nodes(width, [knob.name for knob in knobs], sample_period=klon == 3))
    ignored = append_layers(graph, layers)
    facts: dict[str, Any] = {"family": "rtneural"}
    rate: float | None = None
    source = "any"
    if klon:
        facts = {"family": "klon", "kind": "pedal", "level_db": KLON_VOLTS_DB}
    if klon < 3:
        rate, source = find_rate(data, path, warnings, KLON_RATE if klon else None, "as all KlonCentaur nets")
    warnings += [*frame_warnings(data["in_shape"], layers), *ignored]
    return ModelSpec(
        nodes=graph.listed(),
        name=path.stem,
        sample_rate=rate,
        rate_source=source,
        knobs=knobs,
        warnings=tuple(warnings),
        **facts,
    )


def frame_warnings(in_shape: list, layers: list) -> list[str]:
    """Return a warning for each layer that was trained on a window of frames without padding in time."""
    count = in_shape[1] if len(in_shape) > 2 else None
    for i, layer in enumerate(layers):
        shape = one_shape(layer.get("shape", ()))
        after = shape[1] if len(shape) > 2 else None
        if isinstance(count, int) and isinstance(after, int) and after < count:
            return [
                f"layers[{i}] leaves {after} frames of {count}, having been trained without padding: here every frame "
                "is computed from those before it"
            ]
        count = after
    return []


def klon_inputs(layers: Any, width: int) -> int:
    """Return the number of inputs of a KlonCentaur net, 0 for any other."""
    if not isinstance(layers, list) or not all(isinstance(layer, dict) for layer in layers):
        return 0
    types = [layer.get("type") for layer in layers]
    layouts = {1: ["gru", "dense"], 3: ["time-distributed-dense", "gru", "dense"]}
    bare = not any("activation" in layer for layer in layers)
    return width if bare and layouts.get(width) == types else 0


def _recurrent(layers: Any) -> bool:
    """Return whether a net has a recurrent layer, as captures with knobs do."""
    kinds = [layer.get("type") for layer in layers if isinstance(layer, dict)] if isinstance(layers, list) else []
    return any(re.search("lstm|gru", str(kind), re.IGNORECASE) for kind in kinds)


def outputs_of(layers: Any) -> int:
    """Return the number of outputs that the last layer declares, 0 if it declares none."""
    last = layers[-1] if isinstance(layers, list) and layers else None
    try:
        return width_of(last.get("shape"), "shape") if isinstance(last, dict) else 0
    except ModelError:
        return 0


class LayerData:
    """One layer of the file, its place there, the width of its input and the width that it declares."""

    def __init__(self, data: Any, where: str, inputs: int):
        self.data = mapping(data, where) | ({"activation": ""} if data.get("activation", "") is None else {})
        self.where = where
        self.inputs = inputs
        self.type = kind_of(data, where)
        self.outputs = width_of(required(self.data, "shape", where), f"{where}.shape")
        self.weights = listed(self.data.get("weights", []), f"{where}.weights")

    def tensor(self, index: int, *shape: int) -> np.ndarray:
        """Return weights[index], which must have `shape`."""
        return tensor(self.weights[index], f"{self.where}.weights[{index}]", shape)

    def expect(self, *counts: int) -> None:
        """Raise unless the number of tensors in the layer is among `counts`, so that every weight is used."""
        if len(self.weights) not in counts:
            found, expected = len(self.weights), " or ".join(map(str, counts))
            raise WeightCountMismatch(f"{self.where} ({self.type}) holds {found} weight tensors, expected {expected}")

    def bias(self) -> np.ndarray:
        """Return weights[1], or zeros if the layer was exported without a bias."""
        return self.tensor(1, self.outputs) if len(self.weights) > 1 else np.zeros(self.outputs)

    def same_width(self) -> None:
        """Raise unless the layer keeps the number of features."""
        if self.outputs != self.inputs:
            raise ShapeMismatch(f"{self.where}.shape declares {self.outputs} features, expected {self.inputs}")

    def activation(self, missing: str = "") -> Chain:
        """Return the layer's own activation as a chain of one node or none."""
        name = one_of(self.data.get("activation", missing), ACTIVATIONS, f"{self.where}.activation")
        return [(Activation, {"kind": name})] if name else []

    def no_activation(self) -> None:
        """Raise if the layer names an activation that RTNeural would not apply."""
        if self.data.get("activation", "") != "":
            found = shown(self.data["activation"])
            raise UnsupportedArchitecture(f"{self.where}.activation is {found}, expected none on a {self.type} layer")

    def normalisation(self, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Return scale and shift of a batch normalisation of `width` features, by its running mean and variance."""
        self.expect(2, 4)
        self.no_activation()
        epsilon = at(self.data, "epsilon", self.where, number)
        rows = [self.tensor(index, width) for index in range(len(self.weights))]
        gamma, beta = rows[:2] if len(rows) == 4 else (np.ones(width), np.zeros(width))
        mean, variance = rows[-2:]
        if not (variance + epsilon > 0).all():
            raise NonFiniteWeights(f"{self.where}: variance + epsilon is not positive: re-export the model")
        scale = gamma / np.sqrt(variance + epsilon)
        return scale, beta - mean * scale

    def two_biases_in_a_row(self, gates: int) -> bool:
        """Return whether the last tensor holds two biases in one vector, as only a cuDNN layer does."""
        bias = self.weights[2]
        return isinstance(bias, list) and len(bias) == 2 * gates * self.outputs and not isinstance(bias[0], list)

    def single(self, key: str) -> int:
        """Return an integer that Keras may have wrapped in a list of one."""
        value = required(self.data, key, self.where)
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        return integer(value, f"{self.where}.{key}")


def kind_of(data: Any, where: str) -> str:
    """Return the type of a layer as `READERS` spells it."""
    kind = string(required(mapping(data, where), "type", where), f"{where}.type")
    return cudnn_kind(kind) or kind


def is_input(data: Any, width: int) -> bool:
    """Return whether a layer is Keras' InputLayer, as wide as the input; RTNeural's exporter calls its type unknown.

    For several inputs Keras gives a list of shapes; the exporter writes such a list for one input too.
    """
    if not isinstance(data, dict) or data.get("weights") or data.get("activation"):
        return False
    kind = re.sub("[^a-z]", "", str(data.get("type")).lower())
    shape = one_shape(data.get("shape"))
    if kind not in INPUT_LAYERS or (shape is None and kind == "unknown"):
        return False
    try:
        return shape is None or width_of(shape, "shape") == width
    except ModelError:
        return False


def one_shape(shape: Any) -> Any:
    """Return the only shape in a list of shapes; return any other value unchanged."""
    return shape[0] if isinstance(shape, list) and len(shape) == 1 and isinstance(shape[0], list) else shape


def width_of(shape: Any, where: str) -> int:
    """Return the number of features of a Keras shape: its last entry, or the last two multiplied if it has four."""
    entries = listed(shape, where)
    if not 2 <= len(entries) <= 4:
        raise ShapeMismatch(f"{where} has {len(entries)} entries, expected 2 to 4")
    width = integer(entries[-1], f"{where}[{len(entries) - 1}]")
    if len(entries) == 4:
        width *= integer(entries[2], f"{where}[2]")
    return at_most(width, WIDTH, f"features in {where}")


def _dense(layer: LayerData) -> Chain:
    layer.expect(1, 2)
    weight = layer.tensor(0, layer.inputs, layer.outputs).T
    # ChowCentaur's loader applies tanh to this type, though its files hold no activation key at all
    implied = "tanh" if layer.type == "time-distributed-dense" else ""
    return [(Dense, {"weight": weight, "bias": layer.bias()}), *layer.activation(implied)]


def _conv1d(layer: LayerData) -> Chain:
    layer.expect(1, 2)
    taps, dilation = layer.single("kernel_size"), layer.single("dilation")
    groups = integer(layer.data.get("groups", 1), f"{layer.where}.groups")
    if layer.data.get("strides", 1) not in (1, [1]):
        raise UnsupportedArchitecture(f"{layer.where}.strides is {shown(layer.data['strides'])}, expected 1")
    if layer.inputs % groups or layer.outputs % groups:
        raise ShapeMismatch(f"{layer.where}: {groups} groups do not divide {layer.inputs} into {layer.outputs}")
    weight = layer.tensor(0, taps, layer.inputs // groups, layer.outputs).transpose(2, 1, 0)
    fields = {"weight": weight, "bias": layer.bias(), "dilation": dilation, "groups": groups}
    return [(Conv1d, fields), *layer.activation()]


def _gru(layer: LayerData) -> Chain:
    layer.expect(3)
    h = layer.outputs
    if layer.two_biases_in_a_row(3):
        return _cudnn(layer, "CuDNNGRU")
    if not any(isinstance(row, list) for row in listed(layer.weights[2], f"{layer.where}.weights[2]")):
        raise UnsupportedArchitecture(f"{layer.where} has one bias row, expected two: export with reset_after=True")
    bias = layer.tensor(2, 2, 3 * h)
    return [
        (
            Gru,
            {
                "weight_ih": reset_first(layer.tensor(0, layer.inputs, 3 * h).T),
                "weight_hh": reset_first(layer.tensor(1, h, 3 * h).T),
                "bias_ih": reset_first(bias[0]),
                "bias_hh": reset_first(bias[1]),
            },
        )
    ]


def _lstm(layer: LayerData) -> Chain:
    layer.expect(3)
    h = layer.outputs
    if layer.two_biases_in_a_row(4):
        return _cudnn(layer, "CuDNNLSTM")
    weight_ih, weight_hh = layer.tensor(0, layer.inputs, 4 * h).T, layer.tensor(1, h, 4 * h).T
    return [(Lstm, {"weight_ih": weight_ih, "weight_hh": weight_hh, "bias": layer.tensor(2, 4 * h)})]


def _cudnn(layer: LayerData, kind: str) -> Chain:
    """Return a layer in cuDNN's layout as a plain one."""
    layer.expect(3)
    wide = CUDNN_GATES[kind] * layer.outputs
    tensors = layer.tensor(0, layer.inputs, wide), layer.tensor(1, layer.outputs, wide), layer.tensor(2, 2 * wide)
    kernel, recurrent, bias = plain_tensors(kind, tensors, layer.where)
    if kind == "CuDNNLSTM":
        return [(Lstm, {"weight_ih": kernel.T, "weight_hh": recurrent.T, "bias": bias})]
    weights = {"weight_ih": reset_first(kernel.T), "weight_hh": reset_first(recurrent.T)}
    return [(Gru, weights | {"bias_ih": reset_first(bias[0]), "bias_hh": reset_first(bias[1])})]


def _prelu(layer: LayerData) -> Chain:
    layer.expect(1)
    layer.no_activation()
    layer.same_width()
    where = f"{layer.where}.weights[0]"
    alpha = tensor(layer.weights[0], where, axes=2)  # one row per time step if time was not shared: row 0 is used
    if alpha.shape[0] < 1 or alpha.shape[1] not in (1, layer.inputs):
        raise ShapeMismatch(f"{where} has shape {alpha.shape}, expected (1, {layer.inputs}) or (1, 1)")
    return [(PRelu, {"alpha": np.broadcast_to(alpha[0], (layer.inputs,)).copy()})]


def _batchnorm(layer: LayerData) -> Chain:
    layer.same_width()
    scale, shift = layer.normalisation(layer.inputs)
    return [(Affine, {"scale": scale, "shift": shift})]


def _activation(layer: LayerData) -> Chain:
    layer.expect(0)
    layer.same_width()
    required(layer.data, "activation", layer.where)
    return layer.activation()


def _check_type(data: Any, where: str) -> None:
    """Raise unless a layer is of a type that has a reader."""
    kind = kind_of(data, where)
    known = f"expected one that rtfx knows: {', '.join(READERS)}"
    if kind == "unknown":
        raise UnsupportedArchitecture(f"{where} is one that its exporter did not know, and left empty; {known}")
    if kind not in READERS:
        raise UnsupportedArchitecture(f"{where} is a {shown(kind)} layer, {known}")


def append_layers(graph: Graph, layers: Any) -> list[str]:
    """Append the nodes of a file's ``layers`` behind the graph's last node; return warnings.

    Raises
    ------
    ModelError
        An unknown layer or activation, a missing key, a shape that does not fit.
    """
    warnings = []
    if not listed(layers, "layers"):
        raise ShapeMismatch("layers is empty, expected at least one layer")
    for index, data in enumerate(layers):
        inputs = graph.widths[graph.output]
        if index == 0 and len(layers) > 1 and is_input(data, inputs):
            continue
        _check_type(data, f"layers[{index}]")
        layer = LayerData(data, f"layers[{index}]", inputs)
        for key in sorted(set(layer.data) - LAYER_KEYS - EXTRA_KEYS.get(layer.type, set())):
            warnings.append(f"{layer.where} has an unknown key {shown(key)}: ignored")
        for kind, fields in READERS[layer.type](layer):
            # contiguous, so that sums run in the same order as in a copy that was saved and read again
            arrays = {name: np.ascontiguousarray(t) for name, t in fields.items() if isinstance(t, np.ndarray)}
            graph.add(kind(sources=(graph.output,), **(fields | arrays)))
    return warnings


def conv2d(layer: LayerData) -> Chain:
    """Return a convolution over time and features, kernel ``[time][feature][in][out]``, as a convolution over time."""
    layer.expect(1, 2)
    channels, features, outputs = (layer.single(f"num_{key}") for key in ("filters_in", "features_in", "filters_out"))
    taps, reach, stride = (layer.single(key) for key in ("kernel_size_time", "kernel_size_feature", "strides"))
    at_most(reach, RECEPTIVE_FIELD, f"{layer.where}.kernel_size_feature")
    padding = at(layer.data, "padding", layer.where, one_of, PADDINGS)
    _fits(layer, features, channels, layer.inputs, "in")
    first, places = feature_places(features, reach, stride, padding)
    _fits(layer, places, outputs, layer.outputs, "out")
    at_most(layer.inputs * layer.outputs * taps, WEIGHTS, f"weights of {layer.where} as a matrix")
    kernel = layer.tensor(0, taps, reach, channels, outputs)
    weight = np.zeros((places, outputs, features, channels, taps))
    for place in range(places):
        start = first + place * stride
        for k in range(max(0, -start), min(reach, features - start)):
            weight[place, :, start + k] = kernel[:, k].transpose(2, 1, 0)
    bias = layer.tensor(1, outputs) if len(layer.weights) > 1 else np.zeros(outputs)
    fields = {
        "weight": weight.reshape(layer.outputs, layer.inputs, taps),
        "bias": np.tile(bias, places),
        "dilation": layer.single("dilation"),
    }
    return [(Conv1d, fields), *layer.activation()]


def feature_places(features: int, reach: int, stride: int, padding: str) -> tuple[int, int]:
    """Return the feature at which the first kernel begins (negative: in the padding), and the number of kernels."""
    if padding == "valid":
        return 0, max(-(-(features - reach + 1) // stride), 0)
    places = -(-features // stride)
    return -(max((places - 1) * stride + reach - features, 0) // 2), places


def batchnorm2d(layer: LayerData) -> Chain:
    """Return a batch normalisation of channels, the same for every feature."""
    channels, features = layer.single("num_filters_in"), layer.single("num_features_in")
    _fits(layer, features, channels, layer.inputs, "in")
    layer.same_width()
    scale, shift = layer.normalisation(channels)
    return [(Affine, {"scale": np.tile(scale, features), "shift": np.tile(shift, features)})]


def _fits(layer: LayerData, features: int, channels: int, width: int, side: str) -> None:
    """Raise unless the number of features times the number of channels is `width`."""
    at_most(channels, WIDTH, f"num_filters_{side} of {layer.where}")
    if features * channels != width:
        raise ShapeMismatch(
            f"{layer.where} has {features} features of {channels} channels {side}, expected {width} numbers altogether"
        )


READERS: dict[str, Callable[[LayerData], Chain]] = {
    "dense": _dense,
    "time-distributed-dense": _dense,
    "conv1d": _conv1d,
    "conv2d": conv2d,
    "gru": _gru,
    "lstm": _lstm,
    "CuDNNGRU": partial(_cudnn, kind="CuDNNGRU"),
    "CuDNNLSTM": partial(_cudnn, kind="CuDNNLSTM"),
    "prelu": _prelu,
    "batchnorm": _batchnorm,
    "batchnorm2d": batchnorm2d,
    "activation": _activation,
}
EXTRA_KEYS = {
    "conv1d": {"kernel_size", "dilation", "groups", "strides", "padding"},
    "conv2d": {
        "kernel_size_time", "kernel_size_feature", "dilation", "strides", "num_filters_in", "num_features_in",
        "num_filters_out", "padding",
    },
    "batchnorm": {"epsilon"},
    "batchnorm2d": {"epsilon", "num_filters_in", "num_features_in"},
}  # fmt: skip
