"""NAM's WaveNet: arrays of dilated layers that read a condition and add to a head, made of plain nodes.

The config is parsed and checked whole before a weight is touched. In a layer, with v its input, c the condition and F a
FiLM where the array has one::

    z = F(F(conv(F(v))) + F(mixin(F(c))))
    p = F(A(z))                              gate none
    p = F(A(z[:B]) G(z[B:]))                 gated
    p = F(z[:B] + G(z[B:]) (A(z[:B]) - z[:B]))   blended
    head += F(head1x1(p));  v += F(layer1x1(p))
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import MissingKey, ShapeMismatch, UnsupportedArchitecture
from ..nodes import Add, Affine, Mul, Slice
from ..values import (
    NODES,
    RECEPTIVE_FIELD,
    SIZES,
    at,
    at_most,
    integer,
    integer_at,
    listed,
    mapping,
    one_of,
    required,
    shown,
)
from .nam_parts import Job, NamGraph, Part, Size, Weights, append_activation, divides, flag

GATES = ("none", "gated", "blended")
FILMS = (
    "conv_pre_film", "conv_post_film", "input_mixin_pre_film", "input_mixin_post_film",
    "activation_pre_film", "activation_post_film", "layer1x1_post_film", "head1x1_post_film",
)  # fmt: skip
ARRAY_KEYS = {
    "input_size", "condition_size", "channels", "dilations", "kernel_size", "kernel_sizes", "activation", "gating_mode",
    "gated", "secondary_activation", "head", "head_size", "head_bias", "bottleneck", "groups_input",
    "groups_input_mixin", "layer1x1", "head1x1", "slimmable", *FILMS,
}  # fmt: skip
SLIM_METHOD = "slice_channels_uniform"
OLD_POST_FILM = "nam-0.5.5"
Tensors = tuple[np.ndarray, np.ndarray]  # weight (out, in/groups, taps) and bias (out,)
CONFIG_KEYS = {"layers", "head", "head_scale", "in_channels", "condition_dsp"}


@dataclass(frozen=True)
class Pointwise:
    """A 1x1 layer (`outputs` for head1x1 only) or a FiLM (`shift` for FiLM only)."""

    groups: int = 1
    outputs: int = 0
    shift: bool = True


@dataclass(frozen=True)
class LayerConfig:
    """The options that differ between layers; activations are as in the file."""

    taps: int
    dilation: int
    activation: Any
    gate: str
    secondary: Any


@dataclass(frozen=True)
class ArrayConfig:
    """One layer array: widths, layers and options; `sizes` are the channel counts it can be slimmed to."""

    where: str
    inputs: int
    condition: int
    channels: int
    bottleneck: int
    layers: tuple[LayerConfig, ...]
    groups: int
    groups_mixin: int
    layer1x1: Pointwise | None
    head1x1: Pointwise | None
    films: dict[str, Pointwise]
    head_outputs: int
    head_taps: int
    head_dilation: int
    head_bias: bool
    sizes: tuple[int, ...]

    @property
    def accumulator(self) -> int:
        """Features that the layers add up for the head."""
        return self.head1x1.outputs if self.head1x1 else self.bottleneck


def parse_array(data: Any, where: str) -> ArrayConfig:
    """Return one entry of ``config.layers``.

    Raises
    ------
    ModelError
        A missing key, a wrong type, a width that does not fit: the rules of formats.md, section 9.7.
    """
    second = data.get("secondary_activation", "Sigmoid") if isinstance(data, dict) else None  # null: there is no gate
    data = mapping(data, where)
    channels, condition = integer_at(data, "channels", where), integer_at(data, "condition_size", where)
    bottleneck = integer_at(data, "bottleneck", where, channels)
    layers = _layers(data, second, where)
    layer1x1 = _pointwise(data, "layer1x1", where, present=True)
    head1x1 = _pointwise(data, "head1x1", where)
    films = {name: film for name in FILMS if (film := _film(data.get(name), f"{where}.{name}"))}
    outputs, taps, dilation, bias = _head(data, where)
    array = ArrayConfig(
        where, integer_at(data, "input_size", where), condition, channels, bottleneck, layers,
        integer_at(data, "groups_input", where, 1), integer_at(data, "groups_input_mixin", where, 1),
        layer1x1, head1x1, films, outputs, taps, dilation, bias, _sizes(data.get("slimmable"), channels, where),
    )  # fmt: skip
    _check(array)
    return array


def _check(array: ArrayConfig) -> None:
    """Raise unless every width fits its neighbours and the groups."""
    where = array.where
    if array.layer1x1 is None and array.bottleneck != array.channels:
        raise ShapeMismatch(
            f"{where}: without layer1x1 bottleneck is {array.bottleneck}, expected channels, {array.channels}"
        )
    for name, present in (("layer1x1", array.layer1x1), ("head1x1", array.head1x1)):
        if f"{name}_post_film" in array.films and present is None:
            raise ShapeMismatch(f"{where}: {name}_post_film is active, expected {name} to be")
    if array.layer1x1:
        divides(array.layer1x1.groups, f"{where}.layer1x1", bottleneck=array.bottleneck, channels=array.channels)
    if array.head1x1:
        divides(array.head1x1.groups, f"{where}.head1x1", bottleneck=array.bottleneck, outputs=array.head1x1.outputs)
    for layer in array.layers:
        outputs = mixed(array, layer)
        divides(array.groups, f"{where}.groups_input", channels=array.channels, outputs=outputs)
        divides(array.groups_mixin, f"{where}.groups_input_mixin", conditions=array.condition, outputs=outputs)
        for name, film in array.films.items():
            rows = (2 if film.shift else 1) * film_width(array, layer, name)
            divides(film.groups, f"{where}.{name}", conditions=array.condition, outputs=rows)


def mixed(array: ArrayConfig, layer: LayerConfig) -> int:
    """Return the features before a layer's activation."""
    return array.bottleneck * (1 if layer.gate == "none" else 2)


