"""The checks that every model graph passes before anything is built from it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import NonFiniteWeights, ShapeMismatch, UnsupportedArchitecture
from .nodes import (
    ACTIVATIONS,
    BETWEEN,
    RECURRENT,
    ROLES,
    Activation,
    Add,
    Affine,
    Concat,
    Conv1d,
    Dense,
    Gru,
    Hold,
    Input,
    Lstm,
    Mul,
    Node,
    PRelu,
    Rnn,
    Slice,
    tensors,
)


def check(nodes: Sequence[Node], knobs: Sequence[str], title: str) -> None:
    """Raise unless every source exists, every shape fits, every weight is finite and every knob has its input.

    Parameters
    ----------
    nodes : sequence of Node
        In computable order.
    knobs : sequence of str
        Names of the model's knobs.
    title : str
        What messages call the model.
    """
    widths: list[int] = []
    for index, node in enumerate(nodes):
        where = f"{title}: node {index} ({type(node).__name__.lower()})"
        _check_sources(node, index, where)
        _check_tensors(node, where)
        if isinstance(node, Activation):
            _check_activation(node, where)
        incoming = [widths[s] for s in node.sources]
        for name, expected in _expected_shapes(node, incoming, where).items():
            found = getattr(node, name).shape
            if found != expected:
                raise ShapeMismatch(f"{where}: {name} has shape {found}, expected {expected}")
        if isinstance(node, (Add, Mul)) and len(set(incoming)) != 1:
            raise ShapeMismatch(f"{where} joins signals of {incoming} features, expected equal widths")
        if isinstance(node, Hold):
            _check_hold(node, where)
        if isinstance(node, Slice) and not 0 <= node.start < node.stop <= incoming[0]:
            raise ShapeMismatch(f"{where} takes features {node.start} to {node.stop} of {incoming[0]}, expected a part")
        widths.append(sum(incoming) if isinstance(node, Concat) else node.width or incoming[0])
    if not any(isinstance(node, Input) and node.role == "audio" for node in nodes):
        raise ShapeMismatch(f"{title}: no audio input, expected one")
    driven = sorted(node.name for node in nodes if isinstance(node, Input) and node.role == "knob")
    if driven != sorted(set(knobs)) or len(set(knobs)) != len(knobs):
        raise ShapeMismatch(f"{title}: knobs {sorted(knobs)}, knob inputs {driven}: expected the same names, each once")


def _check_sources(node: Node, index: int, where: str) -> None:
    """Raise unless the sources are earlier nodes, as many as this kind of node takes."""
    if any(not 0 <= s < index for s in node.sources) or bool(node.sources) == isinstance(node, Input):
        raise ShapeMismatch(f"{where} has sources {node.sources}, expected earlier nodes")
    if len(node.sources) > 1 and not isinstance(node, (Add, Concat, Mul)):
        raise ShapeMismatch(f"{where} has {len(node.sources)} sources, expected 1")
    if isinstance(node, Input):
        if node.role not in ROLES:
            raise ShapeMismatch(f"{where}: role is {node.role!r}, expected one of: {', '.join(ROLES)}")
        if node.channels < 1 or (node.role != "audio" and node.channels > 1):
            raise ShapeMismatch(f"{where}: {node.channels} channels, expected 1 (audio: at least 1)")


def _check_hold(node: Hold, where: str) -> None:
    """Raise unless the stride and its phase make sense."""
    if node.stride < 1 or not 0 <= node.phase < node.stride:
        raise ShapeMismatch(f"{where}: stride {node.stride}, phase {node.phase}: expected 0 <= phase < stride")
    if node.between not in BETWEEN:
        raise UnsupportedArchitecture(f"{where}: between is {node.between!r}, expected one of: {', '.join(BETWEEN)}")


def _check_activation(node: Activation, where: str) -> None:
    """Raise unless the kind is known and its constants are finite and in their range."""
    if node.kind not in ACTIVATIONS:
        raise UnsupportedArchitecture(f"{where}: unknown activation {node.kind!r}, known: {', '.join(ACTIVATIONS)}")
    if not np.isfinite(node.constants).all():
        raise NonFiniteWeights(f"{where}: constants are {node.constants}, expected finite numbers: re-export the model")
    if node.low > node.high:
        raise ShapeMismatch(f"{where}: low is {node.low:g}, high {node.high:g}: expected low <= high")
    if node.kind == "softshrink" and node.slope < 0:
        raise ShapeMismatch(f"{where}: slope of softshrink is {node.slope:g}, expected at least 0")


def _check_tensors(node: Node, where: str) -> None:
    """Raise unless every tensor has its number of dimensions, at least one element and finite elements only."""
    for name, tensor in tensors(node).items():
        dimensions = 1 if not name.startswith("weight") else 3 if isinstance(node, Conv1d) else 2
        if tensor.ndim != dimensions or not tensor.size:
            raise ShapeMismatch(f"{where}: {name} has shape {tensor.shape}, expected {dimensions} axes, none empty")
        if not np.isfinite(tensor).all():
            raise NonFiniteWeights(f"{where}: {name} holds NaN or infinity: re-export the model")


def _expected_shapes(node: Node, incoming: list[int], where: str) -> dict[str, tuple[int, ...]]:
    """Shapes that the node's tensors must have, given the widths of its sources."""
    if isinstance(node, Dense):
        return {"weight": (node.width, incoming[0]), "bias": (node.width,)}
    if isinstance(node, Conv1d):
        if node.groups < 1 or incoming[0] % node.groups or node.width % node.groups:
            raise ShapeMismatch(f"{where}: {node.groups} groups do not divide {incoming[0]} and {node.width} features")
        if node.dilation < 1:
            raise ShapeMismatch(f"{where}: dilation is {node.dilation}, expected at least 1")
        return {"weight": (node.width, incoming[0] // node.groups, node.weight.shape[2]), "bias": (node.width,)}
    if isinstance(node, RECURRENT) and not node.delay >= 1.0:
        raise ShapeMismatch(f"{where}: the state is {node.delay:g} frames old, expected at least 1")
    if isinstance(node, Lstm):
        h = node.width
        shapes = {"weight_ih": (4 * h, incoming[0]), "weight_hh": (4 * h, h), "bias": (4 * h,)}
        return shapes | {name: (h,) for name in ("h0", "c0") if getattr(node, name) is not None}
    if isinstance(node, Gru):
        h = node.width
        shapes = {"weight_ih": (3 * h, incoming[0]), "weight_hh": (3 * h, h), "bias_ih": (3 * h,), "bias_hh": (3 * h,)}
        return shapes | ({"h0": (h,)} if node.h0 is not None else {})
    if isinstance(node, Rnn):
        h = node.width
        shapes = {"weight_ih": (h, incoming[0]), "weight_hh": (h, h), "bias": (h,)}
        return shapes | ({"h0": (h,)} if node.h0 is not None else {})
    if isinstance(node, PRelu):
        return {"alpha": (incoming[0],)}
    if isinstance(node, Affine):
        return {"scale": (incoming[0],), "shift": (incoming[0],)}
    return {}
