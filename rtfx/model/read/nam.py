"""Reads NAM files: the envelope around every architecture, versions, rates, levels, the sizes of a slimmable net."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...errors import ResourceLimit, ShapeMismatch, UnsupportedVersion
from ..limits import SIZES
from ..spec import SIZE, Knob, ModelSpec, check_limits
from ..values import mapping, number, one_of, required, shown, string, tensor
from .inputs import said_choice, sort_inputs, stated_knobs, with_knobs
from .nam_container import read_container, read_sequential
from .nam_graph import Job, NamGraph, Part, Weights
from .nam_simple import DEFAULT_RATE, FORMER_LINEAR, read_convnet, read_linear, read_lstm
from .nam_wavenet import OLD_POST_FILM, read_wavenet
from .rates import find_rate

COMPAT = (OLD_POST_FILM, FORMER_LINEAR)
ARCHITECTURES: dict[str, Callable[[Job], Part]] = {
    "WaveNet": read_wavenet,
    "LSTM": read_lstm,
    "ConvNet": read_convnet,
    "Linear": read_linear,
    "SlimmableContainer": read_container,
    "Sequential": read_sequential,
}
OLDEST, NEWEST = (0, 5, 0), (0, 7, 0)
LEGACY = ((0, 4, 0),)  # the same content as 0.5.0, then mostly in two files: see nam_legacy
RATES = (1000.0, 1e6)  # Hz
NESTING = 8  # models inside models
NORMAL_LOUDNESS = -18.0  # dB, what NAM's player brings a model of known loudness to
DB_RANGE = 200.0  # what is believed of a level in dB or dBu
KINDS = {
    "amp": "amp",
    "pedal_amp": "amp",
    "preamp": "amp",
    "pedal": "pedal",
    "amp_cab": "amp+cab",
    "amp_pedal_cab": "amp+cab",
}  # "studio" is none of these


def read(data: dict[str, Any], path: Path, compat: str | None = None, inputs: str | None = None) -> ModelSpec:
    """Return the model in a NAM file.

    Parameters
    ----------
    data : dict
        The parsed file.
    path : Path
        Its stem is the name of a model that has none.
    compat : str, optional
        One of `COMPAT`: "nam-0.5.5" skips layer1x1_post_film unless blended, "nam-linear-reversed" reads a Linear
        whose first weight is the oldest sample. By default both are as NAM's current player has them.
    inputs : str, optional
        What the inputs are, as `sort_inputs` has it; ``metadata.controls`` names knobs.

    Returns
    -------
    ModelSpec
        Of a slimmable net the full size, every size in `sizes`, and the knob `size`.

    Raises
    ------
    ModelError
        Also for a part that is not played at full size.
    """
    guess: list[str] = []
    file = _File(data, path, compat, inputs, {}, find_rate(data, path, guess, DEFAULT_RATE, "NAM's own"), guess)
    graph, spec = _at_size(file, 1.0)
    whole, breakpoints = replace(spec, parameters=graph.parameters), sorted(graph.breakpoints)
    if not breakpoints:
        return whole
    if len(breakpoints) >= SIZES:
        raise ResourceLimit(f"{len(breakpoints) + 1} sizes of a slimmable net, at most {SIZES}: use a smaller model")
    below = [0.0, *breakpoints[:-1]]
    middles = [0.5 * (low + high) for low, high in zip(below, breakpoints, strict=True)]
    sizes = [(high, _at_size(file, v)[1]) for v, high in zip(middles, breakpoints, strict=True)]
    for _, spec in sizes:
        if (spec.inputs, spec.outputs) != (whole.inputs, whole.outputs):
            raise ShapeMismatch(
                f"a smaller size has {spec.inputs} inputs and {spec.outputs} outputs, expected those of the full size, "
                f"{whole.inputs} and {whole.outputs}"
            )
        if spec.sample_rate != whole.sample_rate:
            raise ShapeMismatch(
                f"a smaller size is of {spec.sample_rate:g} Hz, expected {whole.sample_rate:g} Hz, as the full size"
            )
        check_limits(spec)
    return replace(whole, knobs=(*whole.knobs, Knob(SIZE, default=1.0)), sizes=(*sizes, (1.0, whole)))


class _File(NamedTuple):
    """What is read.

    `numbers` are the weights converted so far, by the identity of their list; `rate` in Hz with its source, and the
    warning `guess`, are for a file whose models state none.
    """

    data: dict[str, Any]
    path: Path
    compat: str | None
    inputs: str | None
    numbers: dict[int, np.ndarray]
    rate: tuple[float | None, str]
    guess: list[str]


def _at_size(file: _File, size: float) -> tuple[NamGraph, ModelSpec]:
    """Return the model at a value of the size knob."""
    graph = NamGraph()
    part = _append(graph, file, file.data, "", None, size, 0)
    metadata = _finite(part.metadata)
    loudness = _level(metadata, "loudness")
    rate, source = part.rate, "file"
    if rate is None:
        rate, source = file.rate
        graph.warnings += file.guess
    nodes = graph.listed(part.output)
    guesses: list[str] = []
    stated = stated_knobs(metadata, file.data, file.data.get("config"))
    asked = said_choice(file.inputs, metadata)
    knobs = sort_inputs(graph.widths[0], graph.widths[part.output], guesses, asked, stated)
    gear, name = metadata.get("gear_type"), metadata.get("name")
    spec = ModelSpec(
        family="nam",
        nodes=with_knobs(nodes, knobs),
        name=name if isinstance(name, str) and name else file.path.stem,
        sample_rate=rate,
        rate_source=source,
        knobs=knobs,
        kind=KINDS.get(gear, "unknown") if isinstance(gear, str) else "unknown",
        prewarm=part.prewarm,
        level_db=0.0 if loudness is None else NORMAL_LOUDNESS - loudness,
        loudness_db=loudness,
        input_level_dbu=_level(metadata, "input_level_dbu"),
        output_level_dbu=_level(metadata, "output_level_dbu"),
        metadata=metadata,
        warnings=tuple(dict.fromkeys([*guesses, *graph.warnings])),
    )
    return graph, spec


def _append(
    graph: NamGraph, file: _File, data: Any, where: str, source: int | None, size: float | None, depth: int
) -> Part:
    """Append one complete model, whose place in the file is `where`; `depth` models are around it."""
    if depth > NESTING:
        raise ResourceLimit(f"{where[:60]}...: models nested more than {NESTING} deep, use a simpler file")
    place = where.rstrip(".")
    data = mapping(data, place)
    for key in ("version", "architecture", "config", "weights"):
        required(data, key, place)
    _check_version(string(data["version"], f"{where}version"), f"{where}version", graph.warnings)
    reader = ARCHITECTURES[one_of(data["architecture"], ARCHITECTURES, f"{where}architecture")]
    rate = _rate(data.get("sample_rate"), f"{where}sample_rate")
    inner_rates = [rate]

    def nested(model: Any, inner_where: str, inner_source: int | None, inner_size: float | None) -> Part:
        part = _append(graph, file, model, inner_where, inner_source, inner_size, depth + 1)
        inner_rates.append(part.rate)
        return part

    config = mapping(data["config"], f"{where}config")
    metadata = data.get("metadata") if isinstance(data.get("metadata"), dict) else {}
    weights = Weights(_numbers(data["weights"], f"{where}weights", file.numbers), where)
    known = rate or file.rate[0]
    part = reader(Job(graph, config, weights, where, source, known, size, file.compat, metadata or {}, nested))
    stated = {value for value in inner_rates if value is not None}
    if len(stated) > 1:
        found = ", ".join(f"{value:g}" for value in sorted(stated))
        raise ShapeMismatch(f"{where}sample_rate: the models of one file state {found} Hz, expected one rate")
    return part._replace(rate=next(iter(stated), None))


def _numbers(value: Any, where: str, known: dict[int, np.ndarray]) -> np.ndarray:
    """Return weights in the single precision that they had before they were printed, converted once for all sizes."""
    if id(value) not in known:
        known[id(value)] = tensor(value, where, axes=1).astype(np.float32).astype(np.float64)
    return known[id(value)]


def _check_version(version: str, where: str, warnings: list[str]) -> None:
    """Raise unless the version is one that is known, or only its patch is newer."""
    if not re.fullmatch(r"[0-9]{1,6}\.[0-9]{1,6}\.[0-9]{1,6}", version):
        raise UnsupportedVersion(f"{where} is {shown(version)}, expected three numbers like 0.5.4")
    parts = tuple(map(int, version.split(".")))
    if parts not in LEGACY and parts < OLDEST or parts[0] > NEWEST[0] or parts[1] > NEWEST[1]:
        raise UnsupportedVersion(f"{where} is {version}, expected 0.5.0 to 0.7: re-export the model or update rtfx")
    if parts > NEWEST:
        warnings.append(f"{where} is {version}, newer than 0.7.0, the newest that rtfx knows")


def _rate(value: Any, where: str) -> float | None:
    """Return a rate in Hz; None for none, null and NAM's own -1."""
    if value is None or number(value, where) <= 0:
        return None
    if not RATES[0] <= float(value) <= RATES[1]:
        raise ResourceLimit(f"{where} is {shown(value)}, expected {RATES[0]:g} to {RATES[1]:g} Hz or null")
    return float(value)


def _level(metadata: dict[str, Any], key: str) -> float | None:
    """Return a level, None where there is no credible one."""
    value = metadata.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= DB_RANGE:
        return None
    return float(value)


def _finite(value: Any) -> Any:
    """Return JSON without NaN and infinity, which become null."""
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
