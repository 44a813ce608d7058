"""Reads an ONNX file: follows the audio through the operators, one node or a few for each.

The first input that is not a state is the audio, as in PyTorch's programs. An input is a state if recurrent layers
start from it or if it is joined in front of the frames; other hosts pass it from call to call. Here states start as
zeros and the stream keeps them. A net that reads one window of frames and gives a single frame is refused.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...errors import ModelError, NotAModelFile, UnsupportedArchitecture, UsageError
from ..spec import ModelSpec
from ..values import WEIGHTS, at_most, shown
from .onnx_file import Operator, Program, read_program
from .onnx_layers import LAYERS, RECURRENT, LastState
from .onnx_operators import OPERATORS, SINGLE, Call, GeluPart
from .signals import Signal, SignalGraph, Value, enter, model_of

KNOWN = OPERATORS | LAYERS
FRAMES = 4099  # of an audio input that leaves its length open: longer than other sizes, and no multiple of any
CHANNELS = 32  # more features than that at the input are a window
BATCH = ("batch", "n", "b")  # exporters' names for an open batch size begin with these
UNLIKE = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)  # what an invalid program raises
STATE_READERS = {"LSTM": (5, 6), "GRU": (5,), "RNN": (5,)}
MOVERS = ("Slice", "Squeeze", "Unsqueeze", "Split", "Reshape", "Transpose", "Identity", "Gather", "Cast", "Expand")


def read(
    path: Path,
    name: str,
    knobs: list[str] | None = None,
    sample_rate: float | None = None,
    asked: str | None = None,
) -> ModelSpec:
    """Return the model in an ONNX file.

    Parameters
    ----------
    knobs : list of str, optional
        Names of the knobs: the last features of the audio input, then the other inputs.
    sample_rate : float, optional
        Hz.
    asked : str, optional
        The meaning of the audio input's features, as in `sort_inputs`.

    Raises
    ------
    ModelError
        UnsupportedArchitecture names an operator that rtfx does not support.
    """
    program = read_program(path.read_bytes(), path)
    for operator in program.operators:
        if operator.kind not in KNOWN:
            raise UnsupportedArchitecture(f"{_place(operator)}: is no operation that rtfx has a layer for")
    failed: ModelError | UsageError | None = None
    states = _states(program)
    audio = _audio(program, states)
    for axis in _time_axes(program.inputs[audio]):
        try:
            return _model(program, audio, states, axis, name, knobs, sample_rate, asked)
        except UnsupportedArchitecture as error:
            failed = failed or error
        except UNLIKE as error:
            what = f"{type(error).__name__}: {str(error)[:60]}"
            failed = failed or NotAModelFile(f"the graph is not as exporters write it ({what}): export it again")
    assert failed is not None
    raise failed


def _states(program: Program) -> set[str]:
    """Return the inputs that hold a state: recurrent layers begin with them, or convolutions have them as past."""
    leading = set()
    for operator in reversed(program.operators):
        if operator.kind in STATE_READERS:
            leading |= {operator.inputs[i] for i in STATE_READERS[operator.kind] if i < len(operator.inputs)}
        elif operator.kind in MOVERS and leading & set(operator.outputs):
            leading |= set(operator.inputs[:1])
        elif operator.kind == "Concat" and len(operator.inputs) == 2 and _handed_out(program, operator.outputs[0]):
            leading.add(operator.inputs[0])  # a convolution's past in front of the frames
    inputs = list(program.inputs)
    return {name for name in inputs if name in leading and len(inputs) > 1}


def _handed_out(program: Program, name: str) -> bool:
    """Tell whether a part of a value is an output of the program other than the first."""
    found = {name}
    for operator in program.operators:
        if operator.kind in MOVERS and found & set(operator.inputs[:1]):
            found |= set(operator.outputs)
    return bool(found & set(program.outputs[1:]))


def _audio(program: Program, states: set[str]) -> str:
    """Return the audio input."""
    first = next((name for name in program.inputs if name not in states), None)
    if first is None:
        raise UnsupportedArchitecture("all inputs are states, expected audio")
    return first


def _is_batch(size: int | str | None) -> bool:
    return isinstance(size, str) and size.lower().startswith(BATCH)


def _time_axes(sizes: tuple[int | str | None, ...]) -> list[int]:
    """Return the axes of the audio input that the frames may run along, the likeliest first."""
    open_ = [i for i, size in enumerate(sizes) if not isinstance(size, int)]
    if len(open_) > 1:
        named = [i for i in open_ if not _is_batch(sizes[i])]
        open_ = named if len(named) < len(open_) else open_[1:]
    if len(open_) == 1 and not (_is_batch(sizes[open_[0]]) and len(sizes) > 2):
        return open_
    if open_ and not all(map(_is_batch, [sizes[i] for i in open_])):
        raise UnsupportedArchitecture(
            f"the audio input has the sizes {list(sizes)}, expected one open size, the frames"
        )
    fixed = [(i, size) for i, size in enumerate(sizes) if isinstance(size, int)]
    longest = max((size for _, size in fixed), default=1)
    if longest > 1:
        return [i for i, size in reversed(fixed) if size == longest]
    return [i for i in (1, 0, 2) if i < len(sizes) and not _is_batch(sizes[i])]


def _fixed(sizes: tuple[int | str | None, ...], time: int | None, frames: int) -> tuple[int, ...]:
    """Return sizes in numbers: an open one is the frames where it is the time axis, else 1."""
    return tuple(frames if i == time else size if isinstance(size, int) else 1 for i, size in enumerate(sizes))


def _model(
    program: Program,
    audio: str,
    states: set[str],
    time: int,
    name: str,
    knobs: list[str] | None,
    sample_rate: float | None,
    asked: str | None,
) -> ModelSpec:
    """Return the model, its frames running along the axis `time` of the audio input."""
    graph = SignalGraph()
    stated = program.inputs[audio][time]
    frames = stated if isinstance(stated, int) else FRAMES
    values: dict[str, Value] = {"": None, **program.tensors}
    lengths: dict[str, int] = {audio: frames}
    sizes = {audio: _fixed(program.inputs[audio], time, frames)}
    for each, own in program.inputs.items():
        if each in states:
            at_most(math.prod(_fixed(own, None, 1)), WEIGHTS, "numbers of a state")
            values[each] = np.zeros(_fixed(own, None, 1))
        elif each != audio:
            open_ = [i for i, size in enumerate(own) if not isinstance(size, int) and not _is_batch(size)]
            sizes[each] = _fixed(own, open_[-1] if open_ else None, frames)
            lengths[each] = frames if open_ or frames in sizes[each] else 0
    width = max((size for i, size in enumerate(sizes[audio]) if i != time), default=1)
    if width > CHANNELS:
        raise UnsupportedArchitecture(f"the input has {width} numbers a frame: it {SINGLE}")
    recurrent = any(operator.kind in RECURRENT for operator in program.operators)
    entered = enter(graph, sizes, frames, recurrent, values, knobs, time)
    for operator in program.operators:
        _run(graph, program, values, lengths, operator)
    output = _output(program, values)
    graph.place = "the output"
    if frames > 1 and lengths.get(output) == 1 and recurrent:
        graph.fail(SINGLE)
    value = values[output]
    spec = model_of(graph, value, lengths.get(output, 0) >= frames, entered, name, sample_rate, "onnx", asked)
    if any(isinstance(node, GeluPart) for node in spec.nodes):
        graph.fail("uses erf otherwise than GELU does, expected x (1 + erf(x / sqrt 2)) / 2")
    return replace(spec, metadata=program.metadata | spec.metadata)


def _output(program: Program, values: dict[str, Value]) -> str:
    """Return the audio output: the first that is a signal with frames."""
    signals = [name for name in program.outputs if isinstance(values.get(name), Signal)]
    if not signals:
        if any(isinstance(values.get(name), LastState) for name in program.outputs):
            raise UnsupportedArchitecture(f"the output: {SINGLE}")
        raise UnsupportedArchitecture("the output does not depend on the audio, expected a signal")
    return signals[0]


def _place(operator: Operator) -> str:
    """Return the name of an operator for messages."""
    return f"{operator.kind[:40]} {shown(operator.name)}" if operator.name else operator.kind[:40]


def _run(
    graph: SignalGraph,
    program: Program,
    values: dict[str, Value],
    lengths: dict[str, int],
    operator: Operator,
) -> None:
    """Run one operator."""
    graph.place = _place(operator)
    missing = next((name for name in operator.inputs if name not in values), None)
    if missing is not None:
        graph.fail(f"reads {shown(missing)}, which nothing gives: export it again")
    inputs = [values[name] for name in operator.inputs]
    if any(isinstance(value, LastState) for value in inputs):
        if operator.kind not in MOVERS and operator.kind != "Concat":
            graph.fail(SINGLE)
        values.update((name, LastState()) for name in operator.outputs)
        return
    frames = [lengths.get(name, 0) for name in operator.inputs]
    call = Call(graph, inputs, operator.options, frames, len(operator.outputs), program.opset)
    try:
        result = KNOWN[operator.kind](call)
    except UNLIKE as error:
        raise UnsupportedArchitecture(f"{graph.place}: not understood ({type(error).__name__}: {error})") from error
    for name, value in zip(operator.outputs, result if isinstance(result, list) else [result], strict=False):
        if not name:
            continue
        values[name] = np.asarray(value) if isinstance(value, np.generic) else value
        if isinstance(value, Signal):
            lengths[name] = call.length
