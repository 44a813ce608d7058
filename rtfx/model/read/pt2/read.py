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

import numpy as np

from ....errors import NotAModelFile, ShapeMismatch, UnsupportedArchitecture, UsageError
from ...limits import WIDTH, at_most
from ...nodes import Concat, Input
from ...spec import UNKNOWN_RATE, Knob, ModelSpec
from ...values import listed, mapping, required, shown
from ..nam_graph import Graph as Prunable
from . import arithmetic, layers, shapes
from .archive import Program, read_program
from .signals import FEATURE, ONE, TIME, Graph, Signal, Value

OPERATIONS = shapes.OPERATIONS | arithmetic.OPERATIONS | layers.OPERATIONS
GUITAR = ("drive", "tone")
RECURRENT = ("lstm", "gru", "rnn_tanh")
PREFIX = "torch.ops.aten."
UNLIKE = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)  # what an unlikely program raises here
SILENT = ("_assert_tensor_metadata", "_assert_scalar", "sym_constrain_range_for_size")


def read(
    source: Path | BytesIO, name: str, knobs: Sequence[str] | None = None, sample_rate: float | None = None
) -> ModelSpec:
    """Return the model in a PyTorch export.

    Parameters
    ----------
    knobs : sequence of str, optional
        Names of the knobs: the last features of the audio input, then the other inputs.
    sample_rate : float, optional
        Hz.

    Raises
    ------
    ModelError
        UnsupportedArchitecture names the operation that is no layer of rtfx.
    """
    try:
        return _model(read_program(source), name, knobs, sample_rate)
    except UNLIKE as error:
        what = f"{type(error).__name__}: {str(error)[:60]}"
        raise NotAModelFile(f"the program is not as PyTorch writes it ({what}): export it again") from error


def _model(program: Program, name: str, knobs: Sequence[str] | None, sample_rate: float | None) -> ModelSpec:
    """Return the model of a program."""
    graph = Graph()
    values: dict[str, Value] = dict(program.tensors)
    names = _enter(graph, program, values, knobs)
    for entry in program.nodes:
        _run(graph, program, values, entry)
    output = values.get(program.output)
    if not isinstance(output, Signal) or TIME not in output.axes:
        raise UnsupportedArchitecture("the output is no signal, expected one that has the frames of the input")
    warnings = [] if sample_rate else [UNKNOWN_RATE]
    if output.shift < 0:
        output = graph.delayed(output, 0)
    if output.shift > 0 and max(program.sizes[program.output]) >= max(program.sizes[program.inputs[0]]):
        ahead = output.shift  # of a shorter output the first frames are missing instead
        warnings.append(f"the module looks {ahead} frames ahead: here its output comes {ahead} frames later")
    pruned = Prunable(nodes=graph.nodes).pruned(output.node)
    driven = [node.name for node in pruned if isinstance(node, Input) and node.role == "knob"]
    return ModelSpec(
        family="pytorch",
        nodes=pruned,
        name=name,
        sample_rate=sample_rate,
        rate_source="user" if sample_rate else "unknown",
        knobs=tuple(Knob(knob) for knob in names if knob in driven),
        metadata={"first_frame": output.shift},
        warnings=tuple(warnings),
    )


def _enter(graph: Graph, program: Program, values: dict[str, Value], knobs: Sequence[str] | None) -> list[str]:
    """Append the inputs; return the names of the knobs."""
    first, *others = program.inputs
    axes, width = _axes(program.sizes[first], first, max(program.sizes[first]))
    recurrent = any(_operation(entry) in RECURRENT for entry in program.nodes)
    beside: list[str] = []
    for name in others:
        count = int(np.prod([size for size in program.sizes[name] if size != max(program.sizes[first])]))
        beside += [name] if count == 1 else [f"{name}_{i + 1}" for i in range(at_most(count, WIDTH, "knobs"))]
    if knobs is None:
        knobs = [*(GUITAR[: width - 1] if recurrent and width <= 1 + len(GUITAR) else ()), *beside]
    within = len(knobs) - len(beside)
    if not 0 <= within < width or len(set(knobs)) < len(knobs):
        raise UsageError(
            f"{len(knobs)} knobs are named: {', '.join(knobs)}; expected {len(beside)} for the inputs beside the audio "
            f"and at most {width - 1} for features of the audio input, each with a name of its own"
        )
    audio = graph.add(Input((), channels=at_most(width - within, WIDTH, "audio channels")))
    inputs = [graph.add(Input((), role="knob", name=knob)) for knob in knobs]
    node = graph.add(Concat((audio, *inputs[:within]))) if within else audio
    values[first] = Signal(node, width, axes)
    place = within
    for name in others:
        own, count = _axes(program.sizes[name], name, max(program.sizes[first]))
        group = tuple(inputs[place : place + count])
        place += count
        node = graph.add(Concat(group)) if count > 1 else group[0]
        values[name] = Signal(node, count, own, steady=True)
    return list(knobs)


