"""Random nets: ``random:tcn?seed=42&layers=6&...``, an untrained convolution stack as an effect, after RONN.

Layer i is a convolution of dilation ``dilation ** i``; an activation follows each but the last. With the plugin's
values the weights are those of the RONN plugin: semantics ``intended`` draws them from the `init` that was asked for,
``as_shipped`` repeats the plugin's defect, by which the weights always end up kaiming_uniform and `init` only decides
how many numbers are drawn first. RONN's biases are not reproducible; here they are U(+-1/sqrt(fan_in)) from `seed` + 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np

from ..errors import UsageError, did_you_mean
from ..units import db_from_gain
from .limits import RECEPTIVE_FIELD, at_most
from .nodes import Activation, Affine, Conv1d, Input, Node
from .reference import evaluate
from .spec import ModelSpec
from .torch_random import TorchGenerator

TARGET_DBFS = -18.0  # RMS of the output for the calibration burst
BURST_RMS = 0.1  # a guitar at a healthy input level
SILENT_RMS = 1e-6  # below this, calibration would raise rounding noise to a sound
BURST_MACS = 2e9  # bounds the time of calibration: large nets get a shorter burst
SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772
# name: spec.Activation's kind and slope; linear is none
ACTIVATIONS: dict[str, tuple[str, float] | None] = {
    "linear": None,
    "leaky_relu": ("leaky_relu", 0.2),
    "tanh": ("tanh", 1.0),
    "sigmoid": ("sigmoid", 1.0),
    "relu": ("relu", 1.0),
    "elu": ("elu", 1.0),
    "selu": ("elu", SELU_ALPHA),
    "gelu": ("gelu", 1.0),
    "softplus": ("softplus", 1.0),
    "softshrink": ("softshrink", 0.5),
    "rrelu": ("leaky_relu", 11 / 48),  # the mean of its training slopes, 1/8 and 1/3
    "sine": ("sine", 1.0),
    "sine30": ("sine", 30.0),
}
Draw = Callable[[TorchGenerator, tuple[int, ...], int, int], np.ndarray]  # generator, shape, fan_in, fan_out
INITS: dict[str, Draw] = {
    "normal": lambda g, shape, fan_in, fan_out: g.normal(shape, 1.0),
    "uniform1": lambda g, shape, fan_in, fan_out: g.uniform(shape, -0.25, 0.25),
    "uniform2": lambda g, shape, fan_in, fan_out: g.uniform(shape, -1.0, 1.0),
    "xavier_normal": lambda g, shape, fan_in, fan_out: g.normal(shape, math.sqrt(2 / (fan_in + fan_out))),
    "xavier_uniform": lambda g, shape, fan_in, fan_out: _symmetric(g, shape, math.sqrt(6 / (fan_in + fan_out))),
    "kaiming_normal": lambda g, shape, fan_in, fan_out: g.normal(shape, math.sqrt(2 / fan_in)),
    "kaiming_uniform": lambda g, shape, fan_in, fan_out: _symmetric(g, shape, math.sqrt(6 / fan_in)),
}
CHOICES = {"activation": tuple(ACTIVATIONS), "init": tuple(INITS), "semantics": ("intended", "as_shipped")}
RANGES = {
    "seed": (0, 2**32 - 2),
    "layers": (1, 24),
    "channels": (1, 64),
    "kernel": (1, 64),
    "dilation": (1, 4),
    "inputs": (1, 2),
    "outputs": (1, 2),
}
WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True)
class Tcn:
    """The settings of a random convolution stack; the names are the keys of ``random:tcn?key=value``."""

    seed: int = 42
    layers: int = 6
    channels: int = 8
    kernel: int = 3
    dilation: int = 2
    activation: str = "tanh"
    init: str = "xavier_normal"
    bias: bool = False
    depthwise: bool = False  # middle layers convolve each channel on its own
    inputs: int = 1
    outputs: int = 1
    semantics: str = "intended"


def random_spec(text: str) -> ModelSpec:
    """Return the net that `text` describes, with `level_db` set so that it plays at about -18 dBFS.

    Parameters
    ----------
    text : str
        ``tcn?key=value&...``; keys, defaults and ranges are those of `Tcn` and `RANGES`.

    Raises
    ------
    UsageError
        An unknown kind, key or value, or a net whose output explodes.
    ResourceLimit
        A receptive field beyond `limits.RECEPTIVE_FIELD`.
    """
    settings = _parse(text)
    dilations = [settings.dilation**layer for layer in range(settings.layers)]
    at_most(1 + (settings.kernel - 1) * sum(dilations), RECEPTIVE_FIELD, "receptive field of the random net in frames")
    nodes = _nodes(settings, dilations)
    raw = ModelSpec(family="random", nodes=nodes, name=f"random:{text}")
    return ModelSpec(
        family="random",
        nodes=nodes,
        name=f"random:{text}",
        rate_source="any",
        kind="pedal",
        level_db=_calibrate(raw),
        metadata={field.name: getattr(settings, field.name) for field in fields(settings)},
    )


def with_seed(text: str, step: int) -> str:
    """Return the words of a random net with the seed that is so many on, after the last the first."""
    kind, _, query = text.partition("?")
    pairs = dict(pair.partition("=")[::2] for pair in query.split("&") if pair)
    low, high = RANGES["seed"]
    pairs["seed"] = str(low + (int(pairs.get("seed", Tcn.seed)) + step - low) % (high - low + 1))
    return f"{kind}?" + "&".join(f"{key}={value}" for key, value in pairs.items())


def _parse(text: str) -> Tcn:
    """Return the settings in ``tcn?key=value&...``."""
    kind, _, query = text.partition("?")
    if kind != "tcn":
        raise UsageError(f"random:{kind[:60]} is no kind of random net{did_you_mean(kind[:60], ['tcn'])}, known: tcn")
    types = {field.name: type(field.default) for field in fields(Tcn)}
    values: dict[str, int | str | bool] = {}
    for pair in filter(None, query.split("&")):
        key, equals, value = pair.partition("=")
        if key not in types or not equals:
            hint = did_you_mean(key[:60], types)
            raise UsageError(f"random:tcn has no key {key[:60]!r}{hint}, expected key=value of: {', '.join(types)}")
        if key in values:
            raise UsageError(f"random:tcn names {key} twice, expected once")
        values[key] = _value(key, value, types[key])
    return Tcn(**values)  # type: ignore[arg-type]


def _value(key: str, value: str, kind: type) -> int | str | bool:
    """Return one setting, checked."""
    if kind is bool:
        if value.lower() not in WORDS:
            raise UsageError(f"random:tcn: {key} is {value[:60]!r}, expected true or false")
        return WORDS[value.lower()]
    if kind is str:
        if value not in CHOICES[key]:
            hint = did_you_mean(value[:60], CHOICES[key])
            raise UsageError(f"random:tcn: {key} is {value[:60]!r}{hint}, expected one of: {', '.join(CHOICES[key])}")
        return value
    low, high = RANGES[key]
    if not (value.isascii() and value.isdigit() and len(value) < 20 and low <= int(value) <= high):
        raise UsageError(f"random:tcn: {key} is {value[:60]!r}, expected an integer from {low} to {high}")
    return int(value)


def _nodes(settings: Tcn, dilations: list[int]) -> tuple[Node, ...]:
    """Return the graph: weights in layer order from one generator."""
    generator, bias_generator = TorchGenerator(settings.seed), TorchGenerator(settings.seed + 1)
    widths = [settings.inputs, *[settings.channels] * (settings.layers - 1), settings.outputs]
    nodes: list[Node] = [Input(sources=(), channels=settings.inputs)]
    for layer, dilation in enumerate(dilations):
        inside = 0 < layer < settings.layers - 1
        groups = settings.channels if settings.depthwise and inside else 1
        shape = (widths[layer + 1], widths[layer] // groups, settings.kernel)
        fan_in, fan_out = shape[1] * shape[2], shape[0] * shape[2]
        bias = np.zeros(shape[0])
        if settings.bias:
            bias = _symmetric(bias_generator, (shape[0],), 1 / math.sqrt(fan_in)).astype(np.float64)
        weight = _weights(settings, generator, shape, fan_in, fan_out).astype(np.float64)
        nodes.append(Conv1d((len(nodes) - 1,), weight=weight, bias=bias, dilation=dilation, groups=groups))
        if layer < settings.layers - 1:
            _append_activation(nodes, settings.activation, shape[0])
    return tuple(nodes)


def _weights(settings: Tcn, generator: TorchGenerator, shape: tuple[int, ...], fan_in: int, fan_out: int) -> np.ndarray:
    """Return one layer's weights, float32."""
    names = list(INITS)
    first = names.index(settings.init)
    drawn = names[first:] if settings.semantics == "as_shipped" else [settings.init]
    return [INITS[name](generator, shape, fan_in, fan_out) for name in drawn][-1]


