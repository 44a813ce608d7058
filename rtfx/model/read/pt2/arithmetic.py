"""Sums, products and activations of a program."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ...nodes import Activation, Add, Affine, Dense, Mul, PRelu
from .shapes import Arguments, Operation, part, position
from .signals import FEATURE, ONE, Signal, SignalGraph, Unfinished, Value


def binary(graph: SignalGraph, a: Arguments, kind: type[Add] | type[Mul], other: Value) -> Value:
    """Add or multiply two tensors, of which at least one is a signal."""
    x = a["self"]
    if not isinstance(x, Signal):
        x, other = other, x
    x = graph.signal(x)
    if isinstance(other, Signal):
        axes = graph.merged_axes(x.axes, other.axes)
        width = max(x.width, other.width)
        x, other = graph.aligned([graph.spread(x, width), graph.spread(other, width)])
        moving = other if x.steady else x
        return replace(graph.follow(moving, kind((x.node, other.node))), axes=axes)
    return with_constant(graph, x, np.asarray(other, np.float64), kind)


def with_constant(graph: SignalGraph, x: Signal, values: np.ndarray, kind: type[Add] | type[Mul]) -> Signal:
    """Add constants to a signal or multiply it by them, feature by feature."""
    if values.ndim == 0 and values == (0.0 if kind is Add else 1.0):
        return x
    large = [i for i, size in enumerate(values.shape) if size > 1]
    rank = max(values.ndim, len(x.axes))
    axes = (ONE,) * (rank - len(x.axes)) + x.axes
    places = [i + rank - values.ndim for i in large]
    flat = values.ravel()
    if len(places) > 1 or (places and axes[places[0]] not in (FEATURE, ONE)):
        graph.fail("uses a tensor that changes from frame to frame, expected one number a feature")
    if places and axes[places[0]] == ONE:  # one feature becomes several
        if x.width > 1:
            graph.fail("spreads features over another axis, expected the same axes")
        x = graph.spread(x, flat.size)
        axes = tuple(FEATURE if i == places[0] else axis for i, axis in enumerate(axes))
    vector = np.broadcast_to(flat, (x.width,)).astype(np.float64)
    one, zero = np.ones(x.width), np.zeros(x.width)
    scale, shift = (one, vector) if kind is Add else (vector, zero)
    return replace(graph.follow(x, Affine((x.node,), scale, shift)), axes=axes)


def folded(function: Callable[..., Any]) -> Callable[[Operation], Operation]:
    """Compute with NumPy what depends on constants only."""

    def decorate(operation: Operation) -> Operation:
        def run(graph: SignalGraph, a: Arguments) -> Value:
            values = [a["self"], *([a["other"]] if "other" in a else [])]
            if not any(isinstance(value, (Signal, Unfinished)) for value in values):
                values[1:] = [value * a.get("alpha", 1) for value in values[1:]]
                with np.errstate(all="ignore"):
                    return function(*values)
            return operation(graph, a)

        return run

    return decorate


@folded(operator.add)
def plus(graph: SignalGraph, a: Arguments) -> Value:
    return binary(graph, a, Add, times_number(graph, a["other"], a.get("alpha", 1)))


@folded(operator.sub)
def minus(graph: SignalGraph, a: Arguments) -> Value:
    return binary(graph, a, Add, times_number(graph, a["other"], -a.get("alpha", 1)))


def reversed_minus(graph: SignalGraph, a: Arguments) -> Value:
    return minus(graph, a | {"self": a["other"], "other": a["self"]})


@folded(operator.mul)
def times(graph: SignalGraph, a: Arguments) -> Value:
    return binary(graph, a, Mul, a["other"])


@folded(operator.truediv)
def over(graph: SignalGraph, a: Arguments) -> Value:
    x, other = a["self"], a["other"]
    if isinstance(x, Unfinished) and not isinstance(other, (Signal, Unfinished)) and np.all(np.equal(other, 1)):
        return x  # softplus with a beta of 1
    if not isinstance(other, Signal):
        return binary(graph, a, Mul, 1.0 / np.asarray(other, np.float64))
    below = graph.nodes[other.node]
    if isinstance(x, Signal) and isinstance(below, Affine) and (below.scale == 1).all() and (below.shift == 1).all():
        if graph.absolute.get(below.sources[0]) == x.node:
            return graph.follow(x, Activation((x.node,), "softsign"))
    graph.fail("divides by a signal, which only softsign may: x / (1 + |x|)")


def times_number(graph: SignalGraph, value: Value, factor: float) -> Value:
    if not isinstance(value, Signal):
        return value * factor
    if factor == 1:
        return value
    return with_constant(graph, value, np.asarray(float(factor)), Mul)


@folded(operator.neg)
def negative(graph: SignalGraph, a: Arguments) -> Value:
    return times_number(graph, a["self"], -1.0)


@folded(np.abs)
def absolute(graph: SignalGraph, a: Arguments) -> Value:
    x = graph.signal(a["self"])
    turned = times_number(graph, x, -1.0)
    halves = tuple(graph.add(Activation((node,), "relu")) for node in (x.node, turned.node))
    y = graph.follow(x, Add(halves))
    graph.absolute[y.node] = x.node
    return y


def power(graph: SignalGraph, a: Arguments) -> Value:
    x, exponent = a["self"], a["exponent"]
    if isinstance(x, np.ndarray):
        return x**exponent
    if exponent not in (2, 3):
        graph.fail(f"raises to the power {exponent}, expected 2 or 3")
    x = graph.signal(x)
    return graph.follow(x, Mul((x.node,) * int(exponent)))


def activation(kind: str, **keys: str) -> Operation:
    """Return the operation of an activation whose constants are arguments of the program."""

    def run(graph: SignalGraph, a: Arguments) -> Value:
        x = graph.signal(a["self"] if "self" in a else a["input"])
        constants = {name: float(a[key]) for name, key in keys.items() if a.get(key) is not None}
        return graph.follow(x, Activation((x.node,), kind, **constants))

    return run


def clamp(graph: SignalGraph, a: Arguments) -> Value:
    x = graph.signal(a["self"])
    low, high = a.get("min", a.get("min_val", -1.0)), a.get("max", a.get("max_val", 1.0))
    if low is None or high is None:
        if low == 0.0:
            return graph.follow(x, Activation((x.node,), "relu"))
        graph.fail("has one limit, expected both")
    return graph.follow(x, Activation((x.node,), "hardtanh", low=float(low), high=float(high)))


def relu6(graph: SignalGraph, a: Arguments) -> Value:
    return clamp(graph, a | {"min": 0.0, "max": 6.0})


def gelu(graph: SignalGraph, a: Arguments) -> Value:
    if a.get("approximate", "none") != "none":
        graph.fail(f"is approximated by {a['approximate']}, expected the exact gelu")
    return activation("gelu")(graph, a)


def softplus(graph: SignalGraph, a: Arguments) -> Value:
    if a.get("beta", 1) != 1 or a.get("threshold", 20) != 20:
        graph.fail("has another beta or threshold than 1 and 20")
    return activation("softplus")(graph, a)


def elu(graph: SignalGraph, a: Arguments) -> Value:
    if a.get("input_scale", 1) != 1:
        graph.fail("scales its input, expected alpha and a scale of the output alone")
    y = activation("elu", slope="alpha")(graph, a)
    return times_number(graph, y, a.get("scale", 1))  # SELU is one


def rrelu(graph: SignalGraph, a: Arguments) -> Value:
    if a.get("training"):
        graph.fail("draws its slope at random, as in training: call module.eval() before the export")
    slope = (a.get("lower", 0.125) + a.get("upper", 1 / 3)) / 2
    return activation("leaky_relu", slope="slope")(graph, a | {"slope": slope})


def softmax(graph: SignalGraph, a: Arguments) -> Value:
    x = graph.signal(a["self"])
    if x.axes[position(graph, a["dim"], len(x.axes))] != FEATURE:
        graph.fail("is taken over another axis than the features")
    return graph.follow(x, Activation((x.node,), "softmax"))


def glu(graph: SignalGraph, a: Arguments) -> Value:
    x = graph.signal(a["self"])
    if x.axes[position(graph, a.get("dim", -1), len(x.axes))] != FEATURE:
        graph.fail("is taken over another axis than the features")
    first, second = part(graph, x, 0, x.width // 2), part(graph, x, x.width // 2, x.width)
    gate = graph.follow(second, Activation((second.node,), "sigmoid"))
    return graph.follow(first, Mul((first.node, gate.node)))


def exponential(graph: SignalGraph, a: Arguments) -> Value:
    x = a["self"]
    return np.exp(x) if isinstance(x, np.ndarray) else Unfinished("exp", graph.signal(x))


def log1p(graph: SignalGraph, a: Arguments) -> Value:
    x = a["self"]
    if isinstance(x, np.ndarray):
        return np.log1p(x)
    if not isinstance(x, Unfinished) or x.kind != "exp":
        graph.fail("is taken of a signal, which only softplus may: log(1 + e^x)")
    return Unfinished("softplus", x.signal)


def greater(graph: SignalGraph, a: Arguments) -> Value:
    x = a["self"]
    return x > a["other"] if isinstance(x, np.ndarray) else Unfinished("gt", graph.signal(x), float(a["other"]))


def where(graph: SignalGraph, a: Arguments) -> Value:
    """A choice between two branches, as PyTorch's decompositions leave slopes and softplus."""
    asked, above, below = a["condition"], a["self"], a["other"]
    if all(isinstance(each, np.ndarray) for each in (asked, above, below)):
        return np.where(asked, above, below)
    if isinstance(asked, Unfinished) and asked.kind == "gt" and isinstance(above, Signal):
        x = asked.signal
        if above.node == x.node and isinstance(below, Unfinished) and below.kind == "softplus":
            if below.signal.node == x.node and asked.limit == 20.0:
                return graph.follow(x, Activation((x.node,), "softplus"))
        if above.node == x.node and isinstance(below, Signal) and asked.limit == 0.0:
            node = graph.nodes[below.node]
            if isinstance(node, Affine) and node.sources == (x.node,) and not node.shift.any():
                return graph.follow(x, PRelu((x.node,), node.scale))
    graph.fail("chooses between signals, which only a slope below zero and softplus may")


