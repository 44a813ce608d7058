"""The ends of an exported program, PyTorch's or ONNX's: its inputs become audio and knobs, its output a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ....errors import ShapeMismatch, UnsupportedArchitecture, UsageError
from ...limits import WIDTH, at_most
from ...nodes import Concat, Input
from ...spec import UNKNOWN_RATE, Knob, ModelSpec
from ..inputs import CHANNELS, GUITAR, sort_inputs, with_knobs
from .signals import FEATURE, ONE, TIME, Signal, SignalGraph, Value


class Entered(NamedTuple):
    """The names of the knobs so far, and the features of the audio input that may be knobs too, with usual names."""

    knobs: list[str]
    features: int
    usual: tuple[str, ...]


def enter(
    graph: SignalGraph,
    sizes: Mapping[str, tuple[int, ...]],
    frames: int,
    recurrent: bool,
    values: dict[str, Value],
    knobs: Sequence[str] | None,
    time_axis: int | None = None,
) -> Entered:
    """Append the inputs to the graph and to `values`.

    Parameters
    ----------
    sizes : mapping
        Of each input, the audio first; the others are knobs, one for each of their numbers.
    frames : int
        Length of the audio's time axis, which is its last of that size unless `time_axis` names it.
    recurrent : bool
        The features of the audio after the first are knobs, as in guitar captures, unless as many come out.
    knobs : sequence of str or None
        Names of the knobs: the last features of the audio input, then the other inputs.
    """
    first, *others = sizes
    axes, width = _axes(sizes[first], first, frames, time_axis)
    beside: list[str] = []
    for name in others:
        count = int(np.prod([size for size in sizes[name] if size != frames]))
        beside += [name] if count == 1 else [f"{name}_{i + 1}" for i in range(at_most(count, WIDTH, "knobs"))]
    named = knobs is not None
    knobs = list(knobs) if knobs is not None else beside
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
        own, count = _axes(sizes[name], name, frames)
        group = tuple(inputs[place : place + count])
        place += count
        node = graph.add(Concat(group)) if count > 1 else group[0]
        values[name] = Signal(node, count, own, steady=True)
    usual = GUITAR if recurrent and width <= 1 + len(GUITAR) else ()
    return Entered(knobs, 0 if named else width, usual)


def _axes(sizes: tuple[int, ...], name: str, frames: int, time_axis: int | None = None) -> tuple[tuple[str, ...], int]:
    """Return what the axes of an input are, and its number of features."""
    large = [i for i, size in enumerate(sizes) if size != 1]
    time = time_axis if time_axis is not None else next((i for i in reversed(large) if sizes[i] == frames), None)
    features = [i for i in large if i != time]
    if len(features) > 1 or 0 in sizes:
        raise ShapeMismatch(f"the input {name} has sizes {list(sizes)}, expected a batch of 1: (1, features, frames)")
    axes = tuple(TIME if i == time else FEATURE if i in features else ONE for i in range(len(sizes)))
    return axes, sizes[features[0]] if features else 1


def model_of(
    graph: SignalGraph,
    output: Value,
    whole: bool,
    entered: Entered,
    name: str,
    sample_rate: float | None,
    family: str = "pytorch",
    asked: str | None = None,
) -> ModelSpec:
    """Return the model whose output is a value of the graph.

    Parameters
    ----------
    whole : bool
        The output has at least as many frames as the input; of a shorter one the first frames are missing.
    entered : Entered
        What `enter` returned.
    asked : str, optional
        What the features of the audio input are, as `sort_inputs` has it.
    """
    if not isinstance(output, Signal) or TIME not in output.axes:
        raise UnsupportedArchitecture("the output is no signal, expected one that has the frames of the input")
    guesses: list[str] = []
    warnings = [] if sample_rate else [UNKNOWN_RATE]
    if output.shift < 0:
        output = graph.delayed(output, 0)
    if output.shift > 0 and whole:
        ahead = output.shift
        warnings.append(f"the module looks {ahead} frames ahead: here its output comes {ahead} frames later")
    nodes = graph.listed(output.node)
    names = list(entered.knobs)
    if entered.features:
        knobs = sort_inputs(
            entered.features, output.width, guesses, asked, usual=entered.usual, unnamed=CHANNELS, taken=names
        )
        nodes = with_knobs(nodes, knobs)
        names = [*(knob.name for knob in knobs), *names]
    driven = [node.name for node in nodes if isinstance(node, Input) and node.role == "knob"]
    return ModelSpec(
        family=family,
        nodes=nodes,
        name=name,
        sample_rate=sample_rate,
        rate_source="user" if sample_rate else "unknown",
        knobs=tuple(Knob(knob) for knob in names if knob in driven),
        metadata={"first_frame": output.shift},
        warnings=(*guesses, *warnings),
    )
