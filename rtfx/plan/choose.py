"""Which kernel a layer gets: by its shape and this processor's registers, once the tile has proved itself here.

Every tile is run once on this machine, after its first compilation, against the plain loop; a mismatch is reported
and the plain loop is used instead.
"""

from __future__ import annotations

import contextlib
import math
import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..kernels import conv, elman, plain, plain_delay, recurrent
from ..kernels.codes import CONSTANTS, code_of, factor_of
from ..kernels.delay import delayed_dtype, line_fields, line_taps
from ..kernels.jit import Kernel, cache_file
from ..kernels.processor import features, lanes
from ..model.spec import Activation, Conv1d, Dense, Gru, Lstm, Rnn

CHECK_TOLERANCE = 1e-4  # of the output's peak: far above rounding, far below any wrong lane or weight
ALL = slice(None)
warnings: list[str] = []


@dataclass(frozen=True)
class Layer:
    """A kernel with its weights and the fields of its state."""

    kernel: Kernel
    dtype: np.dtype
    weights: np.ndarray
    fields: dict


def conv_layer(node: Conv1d | Dense, activation: Activation | None, outputs: slice = ALL) -> Layer:
    """Return the kernel of a dense layer, a convolution or those outputs of it that form one group."""
    kind, constants = (activation.kind, activation.constants) if activation else ("", (0.0,) * CONSTANTS)
    taps = node.weight if isinstance(node, Conv1d) else node.weight[:, :, None]
    weight, bias = taps[outputs], node.bias[outputs]
    dilation = getattr(node, "dilation", 1)
    shape = conv.ConvShape(weight.shape[1], weight.shape[0], weight.shape[2], code_of(kind))
    tile = conv_tile(shape)
    tiled = Layer(
        conv.conv_kernel(shape, tile),
        conv.STATE,
        conv.pack(shape, tile, weight, bias, factor_of(kind), constants),
        {"dilation": dilation},
    )
    sizes = {"taps": shape.taps, "width_in": shape.inputs, "width_out": shape.outputs, "activation": shape.activation}
    loop = Layer(
        plain.PLAIN_CONV,
        plain.CONV_STATE,
        np.concatenate([constants, bias, weight.ravel()]).astype(np.float32),
        sizes | {"dilation": dilation},
    )
    return proved(tiled, loop, shape.inputs, shape.outputs, (shape.taps - 1) * dilation)


def conv_tile(shape: conv.ConvShape) -> conv.Tile:
    """Return the tile that fits the registers: one vector by eight outputs if there are 32, else two by six or four."""
    width = lanes()
    if shape.outputs <= 2:
        return conv.Tile(width, 4, shape.outputs)
    if width == 16:
        return conv.Tile(16, 1, 8 if shape.outputs > 4 else 4)
    return conv.Tile(width, 2, 6 if width == 8 else 4)


def recurrent_layer(node: Lstm | Gru, dense: Dense | None) -> Layer:
    """Return the kernel of a recurrent layer and the dense layer fused behind it."""
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
    loop = _delayed(loop, plain_delay.PLAIN_CELL_DELAYED, node, ("h", "c"))
    maths = gate_maths(hidden)
    shape = recurrent.CellShape(kind, inputs, hidden, outputs, maths, lanes(), line_taps(node.delay))
    padding = (0, shape.padded - hidden)
    tiled = Layer(
        recurrent.cell_kernel(shape),
        shape.state,
        recurrent.pack(shape, *tensors),
        {name: np.pad(value, padding) for name, value in start.items()},
    )
    tiled = _delayed(tiled, tiled.kernel, node, ("h", "c") if kind == recurrent.LSTM else ("h",))
    return proved(tiled, loop, inputs, outputs or hidden, 0)


def gate_maths(hidden: int) -> int:
    """Return the form of the gates: the shortest chain for few units, the fewest operations for many."""
    if "avx512f" in features():
        return recurrent.TABLE if hidden <= 20 else recurrent.RATIONAL if hidden <= 32 else recurrent.EXPONENTIAL_TABLE
    return recurrent.RATIONAL if hidden <= 16 else recurrent.EXPONENTIAL


