"""ONNX operators that have weights: convolutions, recurrent layers, normalisation, slopes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from . import operations
from .onnx_operators import Call, Operator
from .signals import FEATURE, ONE, TIME, Signal, Value

AUTOMATIC = ("SAME_UPPER", "SAME_LOWER")  # of auto_pad
RECURRENT = {"LSTM": 4, "GRU": 3, "RNN": 1}  # gates
ORDER = {"LSTM": (0, 2, 3, 1), "GRU": (1, 0, 2), "RNN": (0,)}  # PyTorch's gates among ONNX's i o f c, z r h
FUNCTIONS = {"LSTM": ["sigmoid", "tanh", "tanh"], "GRU": ["sigmoid", "tanh"], "RNN": ["tanh"]}


class LastState:
    """The final state of a recurrent layer: a single frame, which only the next call of the program may read."""


def _along_time(call: Call, x: Signal, kernel: tuple[int, ...]) -> int:
    """Return the kernel's axis along the frames; other axes, as in a 2-D convolution, must have size 1."""
    axes = x.axes[2:]
    if len(x.axes) != len(kernel) + 2 or axes.count(TIME) != 1:
        call.graph.fail(f"reads ({', '.join(x.axes)}), expected (1, features, frames)")
    place = axes.index(TIME)
    if any(size != 1 for i, size in enumerate(kernel) if i != place):
        call.graph.fail(f"has a kernel of sizes {list(kernel)}, expected one axis, the frames")
    return place


def _pads(call: Call, place: int, axes: int, lookback: int) -> tuple[int, int]:
    """Return the zeros before and behind the frames."""
    how = call.options.get("auto_pad") or "NOTSET"
    if how in AUTOMATIC:
        less, more = lookback // 2, lookback - lookback // 2
        return (less, more) if how == "SAME_UPPER" else (more, less)
    pads = [0] * 2 * axes if how == "VALID" else list(call.options.get("pads") or [0] * 2 * axes)
    if len(pads) != 2 * axes or any(pads[i] for i in range(2 * axes) if i % axes != place):
        call.graph.fail(f"has pads of {pads}, expected zeros before and behind the frames")
    return pads[place], pads[place + axes]


def _one(call: Call, name: str, place: int) -> int:
    """Return the option of a convolution along the frames."""
    values = call.options.get(name)
    return int(values[place]) if values else 1


def _prepared(call: Call) -> tuple[Signal, dict[str, Any], int, int]:
    """Return a convolution's signal, its arguments as PyTorch's over one axis, the frames it spans, those padded."""
    graph, x = call.graph, call.graph.signal(call.inputs[0])
    weight = graph.constant(call.inputs[1], "its weight")
    place = _along_time(call, x, weight.shape[2:])
    stride, dilation = _one(call, "strides", place), _one(call, "dilations", place)
    if call.options.get("auto_pad") in AUTOMATIC and stride > 1:
        graph.fail("has a stride and automatic padding, expected pads in numbers")
    axes = weight.ndim - 2
    weight = weight.reshape(*weight.shape[:2], weight.shape[2 + place])
    span = (weight.shape[2] - 1) * dilation + 1
    before, behind = _pads(call, place, axes, span - 1)
    arguments = {
        "input": replace(x, axes=(ONE, x.axes[1], TIME)),
        "weight": weight,
        "bias": call.given(2),
        "stride": stride,
        "dilation": dilation,
        "padding": before,
        "groups": call.options.get("group", 1),
    }
    return x, arguments, span, before + behind


def conv(call: Call) -> Value:
    x, arguments, span, padded = _prepared(call)
    call.length = (call.length + padded - span) // arguments["stride"] + 1
    y = operations.convolution(call.graph, arguments)
    return replace(y, axes=(ONE, y.axes[1], *x.axes[2:]))


def conv_transpose(call: Call) -> Value:
    if call.options.get("output_shape"):
        call.graph.fail("states the size of its output, expected pads in numbers")
    x, arguments, span, padded = _prepared(call)
    extra = (call.options.get("output_padding") or [0] * len(x.axes))[x.axes.index(TIME) - 2]
    call.length = (call.length - 1) * arguments["stride"] + span + extra - padded
    y = operations.transposed_convolution(call.graph, arguments)
    return replace(y, axes=(ONE, y.axes[1], *x.axes[2:]))


