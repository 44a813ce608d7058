"""Lowers dense layers and convolutions, with the activation behind them in the same kernel."""

from __future__ import annotations

from ...model.nodes import Activation, Conv1d, Dense
from ..builder import Signal
from . import choose, series
from .lower import Lowering, lowers
from .wavenet import append_series


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
        layer = choose.conv_layer(node, activation, slice(g * per_out, (g + 1) * per_out))
        lowering.step(layer, source.rows(g * per_in, per_in), target.rows(g * per_out, per_out))
    lowering.signals.update(dict.fromkeys(covered, target))
