"""Represents a tensor of an exported program as a stream: a node, its axes of features and frames, and its timing.

Element j of a tensor's time axis is frame ``j period + shift`` of its node, which is causal. A convolution without
padding increases the shift by its history; zeros before the signal decrease it. If an operation joins tensors of
different shifts, the earlier ones are delayed, so that padding, cropping and residual paths give PyTorch's result.

This module has these signals, the functions that turn a program's inputs into audio and knobs and its output into a
model, and the operations that move a tensor's axes or take parts of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, NoReturn

import numpy as np

from ...errors import ShapeMismatch, UnsupportedArchitecture, UsageError
from ..graph import Graph
from ..nodes import Concat, Conv1d, Dense, Input, Node, Slice
from ..spec import UNKNOWN_RATE, Knob, ModelSpec
from ..values import RECEPTIVE_FIELD, WIDTH, at_most
from .inputs import CHANNELS, sort_inputs, usual_names, with_knobs

TIME, FEATURE, ONE = "time", "feature", "one"
Arguments = dict[str, Any]


@dataclass(frozen=True)
class Signal:
    """A tensor; `axes` names each of its axes. With `steady` it has the same value at every frame."""

    node: int
    width: int
    axes: tuple[str, ...]
    shift: int = 0
    period: int = 1
    steady: bool = False


@dataclass(frozen=True)
class Unfinished:
    """Part of an activation that PyTorch has decomposed; rtfx has a layer only for the whole activation."""

    kind: str
    signal: Signal
    limit: float = 0.0


Value = Any  # Signal, numpy.ndarray of constants, a list of these, or None


class SignalGraph(Graph):
    """A graph of signals; its errors name the operation that cannot be converted."""

    def __init__(self) -> None:
        super().__init__()
        self.absolute: dict[int, int] = {}  # node of |x| -> node of x
        self.place = ""  # the operation being read, for messages
        self.module = ""  # the class of the module that it comes from

    def fail(self, why: str) -> NoReturn:
        raise UnsupportedArchitecture(f"{self.place}: {why}")

    def add(self, node: Node) -> int:
        at_most(node.width, WIDTH, "features")
        return super().add(node)

    def follow(self, signal: Signal, node: Node) -> Signal:
        """Append a node that reads a signal."""
        return replace(signal, node=self.add(node), width=node.width or signal.width)

    def signal(self, value: Value, what: str = "its input") -> Signal:
        """Return a value as a signal; fail if it does not depend on the input."""
        if isinstance(value, Unfinished):
            self.fail(f"uses {value.kind}, which rtfx knows as part of an activation only")
        if not isinstance(value, Signal):
            self.fail(f"{what} does not depend on the audio, expected a signal")
        return value

    def constant(self, value: Value, what: str) -> np.ndarray:
        """Return a value as an array; fail if it depends on the input."""
        if not isinstance(value, np.ndarray):
            self.fail(f"{what} depends on the audio, expected a fixed tensor")
        return value

    def laid_out(self, signal: Signal, *axes: str) -> Signal:
        """Return a signal with these axes, or fail; a single feature may be at any axis of size 1."""
        found = [ONE if axis == FEATURE and signal.width == 1 else axis for axis in signal.axes]
        wanted = [ONE if axis == FEATURE and signal.width == 1 else axis for axis in axes]
        if signal.steady and TIME not in found:
            wanted = [ONE if axis == TIME else axis for axis in wanted]
        if found != wanted:
            self.fail(
                f"reads ({', '.join(signal.axes)}), expected ({', '.join(axes)}): export it with an input so laid out"
            )
        return signal

    def delayed(self, signal: Signal, shift: int) -> Signal:
        """Return a signal delayed so that its shift becomes `shift`."""
        if signal.steady or shift == signal.shift:
            return replace(signal, shift=shift)
        frames = at_most(shift - signal.shift, RECEPTIVE_FIELD, "frames of delay")
        weight = np.tile(np.array([1.0, 0.0]), (signal.width, 1, 1))
        node = Conv1d((signal.node,), weight, np.zeros(signal.width), dilation=frames, groups=signal.width)
        return replace(self.follow(signal, node), shift=shift)

    def aligned(self, signals: list[Signal]) -> list[Signal]:
        """Return the signals with equal shifts; fail if their rates differ."""
        moving = [signal for signal in signals if not signal.steady]
        if len({signal.period for signal in moving}) > 1:
            self.fail("joins signals of unequal strides, expected equal ones")
        if not moving:
            return signals
        latest = max(signal.shift for signal in moving)
        return [replace(self.delayed(signal, latest), period=moving[0].period) for signal in signals]

    def spread(self, signal: Signal, width: int) -> Signal:
        """Return a signal of one feature as a signal of `width` equal features."""
        if signal.width == width:
            return signal
        if signal.width != 1:
            self.fail(f"joins {signal.width} and {width} features, expected equal numbers")
        return self.follow(signal, Dense((signal.node,), np.ones((width, 1)), np.zeros(width)))

    def merged_axes(self, a: tuple[str, ...], b: tuple[str, ...]) -> tuple[str, ...]:
        """Return the axes of two tensors broadcast against each other, from the last axis back."""
        longest = max(len(a), len(b))
        a, b = (ONE,) * (longest - len(a)) + a, (ONE,) * (longest - len(b)) + b
        if any(x != y and ONE not in (x, y) for x, y in zip(a, b, strict=True)):
            self.fail(f"joins ({', '.join(a)}) and ({', '.join(b)}), expected the same axes")
        merged = tuple(y if x == ONE else x for x, y in zip(a, b, strict=True))
        if merged.count(TIME) > 1 or merged.count(FEATURE) > 1:
            self.fail("spreads one signal over another's axis, expected the same axes")
        return merged


class Entered(NamedTuple):
    """Names of the knobs so far, and of the audio input's features that may be knobs too."""

    knobs: list[str]
    features: int
    usual: tuple[str, ...]


