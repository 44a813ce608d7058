"""Decodes the protocol-buffer messages that an ONNX file is made of.

Sources: the wire format at protobuf.dev/programming-guides/encoding, and onnx/onnx.proto for the field numbers. Only
the fields that the reader needs are decoded; all others are skipped.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from ....errors import NotAModelFile

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


def decode(content: bytes | memoryview, message: str, depth: int = 0) -> dict[str, Any]:
    """Return a message as a dictionary; repeated fields are always there, others only if the file has them.

    Raises
    ------
    NotAModelFile
        The bytes are no such message.
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
