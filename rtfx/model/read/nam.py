"""Reads NAM files: the envelope, versions, rates, levels, and every architecture but the WaveNet.

Models may be made of complete models: SlimmableContainer is one of several sizes, Sequential a series. A model of
version 0.4 lies in two files: ``config.json`` and ``weights.npy``, both in a folder or with a prefix.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...errors import (
    MissingKey,
    NonFiniteWeights,
    NotAModelFile,
    ResourceLimit,
    ShapeMismatch,
    UnsupportedInput,
    UnsupportedVersion,
)
from ...files import read_file
from ..nodes import Dense, Lstm
from ..spec import SIZE, Knob, ModelSpec, check_limits
from ..values import (
    FILE_BYTES,
    NODES,
    RECEPTIVE_FIELD,
    SIZES,
    at,
    at_most,
    integer,
    listed,
    mapping,
    number,
    one_of,
    required,
    shown,
    string,
    tensor,
)
from .inputs import said_choice, sort_inputs, stated_knobs, with_knobs
from .nam_parts import Job, NamGraph, Part, Size, Weights, append_activation, divides, flag
from .nam_wavenet import OLD_POST_FILM, read_wavenet
from .sample_rate import find_rate

OLDEST, NEWEST = (0, 5, 0), (0, 7, 0)
LEGACY = ((0, 4, 0),)  # the same content as 0.5.0, then mostly in two files, see `read_folder`
RATES = (1000.0, 1e6)  # Hz
NESTING = 8  # models inside models
NORMAL_LOUDNESS = -18.0  # dB: NAM's player adjusts a model of known loudness to this
DB_RANGE = 200.0  # dB or dBu: a level outside +- this is treated as a mistake
KINDS = {
    "amp": "amp",
    "pedal_amp": "amp",
    "preamp": "amp",
    "pedal": "pedal",
    "amp_cab": "amp+cab",
    "amp_pedal_cab": "amp+cab",
}  # "studio" is none of these
LEVELS = ("loudness", "gain", "input_level_dbu", "output_level_dbu")
FORMER_LINEAR = "nam-linear-reversed"
COMPAT = (OLD_POST_FILM, FORMER_LINEAR)
IMPLEMENTATIONS = ("auto", "direct", "legacy", "old", "fft", "partitioned_fft", "partitioned-fft")
PREWARM_SECONDS = 0.5  # LSTM
DEFAULT_RATE = 48000.0  # Hz, of every file that states none
CONFIG, WEIGHTS = "config.json", "weights.npy"


def read(data: dict[str, Any], path: Path, compat: str | None = None, inputs: str | None = None) -> ModelSpec:
    """Return the model in a NAM file.

    Parameters
    ----------
    data : dict
        The parsed file.
    path : Path
        Its stem becomes the name of a model without one.
    compat : str, optional
        One of `COMPAT`: "nam-0.5.5" skips layer1x1_post_film unless blended, "nam-linear-reversed" reads a Linear
        whose first weight is the oldest sample. By default both are as NAM's current player has them.
    inputs : str, optional
        The meaning of the inputs, as in `sort_inputs`; ``metadata.controls`` names knobs.

    Returns
    -------
    ModelSpec
        A slimmable net is returned at full size, with every size in `sizes` and with the knob `size`.

    Raises
    ------
    ModelError
        The file has a fault, even in a part that the full size does not use.
    """
    guess: list[str] = []
    file = _File(data, path, compat, inputs, {}, find_rate(data, path, guess, DEFAULT_RATE, "NAM's own"), guess)
    graph, spec = _at_size(file, 1.0)
    form = counted({key: value for key, value in data.items() if key != "metadata"})
    whole, breakpoints = replace(spec, parameters=graph.parameters, form=form), sorted(graph.breakpoints)
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


def counted(value: Any) -> Any:
    """Return a file's content with the number of weights in place of the weights: `write.nam` inserts them again.

    A ConvNet loses its normalisation, since that is multiplied into the convolutions. NaN and infinity, which may occur
    in values that are not read, become None, because JSON cannot express them.
    """
    if isinstance(value, list):
        return [counted(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if not isinstance(value, dict):
        return value
    if "architecture" not in value or "weights" not in value:
        return {key: counted(entry) for key, entry in value.items()}
    config, count = counted(value["config"]), len(value["weights"])
    if value["architecture"] == "ConvNet" and config["batchnorm"]:
        count -= len(config["dilations"]) * (3 * int(config["channels"]) + 1)
        config = config | {"batchnorm": False}
    return {**value, "config": config, "weights": count}


class _File(NamedTuple):
    """The file that is being read.

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
    """Append one complete model, whose place in the file is `where`; it is nested inside `depth` models."""
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
    """Return weights rounded to single precision, as the trainer had them; all sizes share the result."""
    if id(value) not in known:
        known[id(value)] = tensor(value, where, axes=1).astype(np.float32).astype(np.float64)
    return known[id(value)]


