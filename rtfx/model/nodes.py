"""The kinds of node that a model graph is made of.

Nodes are listed in the order in which they can be computed; a node names its sources by their index in that list. All
tensors are float64 and in PyTorch's axis order, whatever the file's was. A signal is ``(features, frames)``.

==========  =======================================================================================================
node        y
==========  =======================================================================================================
Input       the audio input, a knob (0 to 1, constant but for glides), or the sample period in seconds
Dense       W x + b                                             W (out, in), b (out,)
Conv1d      b + sum_k W[:, :, k] x[t - (taps-1-k) dilation]     W (out, in/groups, taps): tap 0 is the oldest
Lstm        h                                                   gates i, f, g, o; W_ih (4H, in), W_hh (4H, H), b (4H,)
Gru         h, reset after the product (two biases)             gates r, z, n; W_ih (3H, in), W_hh (3H, H), b_ih, b_hh
Rnn         h = tanh(W x + U h + b)                             W_ih (H, in), W_hh (H, H), b (H,)
Activation  f(x), element by element (softmax: over features)   kind in ACTIVATIONS, constants: see Activation
PRelu       x if x >= 0 else alpha x                            alpha (features,)
Affine      scale x + shift                                     scale, shift (features,)
Add         the sum of all sources
Mul         the product of all sources, element by element
Slice       features start to stop (excluded) of its source
Concat      the features of all sources, one after the other
Hold        x of every stride-th frame, from frame `phase` on; between them the last such, or zeros
==========  =======================================================================================================

A recurrent node's `delay` is 1: its state comes from the frame before. Running a model at another rate changes it
(plan/rates.py); files never state it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

ROLES = ("audio", "knob", "sample_period")
BETWEEN = ("last", "zero")
ACTIVATIONS = (
    "tanh", "relu", "leaky_relu", "sigmoid", "softmax", "elu", "sine",
    "fasttanh", "hardtanh", "silu", "hardswish", "softsign", "selu", "gelu", "softplus", "softshrink",
)  # fmt: skip
SLOPES = {"leaky_relu": 0.01, "hardtanh": 0.0, "softshrink": 0.5}  # where not 1


@dataclass(frozen=True, eq=False)
class Node:
    """One node; `sources` are indices of earlier nodes, `width` its number of features."""

    sources: tuple[int, ...]

    @property
    def width(self) -> int:
        """Features of the output, where the node alone decides them; 0: as wide as its first source."""
        return 0


@dataclass(frozen=True, eq=False)
class Input(Node):
    """A signal from outside; `role` is audio, knob or sample_period."""

    role: str = "audio"
    name: str = "audio"
    channels: int = 1

    @property
    def width(self) -> int:
        return self.channels


@dataclass(frozen=True, eq=False)
class Dense(Node):
    weight: np.ndarray
    bias: np.ndarray

    @property
    def width(self) -> int:
        return self.weight.shape[0]


@dataclass(frozen=True, eq=False)
class Conv1d(Node):
    weight: np.ndarray
    bias: np.ndarray
    dilation: int = 1
    groups: int = 1

    @property
    def width(self) -> int:
        return self.weight.shape[0]


@dataclass(frozen=True, eq=False)
class Lstm(Node):
    weight_ih: np.ndarray
    weight_hh: np.ndarray
    bias: np.ndarray
    h0: np.ndarray | None = None
    c0: np.ndarray | None = None
    delay: float = 1.0

    @property
    def width(self) -> int:
        return self.weight_hh.shape[1]


@dataclass(frozen=True, eq=False)
class Gru(Node):
    weight_ih: np.ndarray
    weight_hh: np.ndarray
    bias_ih: np.ndarray
    bias_hh: np.ndarray
    h0: np.ndarray | None = None
    delay: float = 1.0

    @property
    def width(self) -> int:
        return self.weight_hh.shape[1]


@dataclass(frozen=True, eq=False)
class Rnn(Node):
    weight_ih: np.ndarray
    weight_hh: np.ndarray
    bias: np.ndarray
    h0: np.ndarray | None = None
    delay: float = 1.0

    @property
    def width(self) -> int:
        return self.weight_hh.shape[1]


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
    fasttanh    a rational near tanh, as some hosts put in its place
                (error 0.00044 up to |x| = 10; it tends to 1.008)
    silu        x sigmoid(x)
    hardswish   x clip(x + 3, 0, 6) / 6
    softsign    x / (1 + |x|)
    selu        1.0507 x if x >= 0 else 1.7581 (e^x - 1)
    gelu        x (1 + erf(x / sqrt 2)) / 2
    softplus    log(1 + e^x); x where x > 20
    ==========  ==========================================================  ==============================
    """

    kind: str = "tanh"
    slope: float = math.nan  # not a number: the kind's default
    slope_high: float = 0.0
    low: float = -1.0
    high: float = 1.0

    def __post_init__(self):
        if math.isnan(self.slope):
            object.__setattr__(self, "slope", SLOPES.get(self.kind, 1.0))

    @property
    def constants(self) -> tuple[float, float, float, float]:
        """Return slope, slope_high, low, high."""
        return self.slope, self.slope_high, self.low, self.high


@dataclass(frozen=True, eq=False)
class PRelu(Node):
    alpha: np.ndarray


@dataclass(frozen=True, eq=False)
class Affine(Node):
    scale: np.ndarray
    shift: np.ndarray


@dataclass(frozen=True, eq=False)
class Add(Node):
    pass


@dataclass(frozen=True, eq=False)
class Mul(Node):
    pass


@dataclass(frozen=True, eq=False)
class Concat(Node):
    pass


@dataclass(frozen=True, eq=False)
class Slice(Node):
    start: int
    stop: int

    @property
    def width(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True, eq=False)
class Hold(Node):
    """What a layer that runs at a part of the rate gives, and takes.

    Frames count from the first that is processed, prewarm included; `phase` is below `stride`. Before that frame the
    output is zero. `between` is "last" or "zero".
    """

    stride: int
    phase: int = 0
    between: str = "last"


RECURRENT = (Lstm, Gru, Rnn)


def tensors(node: Node) -> dict[str, np.ndarray]:
    """Return the node's arrays by field name."""
    return {name: value for name, value in vars(node).items() if isinstance(value, np.ndarray)}
