"""Reads WaveNetVA JSON, the form of SmartGuitarAmp, SmartGuitarPedal and PedalNetRT too.

``variables`` holds flat tensors by layer: -1 the input 1x1, 0 to L-1 the dilated layers, L the linear mix of all their
activations. Kernels are in C order of ``[tap][in][out]``, the oldest tap first. PedalNetRT writes every number as a
string. A second input channel is a knob `drive`.

``level_adjust`` and the plugins' input gains are levels, which the bare function does not apply. PedalNet scales its
training data by a factor that the file does not state, so that a guitar is too quiet for most of its nets: the host
applies SmartGuitarAmp's input gain with its knob at half.

Sources: WaveNetVA Convolution.cpp, ConvolutionLayer.cpp, WaveNet.cpp.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...errors import MissingKey, NotAModelFile, ShapeMismatch, UnsupportedInput, WeightCountMismatch
from ..graph import Graph
from ..levels import plugin_levels
from ..nodes import Activation, Add, Conv1d, Dense, Mul, Slice
from ..spec import ModelSpec
from ..values import at, integer, integer_at, listed, mapping, one_of, required, shown, string, tensor
from .inputs import CHANNELS, GUITAR, KNOBS, input_nodes, sort_inputs, stated_knobs
from .sample_rate import guitar_rate

AMP_GAIN, PEDAL_GAIN, CONDITIONED_GAIN = 4.0, 10.0, 10.0  # 8 x gain, 20 x drive, both at half; fixed
LOUDEST_ADJUST = 1000.0
GATED = {"gated": ("tanh", "sigmoid"), "softgated": ("softsign", "softsign")}
UNGATED = ("tanh", "sigmoid", "relu", "softsign")  # and linear: none
ACTIVATIONS = (*UNGATED, "linear", *GATED)


def read(data: dict[str, Any], path: Path, inputs: str | None = None) -> ModelSpec:
    """Return the model in a WaveNetVA file; `inputs` is as `sort_inputs` has it.

    Raises
    ------
    ModelError
        MissingKey for a variable that is not there, WeightCountMismatch for one too many, ShapeMismatch for its size.
    """
    variables = Variables(data)
    dilations = [integer(d, f"dilations[{i}]") for i, d in enumerate(listed(data["dilations"], "dilations"))]
    if not dilations:
        raise ShapeMismatch("dilations is empty, expected at least one layer")
    width, outputs, channels, taps = (
        integer_at(data, key) for key in ("input_channels", "output_channels", "residual_channels", "filter_width")
    )
    activation = at(data, "activation", "", one_of, ACTIVATIONS)
    warnings: list[str] = []
    stated = stated_knobs(data.get("metadata"), data)
    knobs = sort_inputs(width, outputs, warnings, inputs, stated, GUITAR[:1], format_says=True)
    if len(knobs) > 1 and not stated and inputs is None:
        raise UnsupportedInput(
            f"input_channels is {width}, expected 1 or 2: audio, drive; --inputs {CHANNELS} or --inputs {KNOBS} takes "
            "them all"
        )
    graph = Graph(input_nodes(width, [knob.name for knob in knobs]))
    weight, bias = variables.matrix(-1, "W", width, channels), variables.vector(-1, "b", channels)
    source = graph.add(Dense((graph.output,), weight=weight, bias=bias))
    doubled = 2 * channels if activation in GATED else channels
    layers = []
    for i, dilation in enumerate(dilations):
        kernel = variables.take(i, "W_conv", taps, channels, doubled).transpose(2, 1, 0)
        conv = np.ascontiguousarray(kernel), variables.vector(i, "b_conv", doubled), dilation
        mixed = variables.matrix(i, "W_out", channels, channels), variables.vector(i, "b_out", channels)
        layers.append(Layer(*conv, *mixed))
    count = len(dilations)
    head = variables.matrix(count, "W", channels * count, outputs)
    append_stack(graph, source, layers, activation, head, variables.vector(count, "b", outputs))
    variables.finish()
    rate, rate_source = guitar_rate(data, path, warnings)
    return ModelSpec(
        family="wavenetva",
        nodes=graph.listed(),
        name=path.stem,
        sample_rate=rate,
        rate_source=rate_source,
        knobs=knobs,
        kind="pedal" if knobs else "unknown",
        warnings=tuple(warnings),
        **_levels(_number(data.get("level_adjust")), variables.strings, bool(knobs)),
    )


def _levels(adjust: Any, exported: bool, conditioned: bool) -> dict[str, Any]:
    """Return the gains of the plugins that take this file; `exported`: PedalNetRT wrote it."""
    if conditioned:
        return plugin_levels({"SmartGuitarPedal": (CONDITIONED_GAIN, 1.0)}, "SmartGuitarPedal")
    real = isinstance(adjust, (int, float)) and 0.0 < abs(adjust) <= LOUDEST_ADJUST
    if not exported and not real:
        return plugin_levels({"WaveNetVA": (1.0, 1.0)}, "WaveNetVA")
    after = abs(adjust) if real else 1.0  # 0 and a missing key mean no gain
    levels = {"SmartGuitarAmp": (AMP_GAIN, after), "SmartGuitarPedal": (PEDAL_GAIN, 1.0)}
    return plugin_levels(levels, "SmartGuitarAmp")


def _number(value: Any) -> Any:
    """Return the number in a string, and any other value unchanged."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


