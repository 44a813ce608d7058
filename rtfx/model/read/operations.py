"""The operations of a program that compute: sums, products, activations, and layers with weights."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ..nodes import Activation, Add, Affine, Conv1d, Dense, Gru, Hold, Lstm, Mul, PRelu, Rnn
from ..values import RECEPTIVE_FIELD, at_most
from .signals import (
    FEATURE,
    ONE,
    SHAPING,
    TIME,
    Arguments,
    Operation,
    Signal,
    SignalGraph,
    Unfinished,
    Value,
    part,
    position,
)
from .state_dict import transposed


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
    """Add constants to a signal, or multiply it by them, for each feature."""
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
    """Return a decorator: the operation is computed by `function`, in NumPy, if all its inputs are constants."""

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
    """Read a choice between two branches; PyTorch decomposes leaky ReLU and softplus into one."""
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
    """Compute the norm of a constant tensor, by which weight normalisation divides."""
    x, dims = graph.constant(a["self"], "its input"), a.get("dim")
    if a.get("ord", 2) != 2:
        graph.fail(f"is of order {a['ord']}, expected 2")
    squares = (x * x).sum(axis=None if dims is None else tuple(dims), keepdims=a.get("keepdim", False))
    return np.sqrt(squares)


def total(graph: SignalGraph, a: Arguments) -> Value:
    """Sum over the features."""
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
    """Return the operation of a product of two constants, as spectral normalisation of a weight needs it."""

    def run(graph: SignalGraph, a: Arguments) -> Value:
        if isinstance(a["self"], Signal) or isinstance(a[other], Signal):
            graph.fail("multiplies the signal by a tensor that is no layer's, expected a linear layer")
        return np.asarray(a["self"] @ a[other])

    return run


ARITHMETIC: dict[str, Operation] = {
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


def _one(value: object, default: int) -> int:
    """Return the value of an option of a convolution over one axis."""
    if isinstance(value, list):
        value = value[0] if value else default
    return default if value is None else int(value)  # type: ignore[call-overload]


def _entered(graph: SignalGraph, a: Arguments) -> Signal:
    x = graph.signal(a["input"])
    graph.laid_out(x, *((ONE,) if len(x.axes) == 3 else ()), FEATURE, TIME)
    return x


def _wide(x: Signal, width: int) -> tuple[str, ...]:
    """Return the axes of a convolution's output."""
    return (*x.axes[:-2], ONE if width == 1 else FEATURE, TIME)


def convolution(graph: SignalGraph, a: Arguments) -> Value:
    x, weight = _entered(graph, a), graph.constant(a["weight"], "its weight")
    stride, dilation = _one(a.get("stride"), 1), _one(a.get("dilation"), 1)
    outputs, _, taps = weight.shape
    lookback = (taps - 1) * dilation
    padding = a.get("padding")
    if isinstance(padding, str):
        before = lookback // 2 if padding == "same" else 0
    else:
        before = _one(padding, 0)
    bias = np.zeros(outputs) if a.get("bias") is None else graph.constant(a["bias"], "its bias")
    spacing = at_most(dilation * x.period, RECEPTIVE_FIELD, "dilation")
    y = graph.follow(x, Conv1d((x.node,), weight, bias, dilation=spacing, groups=a.get("groups", 1)))
    shift = x.shift + (lookback - before) * x.period
    y = replace(y, axes=_wide(x, outputs), shift=shift, steady=x.steady)
    return y if stride == 1 else _held(graph, y, stride)


def any_convolution(graph: SignalGraph, a: Arguments) -> Value:
    """Read a convolution or a transposed one, which PyTorch's decompositions turn into one operation."""
    if graph.constant(a["weight"], "its weight").ndim != 3:
        graph.fail("is over another number of axes than one, expected a conv1d")
    if a.get("transposed"):
        if any(a.get("output_padding") or ()):
            graph.fail("has output padding, expected none")
        return transposed_convolution(graph, a)
    return convolution(graph, a)


def _held(graph: SignalGraph, x: Signal, stride: int) -> Signal:
    """Return every stride-th frame of a signal, held until the next."""
    period = at_most(x.period * stride, RECEPTIVE_FIELD, "frames that a stride holds")
    return replace(graph.follow(x, Hold((x.node,), period, x.shift % period)), period=period)