def _check_version(version: str, where: str, warnings: list[str]) -> None:
    """Raise unless the version is known, or is newer only in its patch number."""
    if not re.fullmatch(r"[0-9]{1,6}\.[0-9]{1,6}\.[0-9]{1,6}", version):
        raise UnsupportedVersion(f"{where} is {shown(version)}, expected three numbers like 0.5.4")
    parts = tuple(map(int, version.split(".")))
    if parts not in LEGACY and parts < OLDEST or parts[0] > NEWEST[0] or parts[1] > NEWEST[1]:
        raise UnsupportedVersion(f"{where} is {version}, expected 0.5.0 to 0.7: re-export the model or update rtfx")
    if parts > NEWEST:
        warnings.append(f"{where} is {version}, newer than 0.7.0, the newest that rtfx knows")


def _rate(value: Any, where: str) -> float | None:
    """Return a rate in Hz; None for a missing rate, null and NAM's own -1."""
    if value is None or number(value, where) <= 0:
        return None
    if not RATES[0] <= float(value) <= RATES[1]:
        raise ResourceLimit(f"{where} is {shown(value)}, expected {RATES[0]:g} to {RATES[1]:g} Hz or null")
    return float(value)


def _level(metadata: dict[str, Any], key: str) -> float | None:
    """Return a level, or None if the file holds no number or one outside `DB_RANGE`."""
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


def read_container(job: Job) -> Part:
    """Append the submodel for the job's size: the first whose `max_value` is above it, else the last."""
    where = f"{job.where}config.submodels"
    entries = _several(job, "submodels")
    limits = []
    for i, entry in enumerate(entries):
        limit = required(mapping(entry, f"{where}[{i}]"), "max_value", f"{where}[{i}]")
        limits.append(number(limit, f"{where}[{i}].max_value"))
    if limits != sorted(set(limits)) or limits[-1] < 1.0:
        raise ShapeMismatch(f"{where}: max_value runs {limits[:5]}, expected ascending numbers, the last at least 1")
    chosen = len(limits) - 1
    if job.size is not None:
        job.graph.breakpoints.update(limit for limit in limits[:-1] if 0 < limit <= 1)
        chosen = next((i for i, limit in enumerate(limits) if job.size < limit), chosen)
    job.weights.finish()
    model = required(entries[chosen], "model", f"{where}[{chosen}]")
    part = job.nested(model, f"{where}[{chosen}].model.", job.input, None)
    return part._replace(metadata=_merged(part.metadata, job.metadata))


def _merged(inner: dict[str, Any], outer: dict[str, Any]) -> dict[str, Any]:
    """Return the container's metadata with the levels of the submodel that plays."""
    return inner | outer | {key: inner[key] for key in LEVELS if inner.get(key) is not None}


