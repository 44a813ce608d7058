"""Lowers recurrent layers: one kernel computes a stack of small layers, and a small dense layer after them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...kernels import plain, recurrent, stack
from ...kernels.delay import delayed_dtype, line_fields, line_taps
from ...kernels.kernel import Kernel
from ...kernels.processor import features, lanes
from ...model.nodes import Dense, Gru, Lstm, Rnn
from ..arena import Signal
from ..self_check import BY_LAYER, Layer, agrees, proved
from ..tuned import APART, TOGETHER, choice
from .lower import Lowering, lowers

FUSED_OUTPUTS = 4  # widest dense layer computed inside a recurrent kernel


@lowers(Lstm, Gru)
def lower_gated(lowering: Lowering, index: int, node: Lstm | Gru, sources: list[Signal]) -> None:
    indices = _stack(lowering, index, node)
    dense, following = _dense_behind(lowering, indices[-1])
    nodes = [lowering.nodes[i] for i in indices]
    layer = recurrent_stack(nodes, dense) if len(indices) > 1 else None
    if layer is None:
        indices = [index]
        dense, following = _dense_behind(lowering, index)
        layer = recurrent_layer(node, dense)
    target = lowering.builder.buffer(dense.width if dense else node.width)
    lowering.step(layer, sources[0], target)
    lowering.signals.update(dict.fromkeys([*indices, *following], target))


@lowers(Rnn)
def lower_rnn(lowering: Lowering, index: int, node: Rnn, sources: list[Signal]) -> Signal:
    return lowering.step(elman_layer(node), sources[0], lowering.builder.buffer(node.width))


def _stack(lowering: Lowering, index: int, node: Lstm | Gru) -> list[int]:
    """Return this layer and the layers after it that one kernel can compute together."""
    indices = [index]
    while len(indices) < stack.DEEPEST and node.width <= stack.LARGEST:
        above = lowering.following(indices[-1], type(node))
        if above is None or lowering.nodes[above].width != node.width or node.delay != 1.0:
            break
        indices.append(above)
    return indices


def _dense_behind(lowering: Lowering, index: int) -> tuple[Dense | None, list[int]]:
    """Return the dense layer after a node if it is small enough to be fused, and its index."""
    following = lowering.following(index, Dense)
    if following is None or lowering.nodes[following].width > FUSED_OUTPUTS:
        return None, []
    return lowering.nodes[following], [following]


def recurrent_layer(node: Lstm | Gru, dense: Dense | None) -> Layer:
    """Return the kernel of a recurrent layer with the dense layer fused after it."""
    tiled, loop, shape = _cell_layers(node, dense)
    return proved(tiled, loop, shape.inputs, shape.outputs or shape.hidden, 0)


def recurrent_stack(nodes: Sequence[Lstm | Gru], dense: Dense | None) -> Layer | None:
    """Return one kernel for a stack of layers of one kind and width; None if it fails its check or would be slower."""
    last = len(nodes) - 1
    singles = [_cell_layers(node, dense if i == last else None) for i, node in enumerate(nodes)]
    shape = singles[0][2]._replace(outputs=singles[-1][2].outputs)
    wide = shape.cell == recurrent.GRU and shape.lanes == 16  # measured: here a stack of GRUs of 20 units is slower
    narrow = 2 * shape.hidden <= (2 if wide else 3) * shape.lanes  # else the sums of one layer fill the registers
    if choice("stack", (*shape, len(nodes)), TOGETHER if narrow else APART, [TOGETHER, APART]) == APART:
        return None
    fields = [single.fields for single, _, _ in singles]
    tiled = Layer(
        stack.stack_kernel(shape, len(nodes)),
        stack.stack_state(shape, len(nodes)),
        np.concatenate([single.weights for single, _, _ in singles]),
        {name: np.concatenate([field[name] for field in fields]) for name in ("h", "c")},
    )
    loops = [loop for _, loop, _ in singles]
    right = agrees(tiled, loops, shape.inputs, shape.outputs or shape.hidden, 0, instead=BY_LAYER)
    return tiled if right else None


def _cell_layers(node: Lstm | Gru, dense: Dense | None) -> tuple[Layer, Layer, recurrent.CellShape]:
    """Return the tiled kernel of a recurrent layer, the plain loop, and the shape."""
    hidden, inputs = node.width, node.weight_ih.shape[1]
    kind = recurrent.LSTM if isinstance(node, Lstm) else recurrent.GRU
    outputs = dense.width if dense else 0
    dense_weight = dense.weight if dense else np.zeros((0, hidden))
    dense_bias = dense.bias if dense else np.zeros(0)
    if isinstance(node, Lstm):
        bias_ih, bias_hh = node.bias, np.zeros_like(node.bias)
    else:
        bias_ih, bias_hh = node.bias_ih, node.bias_hh
    tensors = (node.weight_ih, node.weight_hh, bias_ih, bias_hh, dense_weight, dense_bias)
    start: dict[str, Any] = {name: getattr(node, f"{name}0", None) for name in ("h", "c")}
    start = {name: np.zeros(hidden) if value is None else value for name, value in start.items()}
    loop = Layer(
        plain.PLAIN_CELL,
        plain.cell_state(hidden),
        np.concatenate([t.ravel() for t in tensors]).astype(np.float32),
        {"cell": kind, "width_in": inputs, "hidden": hidden, "width_out": outputs} | start,
    )
    loop = _delayed(loop, plain.PLAIN_CELL_DELAYED, node, ("h", "c"))
    shape = recurrent.CellShape(kind, inputs, hidden, outputs, gate_maths(hidden), lanes(), line_taps(node.delay))
    padding = (0, shape.padded - hidden)
    tiled = Layer(
        recurrent.cell_kernel(shape),
        shape.state,
        recurrent.pack(shape, *tensors),
        {name: np.pad(value, padding) for name, value in start.items()},
    )
    return _delayed(tiled, tiled.kernel, node, ("h", "c") if kind == recurrent.LSTM else ("h",)), loop, shape


def gate_maths(hidden: int) -> int:
    """Return how the gates are computed: with the shortest latency for few units, the fewest operations for many."""
    if "avx512f" in features():
        return recurrent.TABLE if hidden <= 32 else recurrent.EXPONENTIAL_TABLE
    return recurrent.RATIONAL if hidden <= 16 else recurrent.EXPONENTIAL


def elman_layer(node: Rnn) -> Layer:
    """Return the kernel of a plain recurrent layer."""
    hidden = node.width
    weights = np.concatenate([t.ravel() for t in (node.weight_ih, node.weight_hh, node.bias)]).astype(np.float32)
    start = np.zeros(hidden) if node.h0 is None else node.h0
    fields = {"width_in": node.weight_ih.shape[1], "hidden": hidden, "h": start}
    layer = Layer(plain.ELMAN, plain.elman_state(hidden), weights, fields)
    return _delayed(layer, plain.ELMAN_DELAYED, node, ("h",))


def _delayed(layer: Layer, kernel: Kernel, node: Lstm | Gru | Rnn, names: tuple[str, ...]) -> Layer:
    """Return the layer with the delay line that its node needs; `names` are the fields of the state it delays."""
    if node.delay == 1.0:
        return layer
    start = np.concatenate([layer.fields[name] for name in names])
    line = line_fields(node.delay, start)
    dtype = delayed_dtype(layer.dtype, start.size, line["ring"])
    return replace(layer, kernel=kernel, dtype=dtype, fields={**layer.fields, **line})
