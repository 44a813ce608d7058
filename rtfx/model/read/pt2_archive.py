"""The archive that ``torch.export.save`` writes: a graph in JSON and its tensors as plain bytes.

Pickles in the archive (example inputs, tensors of rare types) are never opened. Source: torch/export/pt2_archive, its
schema of version 8.
"""

from __future__ import annotations

import json
import re
import zipfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import MissingKey, NotAModelFile, ResourceLimit, ShapeMismatch, UnsupportedArchitecture
from ...files import DAMAGED_ZIP
from ..values import FILE_BYTES, at, integer, listed, mapping, required, shown, tensor

HOW = "re-save it with torch.export.save of PyTorch 2.9 or newer"
DTYPES = {1: "u1", 2: "i1", 3: "i2", 4: "i4", 5: "i8", 6: "f2", 7: "f4", 8: "f8", 12: "?"}  # torch's ScalarType
SCHEMA = 8
SYMBOL = re.compile(r"Symbol\('(\w+)'")


@dataclass(frozen=True)
class Program:
    """The graph's nodes as in the file, its tensors by name, the sizes of every value, and its inputs and output.

    If the export leaves the length of the audio open, sizes are those of the example with which it was made. `lengths`
    are the lengths that the program computes, `time_axis` is the axis of the audio whose length is open.
    """

    nodes: list[dict[str, Any]]
    tensors: dict[str, np.ndarray]
    sizes: dict[str, tuple[int, ...]]
    inputs: list[str]
    output: str
    lengths: dict[str, int]
    time_axis: int | None


def is_program(archive: zipfile.ZipFile) -> bool:
    """Return whether an archive is a PyTorch export."""
    names = archive.namelist()
    return any(name.endswith(("archive_format", "serialized_exported_program.json")) for name in names)


def read_program(source: Path | BytesIO) -> Program:
    """Return the program in an archive.

    Raises
    ------
    ModelError
        The layout is older and has pickled tensors, a part is missing, or sizes do not fit.
    """
    try:
        with zipfile.ZipFile(source) as archive:
            return _Reader(archive).program()
    except DAMAGED_ZIP as error:
        raise NotAModelFile(f"the archive cannot be read ({str(error)[:100]}): export it again") from error


