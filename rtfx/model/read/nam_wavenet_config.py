"""The config of NAM's WaveNet: layer arrays, parsed and checked before any weight is touched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...errors import MissingKey, ShapeMismatch, UnsupportedArchitecture
from ..limits import NODES, RECEPTIVE_FIELD, at_most
from ..values import integer, listed, mapping, one_of, required, shown
from .nam_graph import bounded, divides, flag

GATES = ("none", "gated", "blended")
FILMS = (
    "conv_pre_film", "conv_post_film", "input_mixin_pre_film", "input_mixin_post_film",
    "activation_pre_film", "activation_post_film", "layer1x1_post_film", "head1x1_post_film",
)  # fmt: skip
KEYS = {
    "input_size", "condition_size", "channels", "dilations", "kernel_size", "kernel_sizes", "activation", "gating_mode",
    "gated", "secondary_activation", "head", "head_size", "head_bias", "bottleneck", "groups_input",
    "groups_input_mixin", "layer1x1", "head1x1", "slimmable", *FILMS,
}  # fmt: skip
SLIM_METHOD = "slice_channels_uniform"


@dataclass(frozen=True)
class Pointwise:
    """A 1x1 layer (`outputs` for head1x1 only) or a FiLM (`shift` for FiLM only)."""

    groups: int = 1
    outputs: int = 0
    shift: bool = True


@dataclass(frozen=True)
class Layer:
    """What differs from layer to layer; the activations as in the file."""

    taps: int
    dilation: int
    activation: Any
    gate: str
    secondary: Any


@dataclass(frozen=True)
class Array:
    """One layer array: widths, layers and options; `sizes` are the channel counts it can be slimmed to."""

    where: str
    inputs: int
    condition: int
    channels: int
    bottleneck: int
    layers: tuple[Layer, ...]
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


def parse_array(data: Any, where: str) -> Array:
    """Return one entry of ``config.layers``.

    Raises
    ------
    ModelError
        A missing key, a wrong type, a width that does not fit: the rules of formats.md, section 9.7.
    """
    second = data.get("secondary_activation", "Sigmoid") if isinstance(data, dict) else None  # null: there is no gate
    data = mapping(data, where)
    channels, condition = bounded(data, "channels", where), bounded(data, "condition_size", where)
    bottleneck = bounded(data, "bottleneck", where, channels)
    layers = _layers(data, second, where)
    layer1x1 = _pointwise(data, "layer1x1", where, present=True)
    head1x1 = _pointwise(data, "head1x1", where)
    films = {name: film for name in FILMS if (film := _film(data.get(name), f"{where}.{name}"))}
    outputs, taps, dilation, bias = _head(data, where)
    array = Array(
        where, bounded(data, "input_size", where), condition, channels, bottleneck, layers,
        bounded(data, "groups_input", where, 1), bounded(data, "groups_input_mixin", where, 1),
        layer1x1, head1x1, films, outputs, taps, dilation, bias, _sizes(data.get("slimmable"), channels, where),
    )  # fmt: skip
    _check(array)
    return array


def _check(array: Array) -> None:
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


def mixed(array: Array, layer: Layer) -> int:
    """Return the features before a layer's activation."""
    return array.bottleneck * (1 if layer.gate == "none" else 2)


def film_width(array: Array, layer: Layer, name: str) -> int:
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


def _layers(data: dict, second: Any, where: str) -> tuple[Layer, ...]:
    """Return the layers: each option is one value for all or a list of one a layer."""
    dilations = listed(required(data, "dilations", where), f"{where}.dilations")
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
        Layer(small(k, key), small(d, "dilations"), activation, one_of(gate, GATES, f"{where}.gating_mode"), second)
        for k, d, activation, gate, second in zip(taps, dilations, activations, gates, secondary, strict=True)
    )


def _pointwise(data: dict, key: str, where: str, present: bool = False) -> Pointwise | None:
    """Return layer1x1 or head1x1, None where inactive; `present` is what a missing key means."""
    if data.get(key) is None:
        return Pointwise() if present else None
    entry, where = mapping(data[key], f"{where}.{key}"), f"{where}.{key}"
    if not flag(entry.get("active", present), f"{where}.active"):
        return None
    outputs = bounded(entry, "out_channels", where) if key == "head1x1" else 0
    return Pointwise(bounded(entry, "groups", where, 1), outputs)


def _film(entry: Any, where: str) -> Pointwise | None:
    """Return a FiLM, None where inactive; an object that does not say is active."""
    if entry is None or entry is False:
        return None
    entry = mapping(entry, where)
    if not flag(entry.get("active", True), f"{where}.active"):
        return None
    return Pointwise(bounded(entry, "groups", where, 1), shift=flag(entry.get("shift", True), f"{where}.shift"))


def _head(data: dict, where: str) -> tuple[int, int, int, bool]:
    """Return output channels, taps, dilation and bias of the array's head."""
    if data.get("head") is None:
        outputs = bounded(data, "head_size", where)
        return outputs, 1, 1, flag(required(data, "head_bias", where), f"{where}.head_bias")
    head, where = mapping(data["head"], f"{where}.head"), f"{where}.head"
    taps = bounded(head, "kernel_size", where, limit=RECEPTIVE_FIELD)
    dilation = bounded(head, "head_dilation", where, 1, limit=RECEPTIVE_FIELD)
    return bounded(head, "out_channels", where), taps, dilation, flag(required(head, "bias", where), f"{where}.bias")


def _sizes(data: Any, channels: int, where: str) -> tuple[int, ...]:
    """Return the channel counts that a slimmable array allows, ascending, the last its own; () where it is not."""
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
