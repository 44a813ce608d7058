"""NAM's activations: a name, or an object with parameters, as nodes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import ShapeMismatch
from ..nodes import Activation, PRelu
from ..values import mapping, number, one_of, required, tensor
from .nam_graph import NamGraph, Size

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