def enter(
    graph: SignalGraph,
    sizes: Mapping[str, tuple[int, ...]],
    frames: int,
    recurrent: bool,
    values: dict[str, Value],
    knobs: Sequence[str] | None,
    time_axis: int | None = None,
) -> Entered:
    """Append the inputs to the graph and to `values`.

    Parameters
    ----------
    sizes : mapping
        Sizes of each input, the audio first; the others are knobs, one for each of their numbers.
    frames : int
        Length of the audio's time axis, which is its last of that size unless `time_axis` names it.
    recurrent : bool
        The features of the audio after the first are knobs, as in guitar captures, unless the output has as many.
    knobs : sequence of str or None
        Names of the knobs: the last features of the audio input, then the other inputs.
    """
    first, *others = sizes
    axes, width = _axes(sizes[first], first, frames, time_axis)
    beside: list[str] = []
    for name in others:
        count = int(np.prod([size for size in sizes[name] if size != frames]))
        beside += [name] if count == 1 else [f"{name}_{i + 1}" for i in range(at_most(count, WIDTH, "knobs"))]
    named = knobs is not None
    knobs = list(knobs) if knobs is not None else beside
    within = len(knobs) - len(beside)
    if not 0 <= within < width or len(set(knobs)) < len(knobs):
        raise UsageError(
            f"{len(knobs)} knobs are named: {', '.join(knobs)}; expected {len(beside)} for the inputs beside the audio "
            f"and at most {width - 1} for features of the audio input, each with a name of its own"
        )
    audio = graph.add(Input((), channels=at_most(width - within, WIDTH, "audio channels")))
    inputs = [graph.add(Input((), role="knob", name=knob)) for knob in knobs]
    node = graph.add(Concat((audio, *inputs[:within]))) if within else audio
    values[first] = Signal(node, width, axes)
    place = within
    for name in others:
        own, count = _axes(sizes[name], name, frames)
        group = tuple(inputs[place : place + count])
        place += count
        node = graph.add(Concat(group)) if count > 1 else group[0]
        values[name] = Signal(node, count, own, steady=True)
    return Entered(knobs, 0 if named else width, usual_names(recurrent, width))


def _axes(sizes: tuple[int, ...], name: str, frames: int, time_axis: int | None = None) -> tuple[tuple[str, ...], int]:
    """Return the names of an input's axes, and its number of features."""
    large = [i for i, size in enumerate(sizes) if size != 1]
    time = time_axis if time_axis is not None else next((i for i in reversed(large) if sizes[i] == frames), None)
    features = [i for i in large if i != time]
    if len(features) > 1 or 0 in sizes:
        raise ShapeMismatch(f"the input {name} has sizes {list(sizes)}, expected a batch of 1: (1, features, frames)")
    axes = tuple(TIME if i == time else FEATURE if i in features else ONE for i in range(len(sizes)))
    return axes, sizes[features[0]] if features else 1