def elman_layer(node: Rnn) -> Layer:
    """Return the kernel of a plain recurrent layer."""
    hidden = node.width
    weights = np.concatenate([t.ravel() for t in (node.weight_ih, node.weight_hh, node.bias)]).astype(np.float32)
    start = np.zeros(hidden) if node.h0 is None else node.h0
    fields = {"width_in": node.weight_ih.shape[1], "hidden": hidden, "h": start}
    layer = Layer(elman.ELMAN, elman.elman_state(hidden), weights, fields)
    return _delayed(layer, plain_delay.ELMAN_DELAYED, node, ("h",))


def _delayed(layer: Layer, kernel: Kernel, node: Lstm | Gru | Rnn, names: tuple[str, ...]) -> Layer:
    """Return the layer with the line that its node's delay needs; `names` are the fields of the state it delays."""
    if node.delay == 1.0:
        return layer
    start = np.concatenate([layer.fields[name] for name in names])
    line = line_fields(node.delay, start)
    return Layer(kernel, delayed_dtype(layer.dtype, start.size, line["ring"]), layer.weights, {**layer.fields, **line})


def proved(
    tiled: Layer, loop: Layer, inputs: int, outputs: int, history: int, extras: tuple[int, int] = (0, 0)
) -> Layer:
    """Return `tiled` if it agrees with `loop` on noise, checked once per kernel and machine; else `loop`.

    `extras` are the rows of the two further signals that the kernel reads or adds to.
    """
    proof = cache_file(tiled.kernel).with_suffix(".proved")
    if os.path.exists(proof):
        return tiled
    error = disagreement(tiled, loop, inputs, outputs, history, extras)
    if not error < CHECK_TOLERANCE:
        warnings.append(
            f"kernel {tiled.kernel.name} disagrees with the plain loop by {error:.1e} on this processor: using the loop"
        )
        return loop
    with contextlib.suppress(OSError):
        proof.parent.mkdir(parents=True, exist_ok=True)
        proof.touch()
    return tiled


def disagreement(tiled: Layer, loop: Layer, inputs: int, outputs: int, history: int, extras: tuple[int, int]) -> float:
    """Return the largest difference of two layers on the same noise, over the peak, in blocks of 64, 5 and 17."""
    blocks = (64, 5, 17)
    total = sum(blocks)
    stride = history + total + conv.OVERHANG
    noise = np.random.Generator(np.random.Philox(1))
    x = noise.standard_normal((inputs, stride)).astype(np.float32)
    width = max(blocks) + conv.OVERHANG
    further = [[noise.standard_normal((max(rows, 1), width)).astype(np.float32) for rows in extras] for _ in blocks]
    results = []
    for layer in (tiled, loop):
        y = np.zeros((max(outputs, 1), total + conv.OVERHANG), np.float32)
        heads = []
        state = np.zeros(1, layer.dtype)
        for name, value in layer.fields.items():
            state[name] = value
        state["in_stride"], state["out_stride"], state["weights"] = stride, y.shape[1], layer.weights.ctypes.data
        state["extra_stride"] = width
        done = 0
        for frames, given in zip(blocks, further, strict=True):
            extra = [rows.copy() for rows in given]
            state["extra"] = [rows.ctypes.data for rows in extra]
            source, target = x.ctypes.data + 4 * (history + done), y.ctypes.data + 4 * done
            layer.kernel(state.ctypes.data, source, target, frames)
            done += frames
            heads += [rows[:, :frames].ravel() for rows in extra]
        results.append(np.concatenate([y[:, :done].ravel(), *heads]).astype(np.float64))
    peak = float(np.abs(results[1]).max())
    error = float(np.abs(results[0] - results[1]).max()) / max(peak, 1e-9)
    return error if math.isfinite(error) else math.inf