def transposed_convolution(graph: SignalGraph, a: Arguments) -> Value:
    x, tensor = _entered(graph, a), graph.constant(a["weight"], "its weight")
    stride, dilation, groups = _one(a.get("stride"), 1), _one(a.get("dilation"), 1), a.get("groups", 1)
    if x.period % stride:
        graph.fail(f"raises the rate by {stride}, expected a convolution of that stride before it")
    weight = transposed(tensor, groups, graph.place)
    bias = np.zeros(weight.shape[0]) if a.get("bias") is None else graph.constant(a["bias"], "its bias")
    period = x.period // stride
    if stride > 1:
        x = graph.follow(x, Hold((x.node,), x.period, x.shift % x.period, "zero"))
    y = graph.follow(x, Conv1d((x.node,), weight, bias, dilation=dilation * period, groups=groups))
    y = replace(y, axes=_wide(x, weight.shape[0]), shift=x.shift + _one(a.get("padding"), 0) * period, period=period)
    return _held(graph, y, 1) if period > 1 else y


def linear(graph: SignalGraph, a: Arguments) -> Value:
    x, weight = graph.signal(a["input"]), graph.constant(a["weight"], "its weight")
    if x.axes[-1] != FEATURE and (x.width > 1 or x.axes[-1] != ONE):
        graph.fail(f"reads ({', '.join(x.axes)}), expected the features last: transpose first")
    bias = np.zeros(weight.shape[0]) if a.get("bias") is None else graph.constant(a["bias"], "its bias")
    y = graph.follow(x, Dense((x.node,), weight, bias))
    return replace(y, axes=(*x.axes[:-1], ONE if y.width == 1 else FEATURE))


def matmul(graph: SignalGraph, a: Arguments) -> Value:
    if isinstance(a["self"], np.ndarray) and isinstance(a["other"], np.ndarray):
        return a["self"] @ a["other"]
    weight = graph.constant(a["other"], "its right-hand side")
    return linear(graph, {"input": a["self"], "weight": weight.T})


def addmm(graph: SignalGraph, a: Arguments) -> Value:
    """Read a scaled sum of a bias and a product, into which PyTorch decomposes a linear layer."""
    if "rnn." in graph.module:
        graph.fail("is part of a recurrent layer taken apart frame by frame: export without run_decompositions()")
    weight = graph.constant(a["mat2"], "its right-hand side") * a.get("alpha", 1)
    bias = graph.constant(a["self"], "its bias") * a.get("beta", 1) if "self" in a else None
    if not isinstance(a["mat1"], Signal):
        product = graph.constant(a["mat1"], "its left-hand side") @ weight
        return product if bias is None else product + bias
    if bias is not None:
        bias = np.broadcast_to(bias, (1, weight.shape[1])).ravel()
    return linear(graph, {"input": a["mat1"], "weight": weight.T, "bias": bias})


def mm(graph: SignalGraph, a: Arguments) -> Value:
    return addmm(graph, {"mat1": a["self"], "mat2": a["mat2"]})


def recurrent(graph: SignalGraph, a: Arguments, kind: type[Lstm] | type[Gru] | type[Rnn], start: list[Value]) -> Value:
    """Append a stack of recurrent layers; `start` holds its initial states, (layers, 1, hidden)."""
    x = graph.signal(a["input"])
    order: tuple[str, ...] = (TIME, FEATURE)
    if len(x.axes) == 3:
        order = (ONE, TIME, FEATURE) if a["batch_first"] else (TIME, ONE, FEATURE)
    graph.laid_out(x, *order)
    if a["bidirectional"]:
        graph.fail("is bidirectional: it needs the future, expected one direction")
    if x.period > 1:
        graph.fail("is recurrent at a part of the rate, expected it before any stride")
    params = [graph.constant(each, "a weight") for each in a["params"]]
    states = [graph.constant(each, "its initial state") for each in start]
    count = 4 if a["has_biases"] else 2
    if len(params) != count * a["num_layers"]:
        graph.fail("has a projection of its state, expected plain layers")
    for layer in range(a["num_layers"]):
        own = params[layer * count : (layer + 1) * count]
        hidden, rows = own[1].shape[1], own[1].shape[0]
        biases = own[2:] if a["has_biases"] else [np.zeros(rows)] * 2
        first = [state.reshape(a["num_layers"], hidden)[layer] for state in states]
        known = {name: value for name, value in zip(("h0", "c0"), first, strict=False) if value.any()}
        if kind is Lstm and known:
            known = dict(zip(("h0", "c0"), first, strict=True))
        pair = {"bias_ih": biases[0], "bias_hh": biases[1]} if kind is Gru else {"bias": biases[0] + biases[1]}
        x = graph.follow(x, kind((x.node,), own[0], own[1], **pair, **known))
    axes = tuple(ONE if axis == FEATURE and x.width == 1 else axis for axis in order)
    return [replace(x, axes=axes, steady=False)]


