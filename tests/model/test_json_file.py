"""JSON files read strictly, and other files recognised by their first bytes or keys."""

import json

import pytest

from rtfx.errors import NotAModelFile, ResourceLimit
from rtfx.model.read.json_file import STARTS, configuration, parse, read_json, what_is
from rtfx.model.values import FILE_BYTES


@pytest.mark.parametrize("place, marker, what", STARTS, ids=[f"{place}-{marker!r}" for place, marker, _ in STARTS])
def test_files_are_told_by_their_first_bytes(place, marker, what, tmp_path):
    content = b"\1" * place + marker + b"\2\3"
    assert what_is(content) == what
    (tmp_path / "amp.json").write_bytes(content)
    with pytest.raises(NotAModelFile) as raised:
        parse(tmp_path / "amp.json")
    assert what in str(raised.value)


def test_space_before_a_mark_does_not_hide_it_and_json_has_none():
    assert "HTML" in what_is(b"\n\n <!DOCTYPE html>")
    assert what_is(b'{"layers": []}') is what_is(b"") is what_is(b"[1]") is None
    assert "Git LFS" in what_is(b"version https://git-lfs.github.com/spec/v1\n")
    assert "set list" in what_is(b"version: 1\npresets:\n")


@pytest.mark.parametrize(
    "content, error, words",
    [
        ("", NotAModelFile, "is empty"),
        (" \n", NotAModelFile, "is empty"),
        ('{"a": 1', NotAModelFile, "not JSON"),
        ("[1, 2]", NotAModelFile, "expected a JSON object"),
        ('{"a": 1, "b": {"c": 1, "c": 2}}', NotAModelFile, "'c' appears twice"),
        ('{"a": ' * 100000 + "1" + "}" * 100000, ResourceLimit, "nested too deeply"),
    ],
    ids=["nothing", "space", "cut short", "a list", "a key twice", "deep"],
)
def test_what_is_no_object_is_refused(content, error, words, tmp_path):
    (tmp_path / "amp.json").write_text(content)
    with pytest.raises(error, match=words):
        parse(tmp_path / "amp.json")


def test_what_is_no_file_is_refused(tmp_path):
    with pytest.raises(NotAModelFile, match=r"config\.json"):
        parse(tmp_path)
    with pytest.raises(NotAModelFile, match="cannot be read: No such file"):
        parse(tmp_path / "none.json")


@pytest.mark.parametrize("reader", [parse, read_json])
def test_the_size_is_bounded(reader, tmp_path):
    path = tmp_path / "amp.json"
    with open(path, "wb") as file:
        file.write(b"{}")
        file.truncate(FILE_BYTES + 1)
    with pytest.raises(ResourceLimit, match=str(FILE_BYTES + 1)):
        reader(path)


def test_a_file_beside_the_models_is_named(tmp_path):
    beside = tmp_path / "amp.arch.json"
    beside.write_text('{"kind": "amp"}')
    assert read_json(beside) == {"kind": "amp"}
    for content in ("{", '"' * 3):
        beside.write_text(content)
        with pytest.raises(NotAModelFile, match=r"amp\.arch\.json cannot be read"):
            read_json(beside)
    beside.unlink()
    with pytest.raises(NotAModelFile, match=r"amp\.arch\.json cannot be read"):
        read_json(beside)


@pytest.mark.parametrize(
    "data, whose",
    [
        ({"net": {}, "optimizer": {}}, "Neural Amp Modeler"),
        ({"train": {}, "validation": {}, "common": {}}, "Neural Amp Modeler"),
        ({"unit_type": "LSTM", "hidden_size": 16, "epochs": 9}, "Automated-GuitarAmpModelling"),
        ({"learning_rate": 1e-3}, "a trainer"),
    ],
)
def test_a_training_configuration_is_no_model(data, whose):
    assert f"of {whose}," in configuration(json.loads(json.dumps(data)))


def test_half_the_keys_tell_nothing():
    assert configuration({"net": 1}) is configuration({"unit_type": "LSTM"}) is configuration({}) is None
