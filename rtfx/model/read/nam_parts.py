"""Shared by the readers of NAM's architectures: a graph to append to, weights read in order, and activations."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ...errors import NotAModelFile, ShapeMismatch, WeightCountMismatch
from ..graph import Graph
from ..nodes import Activation, Conv1d, Dense, Input, PRelu
from ..values import WIDTH, integer_at, mapping, number, one_of, required, shown, tensor

PLAIN = {
    "Tanh": "tanh",
    "Fasttanh": "fasttanh",
    "ReLU": "relu",
    "Sigmoid": "sigmoid",
    "SiLU": "silu",
    "Hardswish": "hardswish",
    "Softsign": "softsign",
}
LEAKY_HARDTANH = ("LeakyHardtanh", "LeakyHardTanh")
NAMES = (*PLAIN, "Hardtanh", "LeakyReLU", "PReLU", *LEAKY_HARDTANH)
SLOPE = 0.01  # the default of every leaky kind


class Size(NamedTuple):
    """A width in the file and the part of it that is used: a slimmed network uses only the leading features."""

    full: int
    used: int


class Part(NamedTuple):
    """A model that has been appended: its last node, its prewarm in frames, and its metadata."""

    output: int
    prewarm: int
    rate: float | None
    metadata: dict[str, Any]


class NamGraph(Graph):
    """The nodes of one file at one size.

    Attributes
    ----------
    warnings : list of str
    breakpoints : set of float
        Values of the size knob at which another network begins.
    parameters : int
        Weights taken from the file.
    """

    def __init__(self) -> None:
        super().__init__()
        self.warnings: list[str] = []
        self.breakpoints: set[float] = set()
        self.parameters = 0

    def linear(
        self, source: int, weight: np.ndarray, bias: np.ndarray | None, dilation: int = 1, groups: int = 1
    ) -> int:
        """Append a convolution, weight (out, in/groups, taps); a dense layer where it has one tap and one group."""
        if bias is None:
            bias = np.zeros(weight.shape[0])
        if weight.shape[2] == 1 and groups == 1:
            return self.add(Dense((source,), weight=weight[:, :, 0], bias=bias))
        return self.add(Conv1d((source,), weight=weight, bias=bias, dilation=dilation, groups=groups))


class Weights:
    """A flat vector from which layers take tensors; it copies nothing and allocates nothing for missing weights."""

    def __init__(self, values: np.ndarray, where: str):
        self.values, self.where, self.used = values, where, 0

    def take(self, *shape: int) -> np.ndarray:
        """Return the next tensor in C order, or ones past the end, so that reading reaches the expected number."""
        start, self.used = self.used, self.used + math.prod(shape)
        if self.used > self.values.size:
            return np.broadcast_to(1.0, shape)
        return self.values[start : self.used].reshape(shape)

    def tensor(self, outputs: Size, inputs: Size, taps: int = 1, groups: int = 1) -> np.ndarray:
        """Return the used part of a weight (out, in/groups, taps); layers with groups are never slimmed."""
        return self.take(outputs.full, inputs.full // groups, taps)[: outputs.used, : inputs.used]

    def vector(self, size: Size) -> np.ndarray:
        """Return the used part of a vector."""
        return self.take(size.full)[: size.used]

    def finish(self) -> None:
        """Raise unless every weight was used and none was missing."""
        if self.used != self.values.size:
            counts = f"{self.values.size} numbers, expected {self.used}"
            raise WeightCountMismatch(f"{self.where}weights has {counts}: re-export the model")


@dataclass
class Job:
    """One model object that an architecture's reader appends to a graph.

    Parameters
    ----------
    where : str
        Place in the file, ending in a dot unless empty.
    input : int or None
        The node it reads; None: the audio input, which does not exist yet.
    rate : float or None
        Hz, None where the file does not say.
    size : float or None
        Value of the size knob, 0 to 1; None: full size, whatever the knob's value.
    nested : callable
        Appends a complete model inside this one: ``nested(model, where, input, size)``.
    """

    graph: NamGraph
    config: dict[str, Any]
    weights: Weights
    where: str
    input: int | None
    rate: float | None
    size: float | None
    compat: str | None
    metadata: dict[str, Any]
    nested: Callable[[Any, str, int | None, float | None], Part]

    def source(self, channels: int) -> int:
        """Return the node that the model reads, which must have this many channels."""
        if self.input is None:
            self.input = self.graph.add(Input((), channels=channels))
        found = self.graph.widths[self.input]
        if found != channels:
            raise ShapeMismatch(f"{self.where}config has {channels} input channels, the signal has {found}")
        return self.input

    def integer(self, key: str, default: int | None = None, limit: int = WIDTH) -> int:
        """Return an integer of the config."""
        return integer_at(self.config, key, f"{self.where}config", default, limit)

    def part(self, output: int, prewarm: int) -> Part:
        """Return the finished part; raise if weights are left over or missing."""
        self.weights.finish()
        self.graph.parameters += self.weights.used
        return Part(output, prewarm, self.rate, self.metadata)


def flag(value: Any, where: str) -> bool:
    """Return a JSON boolean, which may also be written as 0 or 1."""
    if value in (0, 1):
        return bool(value)
    if not isinstance(value, bool):
        raise NotAModelFile(f"{where} is {shown(value)}, expected true or false")
    return value


def divides(groups: int, where: str, **sides: int) -> int:
    """Return `groups` if it divides both sides of a layer."""
    for name, side in sides.items():
        if side % groups:
            raise ShapeMismatch(f"{where}: {groups} groups do not divide {side} {name}")
    return groups


def append_activation(graph: NamGraph, source: int, value: Any, where: str, size: Size) -> int:
    """Append the activation that `value` describes, return its index.

    Parameters
    ----------
    value : str or dict
        ``"Tanh"`` or ``{"type": "LeakyReLU", "negative_slope": 0.01}``; names are case-sensitive.
    size : Size
        Features it is applied to, for slopes by channel.

    Raises
    ------
    UnsupportedArchitecture
        An unknown name; lists the known ones.
    """
    parameters = mapping(value, where) if isinstance(value, dict) else {"type": value}
    if "type" not in parameters and "name" in parameters:  # as the trainer's own config, which it exports with a head
        parameters = parameters | {"type": parameters["name"]}
    name = one_of(required(parameters, "type", where), NAMES, where)

    def parameter(key: str, default: float) -> float:
        return number(parameters.get(key, default), f"{where}.{key}")

    if name in PLAIN:
        return graph.add(Activation((source,), kind=PLAIN[name]))
    if name == "Hardtanh":  # the exporter writes min and max, which NAM's own player ignores
        low, high = parameter("min_val", -1.0), parameter("max_val", 1.0)
        if (low, high) != (-1.0, 1.0):
            graph.warnings.append(
                f"{where} is a Hardtanh from {low:g} to {high:g}: -1 to 1, as in NAM's player; its trainer obeys them"
            )
        return graph.add(Activation((source,), kind="hardtanh", slope=0.0, slope_high=0.0, low=-1.0, high=1.0))
    if name == "LeakyReLU":
        return graph.add(Activation((source,), kind="leaky_relu", slope=parameter("negative_slope", SLOPE)))
    if name in LEAKY_HARDTANH:
        low, high = parameter("min_val", -1.0), parameter("max_val", 1.0)
        if low > high:
            raise ShapeMismatch(f"{where}: min_val {low:g} is above max_val {high:g}")
        slopes = {"slope": parameter("min_slope", SLOPE), "slope_high": parameter("max_slope", SLOPE)}
        return graph.add(Activation((source,), kind="hardtanh", low=low, high=high, **slopes))
    if "negative_slope" in parameters or "negative_slopes" not in parameters:
        alpha = np.full(size.used, parameter("negative_slope", SLOPE))
    else:
        alpha = tensor(parameters["negative_slopes"], f"{where}.negative_slopes", (size.full,))[: size.used]
    return graph.add(PRelu((source,), alpha=alpha))
