"""Random nets: ``random:tcn?seed=42&layers=6&...``, an untrained net as an effect, after RONN.

Layer i of ``tcn`` is a convolution with dilation ``dilation ** i``; an activation follows each layer except the last.
With the plugin's settings the weights are those of the RONN plugin. Semantics ``intended`` draws them by the chosen
`init`. ``as_shipped`` repeats a defect of the plugin: the weights are always kaiming_uniform, and `init` only decides
how many numbers are drawn first. The plugin's biases cannot be reproduced; here they are U(+-1/sqrt(fan_in)) from
`seed` + 1. ``python`` is the research code: it always has biases and an activation after every layer, and `film` scales
and shifts the layers.

``gru`` and ``lstm`` are untrained cells with a dense layer after them. Weights are drawn in PyTorch's order of
parameters: for each layer those of the input, then those of the state; at the end the dense layer's. The cells' outputs
stay between -1 and 1 for every input, so no seed can explode. Source: the plugin's ronn.cpp as intended and as shipped,
dev/ of the same repository for `python`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import lru_cache

import numpy as np

from ...units import db_from_gain
from ..nodes import Activation, Affine, Conv1d, Dense, Gru, Input, Lstm, Node
from ..reference import evaluate
from ..spec import ModelSpec
from ..values import RECEPTIVE_FIELD
from .draw import INITS, OFFSET_ACTIVATIONS, TorchGenerator, activation, drawn, symmetric
from .net_settings import RandomGru, RandomLstm, Recurrent, Tcn, canonical, check_cost, parse

FAMILY = "random"
KINDS: dict[str, type] = {"tcn": Tcn, "gru": RandomGru, "lstm": RandomLstm}
CONDITION = 128  # features of the vector that scales and shifts every layer of the research code's nets
TARGET_DBFS = -18.0  # RMS of the output for the calibration burst
BURST_RMS = 0.1  # a guitar at a healthy input level
SILENT_RMS = 1e-6  # a net with less output is silent: calibration would make its rounding noise audible
SILENT = "silent at a guitar's usual level: choose another seed, init or activation, or raise input_db"
TAMED = "explodes beyond what float32 can hold: the weights of its loud layers are divided, so that it can be played"
LOUDEST = 1e20  # an input a million times as loud still gives values below 3e38, the limit of float32
FRAMES = 4096
TAMING_FRAMES = 1024
BURST_MACS = 2e9  # bounds the time of calibration: large nets get a shorter burst


def random_spec(text: str) -> ModelSpec:
    """Return the net that `text` describes, with `level_db` set so that it plays at about -18 dBFS unless it is silent.

    Parameters
    ----------
    text : str
        ``tcn?key=value&...``, also ``gru`` and ``lstm``; keys and ranges are in `net_settings`.

    Raises
    ------
    UsageError
        An unknown kind, key or value.
    ResourceLimit
        More history or predicted load than `net_settings.check_cost` allows.
    """
    settings = parse(text, KINDS)
    check_cost(settings, text.partition("?")[0].lower())
    if not isinstance(settings, Tcn):
        return calibrated(_spec(text, settings, recurrent_nodes(settings)))
    silent = stays_silent(settings)
    far = settings.receptive_field > RECEPTIVE_FIELD
    # zeros do not change a net whose output for zeros is zero, so a long one needs no prewarm
    spec = replace(
        _spec(text, settings, tcn_nodes(settings)), quiet_past=not silent, prewarm=0 if silent and far else "auto"
    )
    return calibrated(spec, _within(settings, FRAMES // 2))


def _spec(text: str, settings: Tcn | Recurrent, nodes: tuple[Node, ...]) -> ModelSpec:
    name = f"{FAMILY}:{text}"
    return ModelSpec(FAMILY, nodes, name, rate_source="any", kind="pedal", metadata=asdict(settings))


def _within(settings: Tcn, frames: int) -> list[int]:
    """Return dilations for a receptive field of at most `frames`, or of the shortest possible length.

    The burst must fill the receptive field to measure the level; for noise, the distance between taps hardly matters.
    """
    while settings.receptive_field > frames and settings.dilation > 1:
        settings = replace(settings, dilation=settings.dilation - 1)
    return [settings.dilation**layer for layer in range(settings.layers)]


def check_words(text: str) -> None:
    """Raise the errors that `random_spec` would raise, except those that need the net itself."""
    check_cost(parse(text, KINDS), text.partition("?")[0].lower())


def kind_of(spec: ModelSpec | None) -> str:
    """Return the kind of a random net, "" for any other model."""
    if spec is None or spec.family != FAMILY:
        return ""
    return _words(spec).partition("?")[0].lower()


def settings_of(spec: ModelSpec) -> dict[str, int | str]:
    """Return the settings of a random net; true and false as text."""
    return {key: str(v).lower() if isinstance(v, bool) else v for key, v in spec.metadata.items()}


def words_with(text: str, settings: Mapping[str, float | str]) -> str:
    """Return the text ``kind?key=value&...`` of a random net with other settings."""
    kind, _, query = text.partition("?")
    parts = [pair.partition("=")[::2] for pair in query.split("&") if pair]
    pairs = {canonical(key): value for key, value in parts} | {key: str(value) for key, value in settings.items()}
    return f"{kind}?" + "&".join(f"{key}={value}" for key, value in pairs.items())


def changed_words(spec: ModelSpec, values: Mapping[str, float | str]) -> str:
    """Return the text of the random net with the settings in `values`, "" if `spec` has them already.

    Raises
    ------
    UsageError
        The settings exclude each other.
    ResourceLimit
        As for `random_spec`.
    """
    said = settings_of(spec)
    changed = {key: values[key] for key in said if key in values and values[key] != said[key]}
    if not changed:
        return ""
    text = words_with(_words(spec), changed)
    check_words(text)
    return text


def redrawn(spec: ModelSpec, values: Mapping[str, float | str]) -> ModelSpec:
    """Return the random net with the settings in `values`; `spec` itself if it has them already."""
    text = changed_words(spec, values)
    return _drawn(text) if text else spec


@lru_cache(maxsize=2)
def _drawn(text: str) -> ModelSpec:
    return random_spec(text)


def _words(spec: ModelSpec) -> str:
    return spec.name.removeprefix(f"{FAMILY}:")


def tcn_nodes(settings: Tcn) -> tuple[Node, ...]:
    """Return the graph: weights in layer order from one generator."""
    if settings.semantics == "python":
        return _python_nodes(settings)
    generator, bias_generator = TorchGenerator(settings.seed), TorchGenerator(settings.seed + 1)
    nodes: list[Node] = [Input(sources=(), channels=settings.inputs)]
    for layer, shape in enumerate(settings.shapes):
        bias = np.zeros(shape[0])
        if settings.bias:
            bias = symmetric(bias_generator, (shape[0],), _default_bound(shape)).astype(np.float64)
        _append_convolution(nodes, settings, layer, _weights(settings, generator, shape), bias)
        if layer < settings.layers - 1:
            _append_activation(nodes, settings)
    return tuple(nodes)


def stays_silent(settings: Tcn) -> bool:
    """Return whether zeros at the input give zeros everywhere in the net."""
    return not settings.biased and (settings.activation not in OFFSET_ACTIVATIONS or settings.layers == 1)


def _weights(settings: Tcn, generator: TorchGenerator, shape: tuple[int, ...]) -> np.ndarray:
    """Return one layer's weights, float32."""
    names = list(INITS)
    if settings.semantics == "as_shipped" and settings.init in names:
        return [drawn(name, generator, shape) for name in names[names.index(settings.init) :]][-1]
    return drawn(settings.init, generator, shape)


