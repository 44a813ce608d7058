"""Lowers recurrent layers: as many as feed each other in one kernel, with a small dense layer behind them."""

from __future__ import annotations

from ...kernels import stack
from ...model.nodes import Dense, Gru, Lstm, Rnn
from ..builder import Signal
from . import choose
from .lower import Lowering, lowers

FUSED_OUTPUTS = 4  # widest dense layer computed inside a recurrent kernel


@lowers(Lstm, Gru)
def lower_gated(lowering: Lowering, index: int, node: Lstm | Gru, sources: list[Signal]) -> None:
    indices = _stack(lowering, index, node)
    dense, following = _dense_behind(lowering, indices[-1])
    nodes = [lowering.nodes[i] for i in indices]
    layer = choose.recurrent_stack(nodes, dense) if len(indices) > 1 else None
    if layer is None:
        indices = [index]
        dense, following = _dense_behind(lowering, index)
        layer = choose.recurrent_layer(node, dense)
    target = lowering.builder.buffer(dense.width if dense else node.width)
    lowering.step(layer, sources[0], target)
    lowering.signals.update(dict.fromkeys([*indices, *following], target))


@lowers(Rnn)
def lower_rnn(lowering: Lowering, index: int, node: Rnn, sources: list[Signal]) -> Signal:
    return lowering.step(choose.elman_layer(node), sources[0], lowering.builder.buffer(node.width))


def _stack(lowering: Lowering, index: int, node: Lstm | Gru) -> list[int]:
    """Return this layer and those behind it that one kernel can compute with it."""
    indices = [index]
    while len(indices) < stack.DEEPEST and node.width <= stack.LARGEST:
        above = lowering.following(indices[-1], type(node))
        if above is None or lowering.nodes[above].width != node.width or node.delay != 1.0:
            break
        indices.append(above)
    return indices


def _dense_behind(lowering: Lowering, index: int) -> tuple[Dense | None, list[int]]:
    """Return the dense layer behind a node if it is small enough to be fused, and its index."""
    following = lowering.following(index, Dense)
    if following is None or lowering.nodes[following].width > FUSED_OUTPUTS:
        return None, []
    return lowering.nodes[following], [following]