def _axes(sizes: tuple[int, ...], name: str, frames: int) -> tuple[tuple[str, ...], int]:
    """Return what the axes of an input are, and its number of features."""
    large = [i for i, size in enumerate(sizes) if size != 1]
    time = next((i for i in reversed(large) if sizes[i] == frames), None)
    features = [i for i in large if i != time]
    if len(features) > 1 or 0 in sizes:
        raise ShapeMismatch(f"the input {name} has sizes {list(sizes)}, expected a batch of 1: (1, features, frames)")
    axes = tuple(TIME if i == time else FEATURE if i in features else ONE for i in range(len(sizes)))
    return axes, sizes[features[0]] if features else 1


def _operation(entry: dict[str, Any]) -> str:
    """Return the name of a node's operation without its overload."""
    target = entry.get("target")
    return target.removeprefix(PREFIX).split(".")[0] if isinstance(target, str) else ""


def _run(graph: Graph, program: Program, values: dict[str, Value], entry: dict[str, Any]) -> None:
    """Run one node of the program."""
    operation = _operation(entry)
    outputs = [_named(output) for output in listed(required(entry, "outputs"), "outputs")]
    flat = [name for group in outputs for name in group]
    graph.place = f"{operation or shown(entry.get('target'))}{_module(entry)}"
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
        arguments[str(given.get("name"))] = _argument(graph, values, argument)
        if given.get("name") in ("self", "input") and "as_tensor" in argument:
            sizes["self"] = program.sizes.get(argument["as_tensor"]["name"], ())
    try:
        result = OPERATIONS[operation](graph, arguments | {"sizes": sizes})
    except UNLIKE as error:
        raise UnsupportedArchitecture(f"{graph.place}: not understood ({type(error).__name__}: {error})") from error
    results = result if isinstance(result, list) else [result]
    for name, value in zip(flat, results, strict=False):
        values[name] = value


def _module(entry: dict[str, Any]) -> str:
    """Return which module a node comes from, if the export says."""
    metadata = entry.get("metadata")
    stack = metadata.get("nn_module_stack") if isinstance(metadata, dict) else None
    place = stack.split(";")[-1].split(",")[1:2] if isinstance(stack, str) else []
    return f" in {place[0]}" if place and place[0] else ""


def _named(output: Any) -> list[str]:
    """Return the names of an output."""
    output = mapping(output, "outputs")
    if "as_tensor" in output:
        return [output["as_tensor"]["name"]]
    if "as_tensors" in output:
        return [each["name"] for each in output["as_tensors"]]
    return []


def _argument(graph: Graph, values: dict[str, Value], argument: dict[str, Any]) -> Any:
    """Return an argument as a value."""
    (kind, value), *rest = argument.items()
    if kind == "as_tensor":
        if value["name"] not in values:
            graph.fail("reads the state that a recurrent layer ends in, or what was not computed: expected its output")
        return values[value["name"]]
    if kind == "as_tensors":
        return [_argument(graph, values, {"as_tensor": each}) for each in value]
    if kind in ("as_none", "as_device", "as_layout", "as_memory_format", "as_scalar_type"):
        return None
    if kind in ("as_int", "as_float", "as_bool", "as_string", "as_ints", "as_floats", "as_bools"):
        return value
    if kind == "as_sym_int" and "as_int" in value:
        return value["as_int"]
    graph.fail(f"has an argument of the kind {kind}: export with fixed sizes, without dynamic_shapes")