def _python_nodes(settings: Tcn) -> tuple[Node, ...]:
    """Return the research code's net: built with PyTorch's defaults; then all weights, but no biases, are redrawn."""
    generator = TorchGenerator(settings.seed)
    dimensions = settings.film_dim
    condition = [(dimensions**2, dimensions), (dimensions**4, dimensions**2), (CONDITION, dimensions**4)]
    shapes: list[tuple[int, ...]] = [*condition] if dimensions else []
    for shape in settings.shapes:
        shapes += [shape, (2 * shape[0], CONDITION)] if dimensions else [shape]
    biases = []
    for shape in shapes:
        symmetric(generator, shape, 1.0)  # the default weights, replaced below
        biases.append(symmetric(generator, (shape[0],), _default_bound(shape)).astype(np.float64))
    weights = [drawn(settings.init, generator, shape).astype(np.float64) for shape in shapes]
    vector = np.array(settings.film_values)
    tables = list(zip(weights, biases, strict=True))
    if dimensions:
        for weight, bias in tables[:3]:
            vector = np.maximum(weight @ vector + bias, 0.0) if vector.size else vector
        tables = tables[3:]
    nodes: list[Node] = [Input(sources=(), channels=settings.inputs)]
    for layer, shape in enumerate(settings.shapes):
        _append_convolution(nodes, settings, layer, *tables.pop(0))
        if dimensions:
            weight, bias = tables.pop(0)
            if vector.size:
                scale, shift = np.split(weight @ vector + bias, [shape[0]])
                nodes.append(Affine((len(nodes) - 1,), scale=scale, shift=shift))
        _append_activation(nodes, settings)
    return tuple(nodes)


def _append_convolution(nodes: list[Node], settings: Tcn, layer: int, weight: np.ndarray, bias: np.ndarray) -> None:
    groups = settings.channels // weight.shape[1] if settings.depthwise and 0 < layer < settings.layers - 1 else 1
    dilation = settings.dilation**layer
    nodes.append(
        Conv1d((len(nodes) - 1,), weight=weight.astype(np.float64), bias=bias, dilation=dilation, groups=groups)
    )