class _Reader:
    """An open archive; `left` is the number of bytes that may still be read from it."""

    def __init__(self, archive: zipfile.ZipFile):
        self.archive, self.left = archive, FILE_BYTES
        names = archive.namelist()
        found = [name for name in names if name.endswith("models/model.json") or "/models/" in name]
        models = [name for name in found if name.endswith(".json")]
        if len(models) != 1:
            old = any(name.endswith("serialized_exported_program.json") for name in names)
            what = (
                "an export of an older PyTorch, whose tensors are pickles" if old else f"{len(models)} programs, not 1"
            )
            raise NotAModelFile(f"the archive holds {what}: {HOW}")
        self.model = models[0]
        self.root = self.model[: self.model.index("models/")]

    def take(self, name: str) -> bytes:
        """Return the content of a member; raise ResourceLimit if the archive holds more than a model file may."""
        try:
            size = self.archive.getinfo(name).file_size
        except KeyError:
            raise MissingKey(f"the archive has no member {shown(name)}: {HOW}") from None
        self.left -= size
        if self.left < 0:
            raise ResourceLimit(f"the archive unpacks to more than {FILE_BYTES} bytes: is this a model file?")
        with self.archive.open(name) as member:
            return member.read(size)  # a read without `size` trusts the stated packed size, which may be wrong

    def json(self, name: str) -> dict[str, Any]:
        try:
            return mapping(json.loads(self.take(name)), name)
        except (ValueError, RecursionError) as error:
            raise NotAModelFile(f"{name} is not JSON ({str(error)[:100]}): {HOW}") from error

    def program(self) -> Program:
        data = self.json(self.model)
        version = at(data, "schema_version", "", mapping).get("major")
        if version != SCHEMA:
            raise UnsupportedArchitecture(
                f"schema_version is {shown(version)}, expected {SCHEMA}: {HOW}, or update rtfx"
            )
        module = at(data, "graph_module", "", mapping)
        graph = mapping(required(module, "graph", "graph_module"), "graph")
        signature = mapping(required(module, "signature", "graph_module"), "signature")
        weights = self.stored("weights") | self.stored("constants")
        tensors, inputs = {}, []
        for spec in listed(required(signature, "input_specs", "signature"), "input_specs"):
            kind, entry = _only(spec, "input_specs")
            if kind == "user_input":
                arg_kind, argument = _only(required(entry, "arg", kind), "user_input")
                if arg_kind != "as_tensor":
                    raise UnsupportedArchitecture("an input is no tensor, expected tensors only: export without it")
                inputs.append(_name(argument))
                continue
            stored = next((value for key, value in entry.items() if key.endswith("_name")), None)
            if not isinstance(stored, str) or stored not in weights:
                raise MissingKey(f"the archive has no tensor {shown(stored)}: {HOW}")
            tensors[_name(required(entry, "arg", kind))] = weights[stored]
        outputs = [
            _name(_only(required(entry, "arg", kind), kind)[1])
            for kind, entry in (
                _only(spec, "output_specs") for spec in listed(required(signature, "output_specs"), "o")
            )
            if kind == "user_output"
        ]
        if not inputs or not outputs:
            raise UnsupportedArchitecture("the program has no input or no output, expected audio in and out")
        nodes = [mapping(node, "nodes") for node in listed(required(graph, "nodes", "graph"), "nodes")]
        values = mapping(required(graph, "tensor_values", "graph"), "tensor_values")
        sizes = {name: _sizes(mapping(value, name)) for name, value in values.items()}
        lengths = {
            name: _number(value, -(1 << 62))
            for name, value in mapping(graph.get("sym_int_values") or {}, "sym_int_values").items()
        }
        time = _open_axis(inputs, values)
        return Program(nodes, tensors, sizes, inputs, outputs[0], lengths, time)

    def stored(self, folder: str) -> dict[str, np.ndarray]:
        """Return the tensors in ``data/weights`` or ``data/constants``."""
        name = f"{self.root}data/{folder}/model_{folder}_config.json"
        if name not in self.archive.namelist():
            return {}
        found = {}
        for key, entry in mapping(required(self.json(name), "config", name), name).items():
            entry = mapping(entry, key)
            if entry.get("use_pickle"):
                continue  # an error only if the graph uses it
            found[key] = self.tensor(entry, f"{self.root}data/{folder}/{entry.get('path_name')}", key)
        return found

    def tensor(self, entry: dict[str, Any], member: str, key: str) -> np.ndarray:
        """Return one tensor, float64 unless it holds integers."""
        meta = mapping(required(entry, "tensor_meta", key), key)
        dtype = DTYPES.get(meta.get("dtype", 0))
        if dtype is None:
            raise UnsupportedArchitecture(
                f"{key} is of type {shown(meta.get('dtype'))}, expected float32: call .float()"
            )
        sizes = _sizes(meta)
        strides = [_number(each) for each in listed(meta.get("strides", []), key)]
        offset = _number(meta.get("storage_offset", {"as_int": 0}))
        content, kind = self.take(member), np.dtype(dtype).newbyteorder("<")
        flat = np.frombuffer(content, kind, len(content) // kind.itemsize)
        last = offset + sum((n - 1) * stride for n, stride in zip(sizes, strides, strict=False))
        if len(strides) != len(sizes) or 0 in sizes or not 0 <= last < flat.size:
            raise ShapeMismatch(f"{key} has sizes {sizes}, the archive {flat.size} numbers for it: {HOW}")
        view = np.lib.stride_tricks.as_strided(
            flat[offset:], sizes, [s * flat.itemsize for s in strides], writeable=False
        )
        return tensor(view, key) if view.dtype.kind == "f" else view.astype(np.int64)


def _only(entry: Any, where: str) -> tuple[str, Any]:
    """Return key and value of an object of one key."""
    entry = mapping(entry, where)
    if len(entry) != 1:
        raise NotAModelFile(f"{where} holds an object of {len(entry)} keys, expected 1: {HOW}")
    return next(iter(entry.items()))


def _name(entry: Any) -> str:
    name = mapping(entry, "a tensor").get("name")
    if not isinstance(name, str):
        raise NotAModelFile(f"a tensor has the name {shown(name)}, expected a string: {HOW}")
    return name


def _number(entry: Any, minimum: int = 0) -> int:
    """Return a size; for an open one, the size of the example."""
    if isinstance(entry, dict) and isinstance(entry.get("as_expr"), dict):
        entry = entry["as_expr"].get("hint")
    if not isinstance(entry, dict) or "as_int" not in entry:
        raise UnsupportedArchitecture("a size is not a number: export without dynamic_shapes")
    return integer(entry["as_int"], "a size", minimum)


def _open_axis(inputs: list[str], values: dict[str, Any]) -> int | None:
    """Return the axis of the audio whose length is open, None if all sizes are fixed."""
    symbols: set[str] = set()
    axes = []
    for name in inputs:
        for axis, entry in enumerate(listed(mapping(values.get(name), name).get("sizes"), name)):
            found = SYMBOL.findall(str(entry["as_expr"].get("expr_str"))) if "as_expr" in entry else []
            symbols.update(found)
            axes += [axis] if found and name == inputs[0] else []
    if len(symbols) > 1 or len(axes) > 1 or (symbols and not axes):
        raise UnsupportedArchitecture(
            f"the sizes {', '.join(sorted(symbols)[:4])} are open, expected the length of the audio alone: export with "
            "a batch of 1 and one dynamic size"
        )
    return axes[0] if axes else None


def _sizes(meta: dict[str, Any]) -> tuple[int, ...]:
    return tuple(_number(each) for each in at(meta, "sizes", "", listed))
