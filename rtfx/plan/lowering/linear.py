"""Lowers dense layers and convolutions; the kernel of a layer also computes the activation after it."""

from __future__ import annotations

import numpy as np

from ...kernels import conv, plain
from ...kernels.activations import CONSTANTS, code_of, factor_of
from ...kernels.processor import lanes
from ...model.nodes import Activation, Conv1d, Dense
from ..arena import Signal
from ..self_check import Layer, proved
from ..tuned import tile_for
from . import series
from .lower import Lowering, lowers
from .wavenet import append_series

ALL = slice(None)
FEW_PRODUCTS = 8  # products per output; with fewer, two vectors of frames are no faster than one


@lowers(Dense, Conv1d)
def lower_linear(lowering: Lowering, index: int, node: Dense | Conv1d, sources: list[Signal]) -> None:
    run = series.stacked(lowering.nodes, lowering.users, index)
    if len(run) > 1:
        parts = [series.plain_layer(lowering.nodes[conv], lowering.nodes[kind]) for conv, kind in run]
        if (several := series.series_layer(parts)) is not None:
            lowering.signals[run[-1][1]] = append_series(lowering, parts, several, index)
            lowering.absorbed |= {number for pair in run for number in pair}
            return
    covered, activation = [index], None
    following = lowering.following(index, Activation)
    if following is not None and lowering.nodes[following].kind != "softmax":
        activation = lowering.nodes[following]
        covered.append(following)
    groups = node.groups if isinstance(node, Conv1d) else 1
    source = lowering.with_history(sources[0], node.history)
    target = lowering.builder.buffer(node.width)
    per_in, per_out = source.width // groups, node.width // groups
    for g in range(groups):
        layer = conv_layer(node, activation, slice(g * per_out, (g + 1) * per_out))
        lowering.step(layer, source.rows(g * per_in, per_in), target.rows(g * per_out, per_out))
    lowering.signals.update(dict.fromkeys(covered, target))


def conv_layer(node: Conv1d | Dense, activation: Activation | None, outputs: slice = ALL) -> Layer:
    """Return the kernel of a dense layer, of a convolution, or of one group of a convolution (its `outputs`)."""
    kind, constants = (activation.kind, activation.constants) if activation else ("", (0.0,) * CONSTANTS)
    taps = node.weight if isinstance(node, Conv1d) else node.weight[:, :, None]
    weight, bias = taps[outputs], node.bias[outputs]
    dilation = getattr(node, "dilation", 1)
    shape = conv.ConvShape(weight.shape[1], weight.shape[0], weight.shape[2], code_of(kind))
    tile = tile_for("conv", shape, conv_tile(shape))
    tiled = Layer(
        conv.conv_kernel(shape, tile),
        conv.STATE,
        conv.pack(shape, weight, bias, factor_of(kind), constants),
        {"dilation": dilation},
    )
    sizes = {"taps": shape.taps, "width_in": shape.inputs, "width_out": shape.outputs, "activation": shape.activation}
    loop = Layer(
        plain.PLAIN_CONV,
        plain.CONV_STATE,
        np.concatenate([constants, bias, weight.ravel()]).astype(np.float32),
        sizes | {"dilation": dilation},
    )
    return proved(tiled, loop, shape.inputs, shape.outputs, (shape.taps - 1) * dilation)


def conv_tile(shape: conv.ConvShape) -> conv.ConvTile:
    """Return the tile for a shape: two vectors by eight outputs with 32 registers, else by six or four outputs."""
    width = lanes()
    if shape.outputs <= 2:
        return conv.ConvTile(width, 4, shape.outputs)
    if width == 16:
        return conv.ConvTile(16, 2 if shape.inputs * shape.taps >= FEW_PRODUCTS else 1, 8 if shape.outputs > 4 else 4)
    return conv.ConvTile(width, 2, 6 if width == 8 else 4)
