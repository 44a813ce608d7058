"""Coarser maths, for those who ask for it by name: LSTM and GRU gates that are 7e-5 off and take a tenth less time."""

from __future__ import annotations

from dataclasses import replace

from .nodes import Gru, Lstm
from .spec import ModelSpec


def coarse(spec: ModelSpec) -> ModelSpec:
    """Return the model with coarser gates where it has LSTM and GRU layers."""
    nodes = tuple(replace(node, coarse=True) if isinstance(node, (Lstm, Gru)) else node for node in spec.nodes)
    return replace(spec, nodes=nodes)


def is_coarse(spec: ModelSpec) -> bool:
    """Return whether some layer of the model has coarser gates."""
    return any(getattr(node, "coarse", False) for node in spec.nodes)