def model_of(
    graph: SignalGraph,
    output: Value,
    whole: bool,
    entered: Entered,
    name: str,
    sample_rate: float | None,
    family: str = "pytorch",
    asked: str | None = None,
) -> ModelSpec:
    """Return the model whose output is a value of the graph.

    Parameters
    ----------
    whole : bool
        The output has at least as many frames as the input; of a shorter one the first frames are missing.
    entered : Entered
        What `enter` returned.
    asked : str, optional
        What the features of the audio input are, as `sort_inputs` has it.
    """
    if not isinstance(output, Signal) or TIME not in output.axes:
        raise UnsupportedArchitecture("the output is no signal, expected one that has the frames of the input")
    guesses: list[str] = []
    warnings = [] if sample_rate else [UNKNOWN_RATE]
    if output.shift < 0:
        output = graph.delayed(output, 0)
    if output.shift > 0 and whole:
        ahead = output.shift
        warnings.append(f"the module looks {ahead} frames ahead: here its output comes {ahead} frames later")
    nodes = graph.listed(output.node)
    names = list(entered.knobs)
    if entered.features:
        knobs = sort_inputs(
            entered.features, output.width, guesses, asked, usual=entered.usual, unnamed=CHANNELS, taken=names
        )
        nodes = with_knobs(nodes, knobs)
        names = [*(knob.name for knob in knobs), *names]
    driven = [node.name for node in nodes if isinstance(node, Input) and node.role == "knob"]
    return ModelSpec(
        family=family,
        nodes=nodes,
        name=name,
        sample_rate=sample_rate,
        rate_source="user" if sample_rate else "unknown",
        knobs=tuple(Knob(knob) for knob in names if knob in driven),
        metadata={"first_frame": output.shift},
        warnings=(*guesses, *warnings),
    )


def position(graph: SignalGraph, dim: int, rank: int) -> int:
    """Return an axis counted from the front."""
    if not -rank <= dim < rank:
        graph.fail(f"names axis {dim} of {rank}")
    return dim % rank


def permute(graph: SignalGraph, a: Arguments) -> Value:
    x = a["self"]
    if isinstance(x, np.ndarray):
        return x.transpose(a["dims"])
    x = graph.signal(x)
    order = [position(graph, dim, len(x.axes)) for dim in a["dims"]]
    return replace(x, axes=tuple(x.axes[dim] for dim in order))


def transpose(graph: SignalGraph, a: Arguments) -> Value:
    x = a["self"]
    rank = x.ndim if isinstance(x, np.ndarray) else len(graph.signal(x).axes)
    order = list(range(rank))
    first, second = (position(graph, a[key], rank) for key in ("dim0", "dim1"))
    order[first], order[second] = second, first
    return permute(graph, {"self": x, "dims": order})


def matrix_transpose(graph: SignalGraph, a: Arguments) -> Value:
    return transpose(graph, a | {"dim0": -1, "dim1": -2})


def unsqueeze(graph: SignalGraph, a: Arguments) -> Value:
    x = a["self"]
    if isinstance(x, np.ndarray):
        return np.expand_dims(x, a["dim"])
    x = graph.signal(x)
    at = position(graph, a["dim"], len(x.axes) + 1)
    return replace(x, axes=(*x.axes[:at], ONE, *x.axes[at:]))


def squeeze(graph: SignalGraph, a: Arguments) -> Value:
    x = a["self"]
    dims = a.get("dim", list(range(x.ndim if isinstance(x, np.ndarray) else len(graph.signal(x).axes))))
    dims = [dims] if isinstance(dims, int) else dims
    if isinstance(x, np.ndarray):
        return np.squeeze(x, tuple(d for d in dims if x.shape[d] == 1))
    x = graph.signal(x)
    gone = {position(graph, dim, len(x.axes)) for dim in dims}
    return replace(x, axes=tuple(axis for i, axis in enumerate(x.axes) if axis != ONE or i not in gone))


def reshape(graph: SignalGraph, a: Arguments) -> Value:
    """Add or drop axes of size 1; other reshapings fail."""
    x, shape = a["self"], a["sizes"]["out"]
    if isinstance(x, np.ndarray):
        return x.reshape(shape)
    x = graph.signal(x)
    large = [axis for axis, size in zip(x.axes, a["sizes"]["self"], strict=True) if size != 1]
    kept = [size for size in a["sizes"]["self"] if size != 1]
    if kept != [size for size in shape if size != 1]:
        graph.fail(f"turns {list(a['sizes']['self'])} into {list(shape)}, expected axes of size 1 to come or go")
    names = iter(large)
    return replace(x, axes=tuple(ONE if size == 1 else next(names) for size in shape))