def recurrent(kind: str) -> Operator:
    """Return the operator of a recurrent layer."""

    def run(call: Call) -> Value:
        graph, options = call.graph, call.options
        if options.get("direction", "forward") != "forward":
            graph.fail(f"runs {options['direction']}: it needs the future, expected forward")
        named = [str(name).lower() for name in options.get("activations") or FUNCTIONS[kind]]
        if named != FUNCTIONS[kind] or options.get("clip") or options.get("input_forget"):
            graph.fail(f"has {', '.join(named)}, or a clip, expected {', '.join(FUNCTIONS[kind])} without")
        if kind == "GRU" and not options.get("linear_before_reset", 0):
            graph.fail("is a GRU that resets before the product, expected linear_before_reset=1, as PyTorch has it")
        if call.given(7) is not None and np.any(call.inputs[7]):
            graph.fail("has peepholes, expected a plain LSTM")
        weight, state_weight = (graph.constant(call.inputs[i], "a weight")[0] for i in (1, 2))
        hidden = state_weight.shape[1]
        rows = _rows(kind, hidden)
        both = graph.constant(call.inputs[3], "its bias")[0] if call.given(3) is not None else np.zeros(2 * rows.size)
        if weight.shape[0] != rows.size or both.size != 2 * rows.size:
            graph.fail(f"has {weight.shape[0]} rows and {both.size} biases for {hidden} units")
        states = [_state(call, place, hidden) for place in ((5, 6) if kind == "LSTM" else (5,))]
        batch_first = bool(options.get("layout", 0))
        arguments = {
            "input": call.inputs[0],
            "params": [weight[rows], state_weight[rows], both[: rows.size][rows], both[rows.size :][rows]],
            "batch_first": batch_first, "bidirectional": False, "has_biases": True, "num_layers": 1,
        }  # fmt: skip
        arguments["hx"] = states if kind == "LSTM" else states[0]
        (y,) = {"LSTM": operations.lstm, "GRU": operations.gru, "RNN": operations.rnn}[kind](graph, arguments)
        # Y has an axis of directions: (frames, 1, batch, features), or (batch, frames, 1, features)
        axes = (*y.axes[:2], ONE, y.axes[2]) if batch_first else (y.axes[0], ONE, *y.axes[1:])
        return [replace(y, axes=axes), LastState(), LastState()]

    return run


def _rows(kind: str, hidden: int) -> np.ndarray:
    """Return where PyTorch's rows of a weight are among ONNX's."""
    return np.concatenate([np.arange(hidden) + gate * hidden for gate in ORDER[kind]])


def _state(call: Call, place: int, hidden: int) -> np.ndarray:
    """Return an initial state, (1, 1, hidden)."""
    value = call.given(place)
    return np.zeros((1, 1, hidden)) if value is None else call.graph.constant(value, "its initial state")


def batch_norm(call: Call) -> Value:
    keys = ("weight", "bias", "running_mean", "running_var")
    arguments = dict(zip(keys, call.inputs[1:5], strict=True))
    if call.options.get("training_mode", 0):
        call.graph.fail("uses the batch's own mean, as in training: export the module after module.eval()")
    return operations.batch_norm(
        call.graph, arguments | {"input": call.inputs[0], "eps": call.options.get("epsilon", 1e-5)}
    )


def prelu(call: Call) -> Value:
    x, slope = call.graph.signal(call.inputs[0]), call.graph.constant(call.inputs[1], "its slopes")
    large = [axis - slope.ndim for axis, size in enumerate(slope.shape) if size > 1]
    if large and (len(large) > 1 or x.axes[large[0]] != FEATURE):
        call.graph.fail(f"has slopes of sizes {list(slope.shape)}, expected one a feature")
    second = replace(x, axes=(ONE, x.axes[large[0]] if large else ONE))
    return replace(operations.prelu(call.graph, {"self": second, "weight": slope}), axes=x.axes)


LAYERS: dict[str, Operator] = {
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "BatchNormalization": batch_norm,
    "PRelu": prelu,
    **{kind: recurrent(kind) for kind in RECURRENT},
}
