"""Finds narrow layers of one shape in series, and gives them one kernel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...kernels import series
from ...kernels.activations import CONSTANTS, code_of
from ...kernels.conv import OVERHANG
from ...kernels.layer import IDENTITY, NONE, LayerShape, LayerWeights
from ...kernels.processor import lanes
from ...model.nodes import Activation, Conv1d
from ...model.wavenet_layers import Match
from ..arena import MAX_BLOCK, RING_BYTES
from ..self_check import BY_LAYER, Layer, agrees
from ..tuned import APART, Choice, choice
from .layers import Described, described

IN_REGISTERS = [(1, 0), (2, 0), (4, 0)]  # vectors of frames in a tile; 1 if full tiles are computed layer by layer
BY_LAYERS = [(2, 1), (4, 1)]
WIDEST = 8  # channels; a wider layer keeps the processor busy by itself


def joined(nodes: Sequence[Any], users: Sequence[Sequence[int]], layers: Mapping[int, Match], found: Match):
    """Return `found` and the matches after it that can share a kernel with it."""
    run = [found]
    while (following := _following(users, layers, run[-1])) is not None:
        first, then = (described(nodes, one, False) for one in (found, following))
        same = (found.head_sum, _source(nodes, found)) == (following.head_sum, _source(nodes, following))
        if not same or first.shape != then.shape or not fits(first.shape):
            break
        run.append(following)
    return run[: _limit([_reach(nodes, users, one.output) for one in run], nodes[found.conv].width)]


def fits(shape: LayerShape) -> bool:
    """Return whether one kernel can compute several layers of this shape in series."""
    square = shape.inputs == shape.sums == (shape.outputs or shape.inputs)
    form = (shape.residual, shape.exposed) in ((IDENTITY, 0), (NONE, 1))
    return lanes() == 16 and square and form and not shape.gate and shape.inputs <= WIDEST


def stacked(nodes: Sequence[Any], users: Sequence[Sequence[int]], index: int) -> list[tuple[int, int]]:
    """Return the convolutions from `index` on, each with its activation, that have one shape and no other users."""
    run: list[tuple[int, int]] = []
    while True:
        conv, after = nodes[index], users[index]
        if not (isinstance(conv, Conv1d) and conv.groups == 1 and len(after) == 1 and conv.weight.shape[2] > 1):
            break
        kind = nodes[after[0]]
        if not isinstance(kind, Activation) or kind.kind == "softmax" or not fits(plain_shape(conv, kind)):
            break
        if run and plain_shape(conv, kind) != plain_shape(nodes[run[0][0]], nodes[run[0][1]]):
            break
        run.append((index, after[0]))
        if len(users[after[0]]) != 1 or users[after[0]][0] < 0:
            break
        index = users[after[0]][0]
    return run[: _limit([_reach(nodes, users, a) for _, a in run], nodes[run[0][0]].width)] if run else []


def plain_shape(conv: Conv1d, kind: Activation) -> LayerShape:
    """Return the shape of a convolution and its activation as a layer that has no other parts."""
    outputs, inputs, taps = conv.weight.shape
    return LayerShape(inputs, taps, outputs, 0, code_of(kind.kind), 0, 0, NONE, NONE, 0, 0, 1)


def plain_layer(conv: Conv1d, kind: Activation) -> Described:
    """Return a convolution with its activation, described as a layer."""
    shape, none = plain_shape(conv, kind), np.zeros((0, conv.width))
    constants = np.concatenate([kind.constants, np.zeros(CONSTANTS)])
    weights = LayerWeights(conv.weight, conv.bias, np.zeros((conv.width, 0)), none, np.zeros(0), none)
    return Described(shape, weights, (kind.kind, kind.kind), constants, conv.dilation)


def series_layer(parts: Sequence[Described]) -> Layer | None:
    """Return the kernel of layers in series; None if it fails its check or would be slower."""
    shape, width = parts[0].shape, lanes()
    # only forms that compute tanh in the same way: all give the same bits
    forms = IN_REGISTERS if series.by_table(shape) else [*IN_REGISTERS, *BY_LAYERS, APART]
    form = choice("series", shape, form_for(shape), forms)
    if form == APART:
        return None
    blobs = [series.pack(shape, part.weights, part.kinds[0], part.constants) for part in parts]
    tiled = Layer(
        series.series_kernel(shape, series.SeriesTile(width, *form)),
        series.series_state(len(parts)),
        np.concatenate(blobs),
        {"layers": len(parts), "dilations": tuple(part.dilation for part in parts)},
    )
    history = max(part.history for part in parts)
    extras = (shape.conditions, shape.head_rows)
    loops = [part.loop for part in parts]
    return tiled if agrees(tiled, loops, shape.inputs, shape.inputs, history, extras, BY_LAYER) else None


def form_for(shape: LayerShape) -> Choice:
    """Return the form to use without measurements: how many vectors of frames, and whether layer by layer."""
    return (4, 0) if series.by_table(shape) else (4, 1) if shape.inputs <= 4 else (2, 1)


def _following(users, layers: Mapping[int, Match], found: Match) -> Match | None:
    """Return the match that is the only user of another's output, None if there is no such match."""
    if found.output is None:
        return None
    after = [layers[user] for user in users[found.output] if user in layers]
    if len(after) != 1 or set(users[found.output]) - {after[0].conv, after[0].output}:
        return None
    return after[0]


def _source(nodes, found: Match) -> int | None:
    """Return the node that a layer's condition reads."""
    return None if found.condition is None else nodes[found.condition].sources[0]


def _reach(nodes, users, index: int | None) -> int:
    """Return the history that the users of a node need."""
    after = [nodes[user] for user in users[index] if user >= 0] if index is not None else []
    return max([(c.weight.shape[2] - 1) * c.dilation for c in after if isinstance(c, Conv1d)], default=0)


def _limit(reach: Sequence[int], width: int) -> int:
    """Return how many layers share one buffer: groups of nearly equal size that need no ring buffer."""
    for groups in range(1, len(reach) + 1):
        count = -(-len(reach) // groups)
        stride = max(reach[:count]) + MAX_BLOCK + OVERHANG + 32
        if 4 * count * width * stride <= RING_BYTES:
            return count
    return 1
