"""NAM's WaveNet: arrays of dilated layers that read a condition and add up a head, composed of plain nodes.

In a layer, with v its input, c the condition and F a FiLM where there is one::

    z = F(F(conv(F(v))) + F(mixin(F(c))))
    p = F(A(z))                              gate none
    p = F(A(z[:B]) G(z[B:]))                 gated
    p = F(z[:B] + G(z[B:]) (A(z[:B]) - z[:B]))   blended
    head += F(head1x1(p));  v += F(layer1x1(p))
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...errors import ShapeMismatch
from ..limits import NODES, RECEPTIVE_FIELD, SIZES, at_most
from ..nodes import Add, Affine, Mul, Slice
from ..values import integer, listed, mapping, required, shown
from .nam_activation import append_activation
from .nam_graph import Job, NamGraph, Part, Size, Weights, bounded
from .nam_wavenet_config import FILMS, KEYS, Array, Layer, film_width, mixed, parse_array

OLD_POST_FILM = "nam-0.5.5"
Tensors = tuple[np.ndarray, np.ndarray]  # weight (out, in/groups, taps) and bias (out,)
CONFIG_KEYS = {"layers", "head", "head_scale", "in_channels", "condition_dsp"}


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


def _arrays(job: Job, channels: int) -> list[Array]:
    """Return the layer arrays, each fitting the one before."""
    where = f"{job.where}config"
    entries = listed(required(job.config, "layers", where), f"{where}.layers")
    if not entries:
        raise ShapeMismatch(f"{where}.layers is empty, expected at least one layer array")
    at_most(len(entries), NODES, "number of layer arrays")
    arrays = [parse_array(entry, f"{where}.layers[{i}]") for i, entry in enumerate(entries)]
    places = [(job.config, CONFIG_KEYS, where), *((e, KEYS, a.where) for e, a in zip(entries, arrays, strict=True))]
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
        head = head | {"kernel_sizes": [1] * bounded(head, "num_layers", where, limit=NODES)}
    sizes = listed(required(head, "kernel_sizes", where), f"{where}.kernel_sizes")
    if not sizes:
        raise ShapeMismatch(f"{where}.kernel_sizes is empty, expected at least one convolution")
    at_most(len(sizes), NODES, f"{where}: number of convolutions")
    if head.get("in_channels") is not None and integer(head["in_channels"], f"{where}.in_channels") != inputs:
        raise ShapeMismatch(f"{where}.in_channels is {head['in_channels']}, expected {inputs} from the last array")
    hidden, outputs = bounded(head, "channels", where), bounded(head, "out_channels", where)
    result = []
    for i, value in enumerate(sizes):
        taps = at_most(integer(value, f"{where}.kernel_sizes[{i}]"), RECEPTIVE_FIELD, f"{where}.kernel_sizes[{i}]")
        width = hidden if i + 1 < len(sizes) else outputs
        result.append((weights.take(width, inputs, taps), weights.take(width)))
        inputs = width
    return result


def _slimmed(job: Job, arrays: Sequence[Array], head: dict[str, Any] | None) -> list[int]:
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


def _unslimmable(arrays: Sequence[Array], head: dict[str, Any] | None) -> str:
    """Return why these arrays have no defined smaller sizes, "" if they have."""
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
        self, graph: NamGraph, weights: Weights, array: Array, channels: int, condition: int, compat: str | None
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

    def _layer(self, layer: Layer, v: int, total: int) -> tuple[int, int]:
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

    def _gate(self, layer: Layer, z: int) -> int:
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

    def _films(self, layer: Layer, factor: int) -> dict[str, Tensors]:
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