class Variables:
    """The flat tensors of a file by layer and name, each to be used once.

    Attributes
    ----------
    strings : bool
        Some numbers are written as strings.
    """

    def __init__(self, data: dict[str, Any]):
        self.lists: dict[tuple[int, str], list] = {}
        self.strings = False
        for i, entry in enumerate(listed(data["variables"], "variables")):
            where = f"variables[{i}]"
            entry = mapping(entry, where)
            layer = integer(required(entry, "layer_idx", where), f"{where}.layer_idx", minimum=-1)
            key = (layer, at(entry, "name", where, string))
            if key in self.lists:
                raise WeightCountMismatch(f"{where}: {_title(*key)} appears twice: which is meant?")
            self.lists[key] = at(entry, "data", where, listed)

    def take(self, layer: int, name: str, *shape: int) -> np.ndarray:
        """Return a tensor of `shape`, in C order in the file."""
        title = _title(layer, name)
        if (layer, name) not in self.lists:
            raise MissingKey(f"variables has no {title}: re-export the model")
        values = self.lists.pop((layer, name))
        size = math.prod(shape)
        if len(values) != size:
            raise ShapeMismatch(f"{title} has {len(values)} numbers, expected {size} for shape {shape}")
        self.strings |= any(isinstance(value, str) for value in values)
        numbers = [_number(value) for value in values]
        if any(isinstance(value, str) for value in numbers):
            wrong = next(value for value in numbers if isinstance(value, str))
            raise NotAModelFile(f"{title} holds {shown(wrong)}, expected numbers: re-export the model")
        return tensor(numbers, title, (size,)).reshape(shape)

    def matrix(self, layer: int, name: str, inputs: int, outputs: int) -> np.ndarray:
        """Return a 1x1 kernel as (out, in)."""
        return np.ascontiguousarray(self.take(layer, name, inputs, outputs).T)

    def vector(self, layer: int, name: str, size: int) -> np.ndarray:
        """Return a bias."""
        return self.take(layer, name, size)

    def finish(self) -> None:
        """Raise if a variable was not used."""
        if self.lists:
            found = _title(*next(iter(self.lists)))
            raise WeightCountMismatch(
                f"variables holds {len(self.lists)} that the network has no use for, the first {found}: re-export it"
            )


def _title(layer: int, name: str) -> str:
    return f"{shown(name)} of layer {layer}"


class Layer(NamedTuple):
    """One layer, in PyTorch's axis order."""

    weight: np.ndarray  # (out, in, taps), out doubled if gated
    bias: np.ndarray
    dilation: int
    mixed_weight: np.ndarray  # (channels, channels)
    mixed_bias: np.ndarray


def append_stack(
    graph: Graph, source: int, layers: list[Layer], activation: str, head: np.ndarray, head_bias: np.ndarray
) -> int:
    """Append the stack behind node `source`; return the output.

    Parameters
    ----------
    layers : list of Layer
        The 1x1 layer of the last layer has no effect on the output and is left out. If the first layer has one input,
        this input is added to every channel of its output.
    activation : str
        A key of `GATED`, one of `UNGATED`, or "linear".
    head : numpy.ndarray
        The linear mix, (outputs, channels of all layers, the first layer's first).
    """
    channels = layers[0].mixed_weight.shape[0]
    outputs = head.shape[0]
    heads = []
    for index, layer in enumerate(layers):
        conv = graph.add(Conv1d((source,), weight=layer.weight, bias=layer.bias, dilation=layer.dilation))
        features = _activated(graph, conv, activation, channels)
        part = np.ascontiguousarray(head[:, index * channels : (index + 1) * channels])
        heads.append(graph.add(Dense((features,), weight=part, bias=head_bias if index == 0 else np.zeros(outputs))))
        if index + 1 < len(layers):
            residual = source
            if layer.weight.shape[1] < channels:
                residual = graph.add(Dense((source,), weight=np.ones((channels, 1)), bias=np.zeros(channels)))
            mixed = graph.add(Dense((features,), weight=layer.mixed_weight, bias=layer.mixed_bias))
            source = graph.add(Add((mixed, residual)))
    return graph.add(Add(tuple(heads))) if len(heads) > 1 else heads[0]


def _activated(graph: Graph, source: int, activation: str, channels: int) -> int:
    """Append the activation, return its output, `channels` wide."""
    if activation not in GATED:
        return source if activation == "linear" else graph.add(Activation((source,), kind=activation))
    first, second = GATED[activation]
    halves = [graph.add(Slice((source,), i * channels, (i + 1) * channels)) for i in (0, 1)]
    gates = [graph.add(Activation((half,), kind=kind)) for half, kind in zip(halves, (first, second), strict=True)]
    return graph.add(Mul(tuple(gates)))
