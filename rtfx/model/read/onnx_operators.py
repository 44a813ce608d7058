"""Converts ONNX operators to operations on signals and constants.

Source: onnx/docs/Operators.md, versions 7 to 24 of the operator set. Signals, with their axes and frames, and many
operations are those of the reader of PyTorch's programs (``signals``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import numpy as np

from ..nodes import Activation, Add, Affine, Mul
from ..values import RECEPTIVE_FIELD, WIDTH, at_most
from . import operations, signals
from .signals import FEATURE, ONE, TIME, Signal, SignalGraph, Value

CONSTANT_NUMBERS = 1 << 22  # most numbers in a constant that operators compute: no weight in a file is as large
SINGLE = (
    "takes single frames, as a net does that looks at one window: rtfx runs nets that give every frame; export it with "
    "the output of all frames"
)


@dataclass(frozen=True, eq=False)
class GeluPart(Affine):
    """Represents a part of GELU, x (1 + erf(x / sqrt 2)) / 2, until the whole formula is read; it is never played.

    `part` is that part of the formula, `argument` the node of x.
    """

    part: str = ""
    argument: int = 0


@dataclass
class Call:
    """One operator with its values.

    Attributes
    ----------
    inputs : list
        Signals, arrays of constants, or None for an input that is left out.
    frames : list of int
        Length of each input's time axis, 0 if it has none.
    length : int
        Frames of the result; an operator that changes the number of frames sets it.
    """

    graph: SignalGraph
    inputs: list[Value]
    options: dict[str, Any]
    frames: list[int]
    outputs: int
    opset: int
    length: int = 0

    def __post_init__(self) -> None:
        self.length = max(self.frames, default=0)

    def given(self, place: int) -> Value:
        """Return an input, None if it is left out."""
        return self.inputs[place] if place < len(self.inputs) else None

    def sizes(self, place: int = 0) -> tuple[int, ...]:
        """Return the sizes of an input."""
        return sizes_of(self.inputs[place], self.frames[place])

    def numbers(self, name: str, place: int) -> list[int] | None:
        """Return whole numbers that are an option in older operator sets and an input in newer ones."""
        if name in self.options:
            return [int(number) for number in np.ravel(self.options[name])]
        value = self.given(place)
        if value is None:
            return None
        return [int(number) for number in self.graph.constant(value, name).ravel()]

    @property
    def fixed(self) -> bool:
        """Tell whether all inputs are constants."""
        return not any(isinstance(value, Signal) for value in self.inputs)


Operator = Callable[[Call], Value]


def sizes_of(value: Value, frames: int) -> tuple[int, ...]:
    """Return the sizes of a signal whose time axis is `frames` long, or of an array."""
    if isinstance(value, Signal):
        return tuple({TIME: frames, FEATURE: value.width, ONE: 1}[axis] for axis in value.axes)
    return np.shape(value)


def unary(operation: signals.Operation, **options: tuple[str, Any]) -> Operator:
    """Return PyTorch's operation on one signal; `options` maps its arguments to an ONNX option and its default."""

    def run(call: Call) -> Value:
        given = {key: call.options.get(name, default) for key, (name, default) in options.items()}
        return operation(call.graph, {"self": call.inputs[0]} | given)

    return run


def folding(kind: str) -> Operator:
    """Return a sum, difference, product or quotient of two or more values."""
    operation = operations.ARITHMETIC[kind]

    def run(call: Call) -> Value:
        found = _part_of_gelu(call, kind)
        if found is not None:
            return found
        return reduce(lambda a, b: operation(call.graph, {"self": a, "other": b}), call.inputs)

    return run


def fixed_only(function: Callable[..., Any]) -> Operator:
    """Return an operator that accepts only constants."""

    def run(call: Call) -> Value:
        if not call.fixed:
            call.graph.fail("is no operation that rtfx has a layer for")
        with np.errstate(all="ignore"):
            return np.asarray(function(*call.inputs))

    return run


