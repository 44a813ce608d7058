"""Reads AIDA-X files: RTNeural JSON with gains, an optional direct path, a rate and up to two knobs.

With g_in, g_out the gains given in dB and x the input: ``y = g_out net(g_in x, param1, param2)``, plus ``g_out g_in x``
if `in_skip` is 1. Real files hold the rate as a string; a file without one is 48 kHz (AIDA-X's own default).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import ShapeMismatch, UnsupportedInput
from ...find import find_model
from ...units import gain_from_db
from ..graph import Graph
from ..nodes import Add, Affine, Concat, Dense, Input
from ..spec import ModelSpec
from ..values import required, shown, tensor
from .inputs import sort_inputs, stated_knobs
from .json_file import parse
from .rtneural import append_layers, outputs_of, width_of
from .sample_rate import find_rate

KEYS = ("in_skip", "in_gain", "out_gain", "input_batch", "metadata", "samplerate")
PARAMETERS, PARAMETER = ("param1", "param2"), 0.0  # names and default positions of AIDA-X's knobs
KINDS = ("amp", "pedal", "amp+cab")
DEFAULT_RATE = 48000.0
SILENT_DB = -90.0  # dB: AIDA-X reads a gain at or below this as zero
LOUDEST_DB = 200.0  # dB: a larger gain could be infinite in float32


def read(data: dict[str, Any], path: Path, inputs: str | None = None) -> ModelSpec:
    """Return the model in an AIDA-X file; `inputs` is as `sort_inputs` has it.

    Raises
    ------
    ModelError
        As for RTNeural JSON; UnsupportedInput for more than two knobs or `in_skip` above 1.
    """
    width = width_of(required(data, "in_shape"), "in_shape")
    layers = required(data, "layers")
    warnings: list[str] = []
    stated = stated_knobs(data.get("metadata"), data)
    knobs = sort_inputs(
        width, outputs_of(layers), warnings, inputs, stated, PARAMETERS, format_says=True, default=PARAMETER
    )
    if len(knobs) > len(PARAMETERS) and not stated and inputs is None:
        raise UnsupportedInput(f"in_shape has {width} inputs, expected at most 3: audio, param1, param2")
    skip = _number(data.get("in_skip"), 0.0)
    if skip not in (0.0, 1.0):
        raise UnsupportedInput(f"in_skip is {shown(data['in_skip'])}, expected 0 or 1")
    channels = width - len(knobs)
    graph = Graph([Input((), channels=channels)])
    audio = _append_gain(graph, data.get("in_gain"))
    if knobs:
        graph.add(Concat((audio, *[graph.add(Input((), role="knob", name=knob.name)) for knob in knobs])))
    ignored = append_layers(graph, layers)
    if skip:
        net, outputs = graph.output, graph.widths[graph.output]
        if channels == 1 < outputs:
            audio = graph.add(Dense((audio,), weight=np.ones((outputs, 1)), bias=np.zeros(outputs)))
        graph.add(Add((audio, net)))
    _append_gain(graph, data.get("out_gain"))
    metadata = _metadata(data)
    rate, rate_source = find_rate(data, path, warnings, DEFAULT_RATE, "as AIDA-X does", own=(data.get("metadata"),))
    kind = metadata.get("kind")
    return ModelSpec(
        family="aidax",
        nodes=graph.listed(),
        name=str(metadata.get("name") or path.stem),
        sample_rate=rate,
        rate_source=rate_source,
        knobs=knobs,
        kind=kind if kind in KINDS else "unknown",
        metadata=metadata,
        warnings=(*warnings, *ignored),
    )


def _number(value: Any, default: float) -> float:
    """Return a finite JSON number; for any other value return `default`, as AIDA-X does."""
    real = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e9
    return float(value) if real else default


def _append_gain(graph: Graph, db: Any) -> int:
    """Append a gain of `db` to the last node unless it is 0 dB; return the last node."""
    decibels = _number(db, 0.0)
    if decibels != 0.0:
        gain = gain_from_db(min(decibels, LOUDEST_DB)) if decibels > SILENT_DB else 0.0
        width = graph.widths[graph.output]
        graph.add(Affine((graph.output,), scale=np.full(width, gain), shift=np.zeros(width)))
    return graph.output


def _metadata(data: dict[str, Any]) -> dict[str, Any]:
    """Return the strings and numbers of `metadata` and of the top level, where older files keep them."""
    nested = data.get("metadata")
    pairs = [*data.items(), *(nested.items() if isinstance(nested, dict) else ())]
    plain = {key: value for key, value in pairs if isinstance(value, (str, int, float))}
    return {key: value for key, value in plain.items() if not isinstance(value, float) or math.isfinite(value)}


@dataclass(frozen=True, eq=False)
class BatchTest:
    """A test that a file contains: an input and the output that the net should give.

    Parameters
    ----------
    spec : ModelSpec
        The file's model with gains of 1, to be run from zero state with its knobs at 0.
    x, y : (frames,) float64
        Input and expected output.
    """

    spec: ModelSpec
    x: np.ndarray
    y: np.ndarray


def batch_test(name: str | Path, spec: ModelSpec) -> BatchTest | None:
    """Return the test in the AIDA-X file `name`, whose model is `spec`; None where there is none.

    Raises
    ------
    ModelError
        The batches are not numbers, or differ in length.
    """
    if spec.family != "aidax" or spec.inputs > 1:  # the batches are of one channel
        return None
    path = find_model(name)
    data: dict[str, Any] = parse(path)
    if not (data.get("input_batch") and data.get("output_batch")):
        return None
    x, y = (tensor(data[key], f"{path}: {key}", axes=1) for key in ("input_batch", "output_batch"))
    if x.shape != y.shape:
        raise ShapeMismatch(f"{path}: input_batch has {x.size} samples, output_batch {y.size}, expected as many")
    return BatchTest(read({**data, "in_gain": 0.0, "out_gain": 0.0}, path), x, y)
