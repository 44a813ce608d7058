"""The layers of RTNeural JSON, each turned into nodes in PyTorch's axis and gate order.

A reader of one layer type returns its nodes as ``(class, fields)``, to be chained one after the other. Keras axes in
the file: dense ``[in][out]``, conv1d ``[taps][in/groups][out]``, gru and lstm ``[in][gates]``, ``[hidden][gates]``.
Source: RTNeural's model_loader.h and Keras exporter.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ...errors import ModelError, NonFiniteWeights, ShapeMismatch, UnsupportedArchitecture, WeightCountMismatch
from ..limits import WIDTH, at_most
from ..nodes import Activation, Affine, Conv1d, Dense, Gru, Lstm, Node, PRelu
from ..values import integer, listed, mapping, number, one_of, required, shown, string, tensor
from .cudnn import GATES, cudnn_kind, plain_tensors
from .rtneural_2d import batchnorm2d, conv2d

Chain = list[tuple[type[Node], dict[str, Any]]]

ACTIVATIONS = ("", "tanh", "relu", "sigmoid", "softmax", "elu")
INPUT_LAYERS = ("unknown", "input", "inputlayer")
KEYS = {"type", "shape", "activation", "weights", "name"}


class Layer:
    """One layer object: where it stands, the width of its input and the width that it declares."""

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
        """Raise unless the layer holds one of these numbers of tensors, so that every weight is used."""
        if len(self.weights) not in counts:
            found, expected = len(self.weights), " or ".join(map(str, counts))
            raise WeightCountMismatch(f"{self.where} ({self.type}) holds {found} weight tensors, expected {expected}")

    def bias(self) -> np.ndarray:
        """Return weights[1], zeros if the layer was exported without a bias."""
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
        epsilon = number(required(self.data, "epsilon", self.where), f"{self.where}.epsilon")
        rows = [self.tensor(index, width) for index in range(len(self.weights))]
        gamma, beta = rows[:2] if len(rows) == 4 else (np.ones(width), np.zeros(width))
        mean, variance = rows[-2:]
        if not (variance + epsilon > 0).all():
            raise NonFiniteWeights(f"{self.where}: variance + epsilon is not positive: re-export the model")
        scale = gamma / np.sqrt(variance + epsilon)
        return scale, beta - mean * scale

    def two_biases_in_a_row(self, gates: int) -> bool:
        """Tell whether the last tensor is both biases of a cuDNN layer, which only such a layer has in one vector."""
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
    """Tell whether the first layer is Keras' InputLayer, which RTNeural's exporter calls unknown: as wide as the input.

    Of several inputs Keras gives a list of shapes, which the exporter writes for one too.
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
    """Return the only shape of a list of shapes, any other value as it is."""
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


def _dense(layer: Layer) -> Chain:
    layer.expect(1, 2)
    weight = layer.tensor(0, layer.inputs, layer.outputs).T
    # ChowCentaur's loader applies tanh to this type, though its files hold no activation key at all
    implied = "tanh" if layer.type == "time-distributed-dense" else ""
    return [(Dense, {"weight": weight, "bias": layer.bias()}), *layer.activation(implied)]


def _conv1d(layer: Layer) -> Chain:
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


def _gru(layer: Layer) -> Chain:
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
                "weight_ih": _reset_first(layer.tensor(0, layer.inputs, 3 * h).T),
                "weight_hh": _reset_first(layer.tensor(1, h, 3 * h).T),
                "bias_ih": _reset_first(bias[0]),
                "bias_hh": _reset_first(bias[1]),
            },
        )
    ]


def _reset_first(blocks: np.ndarray) -> np.ndarray:
    """Keras orders a GRU's gates z, r, n along the first axis; PyTorch r, z, n."""
    z, r, n = np.split(blocks, 3)
    return np.concatenate([r, z, n])


