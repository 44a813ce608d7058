"""A ModelSpec as an ONNX graph for one block, with states as inputs and outputs, played by ONNX Runtime on one thread.

Inputs and outputs are bound once to fixed memory, with two sets of states that take turns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from rtfx.errors import UnsupportedArchitecture
from rtfx.model.nodes import Activation, Add, Affine, Concat, Conv1d, Dense, Gru, Input, Lstm, Mul, PRelu, Rnn, Slice
from rtfx.model.spec import ModelSpec

OPSET, IR_VERSION = 20, 9  # versions of 2023: Gelu is the newest operator needed
OPERATORS = {
    "tanh": "Tanh",
    "relu": "Relu",
    "sigmoid": "Sigmoid",
    "softsign": "Softsign",
    "selu": "Selu",
    "softplus": "Softplus",
    "gelu": "Gelu",
    "hardswish": "HardSwish",
}


class Graph:
    """A graph under construction; signals are (1, features, block), named by strings."""

    def __init__(self, spec: ModelSpec, block: int):
        self.spec, self.block = spec, block
        self.nodes: list[Any] = []
        self.tensors: list[Any] = []
        self.states: list[tuple[str, str, np.ndarray]] = []  # input name, output name, initial value

    def constant(self, value: np.ndarray | Sequence) -> str:
        """Return the name of a tensor; integers stay int64, all else is float32."""
        array = np.asarray(value)
        array = array.astype(np.int64 if array.dtype.kind == "i" else np.float32)
        name = f"w{len(self.tensors)}"
        self.tensors.append(numpy_helper.from_array(array, name))
        return name

    def add(self, operator: str, *inputs: str, outputs: int = 1, **attributes) -> Any:
        """Append an operator; return the name of its output, or a list of them."""
        names = [f"n{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(operator, list(inputs), names, **attributes))
        return names[0] if outputs == 1 else names

    def state(self, start: np.ndarray) -> tuple[str, Callable[[str], None]]:
        """Return a state's name at the block's start, and a function to call with its name at the end."""
        name = f"s{len(self.states)}"
        place = len(self.states)
        self.states.append((name, "", start.astype(np.float32)))

        def ends_as(value: str) -> None:
            self.states[place] = (name, self.add("Identity", value), self.states[place][2])

        return name, ends_as

    def finish(self, output: str) -> bytes:
        """Return the model."""
        spec, block = self.spec, self.block
        places = [("x", (1, spec.inputs, block)), *((name, start.shape) for name, _, start in self.states)]
        results = [(output, (1, spec.outputs, block)), *((name, start.shape) for _, name, start in self.states)]
        given, made = (
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in table]
            for table in (places, results)
        )
        graph = helper.make_graph(self.nodes, "model", given, made, self.tensors)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        onnx.checker.check_model(model)
        return model.SerializeToString()


def stream(spec: ModelSpec, block: int, sample_rate: float) -> Callable[[np.ndarray], np.ndarray]:
    """Return the function that plays the next block; see `peers.stream`."""
    graph = Graph(spec, block)
    defaults = {knob.name: knob.default for knob in spec.knobs}
    names: list[str] = []
    channel = 0
    for index, node in enumerate(spec.nodes):
        if isinstance(node, Input) and node.role == "audio":
            edges = [graph.constant([edge]) for edge in (channel, channel + node.channels, 1)]
            names.append(graph.add("Slice", "x", *edges) if node.channels < spec.inputs else "x")
            channel += node.channels
        elif isinstance(node, Input):
            value = defaults[node.name] if node.role == "knob" else 1.0 / sample_rate
            names.append(graph.constant(np.full((1, 1, block), value)))
        elif type(node) in LAYERS:
            names.append(LAYERS[type(node)](graph, node, *[names[s] for s in node.sources]))
        else:
            raise UnsupportedArchitecture(
                f"{spec.name}: onnxruntime is not told how to play node {index} ({type(node).__name__.lower()})"
            )
    output = graph.add("Identity", names[-1])
    return _bound(graph, output)


def _bound(graph: Graph, output: str) -> Callable[[np.ndarray], np.ndarray]:
    """Return the function that plays a block in memory bound once."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(graph.finish(output), options, providers=["CPUExecutionProvider"])
    x = np.zeros((1, graph.spec.inputs, graph.block), np.float32)
    y = np.zeros((1, graph.spec.outputs, graph.block), np.float32)
    states = [[np.ascontiguousarray(start).copy() for _, _, start in graph.states] for _ in range(2)]
    bindings = []  # (binding, the arrays it points into)
    for before, after in ((0, 1), (1, 0)):
        binding = session.io_binding()
        inputs = [("x", x), *((name, states[before][i]) for i, (name, _, _) in enumerate(graph.states))]
        outputs = [(output, y), *((name, states[after][i]) for i, (_, name, _) in enumerate(graph.states))]
        for bind, table in ((binding.bind_input, inputs), (binding.bind_output, outputs)):
            for name, array in table:
                bind(name, "cpu", 0, np.float32, array.shape, array.ctypes.data)
        bindings.append((binding, states))
    turn = 0

    def process(block: np.ndarray) -> np.ndarray:
        nonlocal turn
        x[0] = block
        session.run_with_iobinding(bindings[turn][0])
        turn = 1 - turn
        return y[0]

    return process


