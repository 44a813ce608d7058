"""Layers of a program: convolutions, dense and recurrent ones, normalisation, slopes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...limits import RECEPTIVE_FIELD, at_most
from ...nodes import Affine, Conv1d, Dense, Gru, Hold, Lstm, PRelu, Rnn
from ..state_dict import transposed
from .shapes import Arguments, Operation
from .signals import FEATURE, ONE, TIME, Signal, SignalGraph, Value


def _one(value: object, default: int) -> int:
    """Return an option of a convolution over one axis."""
    if isinstance(value, list):
        value = value[0] if value else default
    return default if value is None else int(value)  # type: ignore[call-overload]


def _entered(graph: SignalGraph, a: Arguments) -> Signal:
    x = graph.signal(a["input"])
    graph.laid_out(x, *((ONE,) if len(x.axes) == 3 else ()), FEATURE, TIME)
    return x


def _wide(x: Signal, width: int) -> tuple[str, ...]:
    """Return the axes of what a convolution gives."""
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
    """A convolution of either direction, as PyTorch's decompositions leave it."""
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
    """A bias and a product, scaled: a linear layer as PyTorch's decompositions leave it."""
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
    """A stack of recurrent layers; `start` are its initial states, (layers, 1, hidden)."""
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
    with np.errstate(all="ignore"):  # what is not finite is found by the check of every model
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
    """A weight stored as direction and length."""
    v, g, dim = graph.constant(a["v"], "its weight"), graph.constant(a["g"], "its length"), a.get("dim", 0)
    others = tuple(i for i in range(v.ndim) if i != dim)
    return [v * (g / np.sqrt((v * v).sum(axis=others, keepdims=True)))]


def filled(value: float | None) -> Operation:
    """Return the operation that makes a constant tensor of the output's size."""

    def run(graph: SignalGraph, a: Arguments) -> Value:
        return np.full(a["sizes"]["out"], a["fill_value"] if value is None else value, np.float64)

    return run


OPERATIONS: dict[str, Operation] = {
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
