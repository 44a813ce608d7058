"""Opens binary models: PyTorch exports, ONNX, safetensors and Keras. It recognises pickles but never opens them."""

from __future__ import annotations

import json
import os
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import NotAModelFile, ResourceLimit, ShapeMismatch
from ...files import DAMAGED_ZIP
from ..spec import UNKNOWN_RATE, ModelSpec
from ..values import FILE_BYTES, integer, listed, mapping, shown, string
from . import state_dict
from .json_file import EXPORT, PICKLE, TORCHSCRIPT, what_is

# the field ir_version, then that of the producer, of its version, or of the graph
ONNX = tuple(bytes((8, version, tag)) for version in range(3, 16) for tag in (0x12, 0x1A, 0x3A, 0x42))
HDF5 = b"\x89HDF"
DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U8": "u1"}
SIDE_KEYS = ("knobs", "sample_rate", "name", "kind")


def read_binary(path: Path, inputs: str | None = None) -> ModelSpec | None:
    """Return the model in a file, or None if it has none of these formats; `inputs` is as in `sort_inputs`.

    Raises
    ------
    ModelError
        A pickle, an archive of another kind, or an error of the format's reader.
    """
    try:
        with open(path, "rb") as file:
            start, size = file.read(32), os.fstat(file.fileno()).st_size
    except OSError as error:
        raise NotAModelFile(f"cannot be read: {error.strerror or error}") from error
    if start.startswith(HDF5):
        from .keras_file import read_h5

        return _described(read_h5(path, side := _beside(path), inputs), side, path)
    archive, tensors = start.startswith(b"PK"), start[8:9] == b"{" and start[5:8] == b"\0\0\0"
    named = path.suffix.lower() == ".onnx" and size > 0 and what_is(start) is None
    graph = named or start[:3] in ONNX
    if (archive or tensors or graph) and size > FILE_BYTES:
        raise ResourceLimit(f"{size} bytes, at most {FILE_BYTES}: is this a model file?")
    if archive:
        return _archive(path, inputs)
    if graph:
        from .onnx import read

        side = _beside(path)
        spec = read(path, str(side.get("name", path.stem)), side.get("knobs"), side.get("sample_rate"), inputs)
        return _described(spec, side, path)
    if not tensors:
        return None
    held, metadata = safetensors(path.read_bytes())
    return state_dict.read(held, path, inputs, metadata)


def _archive(path: Path, inputs: str | None) -> ModelSpec:
    from . import keras_file, pt2, pt2_archive

    try:
        with zipfile.ZipFile(path) as opened:
            names = opened.namelist()
            program = pt2_archive.is_program(opened)
    except DAMAGED_ZIP as error:
        raise NotAModelFile(f"the archive cannot be read ({str(error)[:100]}): fetch or export it again") from error
    if program:
        side = _beside(path)
        spec = pt2.read(path, str(side.get("name", path.stem)), side.get("knobs"), side.get("sample_rate"), inputs)
        return _described(spec, side, path)
    if any("/code/" in name and name.endswith(".py") for name in names):
        raise NotAModelFile(TORCHSCRIPT)
    if any(name.endswith(".pkl") for name in names):
        raise NotAModelFile(PICKLE)
    if keras_file.WEIGHTS_MEMBER in names:
        with zipfile.ZipFile(path) as opened:
            side = _beside(path)
            return _described(keras_file.read_archive(opened, path.stem, side, inputs), side, path)
    raise NotAModelFile(
        f"a zip archive that holds {shown(names[0] if names else 'nothing')}, expected a model: {EXPORT}"
    )


def _described(spec: ModelSpec, side: dict[str, Any], path: Path) -> ModelSpec:
    """Return the model by the name and of the kind that the description beside it says, its rate by the file's name."""
    from .sample_rate import find_rate

    if spec.rate_source == "unknown":
        warnings = [warning for warning in spec.warnings if warning != UNKNOWN_RATE]
        rate, source = find_rate({"metadata": spec.metadata}, path, warnings, None)
        spec = replace(spec, sample_rate=rate, rate_source=source, warnings=tuple(warnings))
    return replace(spec, name=side.get("name", spec.name), kind=side.get("kind", spec.kind))


def _beside(path: Path) -> dict[str, Any]:
    """Return the description beside an export: names and sample rate, which the export itself cannot hold."""
    from ..values import one_of
    from .json_file import read_json
    from .sample_rate import stated_rate

    beside = state_dict.description(path)
    if beside is None:
        return {}
    data = mapping(read_json(beside), beside.name)
    found: dict[str, Any] = {}
    for key, value in data.items():
        if key not in SIDE_KEYS:
            raise NotAModelFile(f"{beside.name} has a key {shown(key)}, expected of an export: {', '.join(SIDE_KEYS)}")
        if key == "knobs":
            found[key] = [string(name, "knobs") for name in listed(value, "knobs")]
        elif key == "sample_rate":
            found[key] = stated_rate(value)
            if found[key] is None:
                raise NotAModelFile(f"sample_rate is {shown(value)}, expected Hz")
        else:
            found[key] = string(value, key) if key == "name" else one_of(value, state_dict.KINDS, key)
    return found


def safetensors(content: bytes) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the tensors of a safetensors file by name, and its metadata.

    Raises
    ------
    ModelError
        The header is not JSON, a type is unknown, or offsets do not fit the sizes.
    """
    length = int.from_bytes(content[:8], "little")
    if length > len(content) - 8:
        raise NotAModelFile(f"the header is {length} bytes long, the file {len(content)}: fetch it again")
    try:
        header = mapping(json.loads(content[8 : 8 + length]), "the header")
    except (ValueError, RecursionError) as error:
        raise NotAModelFile(f"the header is not JSON ({str(error)[:100]}): fetch it again") from error
    body, found = content[8 + length :], {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        entry = mapping(entry, name[:60])
        sizes = [integer(size, f"{name[:60]}.shape", 0) for size in listed(entry.get("shape"), f"{name[:60]}.shape")]
        places = [integer(p, f"{name[:60]}.data_offsets", 0) for p in listed(entry.get("data_offsets"), name[:60])]
        kind = entry.get("dtype")
        if not isinstance(kind, str) or (kind != "BF16" and kind not in DTYPES):
            raise NotAModelFile(f"{name[:60]} is of type {shown(kind)}, expected one of BF16, {', '.join(DTYPES)}")
        width = 2 if kind == "BF16" else np.dtype(DTYPES[kind]).itemsize
        count = 1
        for size in sizes:
            count *= size
        if len(places) != 2 or places[1] > len(body) or places[1] - places[0] != count * width:
            raise ShapeMismatch(f"{name[:60]} has sizes {sizes} at {places}, which does not fit: fetch the file again")
        raw = body[places[0] : places[1]]
        if kind == "BF16":
            flat = (np.frombuffer(raw, "<u2").astype(np.uint32) << 16).view(np.float32)
        else:
            flat = np.frombuffer(raw, DTYPES[kind])
        with np.errstate(invalid="ignore"):  # no warning about a signalling NaN
            found[name] = flat.reshape(sizes).astype(np.float64)
    metadata = header.get("__metadata__")
    return found, metadata if isinstance(metadata, dict) else {}
