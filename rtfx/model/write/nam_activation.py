"""An activation node in NAM's words: a name, or an object with parameters."""

from __future__ import annotations

from typing import Any

from ..nodes import Activation, PRelu
from ..read.nam_parts import PLAIN
from .plain_graph import PlainGraph, numbers

NAMES = {kind: name for name, kind in PLAIN.items()}
IDENTITY = {"type": "LeakyReLU", "negative_slope": 1.0}  # NAM has no activation that does nothing


def name_of(graph: PlainGraph, index: int) -> Any:
    """Return the entry of a config for an activation node; raises UnsupportedArchitecture for any other node."""
    node = graph.nodes[index]
    if isinstance(node, PRelu):
        return {"type": "PReLU", "negative_slopes": numbers(node.alpha)}
    if not isinstance(node, Activation):
        graph.fail(index, "expected an activation here")
    if node.kind in NAMES:
        return NAMES[node.kind]
    if node.kind == "leaky_relu":
        return {"type": "LeakyReLU", "negative_slope": node.slope}
    if node.kind == "hardtanh":
        if node.constants == (0.0, 0.0, -1.0, 1.0):
            return "Hardtanh"
        keys = {"min_slope": node.slope, "max_slope": node.slope_high, "min_val": node.low, "max_val": node.high}
        return {"type": "LeakyHardtanh", **keys}
    graph.fail(index, f"NAM has no {node.kind}, only {', '.join(NAMES)}, leaky_relu, prelu and hardtanh")