def film_width(array: ArrayConfig, layer: LayerConfig, name: str) -> int:
    """Return the features of the signal that a FiLM changes."""
    if name == "input_mixin_pre_film":
        return array.condition
    if name == "activation_post_film":
        return array.bottleneck
    if name in ("conv_pre_film", "layer1x1_post_film"):
        return array.channels
    if name == "head1x1_post_film":
        return array.accumulator
    return mixed(array, layer)


def _layers(data: dict, second: Any, where: str) -> tuple[LayerConfig, ...]:
    """Return the layers; each option is one value for all layers or a list with one value per layer."""
    dilations = at(data, "dilations", where, listed)
    count = at_most(len(dilations), NODES, f"{where}: number of layers")
    if not count:
        raise ShapeMismatch(f"{where}.dilations is empty, expected at least one layer")
    if ("kernel_size" in data) == ("kernel_sizes" in data):
        found = "both kernel_size and kernel_sizes" if "kernel_size" in data else "neither kernel_size nor kernel_sizes"
        error = ShapeMismatch if "kernel_size" in data else MissingKey
        raise error(f"{where} has {found}, expected one of them")
    if "kernel_sizes" in data:
        listed(data["kernel_sizes"], f"{where}.kernel_sizes")

    def each(key: str, value: Any) -> list:
        values = value if isinstance(value, list) else [value] * count
        if len(values) != count:
            raise ShapeMismatch(f"{where}.{key} has {len(values)} entries, expected one for each of {count} layers")
        return values

    key = "kernel_sizes" if "kernel_sizes" in data else "kernel_size"
    taps, activations = each(key, data[key]), each("activation", required(data, "activation", where))
    if "gating_mode" in data:
        gates = each("gating_mode", data["gating_mode"])
        secondary = each("secondary_activation", second)
    else:  # the older switch knew no other second activation, and NAM's player reads none beside it
        gates = each("gated", "gated" if flag(data.get("gated", False), f"{where}.gated") else "none")
        secondary = ["Sigmoid"] * count

    def small(value: Any, key: str) -> int:
        return at_most(integer(value, f"{where}.{key}"), RECEPTIVE_FIELD, f"{where}.{key}")

    return tuple(
        LayerConfig(
            small(k, key), small(d, "dilations"), activation, one_of(gate, GATES, f"{where}.gating_mode"), second
        )
        for k, d, activation, gate, second in zip(taps, dilations, activations, gates, secondary, strict=True)
    )