def _append_activation(nodes: list[Node], name: str, width: int) -> None:
    """Append the nodes of an activation, `width` features wide."""
    function = ACTIVATIONS[name]
    if function is None:
        return
    kind, slope = function
    nodes.append(Activation((len(nodes) - 1,), kind=kind, slope=slope))
    if name == "selu":
        nodes.append(Affine((len(nodes) - 1,), scale=np.full(width, SELU_SCALE), shift=np.zeros(width)))


def _symmetric(generator: TorchGenerator, shape: tuple[int, ...], bound: float) -> np.ndarray:
    return generator.uniform(shape, -bound, bound)


def _calibrate(spec: ModelSpec) -> float:
    """Return the gain in dB that brings the output for a burst of noise to `TARGET_DBFS` RMS, its offset removed."""
    frames = int(min(4096, max(512, BURST_MACS / spec.macs_per_sample)))
    burst = BURST_RMS * np.random.Generator(np.random.Philox(1)).standard_normal((spec.inputs, frames))
    y = evaluate(spec, burst, cold=True)[:, frames // 2 :]
    if not np.abs(y).max() < 1e30:
        raise UsageError(f"{spec.name}: the output explodes beyond float32: choose another init or fewer layers")
    rms = math.sqrt(float(np.mean((y - y.mean(axis=1, keepdims=True)) ** 2)))
    if rms < SILENT_RMS:
        raise UsageError(f"{spec.name}: the output is silent: choose another seed, init or activation")
    return round(TARGET_DBFS - db_from_gain(rms), 2)  # rounded, so that it does not depend on the order of sums