def read_sequential(job: Job) -> Part:
    """Append the models in series; the size knob applies to each that can be slimmed."""
    prewarm, index = 0, job.input
    entries = _several(job, "models")
    if isinstance(entries[0], dict) and "architecture" not in entries[0]:
        raise MissingKey(
            f"{job.where}config.models[0] has no key 'architecture': the trainer up to 0.13 does not write what the "
            "models of a Sequential are: export each by itself"
        )
    job.weights.finish()
    rate = job.rate
    for i, model in enumerate(entries):
        part = job.nested(model, f"{job.where}config.models[{i}].", index, job.size)
        index, prewarm, rate = part.output, prewarm + part.prewarm, part.rate
    assert index is not None
    return Part(index, prewarm, rate, job.metadata)


def _several(job: Job, key: str) -> list:
    """Return the list of models, at least one."""
    where = f"{job.where}config"
    entries = at(job.config, key, where, listed)
    if not entries:
        raise ShapeMismatch(f"{where}.{key} is {shown(entries)}, expected at least one model")
    at_most(len(entries), NODES, f"{where}.{key}: number of models")
    return entries


def read_linear(job: Job) -> Part:
    """Append an impulse response: ``h[0]`` is the newest sample, one response for all channels.

    With compat ``nam-linear-reversed`` ``h[0]`` is the oldest, as the trainer wrote it until August 2026.
    """
    taps = job.integer("receptive_field", limit=RECEPTIVE_FIELD)
    has_bias = flag(required(job.config, "bias", f"{job.where}config"), f"{job.where}config.bias")
    channels, outputs = job.integer("in_channels", 1), job.integer("out_channels", 1)
    if channels != outputs:
        raise UnsupportedInput(f"{job.where}config: Linear has {channels} inputs, {outputs} outputs, expected as many")
    how = job.config.get("implementation", "auto")
    one_of(how.lower() if isinstance(how, str) else how, IMPLEMENTATIONS, f"{job.where}config.implementation")
    response = job.weights.take(taps)
    if job.compat != FORMER_LINEAR:
        response = response[::-1]
    bias = np.repeat(job.weights.take(1), channels) if has_bias else None
    weight = np.broadcast_to(response, (channels, 1, taps))
    source = job.source(channels)
    job.weights.finish()
    at_most(weight.size, RECEPTIVE_FIELD, "taps of all channels")
    return job.part(job.graph.linear(source, weight, bias, groups=channels), 0)