def _pointwise(data: dict, key: str, where: str, present: bool = False) -> Pointwise | None:
    """Return layer1x1 or head1x1, None if inactive; `present` tells whether a missing key means active."""
    if data.get(key) is None:
        return Pointwise() if present else None
    entry, where = mapping(data[key], f"{where}.{key}"), f"{where}.{key}"
    if not flag(entry.get("active", present), f"{where}.active"):
        return None
    outputs = integer_at(entry, "out_channels", where) if key == "head1x1" else 0
    return Pointwise(integer_at(entry, "groups", where, 1), outputs)


def _film(entry: Any, where: str) -> Pointwise | None:
    """Return a FiLM, None if inactive; an object without the key `active` is active."""
    if entry is None or entry is False:
        return None
    entry = mapping(entry, where)
    if not flag(entry.get("active", True), f"{where}.active"):
        return None
    return Pointwise(integer_at(entry, "groups", where, 1), shift=flag(entry.get("shift", True), f"{where}.shift"))


def _head(data: dict, where: str) -> tuple[int, int, int, bool]:
    """Return output channels, taps, dilation and bias of the array's head."""
    if data.get("head") is None:
        outputs = integer_at(data, "head_size", where)
        return outputs, 1, 1, flag(required(data, "head_bias", where), f"{where}.head_bias")
    head, where = mapping(data["head"], f"{where}.head"), f"{where}.head"
    taps = integer_at(head, "kernel_size", where, limit=RECEPTIVE_FIELD)
    dilation = integer_at(head, "head_dilation", where, 1, limit=RECEPTIVE_FIELD)
    return integer_at(head, "out_channels", where), taps, dilation, flag(required(head, "bias", where), f"{where}.bias")


def _sizes(data: Any, channels: int, where: str) -> tuple[int, ...]:
    """Return the channel counts of a slimmable array, ascending, its full count last; () if it is not slimmable."""
    if not isinstance(data, dict):  # null, false
        return ()
    where = f"{where}.slimmable"
    data = mapping(data, where)
    method = data.get("method", SLIM_METHOD)
    if method != SLIM_METHOD:
        raise UnsupportedArchitecture(f"{where}.method is {shown(method)}, expected {SLIM_METHOD!r}")
    options = mapping(data.get("kwargs") or {}, f"{where}.kwargs")
    listing = options.get("allowed_channels")
    if listing is None:
        return tuple(range(1, channels + 1))
    where = f"{where}.kwargs.allowed_channels"
    allowed = [integer(value, where) for value in listed(listing, where)]
    if not allowed or allowed[-1] != channels or allowed != sorted(set(allowed)):
        raise ShapeMismatch(f"{where} is {shown(allowed)}, expected ascending numbers up to {channels}")
    return tuple(allowed)


