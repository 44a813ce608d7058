"""Reads a PyTorch state_dict dumped as JSON, by the description of the network beside it.

``python -c "json.dump({k: v.tolist() for k, v in module.state_dict().items()}, file)"`` keeps the tensors, not the
network. A file ``net.arch.json`` beside ``net.json`` describes it::

    {"inputs": 1, "knobs": ["drive"], "sample_rate": 44100, "name": "My amp", "kind": "amp",
     "layers": [{"type": "conv1d", "prefix": "conv1.", "dilation": 10, "groups": 1},
                {"type": "batchnorm", "prefix": "bn.", "eps": 1e-5}, {"type": "prelu", "prefix": "relu."},
                {"type": "gru", "prefix": "gru.", "layers": 2}, {"type": "linear", "prefix": "dense."}]}

Only ``layers`` is required. `inputs` is the number of audio channels (1). Each of `knobs` is one more feature after
them, except the knobs that a film layer reads. Layers are applied one after the other. `prefix` is the text before
``weight`` in the tensors' names, "" by default. docs/reference/formats.md has this table for users.

================  ===================================================================================================
type              further keys
================  ===================================================================================================
linear            none
conv1d            dilation (1), groups (1), stride (1), phase "torch" or "rtneural" ("torch"); always causal
conv_transpose1d  dilation (1), groups (1), stride (1), phase
gru, lstm, rnn    layers (1): a stack l0, l1, ...
prelu, batchnorm  batchnorm: eps, else the tensor ``eps``, else 1e-5; evaluated by its running mean and variance
activation        kind, slope, slope_high, low, high: as in rtfx JSON
slice             start, stop: features
film              knobs (all): names; layers: those between the knobs and the film; order "scale-shift" or "shift-scale"
                  ("scale-shift"); one_plus (false): the computed scale is added to 1
residual          layers, shortcut: two lists of layers, whose outputs are added; an empty list is the signal itself
parallel          branches: lists of layers; join: "add", "mul" or "concat"
================  ===================================================================================================

A strided convolution gives one output frame for `stride` input frames; here each is held until the next. With phase
"torch" its frames are those of PyTorch without padding: the first comes when all taps are filled. The layers after it
run at this lower rate, up to a transposed convolution of the same stride; that gives PyTorch's output without
`padding`, which would only shift it. With phase "rtneural" the first frame is taken, then every stride-th. The layers
after it run at the full rate, as in RTNeural, and a transposed convolution reads a signal that already has zeros
between its frames. Tensors that no layer uses are an error. Source: RTNeural torch_helpers.h, strided_conv1d.h;
PyTorch's documentation.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...errors import (
    MissingKey,
    NonFiniteWeights,
    NotAModelFile,
    ShapeMismatch,
    UnsupportedArchitecture,
    WeightCountMismatch,
    did_you_mean,
)
from ..graph import Graph
from ..nodes import (
    ACTIVATIONS,
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
)
from ..spec import Knob, ModelSpec
from ..values import (
    RECEPTIVE_FIELD,
    WIDTH,
    at,
    at_most,
    integer,
    integer_at,
    listed,
    mapping,
    number,
    one_of,
    required,
    shown,
    string,
    tensor,
)
from .inputs import CHANNELS, KNOBS, input_nodes
from .json_file import read_json
from .sample_rate import find_rate, stated_rate

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
BATCHNORM_EPSILON = 1e-5  # PyTorch's default
KEYS = ("inputs", "knobs", "sample_rate", "name", "kind", "layers")
KINDS = ("amp", "pedal", "amp+cab", "unknown")
PHASES = ("torch", "rtneural")
JOINS: dict[str, type[Node]] = {"add": Add, "mul": Mul, "concat": Concat}
ORDERS = ("scale-shift", "shift-scale")  # of the halves that a film computes
NESTING = 16


class State:
    """The tensors of a state_dict, each of which must be used.

    Parameters
    ----------
    data : dict
        Nested lists by parameter name.
    where : str
        Its name in messages.
    """

    def __init__(self, data: Any, where: str = "state_dict"):
        self.data, self.where = mapping(data, where), where
        self.used: set[str] = set()

    def __contains__(self, name: str) -> bool:
        return name in self.data

    def take(self, name: str, shape: tuple[int, ...] | None = None, axes: int | None = None) -> np.ndarray:
        """Return a tensor; raise unless it exists and has `shape` or this number of axes."""
        if name not in self.data:
            raise MissingKey(f"{self.where} has no tensor {name!r}: re-export the model")
        self.used.add(name)
        return np.ascontiguousarray(tensor(self.data[name], f"{self.where}[{name!r}]", shape, axes))

    def optional(self, name: str, size: int) -> np.ndarray:
        """Return a vector, or zeros if the layer was made without it."""
        return self.take(name, (size,)) if name in self.data else np.zeros(at_most(size, 4 * WIDTH, name))

    def finish(self) -> None:
        """Raise if a tensor was not used: the network then differs from the description."""
        unused = [name for name in self.data if name not in self.used and not name.endswith("num_batches_tracked")]
        if unused:
            raise WeightCountMismatch(
                f"{self.where} holds {len(unused)} tensors that the network has no use for, the first "
                f"{shown(unused[0])}: is the description right?"
            )


def linear(state: State, prefix: str, source: int, inputs: int | None = None, outputs: int | None = None) -> Dense:
    """Return a linear layer; a size that is not given is taken from the tensor."""
    weight = state.take(f"{prefix}weight", axes=2)
    expected = (outputs or weight.shape[0], inputs or weight.shape[1])
    if weight.shape != expected:
        raise ShapeMismatch(f"{state.where}['{prefix}weight'] has shape {weight.shape}, expected {expected}")
    return Dense((source,), weight=weight, bias=state.optional(f"{prefix}bias", weight.shape[0]))


def recurrent(
    state: State, prefix: str, source: int, unit: str, inputs: int, hidden: int, layer: int = 0
) -> Lstm | Gru | Rnn:
    """Return one layer of a recurrent stack; `unit` is a key of `GATES`; missing biases become zeros."""
    rows = GATES[unit] * at_most(hidden, WIDTH, "hidden_size")
    weight_ih = state.take(f"{prefix}weight_ih_l{layer}", (rows, inputs))
    weight_hh = state.take(f"{prefix}weight_hh_l{layer}", (rows, hidden))
    bias_ih, bias_hh = (state.optional(f"{prefix}bias_{name}_l{layer}", rows) for name in ("ih", "hh"))
    if unit == "GRU":
        return Gru((source,), weight_ih=weight_ih, weight_hh=weight_hh, bias_ih=bias_ih, bias_hh=bias_hh)
    kind = Lstm if unit == "LSTM" else Rnn
    return kind((source,), weight_ih=weight_ih, weight_hh=weight_hh, bias=bias_ih + bias_hh)


def prelu(state: State, prefix: str, source: int, width: int) -> PRelu:
    """Return a PReLU with one slope for each feature, or one slope for all."""
    alpha = state.take(f"{prefix}weight", axes=1)
    if alpha.size not in (1, width):
        raise ShapeMismatch(f"{state.where}['{prefix}weight'] has {alpha.size} slopes, expected 1 or {width}")
    return PRelu((source,), alpha=np.broadcast_to(alpha, (width,)).copy())


def batchnorm(state: State, prefix: str, source: int, width: int, epsilon: float | None = None) -> Affine:
    """Return a batch normalisation in evaluation mode, by the running mean and variance.

    `epsilon` comes from the description. By default it is the file's, which some exporters add, else PyTorch's.
    """
    mean, variance = (state.take(f"{prefix}running_{name}", (width,)) for name in ("mean", "var"))
    affine = f"{prefix}weight" in state
    gamma = state.take(f"{prefix}weight", (width,)) if affine else np.ones(width)
    beta = state.optional(f"{prefix}bias", width)
    stored = state.take(f"{prefix}eps", ()).item() if f"{prefix}eps" in state else BATCHNORM_EPSILON
    spread = variance + (stored if epsilon is None else epsilon)
    if not (spread > 0).all():
        raise NonFiniteWeights(f"{state.where}['{prefix}running_var'] + epsilon is not positive: re-export the model")
    scale = gamma / np.sqrt(spread)
    return Affine((source,), scale=scale, shift=beta - mean * scale)


class Signal(NamedTuple):
    """A node, its features, and the frames at which it changes: every `period`-th, starting with `phase`."""

    node: int
    width: int
    period: int = 1
    phase: int = 0


def description(path: Path) -> Path | None:
    """Return the description beside a file, if there is one: net.arch.json or net.json.arch.json."""
    beside = (path.with_suffix(".arch.json"), path.with_name(path.name + ".arch.json"))
    return next((found for found in beside if found.is_file()), None)


def read(
    data: dict[str, Any], path: Path, inputs: str | None = None, metadata: dict[str, Any] | None = None
) -> ModelSpec:
    """Return the model in a state_dict file; `inputs` is as in `sort_inputs`, `metadata` is the file's own.

    Raises
    ------
    ModelError
        UnsupportedArchitecture if there is no description; an error in a layer names its place in the description.
    """
    beside = description(path)
    if beside is None:
        raise UnsupportedArchitecture(
            "a PyTorch state_dict without a description of the network: tensors alone do not say how they are joined; "
            f"write {path.with_suffix('.arch.json').name} beside it (docs/reference/formats.md says how)"
        )
    arch = mapping(read_json(beside), beside.name)
    for key in arch:
        if key not in KEYS:
            raise NotAModelFile(f"{beside.name} has an unknown key {shown(key)}{did_you_mean(key[:60], KEYS)}")
    knobs = [string(name, "knobs") for name in listed(arch.get("knobs", []), "knobs")]
    width = at_most(integer(arch.get("inputs", 1), "inputs") + len(knobs), WIDTH, "inputs")
    layers = required(arch, "layers", beside.name)
    read_by_films = films(layers, knobs)
    if read_by_films is None and inputs == CHANNELS:
        knobs = []
    elif inputs == KNOBS:
        knobs = [f"input{i + 2}" for i in range(width - 1 - len(knobs))] + knobs
    entering = [name for name in knobs if name not in (read_by_films or ())]
    width -= len(knobs) - len(entering)
    graph = Graph(input_nodes(width, entering))
    entrance = graph.output
    state = State(data)
    builder = Builder(graph, state)
    for name in knobs:
        if name not in entering:
            builder.knobs[name] = graph.add(Input((), role="knob", name=name))
    begun = len(graph.nodes)
    builder.chain(Signal(entrance, width), layers, "layers")
    if len(graph.nodes) == begun:
        raise ShapeMismatch("layers is empty, expected at least one layer")
    state.finish()
    if "sample_rate" in arch and stated_rate(arch["sample_rate"]) is None:
        raise NotAModelFile(f"sample_rate is {shown(arch['sample_rate'])}, expected Hz")
    warnings: list[str] = []
    rate, source = find_rate(arch | {"metadata": metadata}, path, warnings, None)
    return ModelSpec(
        family="state_dict",
        nodes=graph.listed(),
        name=string(arch.get("name", path.stem), "name"),
        sample_rate=rate,
        rate_source=source,
        knobs=tuple(Knob(name) for name in knobs),
        kind=one_of(arch.get("kind", "unknown"), KINDS, "kind"),
        warnings=tuple(warnings),
    )


def films(layers: Any, knobs: list[str]) -> set[str] | None:
    """Return the knobs that the film layers of a description read, None if it has no such layers."""
    read: set[str] | None = None
    waiting = [layers]
    while waiting:
        entry = waiting.pop()
        if isinstance(entry, dict):
            if entry.get("type") == "film":
                names = listed(entry.get("knobs", knobs), "knobs of a film layer")
                if not names:
                    raise ShapeMismatch("a film layer reads no knob, expected some of the description's knobs")
                read = (read or set()).union(one_of(name, knobs, "knobs of a film layer") for name in names)
            waiting += [value for value in entry.values() if isinstance(value, (dict, list))]
        elif isinstance(entry, list):
            waiting += entry
    return read


class Builder:
    """Appends described layers to a graph; `knobs` holds the nodes of the knobs that film layers read."""

    def __init__(self, graph: Graph, state: State):
        self.graph, self.state, self.depth = graph, state, 0
        self.knobs: dict[str, int] = {}

    def chain(self, signal: Signal, layers: Any, where: str) -> Signal:
        """Append layers one after the other; return the output."""
        self.depth += 1
        at_most(self.depth, NESTING, f"layers inside layers at {where}")
        for i, entry in enumerate(listed(layers, where)):
            signal = self.layer(signal, mapping(entry, f"{where}[{i}]"), f"{where}[{i}]")
        self.depth -= 1
        return signal

    def layer(self, signal: Signal, entry: dict[str, Any], where: str) -> Signal:
        """Append one layer."""
        kind = at(entry, "type", where, one_of, LAYERS)
        keys = LAYERS[kind]
        for key in entry:
            if key not in ("type", *keys):
                raise NotAModelFile(f"{where} ({kind}) has an unknown key {shown(key)}{did_you_mean(key[:60], keys)}")
        prefix = string(entry.get("prefix", ""), f"{where}.prefix")
        if kind.startswith("conv"):
            return self.convolution(signal, entry, prefix, where)
        if kind.upper() in GATES:
            return self.stack(signal, kind.upper(), integer(entry.get("layers", 1), f"{where}.layers"), prefix, where)
        if kind in ("residual", "parallel"):
            return self.join(signal, entry, where)
        if kind == "film":
            return self.film(signal, entry, where)
        width = signal.width
        node: Node
        if kind == "linear":
            node = linear(self.state, prefix, signal.node, inputs=width)
            width = node.width
        elif kind == "prelu":
            node = prelu(self.state, prefix, signal.node, width)
        elif kind == "batchnorm":
            epsilon = number(entry["eps"], f"{where}.eps") if "eps" in entry else None
            node = batchnorm(self.state, prefix, signal.node, width, epsilon)
        elif kind == "slice":
            start, stop = (integer(required(entry, key, where), f"{where}.{key}", 0) for key in ("start", "stop"))
            if not start < stop <= width:
                raise ShapeMismatch(f"{where} takes features {start} to {stop} of {width}, expected a part")
            node, width = Slice((signal.node,), start, stop), stop - start
        else:
            name = at(entry, "kind", where, one_of, ACTIVATIONS)
            constants = {key: number(entry[key], f"{where}.{key}") for key in keys if key != "kind" and key in entry}
            node = Activation((signal.node,), kind=name, **constants)
        return signal._replace(node=self.graph.add(node), width=width)

    def stack(self, signal: Signal, unit: str, layers: int, prefix: str, where: str) -> Signal:
        """Append recurrent layers; the hidden size is that of the tensors."""
        if signal.period > 1:
            raise UnsupportedArchitecture(f"{where} is recurrent at a part of the rate, expected it before any stride")
        for layer in range(layers):
            hidden = self.state.take(f"{prefix}weight_hh_l{layer}", axes=2).shape[1]
            node = recurrent(self.state, prefix, signal.node, unit, signal.width, hidden, layer)
            signal = Signal(self.graph.add(node), hidden)
        return signal

    def join(self, signal: Signal, entry: dict[str, Any], where: str) -> Signal:
        """Append branches that read the same signal, and the node that joins them."""
        if entry["type"] == "residual":
            branches, join = {"layers": required(entry, "layers", where), "shortcut": entry.get("shortcut", [])}, "add"
        else:
            lists = at(entry, "branches", where, listed)
            branches = {f"branches[{i}]": branch for i, branch in enumerate(lists)}
            join = one_of(entry.get("join", "add"), JOINS, f"{where}.join")
        ends = [self.chain(signal, layers, f"{where}.{name}") for name, layers in branches.items()]
        if not ends:
            raise ShapeMismatch(f"{where}.branches is empty, expected at least one")
        if len({(end.period, end.phase) for end in ends}) > 1:
            raise ShapeMismatch(f"{where} joins signals of unequal strides, expected equal ones")
        if join != "concat" and len({end.width for end in ends}) > 1:
            raise ShapeMismatch(f"{where} joins {[end.width for end in ends]} features, expected equal numbers")
        width = sum(end.width for end in ends) if join == "concat" else ends[0].width
        return ends[0]._replace(node=self.graph.add(JOINS[join](tuple(end.node for end in ends))), width=width)

    def film(self, signal: Signal, entry: dict[str, Any], where: str) -> Signal:
        """Append a gain and a shift for each feature, computed from knobs; or a gain alone if only that is computed."""
        sources = tuple(self.knobs[name] for name in entry.get("knobs", self.knobs))
        condition = Signal(self.graph.add(Concat(sources)) if len(sources) > 1 else sources[0], len(sources))
        if "layers" in entry:
            condition = self.chain(condition, entry["layers"], f"{where}.layers")
        if "prefix" in entry or "layers" not in entry:
            dense = self.pointwise(string(entry.get("prefix", ""), f"{where}.prefix"), condition)
            condition = Signal(self.graph.add(dense), dense.width)
        width, found = signal.width, condition.width
        if found not in (width, 2 * width):
            raise ShapeMismatch(
                f"{where} computes {found} features, expected {2 * width} for {width} (or {width}: a gain)"
            )
        order = one_of(entry.get("order", ORDERS[0]), ORDERS, f"{where}.order")
        if entry.get("one_plus", False) not in (True, False):
            raise NotAModelFile(f"{where}.one_plus is {shown(entry['one_plus'])}, expected true or false")
        halves = [condition.node]
        if found == 2 * width:
            halves = [self.graph.add(Slice((condition.node,), i * width, (i + 1) * width)) for i in (0, 1)]
            halves = halves[::-1] if order == ORDERS[1] else halves
        if entry.get("one_plus", False):
            halves[0] = self.graph.add(Affine((halves[0],), scale=np.ones(width), shift=np.ones(width)))
        node = self.graph.add(Mul((signal.node, halves[0])))
        return signal._replace(node=self.graph.add(Add((node, halves[1]))) if len(halves) > 1 else node)

    def pointwise(self, prefix: str, signal: Signal) -> Dense:
        """Return a linear layer, which in PyTorch may be a convolution of one tap."""
        weight = self.state.take(f"{prefix}weight")
        if weight.ndim == 3 and weight.shape[2] == 1:
            weight = weight[:, :, 0]
        if weight.ndim != 2 or weight.shape[1] != signal.width:
            raise ShapeMismatch(f"{prefix}weight has shape {weight.shape}, expected {signal.width} inputs")
        bias = self.state.optional(f"{prefix}bias", len(weight))
        return Dense((signal.node,), weight=np.ascontiguousarray(weight), bias=bias)

    def convolution(self, signal: Signal, entry: dict[str, Any], prefix: str, where: str) -> Signal:
        """Append a convolution or a transposed one, and the nodes that its stride needs."""
        dilation, groups, stride = (
            integer_at(entry, key, where, 1, RECEPTIVE_FIELD) for key in ("dilation", "groups", "stride")
        )
        torch = one_of(entry.get("phase", "torch"), PHASES, f"{where}.phase") == "torch"
        weight = self.state.take(f"{prefix}weight", axes=3)
        held = stride > 1
        if entry["type"] == "conv_transpose1d":
            weight = transposed(weight, groups, where)
            if torch:
                signal = self.spread(signal, stride, where)
            held, stride = torch and held and signal.period > 1, 1
        outputs, per_group, taps = weight.shape
        if outputs % groups or per_group * groups != signal.width:
            raise ShapeMismatch(
                f"{where}: {prefix}weight has shape {weight.shape} in {groups} groups, expected {signal.width} inputs"
            )
        spacing = dilation * signal.period if torch else dilation
        bias = self.state.optional(f"{prefix}bias", outputs)
        node = Conv1d((signal.node,), weight=weight, bias=bias, dilation=spacing, groups=groups)
        signal = signal._replace(node=self.graph.add(node), width=outputs)
        if not held:
            return signal
        if not torch:
            return signal._replace(node=self.graph.add(Hold((signal.node,), stride)))
        period = at_most(signal.period * stride, RECEPTIVE_FIELD, f"frames that {where} holds")
        phase = (signal.phase + (taps - 1) * spacing) % period if stride > 1 else signal.phase
        return signal._replace(node=self.graph.add(Hold((signal.node,), period, phase)), period=period, phase=phase)

    def spread(self, signal: Signal, stride: int, where: str) -> Signal:
        """Return the signal at `stride` times its rate, with zeros between its frames."""
        if signal.period % stride:
            raise UnsupportedArchitecture(
                f"{where} has stride {stride} and reads one frame in {signal.period}, so that it would raise the rate: "
                "expected a convolution of that stride before it, or phase 'rtneural'"
            )
        if stride == 1:
            return signal
        zeros = Hold((signal.node,), signal.period, signal.phase, "zero")
        period = signal.period // stride
        return signal._replace(node=self.graph.add(zeros), period=period, phase=signal.phase % period)


def transposed(weight: np.ndarray, groups: int, where: str) -> np.ndarray:
    """Return the kernel by which a convolution of the signal with zeros between frames equals a transposed one.

    PyTorch's tensor is (in, out/groups, taps), with tap k for the frame k before. The result is (out, in/groups, taps),
    with the tap of the oldest frame first.
    """
    inputs, outputs, taps = weight.shape
    if inputs % groups or outputs * groups > WIDTH:
        raise ShapeMismatch(f"{where}: {groups} groups do not fit {inputs} inputs and {outputs} outputs each")
    blocks = weight.reshape(groups, inputs // groups, outputs, taps).transpose(0, 2, 1, 3)[..., ::-1]
    return np.ascontiguousarray(blocks.reshape(groups * outputs, inputs // groups, taps))


_CONVOLUTION = ("prefix", "dilation", "groups", "stride", "phase")
LAYERS: dict[str, tuple[str, ...]] = {
    "linear": ("prefix",),
    "conv1d": _CONVOLUTION,
    "conv_transpose1d": _CONVOLUTION,
    "gru": ("prefix", "layers"),
    "lstm": ("prefix", "layers"),
    "rnn": ("prefix", "layers"),
    "prelu": ("prefix",),
    "batchnorm": ("prefix", "eps"),
    "activation": ("kind", "slope", "slope_high", "low", "high"),
    "slice": ("start", "stop"),
    "film": ("prefix", "knobs", "layers", "order", "one_plus"),
    "residual": ("layers", "shortcut"),
    "parallel": ("branches", "join"),
}