def expand(graph: SignalGraph, a: Arguments) -> Value:
    """Repeat along the axis of frames, or of features."""
    x, shape = a["self"], a["sizes"]["out"]
    if isinstance(x, np.ndarray):
        return np.broadcast_to(x, shape)
    x = graph.signal(x)
    axes = (ONE,) * (len(shape) - len(x.axes)) + x.axes
    grown = [i for i, (axis, size) in enumerate(zip(axes, shape, strict=True)) if axis == ONE and size > 1]
    if not grown:
        return replace(x, axes=axes)
    if len(grown) > 1 or TIME in axes or not x.steady:
        graph.fail("repeats a signal along an axis, expected a knob repeated along the frames")
    return replace(x, axes=tuple(TIME if i == grown[0] else axis for i, axis in enumerate(axes)))


def repeat(graph: SignalGraph, a: Arguments) -> Value:
    x = a["self"]
    return np.tile(x, a["repeats"]) if isinstance(x, np.ndarray) else expand(graph, a)


def select(graph: SignalGraph, a: Arguments) -> Value:
    x, index = a["self"], a["index"]
    if isinstance(x, np.ndarray):
        return np.take(x, index, a["dim"])
    x = graph.signal(x)
    at = position(graph, a["dim"], len(x.axes))
    rest = (*x.axes[:at], *x.axes[at + 1 :])
    if x.axes[at] == ONE:
        return replace(x, axes=rest)
    if x.axes[at] == TIME:
        graph.fail("takes a single frame, expected all: give every frame's output, and export without the last step")
    return replace(part(graph, x, index % x.width, index % x.width + 1), axes=rest)


def part(graph: SignalGraph, x: Signal, start: int, stop: int) -> Signal:
    """Return features of a signal."""
    if not 0 <= start < stop <= x.width:
        graph.fail(f"takes features {start} to {stop} of {x.width}, expected a part")
    if stop - start == x.width:
        return x
    y = graph.follow(x, Slice((x.node,), start, stop))
    return replace(y, axes=tuple(ONE if axis == FEATURE and stop - start == 1 else axis for axis in x.axes))


def slice_(graph: SignalGraph, a: Arguments) -> Value:
    x, step = a["self"], a.get("step", 1)
    start, stop = a.get("start"), a.get("end")
    if isinstance(x, np.ndarray):
        cut: list[Any] = [slice(None)] * x.ndim
        cut[a.get("dim", 0)] = slice(start, stop, step)
        return x[tuple(cut)]
    x = graph.signal(x)
    at = position(graph, a.get("dim", 0), len(x.axes))
    size = a["sizes"]["self"][at]
    first, last, _ = slice(start, stop, 1).indices(size)
    if step != 1 and x.axes[at] != ONE:
        graph.fail(f"takes every {step}th, expected neighbours: use a convolution with a stride")
    if x.axes[at] == TIME:
        return replace(x, shift=x.shift + first * x.period)
    return part(graph, x, first, last) if x.axes[at] == FEATURE else x


def narrow(graph: SignalGraph, a: Arguments) -> Value:
    return slice_(graph, a | {"end": a["start"] + a["length"]})


def split(graph: SignalGraph, a: Arguments) -> Value:
    """Split a tensor into pieces of the outputs' sizes."""
    x = a["self"]
    sizes = a["sizes"]["outs"]
    rank = x.ndim if isinstance(x, np.ndarray) else len(graph.signal(x).axes)
    at = position(graph, a.get("dim", 0), rank)
    pieces, start = [], 0
    for shape in sizes:
        piece = a | {"dim": at, "start": start, "end": start + shape[at], "step": 1}
        pieces.append(slice_(graph, piece))
        start += shape[at]
    return pieces


def unbind(graph: SignalGraph, a: Arguments) -> Value:
    at = position(graph, a.get("dim", 0), len(a["sizes"]["self"]))
    return [select(graph, a | {"dim": at, "index": i}) for i in range(a["sizes"]["self"][at])]


