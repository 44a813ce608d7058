"""YAML with line numbers: the right lines, and bounds on what a file may cost."""

import pytest

from rtfx.errors import PresetError
from rtfx.rig.yaml_marks import MAX_BYTES, read_yaml


def write(folder, text):
    path = folder / "a.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_values_and_lines(tmp_path):
    root = read_yaml(write(tmp_path, "a: 1\n\nb:\n  - 2.5\n  - {c: yes,\n     d: null}\ne: 2024-01-02\n"))
    assert root.plain == {"a": 1, "b": [2.5, {"c": True, "d": None}], "e": "2024-01-02"}
    b = root.value["b"]
    assert (root.value["a"].line, b.line, b.value[0].line, b.value[1].line) == (1, 3, 4, 5)
    assert b.value[1].value["d"].line == 6
    assert read_yaml(write(tmp_path, "a: &x [1, 2]\nb: *x\n")).plain == {"a": [1, 2], "b": [1, 2]}


BILLION = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)
)
BAD = {
    "alias bomb": (BILLION, "a.yaml:", "too many aliases"),
    "alias of itself": ("a: &x [*x]\n", "a.yaml:1", "nested too deeply"),
    "deep": ("[" * 5000 + "]" * 5000, "a.yaml", "nested too deeply"),
    "deeper than allowed": ("a: " + "[" * 30 + "]" * 30, "a.yaml:1", "nested too deeply"),
    "duplicate key": ("a: 1\nb: 2\na: 3\n", "a.yaml:3", "duplicate key 'a', first on line 1"),
    "merge key": ("a: &x {b: 1}\nc:\n  <<: *x\n", "a.yaml:3", "merge keys"),
    "list as key": ("? [1]\n: 2\n", "a.yaml:1", "a key is a sequence"),
    "long key": ("? " + "k" * 5000 + "\n: 2\n", "a.yaml:1", "5000 characters, expected at most 200"),
    "empty": ("", "a.yaml", "is empty"),
    "only a comment": ("# nothing\n", "a.yaml", "is empty"),
    "not YAML": ("a: 1\nb: [1, 2\nc: 3\n", "a.yaml:3", "is not YAML"),
    "tab": ("a:\n\t- 1\n", "a.yaml:2", "spaces, not tabs"),
    "binary": (bytes(range(256)), "a.yaml: ", "is not text at byte 128: save it again as UTF-8"),
    "two documents": ("a: 1\n---\nb: 2\n", "a.yaml:2", "expected a single document in the stream, but found another"),
    "huge number": ("a: 1\nb: " + "9" * 5000, "a.yaml:2", "not a number"),
    "too large": ("#" * (MAX_BYTES + 1), "a.yaml", "larger than 1000000 bytes"),
    "html": ("<!DOCTYPE html>\n<html><body>Not: found</body></html>", "a.yaml", "is not YAML"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files(tmp_path, case):
    text, place, expected = BAD[case]
    path = write(tmp_path, text)
    with pytest.raises(PresetError) as caught:
        read_yaml(path)
    message = str(caught.value)
    assert message.startswith(str(tmp_path / place)) and expected in message
    assert "\n" not in message and len(message) < 400 + len(str(path))


def test_tags_make_no_objects(tmp_path):
    root = read_yaml(write(tmp_path, "a: !!python/object/apply:os.system ['false']\nb: !!python/name:os.system x\n"))
    assert root.plain == {"a": ["false"], "b": "x"}


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_unreadable(tmp_path, name):
    with pytest.raises(PresetError, match="expected a set list"):
        read_yaml(tmp_path / name)
