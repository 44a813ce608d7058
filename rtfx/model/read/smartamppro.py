"""Reads SmartAmpPro JSON: two strided Keras convolutions and an LSTM that is reset for every output frame.

For each frame the network sees the last `input_size` frames. Its convolutions have no activation, so they and the
LSTM's input kernel are one linear map of that window: here one FIR filter for each gate. The LSTM starts from zero and
takes one step for each output of the second convolution (one, with the usual sizes); each step becomes its own nodes.
The forget gate and the recurrent kernel have no effect before the second step. Most exporters omit the recurrent
kernel; a file that needs it is refused. Sources: SmartAmpPro lstm.cpp, train.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ...errors import MissingKey
from ..graph import Graph
from ..nodes import Activation, Add, Conv1d, Dense, Input, Mul
from ..spec import ModelSpec
from ..values import WEIGHTS, WIDTH, at_most, integer, integer_at, mapping, required, tensor
from .sample_rate import guitar_rate

USUAL_STRIDE = 12  # of files that do not say
WINDOW = 2048  # frames; the usual network has 120
PRODUCTS = 1 << 26  # multiply-adds of the folding itself: a second at worst, where a filter has one feature
GATES = {"i": ("sigmoid", 0), "f": ("sigmoid", 1), "g": ("tanh", 2), "o": ("sigmoid", 3)}  # block of the kernel


def read(data: dict[str, Any], path: Path) -> ModelSpec:
    """Return the model in a SmartAmpPro file.

    Raises
    ------
    ModelError
        MissingKey where the LSTM takes several steps and the file has no recurrent kernel.
    """
    frames = integer_at(data, "input_size", limit=WINDOW)
    warnings: list[str] = []
    steps, bias = np.eye(frames)[:, None, :], np.zeros((frames, 1))  # (steps, features, window), (steps, features)
    for name in ("conv1d", "conv1d_1"):
        stride = data.get(f"{name}_stride")
        if stride is None:
            warnings.append(f"the file has no key '{name}_stride': {USUAL_STRIDE} assumed, as its training script")
            stride = USUAL_STRIDE
        steps, bias = convolved(steps, bias, mapping(data[name], name), name, integer(stride, f"{name}_stride"))
    lstm = mapping(data["lstm"], "lstm")
    cell = lstm.get("lstm_cell")
    lstm = {**lstm, **cell} if isinstance(cell, dict) else lstm
    kernel = tensor(required(lstm, "kernel:0", "lstm"), "lstm kernel:0", axes=2)
    hidden = at_most(kernel.shape[1] // 4, WIDTH, "hidden size of lstm")
    kernel = tensor(kernel, "lstm kernel:0", (steps.shape[1], 4 * hidden))
    at_most(len(steps) * 4 * hidden * frames, WEIGHTS, "numbers in the folded network")
    at_most(len(steps) * 4 * hidden * frames * steps.shape[1], PRODUCTS, "multiply-adds to fold lstm")
    filters = np.einsum("fz,sfn->szn", kernel, steps)
    offsets = bias @ kernel + tensor(required(lstm, "bias:0", "lstm"), "lstm bias:0", (4 * hidden,))
    recurrent = None
    if len(steps) > 1:
        if "recurrent_kernel:0" not in lstm:
            raise MissingKey(
                f"lstm takes {len(steps)} steps at input_size {frames} and has no 'recurrent_kernel:0', which its "
                "exporter loses: train with a smaller input_size, or export it again"
            )
        recurrent = tensor(lstm["recurrent_kernel:0"], "lstm recurrent_kernel:0", (hidden, 4 * hidden))
    dense = mapping(data["dense"], "dense")
    weight = tensor(required(dense, "kernel:0", "dense"), "dense kernel:0", axes=2).T
    head_bias = tensor(required(dense, "bias:0", "dense"), "dense bias:0", axes=1)
    graph = Graph([Input(())])
    h = _steps(graph, filters, offsets, recurrent, hidden)
    graph.add(Dense((h,), weight=np.ascontiguousarray(weight), bias=head_bias))
    rate, rate_source = guitar_rate(data, path, warnings)
    return ModelSpec(
        family="smartamppro",
        nodes=graph.listed(),
        name=path.stem,
        sample_rate=rate,
        rate_source=rate_source,
        warnings=tuple(warnings),
    )


def convolved(
    steps: np.ndarray, bias: np.ndarray, layer: dict[str, Any], name: str, stride: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return an affine map followed by a Keras convolution with padding "same", as an affine map.

    `steps` is (steps, features, window), `bias` (steps, features). Of a total padding of
    max(taps - (stride, or what is left over of the last stride), 0), the smaller half is on the left.
    """
    kernel = tensor(required(layer, "kernel:0", name), f"{name} kernel:0", axes=3)
    taps, features, outputs = kernel.shape
    kernel = tensor(kernel, f"{name} kernel:0", (taps, steps.shape[1], outputs))
    own_bias = tensor(required(layer, "bias:0", name), f"{name} bias:0", (outputs,))
    count, window = len(steps), steps.shape[2]
    left = max(taps - (count % stride or stride), 0) // 2
    results = -(-count // stride)
    at_most(results * outputs * window, WEIGHTS, f"numbers in {name}, folded")
    at_most(results * outputs * window * taps * features, PRODUCTS, f"multiply-adds to fold {name}")
    folded, offset = np.zeros((results, outputs, window)), np.tile(own_bias, (results, 1))
    for j in range(results):
        for tap in range(taps):
            source = j * stride + tap - left
            if 0 <= source < count:
                folded[j] += kernel[tap].T @ steps[source]
                offset[j] += bias[source] @ kernel[tap]
    return folded, offset


def _steps(graph: Graph, filters: np.ndarray, offsets: np.ndarray, recurrent: np.ndarray | None, hidden: int) -> int:
    """Append the LSTM's steps from a state of zero; return its output."""
    h = c = None
    for taps, offset in zip(filters, offsets, strict=True):
        gates = {}
        for name, (kind, block) in GATES.items():
            if name == "f" and c is None:
                continue
            rows = slice(block * hidden, (block + 1) * hidden)
            weight = np.ascontiguousarray(taps[rows, None, :])
            z = graph.add(Conv1d((0,), weight=weight, bias=offset[rows].copy()))
            if h is not None and recurrent is not None:
                own = np.ascontiguousarray(recurrent[:, rows].T)
                z = graph.add(Add((z, graph.add(Dense((h,), weight=own, bias=np.zeros(hidden))))))
            gates[name] = graph.add(Activation((z,), kind=kind))
        new = graph.add(Mul((gates["i"], gates["g"])))
        c = new if c is None else graph.add(Add((new, graph.add(Mul((gates["f"], c))))))
        h = graph.add(Mul((gates["o"], graph.add(Activation((c,), kind="tanh")))))
    assert h is not None
    return h
