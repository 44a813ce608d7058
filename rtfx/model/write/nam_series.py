"""Cuts a graph into nets that follow each other, where NAM has no single architecture for all of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...errors import UnsupportedArchitecture
from ..nodes import Input
from .plain_graph import PlainGraph

TRIALS = 600  # parts of a graph that are tried: a second at most


def series(graph: PlainGraph, write: Callable[[PlainGraph], dict[str, Any]]) -> list[dict[str, Any]] | None:
    """Return complete models that in series are the graph, each as long as it can be; None where there are none."""
    if sum(isinstance(node, Input) for node in graph.nodes) > 1:
        return None
    cuts = _cuts(graph)
    hopeless: set[int] = set()
    trials = 0

    def models(start: int) -> list[dict[str, Any]] | None:
        nonlocal trials
        if start == len(cuts) - 1:
            return []
        for end in range(len(cuts) - 1, start, -1):
            if (start, end) == (0, len(cuts) - 1) or end in hopeless:
                continue
            trials += 1
            if trials > TRIALS:
                return None
            try:
                model = write(graph.part(cuts[start], cuts[end]))
            except UnsupportedArchitecture:
                continue
            if (rest := models(end)) is not None:
                return [model, *rest]
            hopeless.add(end)
        return None

    return models(0)


def _cuts(graph: PlainGraph) -> list[int]:
    """Return the input and all nodes that every way from it to the output goes through."""
    cuts, furthest = [], {source: i for i, node in enumerate(graph.nodes) for source in node.sources}
    reach = 0  # the last node that reads one before
    for i in range(len(graph.nodes)):
        if reach <= i:
            cuts.append(i)
        reach = max(reach, furthest.get(i, i))
    return cuts
