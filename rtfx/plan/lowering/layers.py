"""Chooses the kernel for a WaveNet layer found in the graph: shape, weights, tile, and the check by a plain loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...kernels import layer, plain
from ...kernels.activations import code_of
from ...kernels.conv import ConvTile
from ...kernels.layer import FOLDED, IDENTITY, MATRIX, NONE, ROWS, LayerShape, LayerWeights
from ...kernels.processor import lanes
from ...model.wavenet_layers import Match
from ..self_check import Layer, proved
from ..tuned import tile_for


@dataclass(frozen=True)
class Described:
    """A layer for which no kernel is chosen yet.

    `kinds` are the names of its two activations (equal if it has one), `constants` four numbers for each.
    """

    shape: LayerShape
    weights: LayerWeights
    kinds: tuple[str, str]
    constants: np.ndarray
    dilation: int

    @property
    def history(self) -> int:
        """Past frames of its source that the layer reads."""
        return (self.shape.taps - 1) * self.dilation

    @property
    def loop(self) -> Layer:
        """The same layer computed by the plain loop."""
        numbers = {plain.field_of(name): value for name, value in self.shape._asdict().items()}
        return Layer(
            plain.PLAIN_LAYER,
            plain.layer_state(self.shape.features),
            plain.pack_layer(self.weights, self.constants),
            numbers | {"dilation": self.dilation},
        )


def wavenet_layer(nodes: Sequence[Any], found: Match, first: bool) -> tuple[Layer, LayerShape]:
    """Return the kernel of a matched layer; with `first` it overwrites the head sum instead of adding to it."""
    whole = described(nodes, found, first)
    shape = whole.shape
    tile = tile_for("layer", shape, layer_tile(shape))
    tiled = Layer(
        layer.layer_kernel(shape, tile),
        layer.STATE,
        layer.pack(shape, whole.weights, whole.kinds, whole.constants),
        {"dilation": whole.dilation},
    )
    outputs = shape.outputs or (shape.features if shape.exposed else 0)
    extras = (shape.conditions, shape.head_rows)
    return proved(tiled, whole.loop, shape.inputs, outputs, whole.history, extras), shape


def described(nodes: Sequence[Any], found: Match, first: bool) -> Described:
    """Return shape and weights of a matched layer; with `first` it overwrites the head sum instead of adding to it."""
    conv = nodes[found.conv]
    sums, inputs, taps = conv.weight.shape
    condition = nodes[found.condition] if found.condition is not None else None
    mixed = nodes[found.mixed] if found.mixed is not None else None
    matrix = nodes[found.residual] if found.residual is not None else None
    folded = nodes[found.head] if found.head is not None else None
    kinds = [nodes[a] for a in found.activations]
    features = sums // 2 if len(kinds) > 1 else sums
    rows = [node for node in (mixed, folded) if node is not None]
    shape = LayerShape(
        inputs,
        taps,
        sums,
        condition.weight.shape[1] if condition else 0,
        code_of(kinds[0].kind),
        1 + code_of(kinds[1].kind) if len(kinds) > 1 else 0,
        mixed.width if mixed else 0,
        MATRIX if matrix else IDENTITY if mixed else NONE,
        FOLDED if folded else ROWS if found.head_sum is not None else NONE,
        folded.width if folded else features if found.head_sum is not None else 0,
        int(first and found.head_sum is not None),
        int(found.exposed),
    )
    mixed_bias = np.concatenate([node.bias for node in rows]) if rows else np.zeros(0)
    if matrix:
        mixed_bias[: shape.outputs] += matrix.bias
    weights = LayerWeights(
        conv.weight,
        conv.bias + condition.bias if condition else conv.bias,
        condition.weight if condition else np.zeros((sums, 0)),
        np.concatenate([node.weight for node in rows]) if rows else np.zeros((0, features)),
        mixed_bias,
        matrix.weight if matrix else np.zeros((0, inputs)),
    )
    constants = np.zeros(layer.CONSTANTS)
    for i, kind in enumerate(kinds):
        constants[4 * i : 4 * i + 4] = kind.constants
    return Described(shape, weights, (kinds[0].kind, kinds[-1].kind), constants, conv.dilation)


def layer_tile(shape: LayerShape) -> ConvTile:
    """Return the tile for a shape: the accumulators of one pass take at most half of the registers."""
    width = lanes()
    if width == 16:
        return ConvTile(16, 2, 8 if shape.sums > 4 else 4)
    return ConvTile(width, 2, 6 if width == 8 else 4)
