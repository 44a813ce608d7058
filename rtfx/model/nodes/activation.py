"""Activations: functions of one number, and softmax.

Each function takes the signal ``(features, frames)`` and the four constants of the node: slope, slope_high, low and
high. It computes in the floating-point precision of the signal.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import NonFiniteWeights, ShapeMismatch, UnsupportedArchitecture
from .node import Node, real, text

SLOPES = {"leaky_relu": 0.01, "hardtanh": 0.0, "softshrink": 0.5}  # where not 1
SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772  # Klambauer et al. 2017
SOFTPLUS_LINEAR = 20.0  # above this value PyTorch returns x itself

_erf = np.frompyfunc(math.erf, 1, 1)


def sigmoid(x: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + e^-x) without overflow."""
    half = x.dtype.type(0.5)
    return half * np.tanh(half * x) + half


def softmax(x: np.ndarray, *constants) -> np.ndarray:
    """Return e^x over its sum over the features."""
    e = np.exp(x - x.max(axis=0))
    return e / e.sum(axis=0)


def elu(x: np.ndarray, slope: float = 1.0, *constants) -> np.ndarray:
    """Return x where x >= 0, else slope (e^x - 1)."""
    return np.where(x >= 0, x, slope * np.expm1(np.minimum(x, 0)))


def fasttanh(x: np.ndarray, *constants) -> np.ndarray:
    """Return Neural Amp Modeler's rational approximation of tanh."""
    q, square = np.abs(x), x * x
    above = x * (2.45550750702956 * (1 + q) + (0.893229853513558 + 0.821226666969744 * q) * square)
    below = 2.44506634652299 + (2.44506634652299 + square) * np.abs(x + 0.814642734961073 * x * q)
    return above / below


def hardtanh(x: np.ndarray, slope: float, slope_high: float, low: float, high: float) -> np.ndarray:
    """Return x between `low` and `high`, a line of slope `slope` below and one of slope `slope_high` above."""
    return np.where(x < low, low + slope * (x - low), np.where(x > high, high + slope_high * (x - high), x))


def gelu(x: np.ndarray, *constants) -> np.ndarray:
    """Return x times the cumulative distribution function of the standard normal distribution at x."""
    half = x.dtype.type(0.5)
    return half * x * (1 + _erf(x * x.dtype.type(math.sqrt(0.5))).astype(x.dtype))


def softplus(x: np.ndarray, *constants) -> np.ndarray:
    """Return log(1 + e^x), and x where x > 20."""
    return np.where(x > SOFTPLUS_LINEAR, x, np.log1p(np.exp(np.minimum(x, SOFTPLUS_LINEAR))))


def softshrink(x: np.ndarray, slope: float, *constants) -> np.ndarray:
    """Return x moved by `slope` towards zero, and 0 where x is within `slope` of zero."""
    return np.where(x > slope, x - slope, np.where(x < -slope, x + slope, 0 * x))


FUNCTIONS: dict[str, Callable[..., np.ndarray]] = {
    "tanh": lambda x, *constants: np.tanh(x),
    "relu": lambda x, *constants: np.maximum(x, 0),
    "leaky_relu": lambda x, slope, *constants: np.where(x >= 0, x, slope * x),
    "sigmoid": lambda x, *constants: sigmoid(x),
    "softmax": softmax,
    "elu": elu,
    "sine": lambda x, slope, *constants: np.sin(slope * x),
    "fasttanh": fasttanh,
    "hardtanh": hardtanh,
    "silu": lambda x, *constants: x * sigmoid(x),
    "hardswish": lambda x, *constants: x * np.clip(x + 3, 0, 6) / 6,
    "softsign": lambda x, *constants: x / (1 + np.abs(x)),
    "selu": lambda x, *constants: SELU_SCALE * elu(x, SELU_ALPHA),
    "gelu": gelu,
    "softplus": softplus,
    "softshrink": softshrink,
}
ACTIVATIONS = tuple(FUNCTIONS)


@dataclass(frozen=True, eq=False)
class Activation(Node):
    """An activation; each kind reads only its own constants.

    ==========  ==========================================================  ==============================
    kind        f(x)                                                        constants, default
    ==========  ==========================================================  ==============================
    leaky_relu  x if x >= 0 else slope x                                    slope 0.01
    elu         x if x >= 0 else slope (e^x - 1)                            slope 1
    sine        sin(slope x)                                                slope 1
    hardtanh    x from low to high; low + slope (x - low) below,            low -1, high 1, slope 0,
                high + slope_high (x - high) above                          slope_high 0
    softshrink  x moved by slope towards 0, 0 between -slope and slope      slope 0.5, at least 0
    fasttanh    a rational approximation that some hosts use for tanh
                (error 0.00044 up to |x| = 10; it tends to 1.008)
    silu        x sigmoid(x)
    hardswish   x clip(x + 3, 0, 6) / 6
    softsign    x / (1 + |x|)
    selu        1.0507 x if x >= 0 else 1.7581 (e^x - 1)
    gelu        x (1 + erf(x / sqrt 2)) / 2
    softplus    log(1 + e^x); x where x > 20
    ==========  ==========================================================  ==============================
    """

    kind: str = text("tanh")
    slope: float = real(math.nan)  # NaN stands for the kind's default
    slope_high: float = real(0.0)
    low: float = real(-1.0)
    high: float = real(1.0)

    def __post_init__(self) -> None:
        if math.isnan(self.slope):
            object.__setattr__(self, "slope", SLOPES.get(self.kind, 1.0))

    @property
    def constants(self) -> tuple[float, float, float, float]:
        """slope, slope_high, low, high."""
        return self.slope, self.slope_high, self.low, self.high

    def check(self, incoming: Sequence[int], where: str) -> None:
        super().check(incoming, where)
        if self.kind not in FUNCTIONS:
            raise UnsupportedArchitecture(f"{where}: unknown activation {self.kind!r}, known: {', '.join(ACTIVATIONS)}")
        if not np.isfinite(self.constants).all():
            raise NonFiniteWeights(
                f"{where}: constants are {self.constants}, expected finite numbers: re-export the model"
            )
        if self.low > self.high:
            raise ShapeMismatch(f"{where}: low is {self.low:g}, high {self.high:g}: expected low <= high")
        if self.kind == "softshrink" and self.slope < 0:
            raise ShapeMismatch(f"{where}: slope of softshrink is {self.slope:g}, expected at least 0")

    def evaluate(self, sources: list[np.ndarray]) -> np.ndarray:
        (x,) = sources
        return FUNCTIONS[self.kind](x, *(x.dtype.type(constant) for constant in self.constants))