def norm(graph: SignalGraph, a: Arguments) -> Value:
    """The length of a fixed tensor, of which weight normalisation is made."""
    x, dims = graph.constant(a["self"], "its input"), a.get("dim")
    if a.get("ord", 2) != 2:
        graph.fail(f"is of order {a['ord']}, expected 2")
    squares = (x * x).sum(axis=None if dims is None else tuple(dims), keepdims=a.get("keepdim", False))
    return np.sqrt(squares)


def total(graph: SignalGraph, a: Arguments) -> Value:
    """The sum over the features."""
    x = graph.signal(a["self"])
    dims = [position(graph, dim, len(x.axes)) for dim in a.get("dim") or []]
    if [x.axes[dim] for dim in dims] != [FEATURE]:
        graph.fail("sums over another axis than the features")
    y = graph.follow(x, Dense((x.node,), np.ones((1, x.width)), np.zeros(1)))
    axes = [ONE if axis == FEATURE else axis for axis in x.axes]
    if not a.get("keepdim"):
        del axes[dims[0]]
    return replace(y, axes=tuple(axes))


def product(other: str) -> Operation:
    """Return the product of two constants: of spectral normalisation, which is folded into its weight."""

    def run(graph: SignalGraph, a: Arguments) -> Value:
        if isinstance(a["self"], Signal) or isinstance(a[other], Signal):
            graph.fail("multiplies the signal by a tensor that is no layer's, expected a linear layer")
        return np.asarray(a["self"] @ a[other])

    return run