def read_wavenet(job: Job) -> Part:
    """Append a WaveNet.

    With compat ``nam-0.5.5`` layer1x1_post_film acts in blended layers only, as in NeuralAmpModelerCore up to 0.5.5.
    """
    where = f"{job.where}config"
    channels = job.integer("in_channels", 1)
    arrays = _arrays(job, channels)
    head = mapping(job.config["head"], f"{where}.head") if job.config.get("head") is not None else None
    source = condition = job.source(channels)
    prewarm = 1
    if job.config.get("condition_dsp") is not None:
        inner = job.nested(job.config["condition_dsp"], f"{job.where}config.condition_dsp.", source, None)
        condition, prewarm = inner.output, inner.prewarm
    found = job.graph.widths[condition]
    for array in arrays:
        if array.condition != found:
            raise ShapeMismatch(f"{array.where}.condition_size is {array.condition}, expected {found}: the condition's")
    target = _slimmed(job, arrays, head)
    weights, v, total = job.weights, source, -1
    for i, array in enumerate(arrays):
        head_outputs = target[i + 1] if i + 1 < len(arrays) else array.head_outputs
        reader = _ArrayReader(job.graph, weights, array, target[i], condition, job.compat)
        v, total = reader.append(v, total, Size(array.head_outputs, head_outputs))
        prewarm += sum((layer.taps - 1) * layer.dilation for layer in array.layers)
        prewarm += (array.head_taps - 1) * array.head_dilation
    outputs = arrays[-1].head_outputs
    convolutions = _head_weights(weights, head, outputs, f"{where}.head") if head else []
    scale = np.repeat(weights.take(1), outputs)  # the last weight, whatever config.head_scale says
    total = job.graph.add(Affine((total,), scale=scale, shift=np.zeros(outputs)))
    for weight, bias in convolutions:
        width = weight.shape[1]
        activation = required(head or {}, "activation", f"{where}.head")
        total = append_activation(job.graph, total, activation, f"{where}.head.activation", Size(width, width))
        total = job.graph.linear(total, weight, bias)
        prewarm += weight.shape[2] - 1
    return job.part(total, prewarm)


def _arrays(job: Job, channels: int) -> list[ArrayConfig]:
    """Return the layer arrays, each fitting the one before."""
    where = f"{job.where}config"
    entries = at(job.config, "layers", where, listed)
    if not entries:
        raise ShapeMismatch(f"{where}.layers is empty, expected at least one layer array")
    at_most(len(entries), NODES, "number of layer arrays")
    arrays = [parse_array(entry, f"{where}.layers[{i}]") for i, entry in enumerate(entries)]
    places = [
        (job.config, CONFIG_KEYS, where),
        *((e, ARRAY_KEYS, a.where) for e, a in zip(entries, arrays, strict=True)),
    ]
    for data, known, place in places:
        for key in sorted(set(data) - known)[:5]:
            job.graph.warnings.append(f"{place} has a key {shown(key)} that is not known: ignored")
    for before, array in zip(arrays, arrays[1:], strict=False):
        for what, found, expected in (
            ("channels", array.channels, before.head_outputs),
            ("the head's accumulator", array.accumulator, before.head_outputs),
            ("input_size", array.inputs, before.channels),
        ):
            if found != expected:
                raise ShapeMismatch(f"{array.where}: {what} is {found}, expected {expected} from the array before")
    if arrays[0].inputs != channels:
        raise ShapeMismatch(f"{arrays[0].where}.input_size is {arrays[0].inputs}, expected in_channels, {channels}")
    return arrays


def _head_weights(weights: Weights, head: dict[str, Any], inputs: int, where: str) -> list[Tensors]:
    """Return weight and bias of each convolution of the head behind all arrays."""
    if "kernel_sizes" not in head and "num_layers" in head:  # of trainers before 0.13: one tap each
        head = head | {"kernel_sizes": [1] * integer_at(head, "num_layers", where, limit=NODES)}
    sizes = at(head, "kernel_sizes", where, listed)
    if not sizes:
        raise ShapeMismatch(f"{where}.kernel_sizes is empty, expected at least one convolution")
    at_most(len(sizes), NODES, f"{where}: number of convolutions")
    if head.get("in_channels") is not None and integer(head["in_channels"], f"{where}.in_channels") != inputs:
        raise ShapeMismatch(f"{where}.in_channels is {head['in_channels']}, expected {inputs} from the last array")
    hidden, outputs = integer_at(head, "channels", where), integer_at(head, "out_channels", where)
    result = []
    for i, value in enumerate(sizes):
        taps = at_most(integer(value, f"{where}.kernel_sizes[{i}]"), RECEPTIVE_FIELD, f"{where}.kernel_sizes[{i}]")
        width = hidden if i + 1 < len(sizes) else outputs
        result.append((weights.take(width, inputs, taps), weights.take(width)))
        inputs = width
    return result