def erf(call: Call) -> Value:
    """Read erf as a part of GELU, x (1 + erf(x / sqrt 2)) / 2; there is no layer for erf alone."""
    x = call.graph.signal(call.inputs[0])
    scaled = call.graph.nodes[x.node]
    if not isinstance(scaled, Affine) or scaled.shift.any() or abs(scaled.scale * math.sqrt(2.0) - 1.0).max() > 1e-6:
        call.graph.fail("is no part of GELU, x (1 + erf(x / sqrt 2)) / 2, the only layer with it")
    return _marked(call, x, "erf", scaled.sources[0])


def _marked(call: Call, x: Signal, part: str, argument: int) -> Signal:
    """Return a signal that stands for a part of GELU."""
    none = np.zeros(x.width)
    return call.graph.follow(x, GeluPart((x.node,), none, none, part, argument))


def _part_of_gelu(call: Call, kind: str) -> Value | None:
    """Return the result of a sum or product that contains a part of GELU; None if it contains none."""
    nodes = [call.graph.nodes[value.node] if isinstance(value, Signal) else None for value in call.inputs]
    place = next((i for i, node in enumerate(nodes) if isinstance(node, GeluPart)), None)
    if place is None:
        return None
    node, signal, other = nodes[place], call.inputs[place], call.inputs[1 - place]
    assert isinstance(node, GeluPart)
    if isinstance(other, np.ndarray):
        if (node.part, kind) == ("erf", "add") and (other == 1.0).all():
            return _marked(call, signal, "1 + erf", node.argument)
        if (node.part, kind) == ("1 + erf", "mul") and (other == 0.5).all():
            return _marked(call, signal, "(1 + erf) / 2", node.argument)
    elif kind == "mul" and node.part != "erf":
        factor = 1.0 if node.part == "(1 + erf) / 2" else 2.0
        beside = call.graph.nodes[other.node]
        if isinstance(beside, Affine) and beside.sources == (node.argument,) and (beside.scale == 0.5).all():
            whole, factor = not beside.shift.any(), factor / 2.0
        else:
            whole = other.node == node.argument
        if whole:
            bent = call.graph.follow(other, Activation((node.argument,), "gelu"))
            return operations.times_number(call.graph, bent, factor)
    call.graph.fail("uses erf otherwise than GELU does, expected x (1 + erf(x / sqrt 2)) / 2")


def gelu(call: Call) -> Value:
    return operations.gelu(call.graph, {"self": call.inputs[0], "approximate": call.options.get("approximate", "none")})


def mish(call: Call) -> Value:
    """x tanh(log(1 + e^x))."""
    x = call.graph.signal(call.inputs[0])
    soft = call.graph.follow(x, Activation((x.node,), "softplus"))
    bent = call.graph.follow(soft, Activation((soft.node,), "tanh"))
    return call.graph.follow(x, Mul((x.node, bent.node)))


def hard_sigmoid(call: Call) -> Value:
    """max(0, min(1, alpha x + beta))."""
    x = call.graph.signal(call.inputs[0])
    for kind, number in ((Mul, call.options.get("alpha", 0.2)), (Add, call.options.get("beta", 0.5))):
        x = operations.with_constant(call.graph, x, np.asarray(number), kind)
    return call.graph.follow(x, Activation((x.node,), "hardtanh", low=0.0, high=1.0))


def selu(call: Call) -> Value:
    stated = [call.options.get("alpha", 1.67326), call.options.get("gamma", 1.0507)]
    if not np.allclose(stated, [1.67326, 1.0507], rtol=1e-4):
        call.graph.fail(f"has the constants {stated}, expected SELU's own")
    return operations.activation("selu")(call.graph, {"self": call.inputs[0]})


def shrink(call: Call) -> Value:
    slope, bias = call.options.get("lambd", 0.5), call.options.get("bias", 0.0)
    if slope != bias:
        call.graph.fail(f"has a bias of {bias:g} and a limit of {slope:g}, expected equal ones")
    return operations.activation("softshrink", slope="slope")(call.graph, {"self": call.inputs[0], "slope": slope})