OPERATIONS: dict[str, Operation] = {
    "add": plus,
    "add_": plus,
    "sub": minus,
    "rsub": reversed_minus,
    "mul": times,
    "mul_": times,
    "div": over,
    "neg": negative,
    "abs": absolute,
    "pow": power,
    "square": lambda graph, a: power(graph, a | {"exponent": 2}),
    "sum": total,
    "hardtanh": clamp,
    "hardtanh_": clamp,
    "clamp": clamp,
    "relu6": relu6,
    "gelu": gelu,
    "softplus": softplus,
    "elu": elu,
    "elu_": elu,
    "rrelu": rrelu,
    "mv": product("vec"),
    "dot": product("tensor"),
    "vdot": product("other"),
    "softmax": softmax,
    "_softmax": softmax,
    "glu": glu,
    **{kind: activation(kind) for kind in ("tanh", "relu", "sigmoid", "silu", "hardswish", "selu")},
    **{f"{kind}_": activation(kind) for kind in ("tanh", "relu", "sigmoid", "silu", "hardswish", "selu")},
    "leaky_relu": activation("leaky_relu", slope="negative_slope"),
    "leaky_relu_": activation("leaky_relu", slope="negative_slope"),
    "softshrink": activation("softshrink", slope="lambd"),
    "sin": activation("sine"),
    "exp": exponential,
    "log1p": log1p,
    "gt": greater,
    "where": where,
    "linalg_vector_norm": norm,
}
