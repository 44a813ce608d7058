"""Reads and writes rtfx JSON, the versioned file form of ModelSpec.

A file is one JSON object. Unknown keys are refused. Numbers are finite and keep all their digits, so that a model that
is written and read again has the same bits::

    {"format": "rtfx", "version": 1,
     "name": str, "kind": "amp" | "pedal" | "amp+cab" | "unknown",
     "sample_rate": Hz | null (unknown) | "any" (valid at every rate),
     "knobs": [{"name": str, "minimum": 0, "maximum": 1, "default": 0.5, "unit": ""}],
     "prewarm": "auto" | frames, "dc_block": bool, "level_db": dB, "input_db": dB, "metadata": {any JSON},
     "nodes": [{"op": "input", "role": "audio" | "knob" | "sample_period", "name": str, "channels": 1},
               {"op": "concat", "sources": [0, 1]},
               {"op": "gru", "sources": [2], "weight_ih": [[...]], "weight_hh": [[...]], "bias_ih": [], "bias_hh": []},
               {"op": "dense", "sources": [3], "weight": [[...]], "bias": [...]}]}

`op` is the class of a node in lower case; the other keys are the fields of that class (``nodes``). Tensors are nested
lists in PyTorch's axis and gate order. `sources` are indices of earlier nodes. Every node is used and the last is the
output. Each knob has one input node of the same name. Only `format`, `version` and `nodes` are required; fields with a
default may be left out. The nodes without tensors::

    {"op": "activation", "sources": [1], "kind": "hardtanh", "slope": 0.01, "slope_high": 0.01, "low": -1, "high": 1}
    {"op": "slice", "sources": [2], "start": 0, "stop": 8}          features 0 to 7
    {"op": "hold", "sources": [2], "stride": 4, "phase": 0, "between": "last" | "zero"}
    {"op": "add" | "mul" | "concat", "sources": [3, 4, 5]}

A slimmable net has ``"sizes": [{"below": 0.5, "prewarm": ..., "level_db": ..., "nodes": [...]}]``: its smaller nets.
Each is for values of the knob `size` below its limit; limits ascend. The file's own nodes are the largest net.
``"form"`` holds the content of a NAM file without its weights, so that the model can be written as a NAM file again.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from ..errors import (
    ModelError,
    NotAModelFile,
    ResourceLimit,
    ShapeMismatch,
    UnsupportedVersion,
    did_you_mean,
    reason_of,
)
from ..files import write_file
from .nodes import KINDS as KINDS_OF_NODE
from .nodes import Node
from .spec import SIZE, UNKNOWN_RATE, Knob, ModelSpec, check_limits
from .values import (
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
)

VERSION = 1
KINDS = ("amp", "pedal", "amp+cab", "unknown")
KEYS = (
    "format", "version", "name", "kind", "sample_rate", "knobs", "prewarm", "dc_block", "level_db", "input_db",
    "metadata", "nodes", "sizes", "form",
)  # fmt: skip
RATES = (1000.0, 1e6)  # Hz


def read(data: dict[str, Any], path: Path) -> ModelSpec:
    """Return the model in an rtfx file.

    Parameters
    ----------
    data : dict
        The parsed file.
    path : Path
        Its stem becomes the name of a model without one.

    Raises
    ------
    ModelError
        An unknown version, key or op, a missing key, a wrong type or shape, a node that nothing uses.
    """
    version = required(data, "version")
    if version != VERSION or isinstance(version, bool):
        raise UnsupportedVersion(f"version is {shown(version)}, expected {VERSION}: update rtfx or re-export the model")
    _only(data, KEYS, "the file")
    knobs = [_knob(entry, f"knobs[{i}]") for i, entry in enumerate(listed(data.get("knobs", []), "knobs"))]
    rate, rate_source, warnings = _rate(data.get("sample_rate"))
    if not isinstance(data.get("dc_block", True), bool):
        raise NotAModelFile(f"dc_block is {shown(data['dc_block'])}, expected true or false")
    whole = ModelSpec(
        family="rtfx",
        nodes=_nodes(data, ""),
        name=string(data.get("name", ""), "name") or path.stem,
        sample_rate=rate,
        rate_source=rate_source,
        knobs=tuple(knobs),
        kind=one_of(data.get("kind", "unknown"), KINDS, "kind"),
        prewarm=_prewarm(data, ""),
        dc_block=data.get("dc_block", True),
        level_db=number(data.get("level_db", 0.0), "level_db"),
        input_db=number(data.get("input_db", 0.0), "input_db"),
        metadata=_plain(data.get("metadata", {}), "metadata"),
        warnings=warnings,
        form=_plain(data["form"], "form") if "form" in data else None,
    )
    return _with_sizes(whole, data["sizes"]) if data.get("sizes") else whole


def _with_sizes(whole: ModelSpec, entries: Any) -> ModelSpec:
    """Return the model `whole` with the smaller models of ``sizes``."""
    sizes: list[tuple[float, ModelSpec]] = []
    at_most(len(listed(entries, "sizes")) + 1, SIZES, "number of sizes")
    for i, entry in enumerate(entries):
        where = f"sizes[{i}]"
        _only(mapping(entry, where), ("below", "prewarm", "level_db", "nodes"), where)
        limit = at(entry, "below", where, number)
        if not (sizes[-1][0] if sizes else 0.0) < limit < 1.0:
            raise ShapeMismatch(f"{where}.below is {limit:g}, expected ascending numbers between 0 and 1")
        level = number(entry.get("level_db", whole.level_db), f"{where}.level_db")
        prewarm, nodes = _prewarm(entry, f"{where}."), _nodes(entry, f"{where}.")
        smaller = check_limits(dataclasses.replace(whole, nodes=nodes, prewarm=prewarm, level_db=level))
        if (smaller.inputs, smaller.outputs) != (whole.inputs, whole.outputs):
            raise ShapeMismatch(f"{where} has other inputs or outputs than the largest size")
        sizes.append((limit, smaller))
    return dataclasses.replace(whole, knobs=(*whole.knobs, Knob(SIZE, default=1.0)), sizes=(*sizes, (1.0, whole)))


def _nodes(data: dict[str, Any], where: str) -> tuple[Node, ...]:
    """Return the nodes of a net; raise if a node other than the last is unused."""
    entries = listed(required(data, "nodes", where.rstrip(".")), f"{where}nodes")
    nodes = tuple(_node(entry, f"{where}nodes[{i}]") for i, entry in enumerate(entries))
    if not nodes:
        raise ShapeMismatch(f"{where}nodes is empty, expected at least an input")
    unused = set(range(len(nodes) - 1)) - {source for node in nodes for source in node.sources}
    if unused:
        raise ShapeMismatch(
            f"{where}nodes[{min(unused)}] is used by no other node, expected every node but the last to be"
        )
    return nodes


def _prewarm(data: dict[str, Any], where: str) -> str | int:
    prewarm = data.get("prewarm", "auto")
    if prewarm == "auto":
        return "auto"
    return at_most(integer(prewarm, f"{where}prewarm", minimum=0), RECEPTIVE_FIELD, "frames of prewarm")


def save(spec: ModelSpec, path: str | Path) -> Path:
    """Write `spec` as rtfx JSON, one node per line, and return the path; an existing file is replaced in one step.

    Raises
    ------
    ModelError
        The file cannot be written, or the metadata cannot be expressed in JSON.
    """
    path = Path(path)
    head = {
        "format": "rtfx",
        "version": VERSION,
        "name": spec.name,
        "kind": spec.kind,
        "sample_rate": "any" if spec.rate_source == "any" else spec.sample_rate,
        "knobs": [dataclasses.asdict(knob) for knob in spec.knobs if not (spec.sizes and knob.name == SIZE)],
        "prewarm": spec.prewarm,
        "dc_block": spec.dc_block,
        "level_db": spec.level_db,
        "input_db": spec.input_db,
        "metadata": spec.metadata,
    }
    if spec.form is not None:
        head["form"] = spec.form
    if spec.sizes:
        head["sizes"] = [
            {
                "below": limit,
                "prewarm": size.prewarm,
                "level_db": size.level_db,
                "nodes": [node.to_json() for node in size.nodes],
            }
            for limit, size in spec.sizes[:-1]
        ]
    try:
        lines = [f" {json.dumps(key)}: {json.dumps(value, allow_nan=False)},\n" for key, value in head.items()]
        nodes = ",\n".join("  " + json.dumps(node.to_json(), allow_nan=False) for node in spec.nodes)
        write_file(path, "{\n" + "".join(lines) + ' "nodes": [\n' + nodes + "\n ]\n}\n")
    except (OSError, TypeError, ValueError, RecursionError) as error:
        raise ModelError(f"{path}: not written: {reason_of(error)}") from error
    return path


def _only(data: dict[str, Any], allowed: tuple[str, ...], where: str) -> None:
    """Raise if `data` has a key that is not in `allowed`."""
    for key in data:
        if key not in allowed:
            raise NotAModelFile(f"{where} has an unknown key {shown(key)}{did_you_mean(key[:60], allowed)}")


def _node(entry: Any, where: str) -> Node:
    """Return the node of one entry of ``nodes``."""
    op = one_of(required(mapping(entry, where), "op", where), KINDS_OF_NODE, f"{where}.op")
    return KINDS_OF_NODE[op].from_json(entry, where)


def _knob(entry: Any, where: str) -> Knob:
    """Return one entry of ``knobs``."""
    _only(mapping(entry, where), ("name", "minimum", "maximum", "default", "unit"), where)
    values: dict[str, Any] = {"name": at(entry, "name", where, string)}
    for key in ("minimum", "maximum", "default"):
        if key in entry:
            values[key] = number(entry[key], f"{where}.{key}")
    knob = Knob(**values, unit=string(entry.get("unit", ""), f"{where}.unit"))
    if not knob.name or not knob.minimum <= knob.default <= knob.maximum or knob.minimum == knob.maximum:
        raise NotAModelFile(
            f"{where} runs from {knob.minimum:g} to {knob.maximum:g}, default {knob.default:g}: expected a name, "
            "minimum < maximum and a default between"
        )
    return knob


def _plain(value: Any, where: str) -> dict[str, Any]:
    """Return an object with arbitrary keys; raise if it could not be written as JSON again."""
    try:
        json.dumps(mapping(value, where), allow_nan=False)
    except (ValueError, RecursionError) as error:
        raise NotAModelFile(f"{where} is not plain JSON: {error}") from error
    return value


def _rate(value: Any) -> tuple[float | None, str, tuple[str, ...]]:
    """Return the rate, its source and warnings."""
    if value == "any":
        return None, "any", ()
    if value is None:
        return None, "unknown", (UNKNOWN_RATE,)
    rate = number(value, "sample_rate")
    if not RATES[0] <= rate <= RATES[1]:
        raise ResourceLimit(f"sample_rate is {rate:g}, expected {RATES[0]:g} to {RATES[1]:g} Hz, null or 'any'")
    return rate, "file", ()