def lstm(graph: SignalGraph, a: Arguments) -> Value:
    return recurrent(graph, a, Lstm, a["hx"])


def gru(graph: SignalGraph, a: Arguments) -> Value:
    return recurrent(graph, a, Gru, [a["hx"]])


def rnn(graph: SignalGraph, a: Arguments) -> Value:
    return recurrent(graph, a, Rnn, [a["hx"]])


def batch_norm(graph: SignalGraph, a: Arguments) -> Value:
    x = graph.signal(a["input"])
    if a.get("training"):
        graph.fail("uses the batch's own mean, as in training: call module.eval() before the export")
    if x.width > 1 and (len(x.axes) < 2 or x.axes[1] != FEATURE):
        graph.fail(f"reads ({', '.join(x.axes)}), expected the features second")
    mean, variance = (graph.constant(a[key], key) for key in ("running_mean", "running_var"))
    gamma = np.ones(x.width) if a.get("weight") is None else graph.constant(a["weight"], "its weight")
    beta = np.zeros(x.width) if a.get("bias") is None else graph.constant(a["bias"], "its bias")
    with np.errstate(all="ignore"):  # `Node.check` finds numbers that are not finite
        scale = gamma / np.sqrt(variance + a["eps"])
    return graph.follow(x, Affine((x.node,), scale, beta - mean * scale))


def prelu(graph: SignalGraph, a: Arguments) -> Value:
    x, alpha = graph.signal(a["self"]), graph.constant(a["weight"], "its weight").ravel()
    if alpha.size > 1 and (len(x.axes) < 2 or x.axes[1] != FEATURE):
        graph.fail(f"reads ({', '.join(x.axes)}), expected the features second")
    if alpha.size not in (1, x.width):
        graph.fail(f"has {alpha.size} slopes for {x.width} features")
    return graph.follow(x, PRelu((x.node,), np.broadcast_to(alpha, (x.width,)).copy()))


def weight_norm(graph: SignalGraph, a: Arguments) -> Value:
    """Compute a weight that is stored as direction and norm."""
    v, g, dim = graph.constant(a["v"], "its weight"), graph.constant(a["g"], "its length"), a.get("dim", 0)
    others = tuple(i for i in range(v.ndim) if i != dim)
    return [v * (g / np.sqrt((v * v).sum(axis=others, keepdims=True)))]


def filled(value: float | None) -> Operation:
    """Return the operation that makes a constant tensor of the output's size."""

    def run(graph: SignalGraph, a: Arguments) -> Value:
        return np.full(a["sizes"]["out"], a["fill_value"] if value is None else value, np.float64)

    return run


LAYER_OPERATIONS: dict[str, Operation] = {
    "conv1d": convolution,
    "conv_transpose1d": transposed_convolution,
    "convolution": any_convolution,
    "linear": linear,
    "addmm": addmm,
    "mm": mm,
    "matmul": matmul,
    "lstm": lstm,
    "gru": gru,
    "rnn_tanh": rnn,
    "batch_norm": batch_norm,
    "_native_batch_norm_legit_no_training": lambda graph, a: [batch_norm(graph, a)],
    "prelu": prelu,
    "_weight_norm_interface": weight_norm,
    "_weight_norm": lambda graph, a: weight_norm(graph, a)[0],
    **dict.fromkeys(("zeros", "zeros_like", "new_zeros"), filled(0.0)),
    **dict.fromkeys(("ones", "ones_like", "new_ones"), filled(1.0)),
    **dict.fromkeys(("full", "full_like", "new_full"), filled(None)),
}

OPERATIONS = SHAPING | ARITHMETIC | LAYER_OPERATIONS