def power(call: Call) -> Value:
    exponent = call.graph.constant(call.inputs[1], "its exponent")
    if call.fixed:
        return np.power(call.inputs[0], exponent)
    return operations.power(call.graph, {"self": call.inputs[0], "exponent": exponent.item()})


def clip(call: Call) -> Value:
    limits = {}
    for place, key in ((1, "min"), (2, "max")):
        value = call.options.get(key, call.given(place))
        limits[key] = None if value is None else float(np.asarray(value).item())
    if call.fixed:
        return np.clip(call.inputs[0], limits["min"], limits["max"])
    return operations.clamp(call.graph, {"self": call.inputs[0], **limits})


def softmax(call: Call) -> Value:
    axis = call.options.get("axis", -1 if call.opset >= 13 else 1)
    return operations.softmax(call.graph, {"self": call.inputs[0], "dim": axis})


def reduced(mean: bool) -> Operator:
    """Return the sum or the mean over the features."""

    def run(call: Call) -> Value:
        axes, keep = call.numbers("axes", 1), bool(call.options.get("keepdims", 1))
        if call.fixed:
            function = np.mean if mean else np.sum
            return function(call.inputs[0], axis=None if axes is None else tuple(axes), keepdims=keep)
        y = operations.total(call.graph, {"self": call.inputs[0], "dim": axes, "keepdim": keep})
        return operations.times_number(call.graph, y, 1.0 / call.inputs[0].width) if mean else y

    return run


def transpose(call: Call) -> Value:
    order = call.options.get("perm") or list(range(len(call.sizes())))[::-1]
    return signals.permute(call.graph, {"self": call.inputs[0], "dims": order})


def squeeze(call: Call) -> Value:
    axes = call.numbers("axes", 1)
    return signals.squeeze(call.graph, {"self": call.inputs[0]} | ({} if axes is None else {"dim": axes}))


def unsqueeze(call: Call) -> Value:
    axes = call.numbers("axes", 1) or []
    rank = len(call.sizes()) + len(axes)
    y = call.inputs[0]
    for axis in sorted(signals.position(call.graph, axis, rank) for axis in axes):
        y = signals.unsqueeze(call.graph, {"self": y, "dim": axis})
    return y


