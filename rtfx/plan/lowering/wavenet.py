"""Lowers several nodes as one step: the nodes of a WaveNet layer, and narrow layers in series."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...model.wavenet_layers import Match
from ..arena import Signal
from ..self_check import Layer
from . import series
from .layers import Described, described, wavenet_layer
from .lower import Lowering


def lower_layers(lowering: Lowering, index: int) -> None:
    """Append the layer that begins with a convolution; layers after it join its step if one kernel can compute all."""
    run = series.joined(lowering.nodes, lowering.users, lowering.layers, lowering.layers[index])
    if len(run) < 2 or not _together(lowering, run):
        _alone(lowering, lowering.layers[index])


def _alone(lowering: Lowering, found: Match) -> None:
    """Append one layer."""
    conv = lowering.nodes[found.conv]
    source = lowering.with_history(lowering.signals[conv.sources[0]], conv.history)
    layer, shape = wavenet_layer(lowering.nodes, found, found.head_sum not in lowering.sums)
    head: Any = None
    if found.head_sum is not None:
        head = _head(lowering, found, shape.head_rows)
    condition = _condition(lowering, found)
    width = shape.outputs or (shape.features if shape.exposed else 0)
    target = lowering.builder.buffer(width) if width else head
    lowering.step(layer, source, target, (condition or head or source, head or source))
    if found.output is not None:
        lowering.signals[found.output] = target
    elif shape.exposed:
        lowering.signals[found.features] = target


def _together(lowering: Lowering, run: Sequence[Match]) -> bool:
    """Append layers in series as one step; return False, and append nothing, if there is no kernel for them."""
    begins = run[0].head_sum not in lowering.sums
    parts = [described(lowering.nodes, found, begins and found is run[0]) for found in run]
    condition = _condition(lowering, run[0])
    if (layer := series.series_layer(parts)) is None:
        return False
    head = None
    for found in run if run[0].head_sum is not None else ():
        head = _head(lowering, found, parts[0].shape.head_rows)
    *inner, last = [found.output for found in run if found.output is not None]
    lowering.signals[last] = append_series(lowering, parts, layer, run[0].conv, condition, head)
    lowering.absorbed |= {*inner, *(found.conv for found in run)}
    return True


def append_series(
    lowering: Lowering,
    parts: Sequence[Described],
    layer: Layer,
    conv: int,
    condition: Signal | None = None,
    head: Signal | None = None,
) -> Signal:
    """Append the step of layers in series that begin with node `conv`; return the output of the last layer."""
    width = parts[0].shape.inputs
    source = lowering.with_history(lowering.signals[lowering.nodes[conv].sources[0]], parts[0].history)
    target = lowering.builder.buffer(width * len(parts))
    lowering.builder.remember(target, max(part.history for part in parts[1:]))
    lowering.step(layer, source, target, (condition or head or source, head or source))
    return target.rows(width * (len(parts) - 1), width)


def _condition(lowering: Lowering, found: Match) -> Signal | None:
    """Return the signal that the layer's condition reads."""
    return None if found.condition is None else lowering.signals[lowering.nodes[found.condition].sources[0]]


def _head(lowering: Lowering, found: Match, rows: int) -> Signal:
    """Return the head sum that a layer adds to, and note that the layer's features are in it."""
    assert found.head_sum is not None
    if found.head_sum not in lowering.sums:
        lowering.sums[found.head_sum] = lowering.builder.buffer(rows), []
    total, done = lowering.sums[found.head_sum]
    done.append(found.features if found.head is None else found.head)
    return total