def read_convnet(job: Job) -> Part:
    """Append blocks of a convolution of two taps, batch normalisation and an activation, then a dense layer."""
    channels = job.integer("channels")
    where = f"{job.where}config"
    dilations = at(job.config, "dilations", where, listed)
    if not dilations:
        raise ShapeMismatch(f"{where}.dilations is empty, expected at least one block")
    at_most(len(dilations), NODES, "number of blocks")
    batchnorm = flag(required(job.config, "batchnorm", where), f"{where}.batchnorm")
    activation = required(job.config, "activation", where)
    inputs = job.integer("in_channels", 1)
    outputs = job.integer("out_channels", 1)
    groups = job.integer("groups", 1)
    index, width, prewarm = job.source(inputs), inputs, 1
    for i, value in enumerate(dilations):
        dilation = at_most(integer(value, f"{where}.dilations[{i}]"), RECEPTIVE_FIELD, "dilation")
        divides(groups, f"{where}, block {i}", inputs=width, channels=channels)
        weight = job.weights.take(channels, width // groups, 2)
        if batchnorm:
            scale, bias = _batchnorm(job, channels, f"{where}, block {i}")
            weight = weight * scale[:, None, None]
        else:
            bias = job.weights.take(channels)
        index = job.graph.linear(index, weight, bias, dilation, groups)
        index = append_activation(job.graph, index, activation, f"{where}.activation", Size(channels, channels))
        width, prewarm = channels, prewarm + dilation
    weight, bias = job.weights.take(outputs, channels), job.weights.take(outputs)
    return job.part(job.graph.add(Dense((index,), weight=weight, bias=bias)), prewarm)


def _batchnorm(job: Job, channels: int, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Take mean, variance, gamma, beta and epsilon; return scale and shift."""
    mean, variance, gamma, beta = (job.weights.take(channels) for _ in range(4))
    variance = variance + job.weights.take(1)
    if not (variance > 0).all():
        raise NonFiniteWeights(f"{where}: a variance of the batch normalisation is not positive: re-export the model")
    scale = gamma / np.sqrt(variance)
    return scale, beta - scale * mean


def read_lstm(job: Job) -> Part:
    """Append LSTM layers, each with the state it starts from, and a dense layer."""
    hidden = job.integer("hidden_size")
    layers = job.integer("num_layers", limit=NODES)
    inputs = job.integer("input_size")
    outputs = job.integer("out_channels", 1)
    channels = job.integer("in_channels", 1)
    if channels != inputs:
        raise ShapeMismatch(f"{job.where}config: input_size is {inputs}, in_channels {channels}, expected the same")
    index, width = job.source(channels), inputs
    for _ in range(layers):
        matrix = job.weights.take(4 * hidden, width + hidden)  # columns: the input, then the hidden state
        bias = job.weights.take(4 * hidden)
        h0, c0 = job.weights.take(hidden), job.weights.take(hidden)
        index = job.graph.add(Lstm((index,), matrix[:, :width], matrix[:, width:], bias, h0, c0))
        width = hidden
    weight, bias = job.weights.take(outputs, hidden), job.weights.take(outputs)
    prewarm = int(PREWARM_SECONDS * (job.rate or DEFAULT_RATE))
    return job.part(job.graph.add(Dense((index,), weight=weight, bias=bias)), prewarm)


def read_folder(data: dict[str, Any], path: Path, compat: str | None = None, inputs: str | None = None) -> ModelSpec:
    """Return the model of a config whose weights are in a file beside it.

    Parameters
    ----------
    data : dict
        The parsed ``config.json``.
    path : Path
        Of that file; its name may have a prefix, which is then also that of ``weights.npy``.

    Raises
    ------
    ModelError
        MissingKey if there is no file of weights; otherwise as for NAM files.
    """
    prefix = path.name.removesuffix(CONFIG)
    beside = path.with_name(prefix + WEIGHTS)
    if prefix == path.name or not beside.is_file():
        raise MissingKey(f"the file has no key 'weights', and there is no {WEIGHTS} beside it: re-export the model")
    whole = data | {"weights": _npy(beside)}
    name = prefix.strip("_-. ") or path.absolute().parent.name
    return read(whole, Path(name + ".nam"), compat, inputs)


def _npy(path: Path) -> np.ndarray:
    """Return the numbers in a .npy file; if its header states too large a size, no memory is allocated."""
    size = path.stat().st_size
    if size > FILE_BYTES:
        raise ResourceLimit(f"{path.name} has {size} bytes, at most {FILE_BYTES}: is this a model's?")
    try:
        content = BytesIO(read_file(path))  # not mapped: truncating a mapped file would end the process
        version = np.lib.format.read_magic(content)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, kind = header(content)
        rest = content.read()
        if kind.hasobject or min(shape, default=0) < 0 or kind.itemsize * math.prod(shape) > len(rest):
            raise ValueError(f"its header promises {shape} of {kind}, the file has {len(rest)} bytes")
        array = np.frombuffer(rest, kind, math.prod(shape)).reshape(shape)
    except Exception as error:  # NumPy documents no list of what a damaged header raises
        raise NotAModelFile(f"{path.name} is not a NumPy array ({str(error)[:100]}): fetch it again") from error
    if array.ndim != 1 or array.dtype.kind != "f":
        found = f"{array.dtype.name[:40]} of shape {array.shape}"
        raise ShapeMismatch(f"{path.name} holds {found}, expected a list of floats")
    return np.array(array, np.float64)


ARCHITECTURES: dict[str, Callable[[Job], Part]] = {
    "WaveNet": read_wavenet,
    "LSTM": read_lstm,
    "ConvNet": read_convnet,
    "Linear": read_linear,
    "SlimmableContainer": read_container,
    "Sequential": read_sequential,
}
