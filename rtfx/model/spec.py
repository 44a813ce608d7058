"""ModelSpec: what a model file says, as a graph of a few kinds of node.

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

from dataclasses import dataclass, field

import numpy as np

from ..errors import NonFiniteWeights, ShapeMismatch, UnsupportedArchitecture

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


@dataclass(frozen=True)
class Knob:
    """A control of the model, mapped to an Input node of the same name."""

    name: str
    minimum: float = 0.0
    maximum: float = 1.0
    default: float = 0.5
    unit: str = ""


@dataclass(frozen=True, eq=False)
class ModelSpec:
    """A checked model: graph, rate, knobs and what a host should know.

    Parameters
    ----------
    nodes : tuple of Node
        In computable order.
    sample_rate : float or None
        Hz; None where the file does not say and nothing can be inferred.
    rate_source : str
        "file", "family" (inferred, a warning says so) or "unknown".
    kind : str
        "amp", "pedal", "amp+cab" or "unknown": an amp gets a default cabinet.
    prewarm : str or int
        "auto" (interface.md: receptive field, or 2048 zeros for recurrent nets), or a number of frames.
    dc_block : bool
        The output may carry a constant offset.
    level_db : float
        Gain after the model that brings it to a sensible level; not part of the bare function.
    """

    family: str
    nodes: tuple[Node, ...]
    name: str = ""
    sample_rate: float | None = None
    rate_source: str = "unknown"
    knobs: tuple[Knob, ...] = ()
    kind: str = "unknown"
    prewarm: str | int = "auto"
    dc_block: bool = True
    level_db: float = 0.0
    metadata: dict = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def __post_init__(self):
        check(self)

    @property
    def widths(self) -> list[int]:
        """Features of each node's output."""
        widths: list[int] = []
        for node in self.nodes:
            if isinstance(node, Concat):
                widths.append(sum(widths[s] for s in node.sources))
            else:
                widths.append(node.width or widths[node.sources[0]])
        return widths

    @property
    def inputs(self) -> int:
        """Audio input channels."""
        return sum(n.channels for n in self.nodes if isinstance(n, Input) and n.role == "audio")

    @property
    def outputs(self) -> int:
        """Output channels: the width of the last node."""
        return self.widths[-1]

    @property
    def recurrent(self) -> bool:
        return any(isinstance(node, RECURRENT) for node in self.nodes)

    @property
    def receptive_field(self) -> int | None:
        """Input frames that one output frame depends on, itself included; None for recurrent nets."""
        if self.recurrent:
            return None
        history: list[int] = []
        for node in self.nodes:
            before = max((history[s] for s in node.sources), default=0)
            own = (node.weight.shape[2] - 1) * node.dilation if isinstance(node, Conv1d) else 0
            history.append(before + own)
        return history[-1] + 1

    @property
    def prewarm_frames(self) -> int:
        """Zeros run through the model before the first audible frame."""
        if isinstance(self.prewarm, int):
            return self.prewarm
        return self.receptive_field or 2048

    @property
    def parameter_count(self) -> int:
        """Number of weights."""
        return sum(t.size for node in self.nodes for t in tensors(node).values())

    @property
    def macs_per_sample(self) -> int:
        """Multiply-adds per frame, biases and activations not counted."""
        return sum(
            t.size for node in self.nodes for name, t in tensors(node).items() if name.startswith("weight") or name == "scale"
        )


def tensors(node: Node) -> dict[str, np.ndarray]:
    """Return the node's arrays by field name."""
    return {name: value for name, value in vars(node).items() if isinstance(value, np.ndarray)}


def check(spec: ModelSpec) -> None:
    """Raise unless every source exists, every shape fits and every weight is finite."""
    widths: list[int] = []
    for index, node in enumerate(spec.nodes):
        where = f"{spec.name or spec.family}: node {index} ({type(node).__name__.lower()})"
        if any(not 0 <= s < index for s in node.sources) or bool(node.sources) == isinstance(node, Input):
            raise ShapeMismatch(f"{where} has sources {node.sources}, expected earlier nodes")
        for name, tensor in tensors(node).items():
            if not np.isfinite(tensor).all():
                raise NonFiniteWeights(f"{where}: {name} holds NaN or infinity: re-export the model")
        if isinstance(node, Activation) and node.kind not in ACTIVATIONS:
            raise UnsupportedArchitecture(f"{where}: unknown activation {node.kind!r}, known: {', '.join(ACTIVATIONS)}")
        incoming = [widths[s] for s in node.sources]
        for name, expected in _expected_shapes(node, incoming).items():
            found = getattr(node, name).shape
            if found != expected:
                raise ShapeMismatch(f"{where}: {name} has shape {found}, expected {expected}")
        if isinstance(node, Add) and len(set(incoming)) != 1:
            raise ShapeMismatch(f"{where} adds signals of {incoming} features, expected equal widths")
        widths.append(sum(incoming) if isinstance(node, Concat) else node.width or incoming[0])
    if not any(isinstance(node, Input) and node.role == "audio" for node in spec.nodes):
        raise ShapeMismatch(f"{spec.name or spec.family}: no audio input, expected one")


def _expected_shapes(node: Node, incoming: list[int]) -> dict[str, tuple[int, ...]]:
    """Shapes that the node's tensors must have, given the widths of its sources."""
    if isinstance(node, Dense):
        return {"weight": (node.width, incoming[0]), "bias": (node.width,)}
    if isinstance(node, Conv1d):
        if node.groups < 1 or incoming[0] % node.groups or node.width % node.groups:
            raise ShapeMismatch(f"conv1d: {node.groups} groups do not divide {incoming[0]} inputs and {node.width} outputs")
        if node.dilation < 1:
            raise ShapeMismatch(f"conv1d: dilation is {node.dilation}, expected at least 1")
        return {"weight": (node.width, incoming[0] // node.groups, node.weight.shape[2]), "bias": (node.width,)}
    if isinstance(node, Lstm):
        h = node.width
        shapes = {"weight_ih": (4 * h, incoming[0]), "weight_hh": (4 * h, h), "bias": (4 * h,)}
        return shapes | {name: (h,) for name in ("h0", "c0") if getattr(node, name) is not None}
    if isinstance(node, Gru):
        h = node.width
        shapes = {"weight_ih": (3 * h, incoming[0]), "weight_hh": (3 * h, h), "bias_ih": (3 * h,), "bias_hh": (3 * h,)}
        return shapes | ({"h0": (h,)} if node.h0 is not None else {})
    if isinstance(node, PRelu):
        return {"alpha": (incoming[0],)}
    if isinstance(node, Affine):
        return {"scale": (incoming[0],), "shift": (incoming[0],)}
    return {}
