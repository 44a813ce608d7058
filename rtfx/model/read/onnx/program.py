"""What an ONNX file says: operators, constant tensors, inputs and outputs.

Weights may lie in a file beside it, which PyTorch's exporter writes by default: it must be in the same folder.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ....errors import MissingKey, NotAModelFile, ResourceLimit, ShapeMismatch, UnsupportedArchitecture
from ...limits import FILE_BYTES
from ...values import shown, tensor
from .protobuf import decode

DTYPES = {  # TensorProto.DataType
    1: "<f4", 2: "u1", 3: "i1", 4: "<u2", 5: "<i2", 6: "<i4", 7: "<i8", 9: "?", 10: "<f2", 11: "<f8", 12: "<u4",
    13: "<u8",
}  # fmt: skip
BFLOAT16 = 16
OUTSIDE = 1  # TensorProto.EXTERNAL
DOMAINS = ("", "ai.onnx")


@dataclass(frozen=True)
class Operator:
    """One operator: its kind, the names of what it reads and gives ("" where left out), its options."""

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
    if kind != BFLOAT16 and kind not in DTYPES:
        raise UnsupportedArchitecture(f"{name} is of the type {kind}, expected float32: export without quantisation")
    dims = tuple(entry["dims"])
    dtype = np.dtype("<u2" if kind == BFLOAT16 else DTYPES[kind])
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
        with open(beside, "rb") as file:
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
