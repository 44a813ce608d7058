"""The bytes of safetensors, written by hand: types, shapes, places, and every way in which they do not fit."""

import json

import numpy as np
import pytest

from rtfx.errors import ModelError, NotAModelFile, ShapeMismatch
from rtfx.model.read.binary import DTYPES, read_binary, safetensors


def file(header, body: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


def entry(dtype, shape, start, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


@pytest.mark.parametrize("name", DTYPES)
def test_every_type(name):
    values = np.array([[1, 2, 3], [4, 5, 6]], DTYPES[name])
    held, metadata = safetensors(file({"w": entry(name, [2, 3], 0, values.nbytes)}, values.tobytes()))
    assert metadata == {} and held["w"].dtype == np.float64
    assert np.array_equal(held["w"], values)


def test_brain_floats_are_the_upper_half_of_a_float32():
    values = np.array([1.0, -2.5, 3.140625, 0.0], np.float32)
    raw = (values.view(np.uint32) >> 16).astype("<u2").tobytes()
    held, _ = safetensors(file({"w": entry("BF16", [4], 0, 8)}, raw))
    assert np.array_equal(held["w"], values)


def test_tensors_lie_where_the_header_says_and_metadata_is_kept():
    body = np.arange(5, dtype="<f4").tobytes()
    header = {"__metadata__": {"rate": "48000"}, "b": entry("F32", [2], 12, 20), "a": entry("F32", [3, 1], 0, 12)}
    held, metadata = safetensors(file({**header, "scalar": entry("F32", [], 4, 8)}, body))
    assert held["a"].tolist() == [[0.0], [1.0], [2.0]] and held["b"].tolist() == [3.0, 4.0]
    assert held["scalar"] == 1.0 and metadata == {"rate": "48000"}
    assert safetensors(file({"__metadata__": [1]}))[1] == {}


@pytest.mark.parametrize(
    "content, error, words",
    [
        ((999).to_bytes(8, "little") + b"{}", NotAModelFile, "999 bytes long"),
        (file(b"{]"), NotAModelFile, "not JSON"),
        (file(b"[1]"), ModelError, "the header"),
        (file({"w": entry("F8_E4M3", [1], 0, 1)}, b"0"), NotAModelFile, "F8_E4M3"),
        (file({"w": entry(["F32"], [1], 0, 4)}, bytes(4)), NotAModelFile, "type"),
        (file({"w": entry("F32", [2], 0, 4)}, bytes(8)), ShapeMismatch, "does not fit"),
        (file({"w": entry("F32", [2], 4, 12)}, bytes(8)), ShapeMismatch, "does not fit"),
        (file({"w": entry("F32", [2, 2], 0, 8)}, bytes(8)), ShapeMismatch, "does not fit"),
        (file({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4, 8]}}, bytes(8)), ShapeMismatch, "fit"),
        (file({"w": entry("F32", [-1], 0, 4)}, bytes(4)), ModelError, r"w\.shape"),
        (file({"w": {"dtype": "F32", "shape": 3, "data_offsets": [0, 4]}}, bytes(4)), ModelError, r"w\.shape"),
    ],
)
def test_what_does_not_fit_is_refused(content, error, words):
    with pytest.raises(error, match=words):
        safetensors(content)


def test_what_is_none_of_these_formats_is_left_to_others(tmp_path):
    path = tmp_path / "amp.json"
    path.write_text('{"a": 1}')
    assert read_binary(path) is None
    with pytest.raises(NotAModelFile, match="cannot be read"):
        read_binary(tmp_path / "none")