def cat(graph: SignalGraph, a: Arguments) -> Value:
    """Join features; along the frames, join only zeros before or after a signal."""
    tensors, dim = a["tensors"], a.get("dim", 0)
    if all(isinstance(each, np.ndarray) for each in tensors):
        return np.concatenate(tensors, axis=dim)
    signals = [each for each in tensors if isinstance(each, Signal)]
    axes = max((each.axes for each in signals), key=lambda axes: (FEATURE in axes, TIME in axes))
    at = position(graph, dim, len(axes))
    if axes[at] == TIME:
        if len(signals) != 1 or any(isinstance(each, np.ndarray) and each.any() for each in tensors):
            graph.fail("joins signals along the frames, expected one signal and zeros")
        place = next(i for i, each in enumerate(tensors) if each is signals[0])
        before = [each.shape[at] for each in tensors[:place]]
        return replace(signals[0], shift=signals[0].shift - sum(before) * signals[0].period)
    joined = []
    for each in tensors:
        if isinstance(each, np.ndarray):
            each = fixed(graph, each, at, len(axes))
        others = [axis for i, axis in enumerate(each.axes) if i != at]
        if len(each.axes) != len(axes) or FEATURE in others:
            graph.fail("joins tensors along another axis than their features')")
        joined.append(each)
    merged: tuple[str, ...] = (ONE,) * len(axes)
    for each in joined:
        merged = graph.merged_axes(merged, each.axes)
    merged = tuple(FEATURE if i == at else axis for i, axis in enumerate(merged))
    joined = graph.aligned(joined)
    moving = next((each for each in joined if not each.steady), joined[0])
    node = graph.add(Concat(tuple(each.node for each in joined)))
    return replace(moving, node=node, width=sum(each.width for each in joined), axes=merged)


def fixed(graph: SignalGraph, value: np.ndarray, at: int, rank: int) -> Signal:
    """Return constants as a signal with the same values at every frame."""
    first = value.take([0], axis=-1) if value.ndim == rank and at != rank - 1 else value
    if first.size != value.size and (value != first).any():
        graph.fail("joins a tensor that changes from frame to frame, expected a constant")
    bias = first.astype(np.float64).ravel()
    node = graph.add(Dense((0,), np.zeros((bias.size, graph.nodes[0].width)), bias))
    axes = tuple(FEATURE if i == at and bias.size > 1 else ONE for i in range(rank))
    return Signal(node, bias.size, axes, steady=True)


def pad(graph: SignalGraph, a: Arguments) -> Value:
    """Add zeros before or after the frames."""
    x, widths = graph.signal(a["self"]), list(a["pad"])
    if a.get("mode", "constant") != "constant" or (a.get("value") or 0.0) != 0.0:
        graph.fail("pads with something else than zeros, expected zeros")
    for i in range(0, len(widths), 2):
        axis = x.axes[len(x.axes) - 1 - i // 2]
        if widths[i : i + 2] != [0, 0] and axis != TIME:
            graph.fail("pads another axis than the frames")
        if axis == TIME:
            x = replace(x, shift=x.shift - widths[i] * x.period)
    return x


def same(graph: SignalGraph, a: Arguments) -> Value:
    return next(value for key, value in a.items() if key in ("self", "input"))


def dropout(graph: SignalGraph, a: Arguments) -> Value:
    if a.get("train"):
        graph.fail("drops out at random, as in training: call module.eval() before the export")
    return a["input"]


SHAPING: dict[str, Operation] = {
    "permute": permute,
    "transpose": transpose,
    "numpy_T": matrix_transpose,
    "t": matrix_transpose,
    "mT": matrix_transpose,
    "unsqueeze": unsqueeze,
    "squeeze": squeeze,
    "view": reshape,
    "reshape": reshape,
    "_unsafe_view": reshape,
    "flatten": reshape,
    "expand": expand,
    "repeat": repeat,
    "select": select,
    "slice": slice_,
    "narrow": narrow,
    "split": split,
    "split_with_sizes": split,
    "chunk": split,
    "tensor_split": split,
    "unbind": unbind,
    "cat": cat,
    "concat": cat,
    "pad": pad,
    "constant_pad_nd": pad,
    "dropout": dropout,
    **dict.fromkeys(
        ("alias", "clone", "contiguous", "detach", "detach_", "to", "_to_copy", "lift_fresh_copy", "identity"), same
    ),
}


Operation = Callable[[SignalGraph, Arguments], Value]