def _slimmed(job: Job, arrays: Sequence[ArrayConfig], head: dict[str, Any] | None) -> list[int]:
    """Return the channels of each array at the job's size, having noted at which sizes they change."""
    full = [array.channels for array in arrays]
    if job.size is None or not any(array.sizes for array in arrays):
        return full
    cause = _unslimmable(arrays, head)
    if cause:
        job.graph.warnings.append(f"{job.where}config says slimmable, but {cause}: full size only")
        return full
    chosen = []
    for array in arrays:
        count = len(array.sizes)
        job.graph.breakpoints.update(i / count for i in range(1, count))
        chosen.append(array.sizes[min(math.floor(job.size * count), count - 1)] if count else array.channels)
    return chosen


def _unslimmable(arrays: Sequence[ArrayConfig], head: dict[str, Any] | None) -> str:
    """Return the reason why these arrays cannot be slimmed, "" if they can."""
    if head is not None:
        return "has a head behind its arrays"
    for array in arrays:
        if len(array.sizes) > SIZES:
            return f"has {len(array.sizes)} sizes, more than {SIZES}"
        parts = [*array.films.values(), *(part for part in (array.layer1x1, array.head1x1) if part)]
        if max(array.groups, array.groups_mixin, *(part.groups for part in parts), 1) > 1:
            return "has groups"
        if array.head_taps > 1:
            return "its head looks back"
        if array.head1x1 and len(arrays) > 1:
            return "has head1x1 in several arrays"
    return ""