def _lstm(layer: Layer) -> Chain:
    layer.expect(3)
    h = layer.outputs
    if layer.two_biases_in_a_row(4):
        return _cudnn(layer, "CuDNNLSTM")
    weight_ih, weight_hh = layer.tensor(0, layer.inputs, 4 * h).T, layer.tensor(1, h, 4 * h).T
    return [(Lstm, {"weight_ih": weight_ih, "weight_hh": weight_hh, "bias": layer.tensor(2, 4 * h)})]


def _cudnn(layer: Layer, kind: str) -> Chain:
    """Return a layer in cuDNN's layout as a plain one."""
    layer.expect(3)
    wide = GATES[kind] * layer.outputs
    tensors = layer.tensor(0, layer.inputs, wide), layer.tensor(1, layer.outputs, wide), layer.tensor(2, 2 * wide)
    kernel, recurrent, bias = plain_tensors(kind, tensors, layer.where)
    if kind == "CuDNNLSTM":
        return [(Lstm, {"weight_ih": kernel.T, "weight_hh": recurrent.T, "bias": bias})]
    weights = {"weight_ih": _reset_first(kernel.T), "weight_hh": _reset_first(recurrent.T)}
    return [(Gru, weights | {"bias_ih": _reset_first(bias[0]), "bias_hh": _reset_first(bias[1])})]


def _prelu(layer: Layer) -> Chain:
    layer.expect(1)
    layer.no_activation()
    layer.same_width()
    where = f"{layer.where}.weights[0]"
    alpha = tensor(layer.weights[0], where, axes=2)  # one row per time step if the axis was not shared: row 0 counts
    if alpha.shape[0] < 1 or alpha.shape[1] not in (1, layer.inputs):
        raise ShapeMismatch(f"{where} has shape {alpha.shape}, expected (1, {layer.inputs}) or (1, 1)")
    return [(PRelu, {"alpha": np.broadcast_to(alpha[0], (layer.inputs,)).copy()})]


def _batchnorm(layer: Layer) -> Chain:
    layer.same_width()
    scale, shift = layer.normalisation(layer.inputs)
    return [(Affine, {"scale": scale, "shift": shift})]


def _activation(layer: Layer) -> Chain:
    layer.expect(0)
    layer.same_width()
    required(layer.data, "activation", layer.where)
    return layer.activation()


READERS: dict[str, Callable[[Layer], Chain]] = {
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


def _check_type(data: Any, where: str) -> None:
    """Raise unless a layer is of a type that has a reader."""
    kind = kind_of(data, where)
    known = f"expected one that rtfx knows: {', '.join(READERS)}"
    if kind == "unknown":
        raise UnsupportedArchitecture(f"{where} is one that its exporter did not know, and left empty; {known}")
    if kind not in READERS:
        raise UnsupportedArchitecture(f"{where} is a {shown(kind)} layer, {known}")


def append_layers(nodes: list[Node], layers: Any, inputs: int) -> tuple[list[str], int]:
    """Append the nodes of `layers` to `nodes`, whose last node they read; return warnings and the output width.

    Parameters
    ----------
    nodes : list of Node
        Grows in place.
    layers : list
        The file's ``layers``.
    inputs : int
        Features of the last node in `nodes`.
    """
    warnings = []
    if not listed(layers, "layers"):
        raise ShapeMismatch("layers is empty, expected at least one layer")
    for index, data in enumerate(layers):
        if index == 0 and len(layers) > 1 and is_input(data, inputs):
            continue
        _check_type(data, f"layers[{index}]")
        layer = Layer(data, f"layers[{index}]", inputs)
        for key in sorted(set(layer.data) - KEYS - EXTRA_KEYS.get(layer.type, set())):
            warnings.append(f"{layer.where} has an unknown key {shown(key)}: ignored")
        for kind, fields in READERS[layer.type](layer):
            # contiguous, so that sums run in the same order as in a copy that was saved and read again
            arrays = {name: np.ascontiguousarray(t) for name, t in fields.items() if isinstance(t, np.ndarray)}
            nodes.append(kind(sources=(len(nodes) - 1,), **(fields | arrays)))
        inputs = layer.outputs
    return warnings, inputs
