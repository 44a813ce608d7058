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
Activation  f(x), element by element (softmax: over features)   kind in ACTIVATIONS
PRelu       x if x >= 0 else alpha x                            alpha (features,)
Affine      scale x + shift                                     scale, shift (features,)
Add         the sum of all sources
Concat      the features of all sources, one after the other
==========  =======================================================================================================
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

ROLES = ("audio", "knob", "sample_period")
ACTIVATIONS = ("tanh", "relu", "leaky_relu", "sigmoid", "softmax", "elu", "sine")


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

    @property
    def width(self) -> int:
        return self.weight_hh.shape[1]


@dataclass(frozen=True, eq=False)
class Activation(Node):
    """`slope` is leaky_relu's negative slope, elu's alpha, sine's factor on x."""

    kind: str = "tanh"
    slope: float = 1.0


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
class Concat(Node):
    pass


RECURRENT = (Lstm, Gru)


def tensors(node: Node) -> dict[str, np.ndarray]:
    """Return the node's arrays by field name."""
    return {name: value for name, value in vars(node).items() if isinstance(value, np.ndarray)}
