"""Operations of a program that move a tensor's axes about, and those that take parts of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ...nodes import Concat, Dense, Slice
from .signals import FEATURE, ONE, TIME, Signal, SignalGraph, Value

Arguments = dict[str, Any]
Operation = Callable[[SignalGraph, Arguments], Value]


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
    """A reshaping that only adds or drops axes of size 1."""
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
    """Take a tensor apart into pieces whose sizes are those of the outputs."""
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
    """Features one after the other; along the frames only zeros in front of or behind a signal."""
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
    """Return constants, the same at every frame, as a signal."""
    first = value.take([0], axis=-1) if value.ndim == rank and at != rank - 1 else value
    if first.size != value.size and (value != first).any():
        graph.fail("joins a tensor that changes from frame to frame, expected a constant")
    bias = first.astype(np.float64).ravel()
    node = graph.add(Dense((0,), np.zeros((bias.size, graph.nodes[0].width)), bias))
    axes = tuple(FEATURE if i == at and bias.size > 1 else ONE for i in range(rank))
    return Signal(node, bias.size, axes, steady=True)


def pad(graph: SignalGraph, a: Arguments) -> Value:
    """Zeros before or behind the frames."""
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


OPERATIONS: dict[str, Operation] = {
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