def _append_activation(nodes: list[Node], settings: Tcn) -> None:
    function = activation(settings.activation, settings.semantics == "python")
    if function is not None:
        nodes.append(Activation((len(nodes) - 1,), kind=function[0], slope=function[1]))


def _default_bound(shape: tuple[int, ...]) -> float:
    """Return PyTorch's bound of a layer's biases: 1 / sqrt(fan_in)."""
    return 1 / math.sqrt(math.prod(shape[1:]))


def recurrent_nodes(settings: Recurrent) -> tuple[Node, ...]:
    """Return the graph; biases are U(+-1/sqrt(channels)) from seed + 1, as for the convolution stack."""
    generator, bias_generator = TorchGenerator(settings.seed), TorchGenerator(settings.seed + 1)
    size, rows = settings.channels, settings.gates * settings.channels
    nodes: list[Node] = [Input(sources=(), channels=settings.inputs)]

    def bias(width: int) -> np.ndarray:
        if not settings.bias:
            return np.zeros(width)
        return symmetric(bias_generator, (width,), 1 / math.sqrt(size)).astype(np.float64)

    for layer in range(settings.layers):
        inputs = size if layer else settings.inputs
        weight_ih = drawn(settings.init, generator, (rows, inputs)).astype(np.float64)
        weight_hh = drawn(settings.init, generator, (rows, size)).astype(np.float64)
        before = (len(nodes) - 1,)
        if isinstance(settings, RandomGru):
            nodes.append(Gru(before, weight_ih=weight_ih, weight_hh=weight_hh, bias_ih=bias(rows), bias_hh=bias(rows)))
        else:
            nodes.append(Lstm(before, weight_ih=weight_ih, weight_hh=weight_hh, bias=bias(rows)))
    weight = drawn(settings.init, generator, (settings.outputs, size)).astype(np.float64)
    nodes.append(Dense((len(nodes) - 1,), weight=weight, bias=bias(settings.outputs)))
    return tuple(nodes)


def calibrated(spec: ModelSpec, dilations: Sequence[int] = ()) -> ModelSpec:
    """Return the net with the gain that brings its output for a burst of noise to `TARGET_DBFS` RMS, offset removed.

    A silent net keeps its level, and a warning says so. A net whose signals would exceed the range of float32 gets
    smaller weights, see `tamed`. If `dilations` are given, the burst goes through the net with these.
    """
    frames = int(min(FRAMES, max(512, BURST_MACS / spec.macs_per_sample)))
    burst = BURST_RMS * np.random.Generator(np.random.Philox(1)).standard_normal((spec.inputs, frames))
    y = evaluate(_nearer(spec, dilations), burst, cold=True)[:, frames // 2 :]
    if not np.abs(y).max() < LOUDEST:
        spec = tamed(spec, dilations, burst[:, :TAMING_FRAMES])
        y = evaluate(_nearer(spec, dilations), burst, cold=True)[:, frames // 2 :]
    rms = math.sqrt(float(np.mean((y - y.mean(axis=1, keepdims=True)) ** 2)))
    if rms < SILENT_RMS:
        return replace(spec, warnings=(*spec.warnings, SILENT))
    level = round(TARGET_DBFS - db_from_gain(rms), 2)  # rounded, so that it does not depend on the order of sums
    return replace(spec, level_db=level)


def tamed(spec: ModelSpec, dilations: Sequence[int], burst: np.ndarray) -> ModelSpec:
    """Return the net with every layer whose output for the burst is above 1 RMS divided by a power of two.

    A net whose activations are linear on both sides of 0 changes only in level. In other nets the activations distort
    less than they would at the original level, which float32 cannot represent.
    """
    own, signal = iter(dilations), burst
    nodes = [spec.nodes[0]]
    for node in spec.nodes[1:]:  # a chain: each node reads the one before
        nearer = replace(node, dilation=next(own, node.dilation)) if isinstance(node, Conv1d) else node
        alone = replace(nearer, sources=(0,))
        source = Input((), channels=len(signal))
        signal = evaluate(replace(spec, nodes=(source, alone), quiet_past=False), signal, cold=True)
        rms = math.sqrt(float(np.mean(signal**2)))
        if isinstance(node, Conv1d) and rms > 1.0:
            scale = 2.0 ** -math.ceil(math.log2(rms))
            node, signal = replace(node, weight=node.weight * scale, bias=node.bias * scale), signal * scale
        nodes.append(node)
    return replace(spec, nodes=tuple(nodes), warnings=(*spec.warnings, TAMED))


def _nearer(spec: ModelSpec, dilations: Sequence[int]) -> ModelSpec:
    """Return the net with other dilations; unchanged if none are given."""
    own = iter(dilations)
    nodes = (replace(n, dilation=next(own, n.dilation)) if isinstance(n, Conv1d) else n for n in spec.nodes)
    return replace(spec, nodes=tuple(nodes))
