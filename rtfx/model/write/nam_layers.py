"""Makes the layers of a NAM array alike: NAM's have the same widths, groups, mixes and FiLMs, other nets' need not.

What a layer lacks is filled with what changes nothing: rows of zeros, a 1x1 layer or FiLM that passes its signal on.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from .nam_pieces import Film, Linear, identity
from .plain_graph import PlainGraph
from .wavenet_parts import Layer

FILLED = ("conv", "mixin", "layer1x1", "head1x1")


def alike(graph: PlainGraph, layers: tuple[Layer, ...], channels: int, condition: int) -> tuple[Layer, ...]:
    """Return layers that do the same, each with all parts that any of them has."""
    width = max(layer.width for layer in layers)
    if any(layer.head1x1 for layer in layers) or any(layer.width < width for layer in layers):
        layers = tuple(replace(layer, head1x1=layer.head1x1 or identity(layer.width)) for layer in layers)
        outputs = layers[0].head1x1.outputs if layers[0].head1x1 else 0
        for layer in layers:
            if layer.head1x1 and layer.head1x1.outputs != outputs:
                graph.fail(layer.p, f"adds {layer.head1x1.outputs} features to a head of {outputs}")
    layers = tuple(_widened(graph, layer, width) for layer in layers)
    layers = tuple(layer if layer.mixin else replace(layer, mixin=_silent(layer, condition)) for layer in layers)
    if any(layer.layer1x1 for layer in layers) or width != channels:
        silent = Linear(np.zeros((channels, width, 1)), np.zeros(channels))
        layers = tuple(replace(layer, layer1x1=layer.layer1x1 or silent) for layer in layers)
    for part in FILLED:
        if len({getattr(layer, part).groups for layer in layers if getattr(layer, part)}) > 1:
            layers = tuple(replace(layer, **{part: getattr(layer, part).dense()}) for layer in layers)
    return _filmed(layers, channels, condition)


def _silent(layer: Layer, condition: int) -> Linear:
    return Linear(np.zeros((layer.conv.outputs, condition, 1)), np.zeros(layer.conv.outputs))


def _widened(graph: PlainGraph, layer: Layer, width: int) -> Layer:
    """Return a layer with more features, which its 1x1 layers do not read."""
    more = width - layer.width
    if not more:
        return layer
    if layer.gate != "none" or layer.films:
        graph.fail(layer.p, f"has {layer.width} features, another layer {width}: NAM's array the same for all")

    def rows(part: Linear) -> Linear:
        part = part.dense()
        return replace(part, weight=_padded(part.weight, 0, more), bias=np.append(part.bias, np.zeros(more)))

    def columns(part: Linear | None) -> Linear | None:
        return part and replace(part.dense(), weight=_padded(part.dense().weight, 1, more))

    return replace(
        layer,
        width=width,
        conv=rows(layer.conv),
        mixin=layer.mixin and rows(layer.mixin),
        activation=_slopes(layer.activation, more),
        layer1x1=columns(layer.layer1x1),
        head1x1=columns(layer.head1x1),
    )


def _padded(weight: np.ndarray, axis: int, more: int) -> np.ndarray:
    widths = [(0, 0)] * 3
    widths[axis] = (0, more)
    return np.pad(weight, widths)


def _slopes(activation: Any, more: int) -> Any:
    if not isinstance(activation, dict) or "negative_slopes" not in activation:
        return activation
    return activation | {"negative_slopes": activation["negative_slopes"] + [0.0] * more}


def _filmed(layers: tuple[Layer, ...], channels: int, condition: int) -> tuple[Layer, ...]:
    """Return layers that all have the FiLMs that any has, a FiLM with the same groups and parts in all."""
    for name in {name for layer in layers for name in layer.films}:
        known = [layer.films[name] for layer in layers if name in layer.films]
        dense = len(known) < len(layers) or len({(film.linear.groups, film.shift) for film in known}) > 1
        shift = any(film.shift for film in known)
        filled = []
        for layer in layers:
            width = _film_width(layer, name, channels, condition)
            none = Film(Linear(np.zeros((width, condition, 1)), np.ones(width)), shift=False)
            film = layer.films.get(name, none)
            if dense:
                film = _with_shift(Film(film.linear.dense(), film.shift), shift)
            filled.append(replace(layer, films=layer.films | {name: film}))
        layers = tuple(filled)
    return layers


def _with_shift(film: Film, shift: bool) -> Film:
    if film.shift or not shift:
        return film
    linear, none = film.linear, np.zeros(film.linear.outputs)
    weight = np.concatenate([linear.weight, np.zeros_like(linear.weight)])
    return Film(replace(linear, weight=weight, bias=np.append(linear.bias, none)), shift=True)


def _film_width(layer: Layer, name: str, channels: int, condition: int) -> int:
    """Return the features of the signal that a FiLM changes."""
    own = {
        "conv_pre_film": channels,
        "input_mixin_pre_film": condition,
        "activation_post_film": layer.width,
        "layer1x1_post_film": channels,
        "head1x1_post_film": layer.head1x1.outputs if layer.head1x1 else 0,
    }
    return own.get(name, layer.conv.outputs)