def _dense(graph: Graph, node: Dense, x: str) -> str:
    return graph.add("Conv", x, graph.constant(node.weight[:, :, None]), graph.constant(node.bias))


def _conv(graph: Graph, node: Conv1d, x: str) -> str:
    history = (node.weight.shape[2] - 1) * node.dilation
    if history:
        inputs = node.weight.shape[1] * node.groups
        past, ends_as = graph.state(np.zeros((1, inputs, history)))
        x = graph.add("Concat", past, x, axis=2)
        frames = history + graph.block
        edges = [graph.constant([edge]) for edge in (frames - history, frames, 2)]
        ends_as(graph.add("Slice", x, *edges))
    tensors = graph.constant(node.weight), graph.constant(node.bias)
    return graph.add("Conv", x, *tensors, dilations=[node.dilation], group=node.groups)


def _gates(matrix: np.ndarray, order: Sequence[int]) -> np.ndarray:
    """Return gates in another order, with ONNX's axis of directions."""
    return np.concatenate([np.split(matrix, len(order))[i] for i in order])[None]


def _cell(graph: Graph, node: Lstm | Gru | Rnn, x: str) -> str:
    if node.delay != 1.0:
        raise UnsupportedArchitecture(f"ONNX has no cell whose state is {node.delay:g} frames old")
    operator, order = {Lstm: ("LSTM", (0, 3, 1, 2)), Gru: ("GRU", (1, 0, 2)), Rnn: ("RNN", (0,))}[type(node)]
    biases = (node.bias_ih, node.bias_hh) if isinstance(node, Gru) else (node.bias, np.zeros_like(node.bias))
    bias = np.concatenate([_gates(b, order) for b in biases], axis=1)
    weights = [graph.constant(value) for value in (_gates(node.weight_ih, order), _gates(node.weight_hh, order), bias)]
    names = ("h0", "c0") if isinstance(node, Lstm) else ("h0",)
    stored = [getattr(node, name) for name in names]
    starts = [np.zeros(node.width) if value is None else value for value in stored]
    states = [graph.state(start.reshape(1, 1, -1)) for start in starts]
    more = {"linear_before_reset": 1} if isinstance(node, Gru) else {}
    turned = graph.add("Transpose", x, perm=[2, 0, 1])
    inputs = [turned, *weights, "", *(name for name, _ in states)]
    y, *ends = graph.add(operator, *inputs, outputs=1 + len(states), hidden_size=node.width, **more)
    for (_, ends_as), end in zip(states, ends, strict=True):
        ends_as(end)
    return graph.add("Transpose", graph.add("Squeeze", y, graph.constant([1])), perm=[1, 2, 0])


def _activation(graph: Graph, node: Activation, x: str) -> str:
    if node.kind in OPERATORS:
        return graph.add(OPERATORS[node.kind], x)
    if node.kind == "leaky_relu":
        return graph.add("LeakyRelu", x, alpha=node.slope)
    if node.kind == "elu":
        return graph.add("Elu", x, alpha=node.slope)
    if node.kind == "silu":
        return graph.add("Mul", x, graph.add("Sigmoid", x))
    if node.kind == "sine":
        return graph.add("Sin", graph.add("Mul", x, graph.constant(np.array(node.slope))))
    if node.kind == "softmax":
        return graph.add("Softmax", x, axis=1)
    if node.kind == "softshrink":
        return graph.add("Shrink", x, lambd=node.slope, bias=node.slope)
    raise UnsupportedArchitecture(f"{graph.spec.name}: onnxruntime is not told how to play {node.kind}")


def _affine(graph: Graph, node: Affine, x: str) -> str:
    scaled = graph.add("Mul", x, graph.constant(node.scale[:, None]))
    return graph.add("Add", scaled, graph.constant(node.shift[:, None]))


def _fold(operator: str) -> Callable:
    def folded(graph: Graph, node: Add | Mul, first: str, *others: str) -> str:
        for other in others:
            first = graph.add(operator, first, other)
        return first

    return folded


def _slice(graph: Graph, node: Slice, x: str) -> str:
    return graph.add("Slice", x, *(graph.constant([edge]) for edge in (node.start, node.stop, 1)))


LAYERS: dict[type, Callable[..., str]] = {
    Dense: _dense,
    Conv1d: _conv,
    Lstm: _cell,
    Gru: _cell,
    Rnn: _cell,
    Activation: _activation,
    Affine: _affine,
    PRelu: lambda graph, node, x: graph.add("PRelu", x, graph.constant(node.alpha[:, None])),
    Add: _fold("Add"),
    Mul: _fold("Mul"),
    Concat: lambda graph, node, *parts: graph.add("Concat", *parts, axis=1),
    Slice: _slice,
}
