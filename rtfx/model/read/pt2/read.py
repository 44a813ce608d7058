"""Reads a PyTorch export: follows the audio through the program's operations, one node or a few for each.

The first input is the audio, (1, features, frames) or (1, frames, features): frames are its longest axis. Other inputs
are knobs, one for each of their numbers. Where the first input of a recurrent net has two or three features, those
after the first are knobs too, as in guitar captures. Everything is causal here: a module that looks ahead comes out
late by as many frames, and a warning says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from ....errors import NotAModelFile, UnsupportedArchitecture
from ...spec import ModelSpec
from ...values import listed, mapping, required, shown
from . import arithmetic, layers, shapes
from .archive import Program, read_program
from .inputs_outputs import enter, model_of
from .signals import TIME, Signal, SignalGraph, Value

OPERATIONS = shapes.OPERATIONS | arithmetic.OPERATIONS | layers.OPERATIONS
RECURRENT = ("lstm", "gru", "rnn_tanh")
PREFIX = "torch.ops.aten."
UNLIKE = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)  # what an unlikely program raises here
SILENT = ("_assert_tensor_metadata", "_assert_scalar", "sym_constrain_range_for_size")


def read(
    source: Path | BytesIO,
    name: str,
    knobs: Sequence[str] | None = None,
    sample_rate: float | None = None,
    asked: str | None = None,
) -> ModelSpec:
    """Return the model in a PyTorch export.

    Parameters
    ----------
    knobs : sequence of str, optional
        Names of the knobs: the last features of the audio input, then the other inputs.
    sample_rate : float, optional
        Hz.
    asked : str, optional
        What the features of the audio input are, as `sort_inputs` has it.

    Raises
    ------
    ModelError
        UnsupportedArchitecture names the operation that is no layer of rtfx.
    """
    try:
        return _model(read_program(source), name, knobs, sample_rate, asked)
    except UNLIKE as error:
        what = f"{type(error).__name__}: {str(error)[:60]}"
        raise NotAModelFile(f"the program is not as PyTorch writes it ({what}): export it again") from error


def _model(
    program: Program, name: str, knobs: Sequence[str] | None, sample_rate: float | None, asked: str | None
) -> ModelSpec:
    """Return the model of a program."""
    graph = SignalGraph()
    values: dict[str, Value] = dict(program.tensors)
    recurrent = any(_operation(entry) in RECURRENT for entry in program.nodes)
    first = program.inputs[0]
    time = program.time_axis
    frames = max(program.sizes[first]) if time is None else program.sizes[first][time]
    sizes = {each: program.sizes[each] for each in program.inputs}
    entered = enter(graph, sizes, frames, recurrent, values, knobs, time)
    for entry in program.nodes:
        _run(graph, program, values, entry)
    output = values.get(program.output)
    length = dict(zip(output.axes, program.sizes[program.output], strict=True)) if isinstance(output, Signal) else {}
    return model_of(graph, output, length.get(TIME, 0) >= frames, entered, name, sample_rate, asked=asked)


def _operation(entry: dict[str, Any]) -> str:
    """Return the name of a node's operation without its overload."""
    target = entry.get("target")
    return target.removeprefix(PREFIX).split(".")[0] if isinstance(target, str) else ""


def _run(graph: SignalGraph, program: Program, values: dict[str, Value], entry: dict[str, Any]) -> None:
    """Run one node of the program."""
    operation = _operation(entry)
    outputs = [_named(output) for output in listed(required(entry, "outputs"), "outputs")]
    flat = [name for group in outputs for name in group]
    module, graph.module = _module(entry)
    graph.place = f"{operation or shown(entry.get('target'))}{module}"
    if operation in SILENT or not flat:
        return
    if operation not in OPERATIONS:
        graph.fail("is no operation that rtfx has a layer for")
    arguments: dict[str, Any] = {}
    sizes: dict[str, Any] = {"outs": [program.sizes.get(name, ()) for name in flat]}
    sizes["out"] = sizes["outs"][0]
    for given in listed(entry.get("inputs", []), "inputs"):
        given = mapping(given, "inputs")
        argument = mapping(required(given, "arg", graph.place), "arg")
        arguments[str(given.get("name"))] = _argument(graph, program, values, argument)
        if given.get("name") in ("self", "input") and "as_tensor" in argument:
            sizes["self"] = program.sizes.get(argument["as_tensor"]["name"], ())
    try:
        result = OPERATIONS[operation](graph, arguments | {"sizes": sizes})
    except UNLIKE as error:
        raise UnsupportedArchitecture(f"{graph.place}: not understood ({type(error).__name__}: {error})") from error
    results = result if isinstance(result, list) else [result]
    for name, value in zip(flat, results, strict=False):
        values[name] = value


def _module(entry: dict[str, Any]) -> tuple[str, str]:
    """Return which module a node comes from, in words for a message, and its class, if the export says."""
    metadata = entry.get("metadata")
    stack = metadata.get("nn_module_stack") if isinstance(metadata, dict) else None
    parts = stack.split(";")[-1].split(",") if isinstance(stack, str) else []
    place, kind = [*parts[1:3], "", ""][:2]
    return f" in {place}" if place else "", kind


def _named(output: Any) -> list[str]:
    """Return the names of an output."""
    output = mapping(output, "outputs")
    if "as_tensor" in output:
        return [output["as_tensor"]["name"]]
    if "as_tensors" in output:
        return [each["name"] for each in output["as_tensors"]]
    return []


def _argument(graph: SignalGraph, program: Program, values: dict[str, Value], argument: dict[str, Any]) -> Any:
    """Return an argument as a value."""
    (kind, value), *rest = argument.items()
    if kind == "as_tensor":
        if value["name"] not in values:
            graph.fail("reads the state that a recurrent layer ends in, or what was not computed: expected its output")
        return values[value["name"]]
    if kind == "as_tensors":
        return [_argument(graph, program, values, {"as_tensor": each}) for each in value]
    if kind in ("as_none", "as_device", "as_layout", "as_memory_format", "as_scalar_type"):
        return None
    if kind in ("as_int", "as_float", "as_bool", "as_string", "as_ints", "as_floats", "as_bools"):
        return value
    if kind == "as_sym_ints":
        return [_argument(graph, program, values, {"as_sym_int": each}) for each in value]
    if kind == "as_sym_int":
        size = value["as_int"] if "as_int" in value else program.lengths.get(value.get("as_name"))
        if size is not None:
            return size
    graph.fail(f"has an argument of the kind {kind}: export with fixed sizes, without dynamic_shapes")