class _ArrayReader:
    """One layer array, its channels slimmed to `channels`, being appended to a graph."""

    def __init__(
        self, graph: NamGraph, weights: Weights, array: ArrayConfig, channels: int, condition: int, compat: str | None
    ):
        self.graph, self.weights, self.array, self.condition, self.compat = graph, weights, array, condition, compat
        self.channels = Size(array.channels, channels)
        slim = channels if array.layer1x1 is None else max(1, array.bottleneck * channels // array.channels)
        self.bottleneck = Size(array.bottleneck, slim)

    def append(self, v: int, total: int, outputs: Size) -> tuple[int, int]:
        """Append the array; `total` is the head so far, -1 for none; return the last layer's output and the head."""
        array, weights = self.array, self.weights
        inputs = Size(array.inputs, self.graph.widths[v])
        v = self.graph.linear(v, weights.tensor(self.channels, inputs), None)
        for layer in array.layers:
            v, total = self._layer(layer, v, total)
        accumulator = Size(array.accumulator, self.graph.widths[total])
        weight = weights.tensor(outputs, accumulator, array.head_taps)
        bias = weights.vector(outputs) if array.head_bias else None
        return v, self.graph.linear(total, weight, bias, array.head_dilation)

    def _layer(self, layer: LayerConfig, v: int, total: int) -> tuple[int, int]:
        """Append one layer."""
        array, graph, c, b = self.array, self.graph, self.condition, self.bottleneck
        condition = Size(array.condition, array.condition)
        factor = 1 if layer.gate == "none" else 2
        rows = Size(mixed(array, layer), factor * b.used)
        conv = self.weights.tensor(rows, self.channels, layer.taps, array.groups), self.weights.vector(rows)
        mixin = self.weights.tensor(rows, condition, 1, array.groups_mixin)
        inner = self._pointwise(array.layer1x1, self.channels)
        outer = self._pointwise(array.head1x1, Size(array.accumulator, array.accumulator))
        self.films = self._films(layer, factor)
        if inner is None and len(array.layers) > 1:
            graph.warnings.append(
                f"{array.where}.layer1x1 is inactive: a layer passes on its input alone, as in NAM's player; NAM's "
                "trainer adds the activation"
            )
        a = graph.linear(self._film("conv_pre_film", v), *conv, layer.dilation, array.groups)
        a = self._film("conv_post_film", a)
        m = graph.linear(self._film("input_mixin_pre_film", c), mixin, None, 1, array.groups_mixin)
        m = self._film("input_mixin_post_film", m)
        z = self._film("activation_pre_film", graph.add(Add((a, m))))
        p = self._film("activation_post_film", self._gate(layer, z))
        skip = p
        if outer and array.head1x1:
            skip = self._film("head1x1_post_film", graph.linear(p, *outer, 1, array.head1x1.groups))
        total = skip if total < 0 else graph.add(Add((total, skip)))
        if inner and array.layer1x1:
            y = graph.linear(p, *inner, 1, array.layer1x1.groups)
            if self.compat != OLD_POST_FILM or layer.gate == "blended":
                y = self._film("layer1x1_post_film", y)
            v = graph.add(Add((v, y)))
        return v, total

    def _gate(self, layer: LayerConfig, z: int) -> int:
        """Append the layer's activation, gated or blended by a second one."""
        graph, b, where = self.graph, self.bottleneck, self.array.where
        if layer.gate == "none":
            return append_activation(graph, z, layer.activation, f"{where}.activation", b)
        first, second = (graph.add(Slice((z,), start=i * b.used, stop=(i + 1) * b.used)) for i in (0, 1))
        first_active = append_activation(graph, first, layer.activation, f"{where}.activation", b)
        gate = append_activation(graph, second, layer.secondary, f"{where}.secondary_activation", b)
        if layer.gate == "gated":
            return graph.add(Mul((first_active, gate)))
        minus = graph.add(Affine((first,), scale=np.full(b.used, -1.0), shift=np.zeros(b.used)))
        change = graph.add(Mul((gate, graph.add(Add((first_active, minus))))))
        return graph.add(Add((first, change)))

    def _pointwise(self, part: Any, outputs: Size) -> Tensors | None:
        """Take weight and bias of a 1x1 layer, if there is one."""
        if part is None:
            return None
        return self.weights.tensor(outputs, self.bottleneck, 1, part.groups), self.weights.vector(outputs)

    def _films(self, layer: LayerConfig, factor: int) -> dict[str, Tensors]:
        """Take weight and bias of each FiLM, in their order in the file; slimming takes leading rows, as NAM does."""
        condition = Size(self.array.condition, self.array.condition)
        used = dict.fromkeys(FILMS, factor * self.bottleneck.used) | {
            "conv_pre_film": self.channels.used,
            "input_mixin_pre_film": condition.used,
            "activation_post_film": self.bottleneck.used,
            "layer1x1_post_film": self.channels.used,
            "head1x1_post_film": self.array.accumulator,
        }
        taken = {}
        for name, film in self.array.films.items():
            parts = 2 if film.shift else 1
            rows = Size(parts * film_width(self.array, layer, name), parts * used[name])
            taken[name] = self.weights.tensor(rows, condition, 1, film.groups), self.weights.vector(rows)
        return taken

    def _film(self, name: str, x: int) -> int:
        """Append x * scale + shift, both from the condition, if the array has this FiLM."""
        if name not in self.films:
            return x
        graph, film = self.graph, self.array.films[name]
        y = graph.linear(self.condition, *self.films[name], 1, film.groups)
        width = graph.widths[x]
        if not film.shift:
            return graph.add(Mul((x, y)))
        scale, shift = (graph.add(Slice((y,), start=i * width, stop=(i + 1) * width)) for i in (0, 1))
        return graph.add(Add((graph.add(Mul((x, scale))), shift)))
