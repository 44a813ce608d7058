"""Reads PyTorch programs: exports in files, and modules, which are exported first.

The reader follows the audio through the program's operations; each becomes one node or a few. The first input is audio,
(1, features, frames) or (1, frames, features): frames are its longest axis. Other inputs are knobs, one for each of
their numbers. If the first input of a recurrent net has two or three features, those after the first are knobs too,
as in guitar captures. All nodes are causal: the output of a module that reads future frames is delayed by that number
of frames, and a warning says so.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from io import BytesIO
from itertools import count
from math import isqrt
from pathlib import Path
from typing import Any

from ...errors import NotAModelFile, UnsupportedArchitecture, UsageError
from ..spec import ModelSpec, check_limits
from ..values import at, listed, mapping, required, shown
from .operations import OPERATIONS
from .pt2_archive import Program, read_program
from .signals import TIME, Signal, SignalGraph, Value, enter, model_of

RECURRENT = ("lstm", "gru", "rnn_tanh")
PREFIX = "torch.ops.aten."
UNLIKE = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)  # what an invalid program raises
SILENT = ("_assert_tensor_metadata", "_assert_scalar", "sym_constrain_range_for_size")
FRAMES = 4099  # length of the example input: longer than other sizes, and no multiple of any
FEWEST = 67  # shortest example for recurrent layers, which PyTorch traces frame by frame, 3 to 5 ms each
ENDLESS = 1 << 62  # the end of a slice that has none
SHORT = 67, 131, 257, 521, 1031, 2053  # lengths of shorter examples for recurrent layers, prime numbers


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
        UnsupportedArchitecture names an operation for which rtfx has no layer.
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
    outputs = [_named(output) for output in at(entry, "outputs", "", listed)]
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
    """Return the module that a node comes from, as text for a message, and its class; "" if the export names none."""
    metadata = entry.get("metadata")
    stack = metadata.get("nn_module_stack") if isinstance(metadata, dict) else None
    parts = stack.split(";")[-1].split(",") if isinstance(stack, str) else []
    place, kind = [*parts[1:3], "", ""][:2]
    return f" in {place}" if place else "", kind


def _named(output: Any) -> list[str]:
    """Return the names of an output: one, or several if it is a list of tensors."""
    output = mapping(output, "outputs")
    if "as_tensor" in output:
        return [output["as_tensor"]["name"]]
    if "as_tensors" in output:
        return [each["name"] for each in output["as_tensors"]]
    return []


def _argument(graph: SignalGraph, program: Program, values: dict[str, Value], argument: dict[str, Any]) -> Any:
    """Return an argument of an operation as a value."""
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


def spec_from_torch(
    module: Any,
    example: Any = None,
    knobs: Sequence[str] | None = None,
    sample_rate: float | None = None,
    name: str | None = None,
) -> ModelSpec:
    """Export a PyTorch module and return it as a model.

    Parameters
    ----------
    module : torch.nn.Module
        It is evaluated as after ``module.eval()``; its mode is restored afterwards.
    example : torch.Tensor or tuple of them, optional
        Arguments for a call with a batch of 1: audio, (1, features, frames) or (1, frames, features), then knobs.
        Without it both layouts are tried, with the number of features that the first layer takes. A module with
        recurrent layers is called with fewer frames first.
    knobs : sequence of str, optional
        Names of the knobs: the last features of the audio input, then the other inputs.
    sample_rate : float, optional
        Hz; without it the model runs at the stream's.

    Raises
    ------
    ModelError
        UnsupportedArchitecture names an operation for which rtfx has no layer.
    UsageError
        `module` is not a module, or a call with the example fails.
    """
    try:
        import torch
    except ImportError:
        raise UsageError("PyTorch is not installed: pip install torch, or export to .pt2 where it is") from None
    if not isinstance(module, torch.nn.Module):
        raise UsageError(f"expected a torch.nn.Module, found {type(module).__name__}")
    name = name or type(module).__name__
    training = {part: part.training for part in module.modules()}
    module.eval()
    try:
        candidates = [_tuple(example)] if example is not None else _examples(torch, module)
        failed: Exception | None = None
        for inputs in candidates:
            try:
                return check_limits(read(_archive(torch, module, inputs), name, knobs, sample_rate))
            except (UnsupportedArchitecture, UsageError) as error:
                failed = failed or error
        assert failed is not None
        raise failed
    finally:
        for part, mode in training.items():
            part.training = mode


def _tuple(example: Any) -> tuple:
    return tuple(example) if isinstance(example, (tuple, list)) else (example,)


def _examples(torch: Any, module: Any) -> list[tuple]:
    """Return inputs to try: with features second, for convolutions, or last, for recurrent and linear layers."""
    found: list[tuple[int, bool]] = []
    for part in module.modules():
        if isinstance(part, (torch.nn.Conv1d, torch.nn.ConvTranspose1d)):
            found.append((part.in_channels, False))
        elif isinstance(part, torch.nn.RNNBase):
            found.append((part.input_size, True))
        elif isinstance(part, torch.nn.Linear):
            found.append((part.in_features, True))
    inputs = []
    for width, last in dict.fromkeys([*found[:1], (1, False), (1, True)]):
        inputs += [(1, FRAMES, width), (FRAMES, 1, width)] if last else [(1, width, FRAMES)]
    kind = next((part.dtype for part in module.parameters() if part.is_floating_point()), None)
    return [(torch.zeros(*sizes, dtype=kind),) for sizes in dict.fromkeys(inputs)]


def _archive(torch: Any, module: Any, inputs: tuple) -> BytesIO:
    """Return the archive of an export, made with as few frames as are enough."""
    program = _exported_short(torch, module, inputs) or _export(torch, module, inputs)
    archive = BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about torch's own future
        torch.export.save(program, archive)
    archive.seek(0)
    return archive


def _exported_short(torch: Any, module: Any, inputs: tuple) -> Any:
    """Return the export of a module with recurrent layers for the first frames of an example, None if that fails.

    They are more frames than any size in the module, and more than its convolutions remove. A program that names a
    larger number of frames, to crop its input for example, needs the whole example.
    """
    tensors = [each for each in inputs if isinstance(each, torch.Tensor)]
    if not tensors or not any(isinstance(part, torch.nn.RNNBase) for part in module.modules()):
        return None
    frames, enough = max(tensors[0].shape, default=0), _enough(torch, module)
    if frames <= enough:
        return None

    def cut(value: Any) -> Any:
        if not isinstance(value, torch.Tensor) or frames not in value.shape:
            return value
        axis = len(value.shape) - 1 - list(reversed(value.shape)).index(frames)
        return value.narrow(axis, 0, enough).clone()

    try:
        program = _export(torch, module, tuple(cut(each) for each in inputs))
    except UsageError:
        return None
    numbers = (each for node in program.graph.nodes for each in _numbers((node.args, node.kwargs)))
    return None if any(enough < abs(each) < ENDLESS for each in numbers) else program


def _enough(torch: Any, module: Any) -> int:
    """Return a prime number of frames, above every size in the module and above what its convolutions remove."""
    sizes, taken = [FEWEST - 1], 0
    for part in module.modules():
        if isinstance(part, torch.nn.RNNBase):
            sizes += [part.input_size, part.hidden_size]
            continue
        for parameter in part.parameters(recurse=False):
            sizes += parameter.shape
        if isinstance(part, (torch.nn.Conv1d, torch.nn.ConvTranspose1d)):
            taken += (part.kernel_size[0] - 1) * part.dilation[0] * part.stride[0]
    return next(n for n in count(max(sizes) + taken + 1) if all(n % divisor for divisor in range(2, isqrt(n) + 1)))


def _numbers(value: Any) -> Iterator[int]:
    """Yield the whole numbers among arguments, lists and slices included."""
    if isinstance(value, slice):
        value = (value.start, value.stop, value.step)
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, (tuple, list)):
        for each in value:
            yield from _numbers(each)
    elif isinstance(value, int):
        yield value


def _export(torch: Any, module: Any, inputs: tuple) -> Any:
    """Return the program that PyTorch exports for inputs."""
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # about torch's own future
            return torch.export.export(module, inputs)
    except Exception as error:  # PyTorch's tracer raises exceptions of any class
        sizes = ", ".join(str(tuple(each.shape)) for each in inputs if hasattr(each, "shape"))
        reason = " ".join(str(error).split())[:160]
        raise UsageError(
            f"PyTorch cannot export {type(module).__name__} called with {sizes} ({reason}): give example=, what it is "
            "called with"
        ) from error
