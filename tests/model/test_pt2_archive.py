"""Archives of torch.export: what is read from a whole one, and the reason why a changed one is refused."""

import json
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from rtfx.errors import MissingKey, NotAModelFile, ResourceLimit, ShapeMismatch, UnsupportedArchitecture
from rtfx.model.read import pt2_archive
from rtfx.model.read.pt2_archive import is_program, read_program

EXPORTS = Path(__file__).parent / "exports"
MODEL, WEIGHTS = "archive/models/model.json", "archive/data/weights/model_weights_config.json"


def members(name: str) -> dict[str, bytes]:
    with zipfile.ZipFile(EXPORTS / name) as archive:
        return {each: archive.read(each) for each in archive.namelist()}


def packed(held: dict[str, bytes]) -> BytesIO:
    result = BytesIO()
    with zipfile.ZipFile(result, "w") as archive:
        for name, content in held.items():
            archive.writestr(name, content)
    return result


def changed(held: dict[str, bytes], name: str, change) -> BytesIO:
    """The archive with a changed JSON member."""
    data = json.loads(held[name])
    change(data)
    return packed(held | {name: json.dumps(data).encode()})


def test_a_whole_archive_is_a_program():
    program = read_program(EXPORTS / "film.pt2")
    assert program.nodes and program.output in program.sizes and len(program.inputs) == 2
    assert program.tensors and all(tensor.dtype == np.float64 for tensor in program.tensors.values())
    assert all(program.sizes[name] == tensor.shape for name, tensor in program.tensors.items())
    assert program.time_axis is None
    with zipfile.ZipFile(EXPORTS / "film.pt2") as archive:
        assert is_program(archive)
    with zipfile.ZipFile(packed({"readme.txt": b"no program"})) as archive:
        assert not is_program(archive)


def test_the_axis_of_an_open_length_is_found():
    program = read_program(EXPORTS / "film-open.pt2")
    assert program.time_axis == len(program.sizes[program.inputs[0]]) - 1


def test_a_tensor_is_a_view_of_its_storage():
    """Strides and an offset, as of a transposed weight."""
    held = members("film.pt2")
    name, first = next((k, v) for k, v in json.loads(held[WEIGHTS])["config"].items() if len(_ints(v, "sizes")) == 2)
    sizes = _ints(first, "sizes")

    def transpose(data):
        meta = data["config"][name]["tensor_meta"]
        meta["strides"] = [{"as_int": 1}, {"as_int": sizes[0]}]

    before, after = (
        program.tensors for program in (read_program(packed(held)), read_program(changed(held, WEIGHTS, transpose)))
    )
    key = next(key for key in before if not np.array_equal(before[key], after[key]))
    assert np.array_equal(after[key], before[key].reshape(sizes[::-1]).T)


def _ints(entry, field):
    return [each["as_int"] for each in entry["tensor_meta"][field]]


def too_long(data):
    entry = next(iter(data["config"].values()))
    entry["tensor_meta"]["storage_offset"] = {"as_int": 1 << 40}


def odd_type(data):
    next(iter(data["config"].values()))["tensor_meta"]["dtype"] = 99


@pytest.mark.parametrize(
    "change, error, words",
    [
        (lambda held: changed(held, MODEL, lambda data: data["schema_version"].update(major=9)),
         UnsupportedArchitecture, "schema_version is 9, expected 8"),
        (lambda held: packed(held | {"archive/models/other.json": b"{}"}), NotAModelFile, "2 programs, not 1"),
        (lambda held: packed({"serialized_exported_program.json": b"{}"}), NotAModelFile, "of an older PyTorch"),
        (lambda held: packed(held | {MODEL: b"{"}), NotAModelFile, "model.json is not JSON"),
        (lambda held: packed({name: data for name, data in held.items() if not name.endswith("weight_0")}),
         MissingKey, "no member .*weight_0"),
        (lambda held: changed(held, WEIGHTS, lambda data: data["config"].popitem()), MissingKey, "has no tensor"),
        (lambda held: changed(held, WEIGHTS, too_long), ShapeMismatch, "the archive .* numbers for it"),
        (lambda held: changed(held, WEIGHTS, odd_type), UnsupportedArchitecture, "is of type 99, expected float32"),
        (lambda held: BytesIO(packed(held).getvalue()[:-30]), NotAModelFile, "cannot be read .*export it again"),
    ],
    ids=["version", "two", "older", "no JSON", "member", "tensor", "sizes", "type", "cut short"],
)  # fmt: skip
def test_what_is_wrong_is_said(change, error, words):
    with pytest.raises(error, match=words):
        read_program(change(members("film.pt2")))


def test_an_archive_that_unpacks_to_more_than_a_model_is_refused(monkeypatch):
    monkeypatch.setattr(pt2_archive, "FILE_BYTES", 5000)
    with pytest.raises(ResourceLimit, match="unpacks to more than 5000 bytes"):
        read_program(EXPORTS / "film.pt2")
