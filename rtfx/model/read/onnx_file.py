"""Decodes an ONNX file's protocol-buffer messages to operators, constant tensors, inputs and outputs.

Only the fields that are needed are decoded; all others are skipped. Weights may lie in a file beside it, which
PyTorch's exporter writes by default: it must be in the same folder. Sources: the wire format at
protobuf.dev/programming-guides/encoding, and onnx/onnx.proto for the field numbers.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import MissingKey, NotAModelFile, ResourceLimit, ShapeMismatch, UnsupportedArchitecture
from ...files import target_of
from ..values import FILE_BYTES, shown, tensor

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types
DEPTH = 12  # messages inside messages: ONNX needs 6 for a graph without sub-graphs
DAMAGED = "the ONNX file is damaged or cut short: fetch or export it again"
# message -> field number -> (name, type, repeated). A type is another message, or one of the scalars
# "int", "float", "double", "text", "bytes".
MESSAGES: dict[str, dict[int, tuple[str, str, bool]]] = {
    "Model": {
        2: ("producer_name", "text", False),
        7: ("graph", "Graph", False),
        8: ("opset_import", "OperatorSet", True),
        14: ("metadata_props", "Entry", True),
        25: ("functions", "Function", True),
    },
    "OperatorSet": {1: ("domain", "text", False), 2: ("version", "int", False)},
    "Entry": {1: ("key", "text", False), 2: ("value", "text", False)},
    "Function": {1: ("name", "text", False)},
    "Graph": {
        1: ("node", "Node", True),
        5: ("initializer", "Tensor", True),
        11: ("input", "ValueInfo", True),
        12: ("output", "ValueInfo", True),
    },
    "Node": {
        1: ("input", "text", True),
        2: ("output", "text", True),
        3: ("name", "text", False),
        4: ("op_type", "text", False),
        5: ("attribute", "Attribute", True),
        7: ("domain", "text", False),
    },
    "Attribute": {
        1: ("name", "text", False),
        2: ("f", "float", False),
        3: ("i", "int", False),
        4: ("s", "text", False),
        5: ("t", "Tensor", False),
        7: ("floats", "float", True),
        8: ("ints", "int", True),
        9: ("strings", "text", True),
        20: ("type", "int", False),
    },
    "Tensor": {
        1: ("dims", "int", True),
        2: ("data_type", "int", False),
        4: ("float_data", "float", True),
        5: ("int32_data", "int", True),
        7: ("int64_data", "int", True),
        8: ("name", "text", False),
        9: ("raw_data", "bytes", False),
        10: ("double_data", "double", True),
        13: ("external_data", "Entry", True),
        14: ("data_location", "int", False),
    },
    "ValueInfo": {1: ("name", "text", False), 2: ("type", "Type", False)},
    "Type": {1: ("tensor_type", "TensorType", False)},
    "TensorType": {1: ("elem_type", "int", False), 2: ("shape", "Shape", False)},
    "Shape": {1: ("dim", "Dimension", True)},
    "Dimension": {1: ("dim_value", "int", False), 2: ("dim_param", "text", False)},
}
PACKED = {"float": "<f", "double": "<d"}
TENSOR_TYPES = {  # TensorProto.DataType
    1: "<f4", 2: "u1", 3: "i1", 4: "<u2", 5: "<i2", 6: "<i4", 7: "<i8", 9: "?", 10: "<f2", 11: "<f8", 12: "<u4",
    13: "<u8",
}  # fmt: skip
BFLOAT16 = 16
OUTSIDE = 1  # TensorProto.EXTERNAL
DOMAINS = ("", "ai.onnx")


def decode(content: bytes | memoryview, message: str, depth: int = 0) -> dict[str, Any]:
    """Return a message as a dictionary; repeated fields are always there, others only if the file has them.

    Raises
    ------
    NotAModelFile
        The bytes are not a valid message.
    """
    if depth > DEPTH:
        raise NotAModelFile("the ONNX file is nested too deeply, expected a few levels: export it again")
    fields = MESSAGES[message]
    found: dict[str, Any] = {name: [] for name, _, repeated in fields.values() if repeated}
    for number, wire, value in _fields(memoryview(content)):
        if number not in fields:
            continue
        name, kind, repeated = fields[number]
        values = _values(kind, wire, value, depth)
        if repeated:
            found[name] += values
        elif values:
            found[name] = values[-1]
    return found


def _fields(content: memoryview) -> Iterator[tuple[int, int, Any]]:
    """Yield (field number, wire type, value) of a message."""
    place = 0
    while place < len(content):
        tag, place = _varint(content, place)
        number, wire = tag >> 3, tag & 7
        if wire == VARINT:
            value, place = _varint(content, place)
            yield number, wire, value
            continue
        if wire == BYTES:
            size, place = _varint(content, place)
        elif wire in (FIXED32, FIXED64):
            size = 4 if wire == FIXED32 else 8
        else:
            raise NotAModelFile(DAMAGED)
        if size > len(content) - place:
            raise NotAModelFile(DAMAGED)
        yield number, wire, content[place : place + size]
        place += size


def _varint(content: memoryview, place: int) -> tuple[int, int]:
    """Return (the number at `place`, the place behind it)."""
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(content):
            break
        byte = content[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & (1 << 64) - 1, place
    raise NotAModelFile(DAMAGED)


def _values(kind: str, wire: int, value: Any, depth: int) -> list[Any]:
    """Return what a field holds: several numbers where they are packed."""
    if kind == "int":
        if wire == VARINT:
            return [_signed(value)]
        if wire != BYTES:
            raise NotAModelFile(DAMAGED)
        numbers, place = [], 0
        while place < len(value):
            number, place = _varint(value, place)
            numbers.append(_signed(number))
        return numbers
    if wire == VARINT:
        raise NotAModelFile(DAMAGED)
    if kind in PACKED:
        size = struct.calcsize(PACKED[kind])
        if len(value) % size:
            raise NotAModelFile(DAMAGED)
        return [number for (number,) in struct.iter_unpack(PACKED[kind], value)]
    if kind == "text":
        return [bytes(value).decode("utf-8", "replace")]
    return [bytes(value) if kind == "bytes" else decode(value, kind, depth + 1)]


def _signed(number: int) -> int:
    """Return a 64-bit number whose highest bit is the sign."""
    return number - (1 << 64) if number >> 63 else number


@dataclass(frozen=True)
class Operator:
    """One operator: its kind, the names of its inputs and outputs ("" if omitted), and its options."""

    kind: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    options: dict[str, Any]


@dataclass(frozen=True)
class Program:
    """The operators in computable order, constant tensors by name, sizes of the inputs (None or a word: not fixed)."""

    operators: list[Operator]
    tensors: dict[str, np.ndarray]
    inputs: dict[str, tuple[int | str | None, ...]]
    outputs: tuple[str, ...]
    opset: int
    metadata: dict[str, str]


def read_program(content: bytes, path: Path) -> Program:
    """Return the program in the bytes of an ONNX file; `path` says where its weights may lie beside it.

    Raises
    ------
    ModelError
        Damaged, without a graph, or with operators of another domain than ONNX's own.
    """
    model = decode(content, "Model")
    graph = model.get("graph")
    if graph is None or not graph["node"] or not graph["output"]:
        raise NotAModelFile("not an ONNX model: it holds no graph; fetch or export it again")
    own = {entry["name"] for entry in model["functions"] if "name" in entry}
    operators = []
    for node in graph["node"]:
        kind = node.get("op_type", "")
        domain = node.get("domain", "")
        if domain not in DOMAINS or kind in own:
            raise UnsupportedArchitecture(
                f"the operator {shown(kind)} is of the domain {shown(domain)}, expected ONNX's own: export it with "
                "torch.onnx.export of PyTorch 2.9 or newer"
            )
        options = {each.get("name", ""): _option(each, path) for each in node["attribute"]}
        operators.append(Operator(kind, node.get("name", ""), tuple(node["input"]), tuple(node["output"]), options))
    tensors = {each.get("name", ""): constant(each, path) for each in graph["initializer"]}
    inputs = {each.get("name", ""): _sizes(each) for each in graph["input"] if each.get("name") not in tensors}
    if not inputs:
        raise UnsupportedArchitecture("the graph has no input, expected audio")
    opset = max(
        (each.get("version", 1) for each in model["opset_import"] if each.get("domain", "") in DOMAINS), default=1
    )
    metadata = {each.get("key", ""): each.get("value", "") for each in model["metadata_props"]}
    return Program(operators, tensors, inputs, tuple(each.get("name", "") for each in graph["output"]), opset, metadata)


def constant(entry: dict[str, Any], path: Path) -> np.ndarray:
    """Return a tensor of the file: float64, int64 or bool.

    Raises
    ------
    ModelError
        An unknown type, sizes that do not fit, a file beside it that is missing or elsewhere.
    """
    name, kind = entry.get("name", "a constant")[:60], entry.get("data_type", 0)
    if kind != BFLOAT16 and kind not in TENSOR_TYPES:
        raise UnsupportedArchitecture(f"{name} is of the type {kind}, expected float32: export without quantisation")
    dims = tuple(entry["dims"])
    dtype = np.dtype("<u2" if kind == BFLOAT16 else TENSOR_TYPES[kind])
    if entry.get("data_location") == OUTSIDE:
        flat = np.frombuffer(_outside(entry, path, name), dtype)
    elif "raw_data" in entry:
        raw = entry["raw_data"]
        flat = np.frombuffer(raw, dtype, len(raw) // dtype.itemsize)
    else:
        flat = _listed(entry, kind, dtype)
    if any(size < 0 for size in dims) or flat.size != np.prod(dims, dtype=object):
        raise ShapeMismatch(f"{name} has sizes {list(dims)}, the file {flat.size} numbers for it: export it again")
    if kind == BFLOAT16:
        flat = (flat.astype(np.uint32) << 16).view(np.float32)
    array = flat.reshape(dims)
    if array.dtype.kind == "f":
        return tensor(array, name)
    return array.astype(bool) if array.dtype.kind == "b" else array.astype(np.int64)


def _listed(entry: dict[str, Any], kind: int, dtype: np.dtype) -> np.ndarray:
    """Return numbers that are stored one by one; half precision as the integers of its bits."""
    if kind in (1, 11):
        return np.array(entry["float_data"] if kind == 1 else entry["double_data"], dtype)
    numbers = np.array(entry["int64_data"] or entry["int32_data"], np.int64)
    return numbers.astype(np.uint16).view(dtype) if kind in (10, BFLOAT16) else numbers.astype(dtype)


def _outside(entry: dict[str, Any], path: Path, name: str) -> bytes:
    """Return the bytes of a tensor from the file beside the model."""
    place = {each.get("key"): each.get("value", "") for each in entry["external_data"]}
    location = place.get("location", "")
    if not location or location in (".", "..") or "/" in location or "\\" in location or "\0" in location:
        raise NotAModelFile(f"the weights of {name} lie in {shown(location)}, expected a file beside the model")
    beside = path.with_name(location)
    if not beside.is_file():
        raise MissingKey(f"the weights lie in {location}, which is not beside it: copy both files into one folder")
    try:
        offset = int(place.get("offset") or 0)
        size = int(place.get("length") or beside.stat().st_size - offset)
        if not 0 <= size <= FILE_BYTES or offset < 0:
            raise ResourceLimit(f"{location}: {size} bytes for {name}, at most {FILE_BYTES}: use a smaller model")
        with open(target_of(beside), "rb") as file:
            file.seek(offset)
            return file.read(size)
    except (OSError, ValueError) as error:
        raise NotAModelFile(f"{location} cannot be read ({str(error)[:60]}): copy it again") from error


def _option(entry: dict[str, Any], path: Path) -> Any:
    """Return the value of an attribute; None for what no layer has: sub-graphs."""
    kind = entry.get("type", 0)
    by_type = {1: "f", 2: "i", 3: "s", 4: "t", 6: "floats", 7: "ints", 8: "strings"}
    field = by_type.get(kind) or next((name for name in by_type.values() if entry.get(name)), "")
    if field == "t":
        return constant(entry["t"], path) if "t" in entry else None
    default = {"f": 0.0, "i": 0, "s": ""}
    return entry.get(field, default.get(field))


def _sizes(entry: dict[str, Any]) -> tuple[int | str | None, ...]:
    """Return the sizes of an input; a word or None where the file leaves them open."""
    kind = entry.get("type", {}).get("tensor_type")
    if kind is None or "shape" not in kind:
        raise UnsupportedArchitecture(
            f"the input {shown(entry.get('name'))} has no sizes, expected (1, features, frames): export it again"
        )
    return tuple(dim.get("dim_value") or dim.get("dim_param") or None for dim in kind["shape"]["dim"])