def reshape(call: Call) -> Value:
    shape = call.numbers("shape", 1) or []
    own = call.sizes()
    if not call.options.get("allowzero", 0):
        shape = [own[i] if size == 0 else size for i, size in enumerate(shape)]
    if shape.count(-1) > 1:
        call.graph.fail(f"turns {list(own)} into {shape}, expected at most one size left open")
    known = math.prod(size for size in shape if size != -1)
    shape = [math.prod(own) // max(known, 1) if size == -1 else size for size in shape]
    return reshaped(call, shape)


def flatten(call: Call) -> Value:
    own, axis = call.sizes(), call.options.get("axis", 1)
    return reshaped(call, [math.prod(own[:axis]), math.prod(own[axis:])])


def reshaped(call: Call, shape: Sequence[int]) -> Value:
    """Return a value of another shape; in a net for single frames the time axis is of size 1, like other axes."""
    x, own = call.inputs[0], call.sizes()
    if isinstance(x, Signal) and TIME in x.axes and call.frames[0] == 1:
        if math.prod(own) != math.prod(shape) or [s for s in own if s != 1] != [s for s in shape if s != 1]:
            call.graph.fail(f"turns {list(own)} into {list(shape)}, expected axes of size 1 to come or go")
        feature = next((i for i, size in enumerate(shape) if size != 1), len(shape) - 1)
        ones = [i for i, size in enumerate(shape) if size == 1 and i != feature]
        if not ones:
            call.graph.fail("drops the axis of the frames")
        before = FEATURE not in x.axes or x.axes.index(TIME) < x.axes.index(FEATURE)
        keeps = len(shape) == len(own) and x.axes.index(TIME) in ones
        time = x.axes.index(TIME) if keeps else ones[0] if before else ones[-1]
        wide = FEATURE if x.width > 1 else ONE
        return replace(x, axes=tuple(TIME if i == time else wide if i == feature else ONE for i in range(len(shape))))
    return signals.reshape(call.graph, {"self": x, "sizes": {"self": own, "out": tuple(shape)}})


def expand(call: Call) -> Value:
    shape = np.broadcast_shapes(call.sizes(), tuple(call.numbers("shape", 1) or ()))
    at_most(math.prod(shape), CONSTANT_NUMBERS, "numbers of a constant")
    if isinstance(call.inputs[0], Signal):
        call.length = max(shape, default=0) if call.inputs[0].steady else call.length
    return signals.expand(call.graph, {"self": call.inputs[0], "sizes": {"out": shape}})


def tile(call: Call) -> Value:
    repeats = call.numbers("repeats", 1) or []
    if call.fixed:
        at_most(math.prod(repeats) * np.size(call.inputs[0]), CONSTANT_NUMBERS, "numbers of a constant")
        return np.tile(call.inputs[0], repeats)
    if any(count != 1 for count in repeats):
        call.graph.fail("repeats a signal, expected it as it is")
    return call.inputs[0]


def sliced(call: Call, value: Value, dim: int, start: int | None, stop: int | None, step: int = 1) -> Value:
    """Return a part of a value along one axis; sets the frames of the result."""
    sizes = sizes_of(value, call.length)
    at = signals.position(call.graph, dim, len(sizes))
    first, last, _ = slice(start, stop, step).indices(sizes[at])
    if isinstance(value, Signal) and value.axes[at] == TIME:
        if last <= first:
            call.graph.fail("takes no frames at all")
        if last - first == 1 < sizes[at]:
            call.graph.fail(SINGLE)
        call.length = last - first
    keys = {"self": value, "dim": at, "start": start, "end": stop, "step": step, "sizes": {"self": sizes}}
    return signals.slice_(call.graph, keys)


def slice_(call: Call) -> Value:
    starts, stops = call.numbers("starts", 1) or [], call.numbers("ends", 2) or []
    axes = call.numbers("axes", 3) or list(range(len(starts)))
    steps = call.numbers("steps", 4) or [1] * len(starts)
    value = call.inputs[0]
    for dim, start, stop, step in zip(axes, starts, stops, steps, strict=True):
        if not isinstance(value, Signal):
            cut = [slice(None)] * np.ndim(value)
            stop_before_first = step < 0 and stop < -np.shape(value)[dim]
            cut[dim] = slice(start, None if stop_before_first else stop, step)
            value = value[tuple(cut)]
            continue
        if step < 1:
            call.graph.fail("runs backwards through the signal, expected forwards")
        value = sliced(call, value, dim, start, stop, step)
    return value


def split(call: Call) -> Value:
    sizes, dim = call.sizes(), call.options.get("axis", 0)
    at = signals.position(call.graph, dim, len(sizes))
    parts = call.numbers("split", 1)
    if parts is None:
        each = -(-sizes[at] // call.outputs)
        parts = [min(each, sizes[at] - i * each) for i in range(call.outputs)]
    if isinstance(call.inputs[0], Signal) and call.inputs[0].axes[at] == TIME:
        call.graph.fail("splits the frames, expected the features")
    edges = np.cumsum([0, *parts]).tolist()
    return [_piece(call, at, first, last) for first, last in zip(edges, edges[1:], strict=False)]


def _piece(call: Call, at: int, first: int, last: int) -> Value:
    value = call.inputs[0]
    if not call.fixed:
        return sliced(call, value, at, first, last)
    return value[(slice(None),) * at + (slice(first, last),)]


def concat(call: Call) -> Value:
    moving = [value for value in call.inputs if isinstance(value, Signal)]
    dim = call.options.get("axis", 0)
    if moving and any(value.axes[dim] == TIME for value in moving):
        sizes = [call.sizes(i) for i in range(len(call.inputs))]
        call.length = sum(size[dim] for size in sizes)
    return signals.cat(call.graph, {"tensors": call.inputs, "dim": dim})


def gather(call: Call) -> Value:
    axis, index = call.options.get("axis", 0), call.graph.constant(call.inputs[1], "its index")
    value = call.inputs[0]
    if not isinstance(value, Signal):
        return np.take(value, index.astype(np.int64), axis)
    at = signals.position(call.graph, axis, len(value.axes))
    if value.axes[at] == TIME and call.frames[0] > 1 and index.ndim == 0:
        call.graph.fail(SINGLE)
    if index.ndim == 0:
        if value.axes[at] == TIME:
            return replace(value, axes=(*value.axes[:at], *value.axes[at + 1 :]))
        return signals.select(call.graph, {"self": value, "dim": at, "index": int(index)})
    wanted = index.ravel().tolist()
    if index.ndim != 1 or wanted != list(range(wanted[0], wanted[0] + len(wanted))):
        call.graph.fail("picks features in another order, expected neighbours")
    return sliced(call, value, at, wanted[0], wanted[0] + len(wanted))


def pad(call: Call) -> Value:
    widths, value = call.numbers("pads", 1) or [], call.options.get("value", call.given(2))
    sizes, axes = call.sizes(), call.numbers("axes", 3)
    axes = list(range(len(sizes))) if axes is None else [signals.position(call.graph, a, len(sizes)) for a in axes]
    if call.options.get("mode", "constant") != "constant" or (value is not None and np.any(value)):
        call.graph.fail("pads with something else than zeros, expected zeros")
    pairs = dict(zip(axes, zip(widths[: len(axes)], widths[len(axes) :], strict=True), strict=True))
    if call.fixed:
        at_most(sum(before + behind for before, behind in pairs.values()), RECEPTIVE_FIELD, "frames of padding")
        return np.pad(call.inputs[0], [pairs.get(axis, (0, 0)) for axis in range(len(sizes))])
    x = call.graph.signal(call.inputs[0])
    for axis, (before, behind) in pairs.items():
        if (before or behind) and x.axes[axis] != TIME:
            call.graph.fail("pads another axis than the frames")
        if x.axes[axis] == TIME:
            call.length += before + behind
            x = replace(x, shift=x.shift - at_most(before, RECEPTIVE_FIELD, "frames of padding") * x.period)
    return x


def constant(call: Call) -> Value:
    names = ("value", "value_float", "value_floats", "value_int", "value_ints")
    value = next((call.options[name] for name in names if name in call.options), None)
    if value is None:
        call.graph.fail("holds no number, expected a tensor")
    array = np.asarray(value)
    return array.astype(np.float64) if array.dtype.kind == "f" else array


def constant_of_shape(call: Call) -> Value:
    shape = call.numbers("shape", 0) or []
    at_most(math.prod(shape), CONSTANT_NUMBERS, "numbers of a constant")
    return np.full(shape, np.ravel(call.options.get("value", np.zeros(1)))[0])


def shape(call: Call) -> Value:
    found = np.array(call.sizes(), np.int64)
    return found[call.options.get("start", 0) : call.options.get("end", len(found))]


def numbers_between(first: np.ndarray, stop: np.ndarray, step: np.ndarray) -> np.ndarray:
    at_most(int(abs((stop - first) / step)), CONSTANT_NUMBERS, "numbers of a constant")
    return np.arange(first.item(), stop.item(), step.item())


def cast(call: Call) -> Value:
    if not call.fixed:
        return call.inputs[0]
    whole = call.options.get("to") in (2, 3, 4, 5, 6, 7, 12, 13)
    kind = np.int64 if whole else np.bool_ if call.options.get("to") == 9 else np.float64
    return np.asarray(call.inputs[0]).astype(kind)


def same(call: Call) -> Value:
    return call.inputs[0]


def gemm(call: Call) -> Value:
    """Compute alpha A B + beta C, with A (frames, features)."""
    graph, (x, weight) = call.graph, call.inputs[:2]
    scale, offset = call.options.get("alpha", 1.0), call.options.get("beta", 1.0)
    weight = graph.constant(weight, "its right-hand side") * scale
    weight = weight if call.options.get("transB", 0) else weight.T
    bias = np.zeros(()) if call.given(2) is None else graph.constant(call.inputs[2], "its third input") * offset
    if call.fixed:
        x = np.asarray(x).T if call.options.get("transA", 0) else x
        return x @ weight.T + bias
    if call.options.get("transA", 0):
        x = signals.matrix_transpose(graph, {"self": x})
    return _dense(call, x, weight, np.broadcast_to(bias.ravel() if bias.ndim else bias, (weight.shape[0],)).copy())


def matmul(call: Call) -> Value:
    graph, (left, right) = call.graph, call.inputs[:2]
    if call.fixed:
        return left @ right
    if isinstance(left, Signal):
        weight = graph.constant(right, "its right-hand side")
        weight = weight.reshape(weight.shape[-2:]) if weight.ndim > 2 else weight
        if weight.ndim != 2:
            graph.fail(f"multiplies by {weight.ndim} axes, expected 2")
        return _dense(call, left, weight.T, np.zeros(weight.shape[1]))
    x, weight = graph.signal(right), graph.constant(left, "its left-hand side")
    weight = weight.reshape(weight.shape[-2:]) if weight.ndim > 2 else weight
    flipped = signals.matrix_transpose(graph, {"self": x})
    y = _dense(call, flipped, weight, np.zeros(weight.shape[0]))
    return signals.matrix_transpose(graph, {"self": y})


def _dense(call: Call, x: Value, weight: np.ndarray, bias: np.ndarray) -> Value:
    """Return W x + b over the last axis."""
    x = call.graph.signal(x)
    at_most(weight.size, WIDTH * WIDTH, "numbers of a weight")
    if x.axes[-1] == TIME:
        call.graph.fail("mixes the frames of a window: rtfx runs nets that give every frame")
    return operations.linear(call.graph, {"input": x, "weight": weight, "bias": bias})


OPERATORS: dict[str, Operator] = {
    "Add": folding("add"), "Sum": folding("add"), "Sub": folding("sub"), "Mul": folding("mul"), "Div": folding("div"),
    "Neg": unary(operations.negative), "Abs": unary(operations.absolute), "Pow": power, "Clip": clip,
    **{
        name: unary(operations.activation(kind))
        for name, kind in {
            "Tanh": "tanh", "Relu": "relu", "Sigmoid": "sigmoid", "Softplus": "softplus", "Softsign": "softsign",
            "HardSwish": "hardswish", "Sin": "sine",
        }.items()
    },
    "LeakyRelu": unary(operations.activation("leaky_relu", slope="slope"), slope=("alpha", 0.01)),
    "Elu": unary(operations.activation("elu", slope="slope"), slope=("alpha", 1.0)),
    "Shrink": shrink, "Selu": selu, "HardSigmoid": hard_sigmoid, "Gelu": gelu, "Erf": erf, "Mish": mish,
    "Softmax": softmax, "ReduceSum": reduced(mean=False), "ReduceMean": reduced(mean=True),
    "Transpose": transpose, "Squeeze": squeeze, "Unsqueeze": unsqueeze, "Reshape": reshape, "Flatten": flatten,
    "Expand": expand, "Tile": tile, "Slice": slice_, "Split": split, "Concat": concat, "Gather": gather, "Pad": pad,
    "Constant": constant, "ConstantOfShape": constant_of_shape, "Shape": shape, "Cast": cast,
    "Identity": same, "Dropout": same, "Gemm": gemm, "MatMul": matmul,
    "Range": fixed_only(numbers_between), "Where": fixed_only(np.where), "Equal": fixed_only(np.equal),
    "Greater": fixed_only(np.greater), "Less": fixed_only(np.less), "Not": fixed_only(np.logical_not),
    "And": fixed_only(np.logical_and), "Or": fixed_only(np.logical_or), "Sqrt": fixed_only(np.sqrt),
    "Exp": fixed_only(np.exp), "Floor": fixed_only(np.floor), "Ceil": fixed_only(np.ceil), "Mod": fixed_only(np.mod),
    "Min": fixed_only(np.minimum), "Max": fixed_only(np.maximum), "Reciprocal": fixed_only(np.reciprocal),
}  # fmt: skip
